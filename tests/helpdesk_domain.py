"""The helpdesk domain as its tests see it: its modules, loaded as lm-eval loads them, and its items."""

from __future__ import annotations

import importlib.util
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.locate import data_folder

DOMAIN = data_folder("tasks") / "helpdesk"
SKILLS = (
    "extraction", "routing", "grounded", "scope", "tools", "rewrite", "reply", "arithmetic", "paraphrase", "dialogue",
)  # fmt: skip
SPLITS = ("train", "validation", "test")
COUNTS = {"train": 400, "validation": 60, "test": 60}  # a skill

Doc = dict[str, Any]


def module(path: Path, name: str) -> ModuleType:
    """A module by its path, as lm-eval loads ``utils.py``."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@cache
def domain_utils() -> ModuleType:
    """``utils.py`` of the domain."""
    return module(DOMAIN / "utils.py", "helpdesk_utils")


@cache
def domain_docs() -> dict[tuple[str, str], list[Doc]]:
    """Every document as lm-eval gets it, by skill and split."""
    return {(skill, split): list(data) for skill in SKILLS for split, data in domain_utils().load(skill).items()}


def all_docs() -> list[Doc]:
    """Every document of the domain."""
    return [doc for part in domain_docs().values() for doc in part]


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return re.findall(r"\w+", text.casefold())


def runs(text: str, length: int) -> set[str]:
    """Every run of so many words of a text."""
    found = words(text)
    return {" ".join(found[start : start + length]) for start in range(len(found) - length + 1)}
