"""What the rules of single gates share: which answers count, the verdict of an interval, the answers that are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.exceptions import InputError, did_you_mean
from harness.regression.answers import Answer, AnswerSet
from harness.regression.declare import Declared, Gate
from harness.regression.intervals import Interval
from harness.regression.limits import Limit
from harness.regression.results import SHOWN, Broken, GateResult, State


@dataclass(frozen=True)
class Case:
    """What the gates are judged on.

    Attributes:
        baseline: ``None`` where there is none that can be compared with.
        why_not: why; empty where there is one.
        allowed: items that may fail today, as known failures.
    """

    declared: Declared
    now: AnswerSet
    baseline: AnswerSet | None
    why_not: str
    allowed: frozenset[str]


def finish(gate: Gate, state: State, message: str, **figures: Any) -> GateResult:
    """The result of ``state``: what follows from it, and the sentence that says so."""
    passed = state == "pass" or (state == "uncertain" and gate.on_uncertain == "pass")
    if state == "uncertain":
        message += (
            f"; too close to call, counts as {'passed' if passed else 'failed'} (on_uncertain: {gate.on_uncertain})"
        )
    return GateResult(gate.name, gate.kind, state, passed, message, **figures)


def unknown(gate: Gate, message: str, **figures: Any) -> GateResult:
    """A gate that cannot be judged."""
    return finish(gate, "unknown", message, **figures)


def place(gate: Gate) -> str:
    """Where the gate stands, for an error: file and line, and its name."""
    return f"{gate.where}: '{gate.name}'" if gate.where else f"gate '{gate.name}'"


def chosen(gate: Gate, answers: Sequence[Answer], source: str) -> list[Answer]:
    """The answers of the gate's task and skill.

    Raises:
        InputError: there are none; names the nearest task or skill.
    """
    found = list(answers)
    for what in ("task", "skill"):
        wanted = getattr(gate, what)
        if wanted and found:
            there = {getattr(answer, what) for answer in found}
            if wanted not in there:
                raise InputError(
                    f"{place(gate)}: {source} has no answer of {what} '{wanted}'.{did_you_mean(wanted, there)}"
                )
            found = [answer for answer in found if getattr(answer, what) == wanted]
    return found


def verdict(limit: Limit, interval: Interval) -> State:
    """Pass where the whole interval keeps to the limit, fail where none of it does, else uncertain."""
    worst, best = (interval.low, interval.high) if limit.at_least else (interval.high, interval.low)
    if limit.holds(worst):
        return "pass"
    return "uncertain" if limit.holds(best) else "fail"


def clusters(answers: Iterable[Answer]) -> list[str]:
    """Cluster of each answer, of different tasks told apart."""
    return [answer.outcome.cluster or answer.item for answer in answers]


def broken(
    bad: Iterable[Answer],
    baseline: AnswerSet | None,
    was_bad: Callable[[Answer], bool],
    badness: Callable[[Answer], float] = lambda answer: 0.0,
) -> tuple[Broken, ...]:
    """The worst of the answers that are ``bad`` now, at most `SHOWN`: first what the baseline had right.

    Args:
        was_bad: whether an answer of the baseline was bad already.
        badness: more is shown first; ties go by task, skill and item.
    """
    before = baseline.by_item if baseline else {}

    def order(answer: Answer) -> tuple[bool, float, str, str, str]:
        old = before.get(answer.item)
        return old is None or was_bad(old), -badness(answer), answer.task, answer.skill, answer.item

    return tuple(
        Broken(
            item=answer.item,
            task=answer.task,
            skill=answer.skill,
            prompt=answer.prompt,
            target=answer.target,
            before=(before[answer.item].response or None) if answer.item in before else None,
            after=answer.response,
            category=answer.primary or "",
        )
        for answer in sorted(bad, key=order)[:SHOWN]
    )


def percent(share: float) -> str:
    """``71.2%``; more digits where one is not enough to show what it is."""
    shown = 100 * share
    return f"{shown:.1f}%" if round(shown, 1) not in (0.0, 100.0) or share in (0.0, 1.0) else f"{shown:.3g}%"


def items(count: int) -> str:
    """``1 item``, ``2 items``."""
    return "1 item" if count == 1 else f"{count} items"
