"""Who is told how a run goes: the terminal, a test, nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Listener(Protocol):
    """Told of progress; must not fail and must not change anything.

    Example::

        class Printer(Silent):
            def notice(self, text):
                print(text)
    """

    def phase(self, round: int, rounds: int, name: str) -> None:
        """A phase begins: round 0 is the baseline, ``rounds`` how many were asked for."""
        ...

    def step(self, done: int, total: int, text: str = "") -> None:
        """``done`` of ``total`` units of the phase are finished."""
        ...

    def recorded(self, entry: Mapping[str, Any], champion: float) -> None:
        """A round was recorded: its ledger data, and the champion's dev score."""
        ...

    def notice(self, text: str) -> None:
        """Something the user should know, in one line."""
        ...


class Silent:
    """Tells nobody."""

    def phase(self, round: int, rounds: int, name: str) -> None:
        """Say nothing."""

    def step(self, done: int, total: int, text: str = "") -> None:
        """Say nothing."""

    def recorded(self, entry: Mapping[str, Any], champion: float) -> None:
        """Say nothing."""

    def notice(self, text: str) -> None:
        """Say nothing."""
