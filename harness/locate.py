"""Where things lie: the folders that users read and copy (tasks, trainers, reports), and the record of a machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from harness.exceptions import EnvironmentFault

Folder = Literal["tasks", "trainers", "reports"]
STATE_VARIABLE = "HARNESS_STATE"
RUNS = "runs"
"""Where runs and what gates said are kept, beside ``harness.yaml``."""


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


def tasks_folder() -> Path:
    """The folder of the domains that ship."""
    return data_folder("tasks")


def state_folder(named: str = "") -> Path:
    """Where records are kept: ``$HARNESS_STATE``, else ``named``, else the user's data directory.

    Args:
        named: ``state`` of the settings.
    """
    folder = os.environ.get(STATE_VARIABLE, "").strip() or named
    if folder:
        return Path(folder).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("lm-eval-ratchet", appauthor=False)) / "state"
