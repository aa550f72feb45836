"""Folders of domains: the one that ships, and those that other packages bring as entry points.

An entry point of the group ``harness.domains`` is a path, or a function that returns one: of a folder of lm-eval tasks.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from harness.plugins import PluginFault, Registry

logger = logging.getLogger(__name__)

GROUP = "harness.domains"
BUILTIN = {"shipped": "harness.locate:tasks_folder"}


def _as_folder(loaded: object, name: str) -> Path:
    given = loaded() if callable(loaded) else loaded
    if not isinstance(given, str | os.PathLike):
        raise TypeError(f"it is {type(given).__name__}, not a path or a function that returns one")
    path = Path(given)
    if not path.is_absolute() or not path.is_dir():
        raise FileNotFoundError(f"{path} is no folder (the path must be absolute)")
    if next(path.rglob("*.yaml"), None) is None:
        raise FileNotFoundError(f"{path} holds no task (no .yaml file)")
    return path


DOMAINS = Registry("domain", GROUP, BUILTIN, _as_folder)


def plugin_folders() -> dict[str, Path]:
    """Folders of tasks that other packages bring, by the name of the entry point; a broken one is a warning."""
    found: dict[str, Path] = {}
    for points in DOMAINS.candidates().values():
        for number, point in enumerate(points):
            if BUILTIN.get(point.name) == point.value:
                continue
            try:
                found[point.name if not number else f"{point.name} ({number + 1})"] = DOMAINS.load_point(point)
            except PluginFault as fault:
                logger.warning("%s", fault)
    return found
