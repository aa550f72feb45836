"""Gates judged on answers. Pure: no files, clock, model or torch."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from harness.exceptions import InputError
from harness.gate.pairing import RIGHT
from harness.regression.against import NO_BASELINE, judge_must_pass, judge_regression
from harness.regression.answers import AnswerSet
from harness.regression.declare import Declared, Gate
from harness.regression.judging import Case
from harness.regression.matching import comparable, noted
from harness.regression.results import GateResult, Kind
from harness.regression.thresholds import judge_category, judge_latency, judge_length, judge_metric

_RULES: Mapping[Kind, Callable[[Gate, Case], GateResult]] = {
    "metric": judge_metric,
    "no_regression": judge_regression,
    "category": judge_category,
    "must_pass": judge_must_pass,
    "guard": judge_regression,
    "latency": judge_latency,
    "length": judge_length,
}


def judge(
    declared: Declared, now: AnswerSet, baseline: AnswerSet | None, today: datetime.date, why_not: str = ""
) -> list[GateResult]:
    """The verdict of every gate, in the order in which they are declared.

    What concerns all of them, such as a known failure that is right by now, is a note of the first one it may concern.

    Args:
        now: the answers of the model that is judged.
        baseline: earlier answers to the same items; ``None`` where there are none. Where there are none, or none that
            can be compared (`harness.regression.matching.comparable`), gates that need them are ``unknown``.
        today: for the expiry of known failures.
        why_not: why there is no baseline, for the message.

    Raises:
        InputError: a gate names a metric, category, skill or task that is not there; names the nearest.
    """
    if baseline is None:
        why_not = why_not or NO_BASELINE
    else:
        try:
            comparable(baseline, now)
        except InputError as error:
            baseline, why_not = None, str(error)
    allowed = frozenset(failure.item for failure in declared.known if today <= failure.until)
    case = Case(declared, now, baseline, why_not, allowed)
    results = [_RULES[gate.kind](gate, case) for gate in declared.gates]
    known_kinds: tuple[Kind, ...] = ("must_pass", "no_regression", "guard")
    results = _with_notes(results, known_kinds, _known_failures(declared, now, today))
    if baseline is None or not declared.needs_baseline:
        return results
    return _with_notes(results, known_kinds[1:], noted(baseline, now))


def _with_notes(results: list[GateResult], kinds: Sequence[Kind], notes: Sequence[str]) -> list[GateResult]:
    """``notes`` added to the first result of these kinds, else to the first one."""
    if not notes or not results:
        return results
    at = next((place for place, result in enumerate(results) if result.kind in kinds), 0)
    results[at] = replace(results[at], notes=(*results[at].notes, *notes))
    return results


def _known_failures(declared: Declared, now: AnswerSet, today: datetime.date) -> list[str]:
    """What is to be said of the list: entries that expired, that nothing uses."""
    notes = []
    for failure in declared.known:
        answer = now.by_item.get(failure.item)
        what = f"known failure {failure.item} ({failure.reason})"
        where = f" in {failure.where}" if failure.where else ""
        if answer is None:
            if not now.identity.settings.get("limit"):  # else it may be among those that were not asked
                notes.append(
                    f"{what} is not among the {len(now.answers)} items of {now.source}: nothing uses it{where}"
                )
        elif answer.correct >= RIGHT:
            notes.append(f"{what} is right now; take it off the list{where}")
        elif failure.until < today:
            notes.append(
                f"{what} has expired on {failure.until}: it counts again; mend it, or give it another day{where}"
            )
    return notes
