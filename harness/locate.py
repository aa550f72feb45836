"""Where the folders that users read and copy (tasks, trainers, reports) lie."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from harness.exceptions import EnvironmentFault

Folder = Literal["tasks", "trainers", "reports"]


def data_folder(name: Folder) -> Path:
    """Return the folder ``name``: the packaged copy, else the one beside ``pyproject.toml``.

    An editable install has no packaged copy (``importlib.resources`` alone would fail there).

    Raises:
        EnvironmentFault: neither place exists.
    """
    package = Path(__file__).resolve().parent
    packaged = package / "data" / name
    if packaged.is_dir():
        return packaged
    sibling = package.parent / name
    if sibling.is_dir() and (package.parent / "pyproject.toml").is_file():
        return sibling
    raise EnvironmentFault(f"folder '{name}' is neither at {packaged} nor at {sibling}; reinstall the package")
