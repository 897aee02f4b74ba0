"""Checks on the code as a whole: what an import costs, which way imports run, what is banned."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("stkit_datasets", "stkit_bench")


def package_modules() -> list[Path]:
    return sorted(path for name in PACKAGES for path in (REPOSITORY / name).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


# --- what importing costs --------------------------------------------------------------------


def modules_loaded_by(module: str) -> set[str]:
    """Name what ``import module`` adds to ``sys.modules`` in a fresh interpreter."""
    code = (
        "import sys; before = set(sys.modules)\n"
        f"import {module}\n"
        "print('\\n'.join(set(sys.modules) - before))"
    )
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())


def test_importing_the_bench_loads_no_heavy_library() -> None:
    top_level = {name.partition(".")[0] for name in modules_loaded_by("stkit_bench")}
    heavy = {"torch", "transformers", "datasets", "evaluate", "pandas", "pyarrow", "av", "PIL"}
    assert top_level & heavy == set()


def test_importing_the_datasets_loads_no_model_library() -> None:
    top_level = {name.partition(".")[0] for name in modules_loaded_by("stkit_datasets")}
    assert top_level & {"torch", "transformers", "evaluate", "av"} == set()


PURE_MODULES = (
    "stkit_bench.scoring",
    "stkit_bench.reading",
    "stkit_datasets.kinematics",
    "stkit_datasets.geometry",
    "stkit_datasets.resample",
    "stkit_datasets.units",
    "stkit_datasets.velocity",
)


@pytest.mark.parametrize("module", PURE_MODULES)
def test_pure_modules_load_nothing_but_numpy(module: str) -> None:
    top_level = {name.partition(".")[0] for name in modules_loaded_by(module)}
    foreign = top_level - set(sys.stdlib_module_names) - {"numpy", *PACKAGES}
    assert foreign == set()


# --- which way the imports run ---------------------------------------------------------------

FORBIDDEN_IMPORTS = (
    # (a module or package, what it must never import)
    ("stkit_datasets", ("stkit_bench", "trainers")),
    ("stkit_bench", ("trainers",)),
    ("stkit_datasets/sources", ("stkit_datasets.tasks", "stkit_datasets.wording")),
    ("stkit_datasets/sources", ("stkit_datasets.stkit", "stkit_datasets.cli")),
    ("stkit_datasets/tasks", ("stkit_datasets.sources", "stkit_datasets.video")),
    ("stkit_datasets/tasks", ("stkit_datasets.stkit", "stkit_datasets.cli")),
    ("stkit_datasets/video", ("stkit_datasets.tasks", "stkit_datasets.wording")),
    ("stkit_datasets/video", ("stkit_datasets.stkit", "stkit_datasets.cli")),
    ("stkit_bench/scoring.py", ("evaluate", "datasets", "pandas", "pyarrow")),
)
PURE_ROOMS = (
    *("kinematics.py", "velocity.py", "geometry.py", "units.py", "clip.py", "seeding.py"),
    *("config.py", "errors.py"),
)
IO_ROOMS = (
    *("sources", "simulation", "video", "observation", "tasks", "wording", "schema", "rows"),
    *("units_of_work", "stkit", "build", "explain", "cli"),
)


def imported_names(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import, wherever in the module it stands.

    ``package`` is the dotted package that relative imports start from.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base]).rstrip(".")
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import numpy as np, os.path", ["numpy", "os.path"]),
        ("from stkit_datasets import clip", ["stkit_datasets.clip"]),
        ("def f():\n    from ..tasks import names", ["stkit_datasets.tasks.names"]),
        ("from . import base", ["stkit_datasets.sources.base"]),
    ],
)
def test_imports_are_found(source: str, expected: list[str]) -> None:
    found = imported_names(source, "stkit_datasets.sources")
    assert [name for _, name in found] == expected


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


@pytest.mark.parametrize(
    ("room", "never"),
    [
        *FORBIDDEN_IMPORTS,
        *(
            (f"stkit_datasets/{pure}", tuple(f"stkit_datasets.{name}" for name in IO_ROOMS))
            for pure in PURE_ROOMS
        ),
    ],
)
def test_imports_run_one_way(room: str, never: tuple[str, ...]) -> None:
    place = REPOSITORY / room
    modules = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    wrong = [
        f"{relative(module)}:{line} imports {name}"
        for module in modules
        for line, name in imported_names(
            module.read_text(encoding="utf-8"),
            ".".join(module.relative_to(REPOSITORY).parent.parts),
        )
        if any(within(name, forbidden) for forbidden in never)
    ]
    assert wrong == []


# --- what code may not do --------------------------------------------------------------------


def dangers(source: str) -> list[str]:
    """Name each bare except, evaluated string and unpickling in a module's source."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append(f"line {node.lineno}: bare except")
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in {"eval", "exec", "os.system", "print"}:
            found.append(f"line {node.lineno}: {name}()")
        if name in {"pickle.load", "pickle.loads", "pickle.Unpickler", "yaml.load"}:
            found.append(f"line {node.lineno}: {name}()")
        for keyword in node.keywords:
            is_true = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
            if keyword.arg in {"shell", "allow_pickle", "trust_remote_code"} and is_true:
                found.append(f"line {node.lineno}: {keyword.arg}=True")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    pass\nexcept:\n    pass",
        "eval('1')",
        "import pickle\npickle.load(f)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run('ls', shell=True)",
        "print('hello')",
    ],
)
def test_dangers_are_found(source: str) -> None:
    assert len(dangers(source)) == 1


def test_no_module_holds_a_danger() -> None:
    found = {
        relative(path): dangers(path.read_text(encoding="utf-8")) for path in package_modules()
    }
    assert {name: hits for name, hits in found.items() if hits} == {}
