"""Checks on the tree itself: its files, what a wheel holds, the lock, the documents."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import stkit_bench
from stkit_datasets._version import __version__ as stkit_version

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("stkit_datasets", "stkit_bench")
MAX_FILE_BYTES = 1_000_000
MACHINE_PATH = re.compile(r"(?<![\w.:/~-])/(?:home|root|Users|work|workspace|mnt|opt)/[\w.-]+")
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def repository_files() -> list[Path]:
    """List the tracked files and those that the next commit could add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    paths = (REPOSITORY / name for name in listed.stdout.split("\0") if name)
    return sorted(path for path in paths if path.is_file())


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


# --- files -----------------------------------------------------------------------------------


def machine_paths(text: str) -> list[str]:
    return MACHINE_PATH.findall(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see " + "/ho" + "me/someone/data", 1),
        ("open('/ro" + "ot/x.json')", 1),
        ("https://example.org/ho" + "me/page", 0),
        ("docs/wo" + "rk/notes.md", 0),
        ("/path/to/python", 0),
    ],
)
def test_machine_paths_are_told_from_links(text: str, expected: int) -> None:
    assert len(machine_paths(text)) == expected


def test_no_file_names_a_path_of_one_machine() -> None:
    found = {}
    for path in repository_files():
        try:
            hits = machine_paths(read(path))
        except UnicodeDecodeError:
            continue
        if hits:
            found[relative(path)] = hits
    assert found == {}


def test_no_file_is_too_large_for_a_repository() -> None:
    sizes = {relative(path): path.stat().st_size for path in repository_files()}
    assert {name: size for name, size in sizes.items() if size > MAX_FILE_BYTES} == {}


# --- what is installed -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def package_files() -> set[str]:
    names = {relative(path) for path in repository_files()}
    return {name for name in names if name.startswith(tuple(f"{p}/" for p in PACKAGES))}


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", out]
    built = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_a_wheel_puts_only_our_names_on_the_path(wheel_names: list[str]) -> None:
    top_level = {name.partition("/")[0] for name in wheel_names}
    version = PYPROJECT["project"]["version"]
    assert top_level == {*PACKAGES, f"stkit-{version}.dist-info"}


def test_a_wheel_holds_every_module_and_every_data_file(
    package_files: set[str], wheel_names: list[str]
) -> None:
    assert package_files - set(wheel_names) == set()
    data = {Path(name).suffix for name in wheel_names} - {".py"}
    assert {".json", ".typed"} <= data


def test_a_wheel_holds_the_cards_that_commands_fill_in(wheel_names: list[str]) -> None:
    assert "stkit_datasets/cards/dataset_card.md" in wheel_names


def requirements(lines: list[str]) -> list[Requirement]:
    parsed = [Requirement(line) for line in lines]
    return [requirement for requirement in parsed if requirement.name != "stkit"]


def pins() -> dict[str, str]:
    lines = read(REPOSITORY / "constraints.txt").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    split = [re.fullmatch(r"([\w.-]+)==([\w.!]+)", line) for line in pinned]
    broken = [line for line, match in zip(pinned, split, strict=True) if match is None]
    assert broken == [], "constraints.txt holds `name==version` lines only"
    return {canonicalize_name(match[1]): match[2] for match in split if match}


def test_the_lock_satisfies_every_requirement() -> None:
    project = PYPROJECT["project"]
    extras = chain.from_iterable(project["optional-dependencies"].values())
    declared = requirements([*project["dependencies"], *extras])
    locked = pins()
    wrong = [
        str(requirement)
        for requirement in declared
        if not requirement.specifier.contains(
            locked.get(canonicalize_name(requirement.name), "0"), prereleases=True
        )
        or canonicalize_name(requirement.name) not in locked
    ]
    assert wrong == []


def test_the_base_install_is_light() -> None:
    base = {requirement.name for requirement in requirements(PYPROJECT["project"]["dependencies"])}
    assert base & {"torch", "transformers", "av", "evaluate", "openai", "trl"} == set()


# --- documents -------------------------------------------------------------------------------

DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
FENCED = re.compile(r"^```.*?^```", flags=re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> set[str]:
    """The fragment of every heading, as the usual Markdown viewers make it."""
    headings = re.findall(r"^#+ +(.+)$", FENCED.sub("", read(document)), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
            for heading in headings}  # fmt: skip


def broken_links(document: Path) -> list[str]:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", read(document))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        place = document.parent / name if name else document
        if not place.exists() or (fragment and fragment not in anchors(place)):
            broken.append(target)
    return broken


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Two words\n")
    page = tmp_path / "page.md"
    page.write_text("[a](other.md) [b](other.md#two-words) [c](none.md) [d](other.md#three)\n")
    assert broken_links(page) == ["none.md", "other.md#three"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(document: Path) -> None:
    assert broken_links(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_documents_name_make_targets_that_exist(document: Path) -> None:
    makefile = read(REPOSITORY / "Makefile")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)\b", read(document), flags=re.MULTILINE))
    assert named - targets == set()


def test_the_map_names_every_room() -> None:
    page = read(REPOSITORY / "docs" / "architecture.md")
    rooms = {
        f"{path.name}/" if path.is_dir() else path.name
        for package in PACKAGES
        for path in (REPOSITORY / package).iterdir()
        if not path.name.startswith("__") and (path.is_dir() or path.suffix == ".py")
    }
    assert {room for room in rooms if f"`{room}`" not in page} == {"_version.py"}


COMMAND = re.compile(r"(?:^|`)(stkit|stkit-bench) ([a-z]+(?:-[a-z]+)*)\b", flags=re.MULTILINE)


def help_of(program: str, command: str) -> str:
    module, _, function = PYPROJECT["project"]["scripts"][program].partition(":")
    code = f"import sys; from {module} import {function}; sys.exit({function}())"
    asked = [sys.executable, "-c", code, command, "--help"]
    ran = subprocess.run(asked, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return ran.stdout if ran.returncode == 0 else f"no help: {ran.stderr}"


def test_documents_name_commands_that_exist() -> None:
    named = {found for path in DOCUMENTS for found in COMMAND.findall(read(path))}
    assert named >= {("stkit", "build"), ("stkit", "explain"), ("stkit-bench", "score")}
    helps = {found: help_of(*found) for found in sorted(named)}
    unknown = {found: said for found, said in helps.items() if not said.startswith("usage:")}
    assert {found: said[-500:] for found, said in unknown.items()} == {}


def test_the_examples_of_the_readme_hold() -> None:
    readme = read(REPOSITORY / "README.md")
    examples = doctest.DocTestParser().get_doctest(
        re.sub(r"^```.*$", "", readme, flags=re.MULTILINE),
        {"stkit_bench": stkit_bench},
        "README.md",
        "README.md",
        0,
    )
    assert examples.examples
    report: list[str] = []
    failed, _ = doctest.DocTestRunner(verbose=False).run(examples, out=report.append)
    assert failed == 0, "".join(report)


def test_the_changelog_tells_of_this_version() -> None:
    version = re.escape(PYPROJECT["project"]["version"])
    changelog = read(REPOSITORY / "CHANGELOG.md")
    assert re.search(rf"^## {version}\b", changelog, flags=re.MULTILINE)


def test_rows_are_stamped_with_this_version() -> None:
    assert stkit_version == PYPROJECT["project"]["version"]


def test_the_automatic_check_is_the_command_of_the_readme() -> None:
    script = read(REPOSITORY / ".ci" / "run")
    commands = [line for line in script.splitlines() if re.search(r"\bmake\b", line)]
    assert [line.split()[-1] for line in commands] == ["test"]
    assert "make test" in read(REPOSITORY / "README.md")
