"""What a gate says. Pure data: no files, clock, model or torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["pass", "fail", "uncertain", "unknown"]
Kind = Literal["metric", "no_regression", "category", "must_pass", "guard", "latency", "length"]
KINDS: tuple[Kind, ...] = ("metric", "no_regression", "category", "must_pass", "guard", "latency", "length")
SHOWN = 5
"""Answers that a failure shows."""


@dataclass(frozen=True)
class Broken:
    """An answer that a failing gate shows: right in the baseline and wrong now, or simply wrong.

    Attributes:
        before: the response in the baseline; ``None`` where there is none or it was not kept.
        category: the primary error category now; empty where there is none.
    """

    item: str
    task: str
    skill: str
    prompt: str
    target: str
    before: str | None
    after: str
    category: str = ""


@dataclass(frozen=True)
class GateResult:
    """One gate's verdict.

    Attributes:
        name: as declared, unique among the gates of a run, e.g. ``metric acc >= 0.8`` or ``no_regression routing``.
        state: what the numbers say; ``unknown`` where they cannot be had (nothing was assessed, no baseline).
        passed: what follows: ``uncertain`` passes or fails as ``on_uncertain`` says, ``unknown`` never passes.
        message: one sentence with the numbers; where it failed for another reason than the model, what to do.
        value, low, high: figure and its interval; ``None`` where there is none.
        threshold: what it was held against.
        unit: of the four above: ``share`` (0 to 1), ``difference`` (-1 to 1), ``s``, ``tokens`` or ``items``.
        n: items it was judged on.
        broken: the worst new failures, at most `SHOWN`, in a stable order.
        notes: what else should be known, one line each: unused or expired known failures, what was left out.
    """

    name: str
    kind: Kind
    state: State
    passed: bool
    message: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    unit: str = ""
    n: int = 0
    broken: tuple[Broken, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """A plain object for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> GateResult:
        """Read back what `as_dict` gave."""
        broken = tuple(Broken(**each) for each in raw.get("broken", ()))
        return cls(**{**raw, "broken": broken, "notes": tuple(raw.get("notes", ()))})


def exit_code(results: Sequence[GateResult]) -> int:
    """0 where all passed, else 1."""
    return 0 if all(result.passed for result in results) else 1
