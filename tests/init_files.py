"""Files that a user might come with, small and made up, and the command that turns them into a domain."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.cli.main import main

TOPICS = {
    "refund": "I want my money back for order {n}, it never worked",
    "delivery": "parcel {n} should have come days ago and is not here",
    "repair": "the handle of machine {n} broke off, can you mend it",
}
REGISTERED = any(
    point.value == "harness.pytest_plugin" for point in importlib.metadata.entry_points(group="pytest11")
)  # not where the tree is on the path without being installed
PYTEST = ("-m", "pytest", "-p", "no:cacheprovider", *(() if REGISTERED else ("-p", "harness.pytest_plugin")))
"""What stands behind ``python`` where a user types ``pytest``."""


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def mails(count: int = 60, start: int = 0) -> list[dict[str, str]]:
    """Messages with one of three labels, each as often."""
    names = list(TOPICS)
    return [
        {"text": TOPICS[names[n % 3]].format(n=7919 * (n + 1)), "label": names[n % 3]}
        for n in range(start, start + count)
    ]


def harness(*arguments: str | Path) -> int:
    """The command line in this process; its exit code."""
    return main([str(argument) for argument in arguments])
