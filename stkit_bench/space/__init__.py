"""The folder of a Hugging Face Space, for ``evaluate.load("org/stkit_bench")``.

A Space is read by two: ``evaluate`` takes ``stkit_bench.py`` and runs it where the user is, who has
the package installed; the Space itself runs ``app.py`` and takes the package as ``install`` says.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from string import Template

from stkit_bench.registration import MODULE_NAME, module_path
from stkit_datasets.atomic import write_text
from stkit_datasets.errors import ConfigError

__all__ = ["BUNDLED", "PACKAGES", "write_space"]

#: Where a Space without ``install`` keeps the packages; ``app.py`` looks there.
BUNDLED = "package"
PACKAGES = ("stkit_bench", "stkit_datasets")

_HERE = Path(__file__).resolve().parent
_NOT_CODE = shutil.ignore_patterns("__pycache__", "*.pyc", "space", "harness")
_FROM_CLONE = 'from a clone of its repository: `pip install ".[eval]"`'


def write_space(out: Path, install: str | None = None) -> list[Path]:
    """Write the Space's files and return them.

    Args:
        out: the folder; its files of the same names are replaced, others stay.
        install: what pip installs as the package, such as ``stkit[eval] @ git+https://…``. None
            puts a copy of the installed package beside the app, so that nothing need be published.

    Raises:
        ConfigError: ``out`` is a file, or the package's own folder.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: must be a folder")
    if out.resolve() in _HERE.parents or out.resolve() == _HERE:
        raise ConfigError(f"{out}: holds the package itself; choose another folder")
    told = _FROM_CLONE if install is None else f'`pip install "{install}"`'
    card = Template((_HERE / "README.md").read_text(encoding="utf-8")).substitute(install=told)
    needs = (_HERE / "requirements.txt").read_text(encoding="utf-8")
    write_text(out / "README.md", card)
    write_text(out / "requirements.txt", needs if install is None else f"{install}\n")
    write_text(out / "app.py", (_HERE / "app.py").read_text(encoding="utf-8"))
    script = Path(module_path())
    write_text(out / f"{MODULE_NAME}.py", script.read_text(encoding="utf-8"))
    shutil.rmtree(out / BUNDLED, ignore_errors=True)
    if install is None:
        for name in PACKAGES:
            source = _HERE.parents[1] / name
            shutil.copytree(source, out / BUNDLED / name, ignore=_NOT_CODE)
    return sorted(path for path in out.rglob("*") if path.is_file())
