"""The errors a user can meet. Each carries the exit code that the command line ends with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class HarnessError(Exception):
    """A failure that the user can understand: one line that says what, where and what to do."""

    exit_code = 1


class InputError(HarnessError):
    """Bad usage or bad input: configuration, data, a task file, a run directory (exit 2)."""

    exit_code = 2


class EnvironmentFault(HarnessError):
    """The surroundings failed: memory, disk, network, a missing model (exit 3)."""

    exit_code = 3


def at(path: str | Path, line: int | None = None) -> str:
    """``path:line``, the form in which every message names a place."""
    return f"{path}:{line}" if line is not None else str(path)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for the nearest of ``known``, else the list of them, else nothing."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean '{close[0]}'?"
    return f" Known: {', '.join(names)}." if names else ""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` is Python's, a device's or torch's CPU allocator's way to say that memory ran out.

    By name and text: importing torch only to ask would slow every command down.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    signs = (
        "out of memory",
        "can't allocate memory",
        "cannot allocate memory",
        "not enough memory",
        "DefaultCPUAllocator",
    )
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)
