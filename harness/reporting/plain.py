"""Hostile text for a terminal, a log and an XML attribute: visible, bounded, and no command to a CI runner."""

from __future__ import annotations

import re

from harness.reporting.escape import shorten, visible

_COMMAND = re.compile(r"(?m)^(\s*):(?=:)|#(?=#(?:\[|vso\[|teamcity\[))")


def harmless(text: str) -> str:
    """``::error::`` at the start of a line, ``##[error]`` and ``##vso[`` anywhere lose the form that runners act on."""
    return _COMMAND.sub(lambda found: f"{found[1]}: " if found[1] is not None else "# ", text)


def safe_line(text: str, limit: int = 1_000) -> str:
    """``text`` on one line of at most ``limit`` characters of it, visible, and no command at its start."""
    return harmless(re.sub(r"\s*\n\s*", " ⏎ ", visible(shorten(text.strip(), limit))).replace("\t", " "))


def safe_block(text: str, limit: int) -> str:
    """The first ``limit`` characters of ``text``, visible, its lines kept, none of them a command."""
    return harmless(visible(shorten(text, limit)))
