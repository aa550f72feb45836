"""Gates on one model's answers alone: metric, category, latency, length. A figure is judged with its interval."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from typing import Any

from harness.errors.registry import BUILTIN
from harness.errors.taxonomy import PRECEDENCE
from harness.evaluation.choices import PICKED, PREFIX
from harness.exceptions import InputError, did_you_mean
from harness.regression.answers import MAIN, Answer
from harness.regression.declare import Gate
from harness.regression.intervals import Interval, mean_interval, share_interval
from harness.regression.judging import Case, broken, chosen, clusters, finish, items, percent, place, unknown, verdict
from harness.regression.limits import Limit
from harness.regression.results import GateResult, State

_ALWAYS = "wrong_answer"  # the taxonomy's own, where a response is wrong and no classifier says so
_OF_CHOICE = frozenset({"position_bias", "near_miss", "picked_distractor"})
_HIDDEN = (PREFIX, "err_")
"""Beginnings of figures that are no metrics to people: what was picked, categories once more."""


def judge_metric(gate: Gate, case: Case) -> GateResult:
    """The mean of a metric over the domain's items: of right and wrong a share, else a mean.

    Raises:
        InputError: no answer has such a metric; names the nearest.
    """
    limit = _limit(gate)
    answers = chosen(gate, case.now.of("domain"), case.now.source)
    if not answers:
        return _no_answers(gate, case)
    found = [(answer, value) for answer in answers if (value := _figure(answer, gate.subject)) is not None]
    if not found:
        names = {name for answer in answers for name in answer.metrics if not name.startswith(_HIDDEN)}
        raise InputError(
            f"{place(gate)}: {case.now.source} has no metric '{gate.subject}'."
            f"{did_you_mean(gate.subject, {MAIN, *names})}"
        )
    kept = [answer for answer, _ in found]
    values = [value for _, value in found]
    shares = all(0 <= value <= 1 for value in values)
    right_or_wrong = all(value in (0.0, 1.0) for value in values)
    if right_or_wrong and not 0 <= limit.value <= 1:
        raise InputError(f"{place(gate)}: {gate.subject} lies from 0 to 1; write 80% or 0.8, not '{limit.text}'")
    interval = _interval(values, kept, gate.alpha, right_or_wrong, shares)

    def bad(answer: Answer) -> bool:
        value = _figure(answer, gate.subject)
        return value is not None and not limit.holds(value)

    state = _census(limit, interval) if right_or_wrong else verdict(limit, interval)
    show = percent if shares else _plain
    return finish(
        gate,
        state,
        _sentence(gate, f"{gate.subject} is {show(interval.value)} on {items(len(kept))}", interval, show, state),
        **_figures(interval, limit, "share" if shares else ""),
        broken=_shown(gate, case, kept, bad, state, badness=lambda a: _distance(limit, _figure(a, gate.subject))),
        notes=_left_out(len(answers) - len(kept), f"have no {gate.subject}"),
    )


def judge_category(gate: Gate, case: Case) -> GateResult:
    """The share of answers that show an error category, right or wrong as they may be.

    The items are those of skills that the category can occur in: of which at least one answer could be judged. Answers
    that could not be judged are left out.

    Raises:
        InputError: there is no such category; names the nearest.
    """
    limit = _limit(gate)
    if not case.now.classified:
        return unknown(gate, f"nobody looked for errors in {case.now.source}: its answers are not classified")
    name = _category(gate, case)
    answers = chosen(gate, case.now.of("domain"), case.now.source)
    if not answers:
        return _no_answers(gate, case)
    if (seen_by := _not_run(name, case)) and not any(_shows(answer, name) for answer in answers):
        return unknown(gate, f"the classifier '{seen_by}' has not looked at {case.now.source}; classify it again")
    kept = [answer for answer in answers if name not in answer.not_assessed]
    if name in _OF_CHOICE:
        kept = [answer for answer in kept if PICKED in answer.metrics]
    if not kept:
        return unknown(gate, f"{name} could not be judged in any of {len(answers)} answers")
    skills = {answer.skill for answer in kept}
    missed = sum(answer.skill in skills for answer in answers) - len(kept)
    interval = share_interval([_shows(answer, name) for answer in kept], clusters(kept), gate.alpha)
    state = _census(limit, interval)
    count = sum(_shows(answer, name) for answer in kept)
    what = f"{name} in {count} of {items(len(kept))} ({percent(interval.value)})"
    return finish(
        gate,
        state,
        _sentence(gate, what, interval, percent, state),
        **_figures(interval, limit, "share"),
        broken=_shown(gate, case, kept, lambda answer: _shows(answer, name) != limit.at_least, state),
        notes=_left_out(missed, f"of these skills could not be judged for {name}"),
    )


def judge_length(gate: Gate, case: Case) -> GateResult:
    """Mean new tokens, or a percentile: ``p95 <= 100`` holds where at most 5% of the answers are longer."""
    limit = _limit(gate)
    answers = chosen(gate, case.now.of("domain"), case.now.source)
    if not answers:
        return _no_answers(gate, case)
    kept = [answer for answer in answers if answer.new_tokens]  # 0 where an ending was chosen: nothing was written
    if not kept:
        return unknown(gate, f"how long the answers in {case.now.source} are is not known, or nothing was generated")
    lengths = [float(answer.new_tokens or 0) for answer in kept]
    percentile = gate.percentile
    if percentile is None:
        interval = mean_interval(lengths, clusters(kept), gate.alpha)
        interval = Interval(interval.value, max(0.0, interval.low), interval.high, interval.n)
        what, state = f"{interval.value:.1f} new tokens on average", verdict(limit, interval)
    else:
        interval = _percentile(lengths, kept, percentile / 100, gate.alpha)
        what, state = f"the {percentile}th percentile is {interval.value:.0f} new tokens", verdict(limit, interval)
    return finish(
        gate,
        state,
        _sentence(gate, f"{what}, of {items(len(kept))}", interval, _plain, state),
        **_figures(interval, limit, "tokens"),
        broken=_shown(
            gate, case, kept, lambda a: not limit.holds(a.new_tokens or 0), state, lambda a: float(a.new_tokens or 0)
        ),
        notes=_left_out(len(answers) - len(kept), "have no length"),
    )


def judge_latency(gate: Gate, case: Case) -> GateResult:
    """Wall seconds a response over all that was asked, guards too. One clock, so no interval."""
    limit = _limit(gate)
    seconds, n = case.now.seconds, len(case.now.answers)
    if seconds is None or not math.isfinite(seconds):
        return unknown(
            gate, f"how long {case.now.source} took is not known: its answers were kept or saved; evaluate anew", n=n
        )
    value = seconds / n
    holds = limit.holds(value)
    message = (
        f"{value:.3g} s a response ({seconds:.1f} s for {n}), wanted {limit.text}: {'holds' if holds else 'missed'}"
    )
    return finish(gate, "pass" if holds else "fail", message, value=value, threshold=limit.value, unit="s", n=n)


def _limit(gate: Gate) -> Limit:
    if gate.limit is None:
        raise ValueError(f"{gate.kind} without a limit")
    return gate.limit


def _no_answers(gate: Gate, case: Case) -> GateResult:
    return unknown(gate, f"{case.now.source} has no answers to the domain's own items")


def _figure(answer: Answer, name: str) -> float | None:
    """The answer's figure of that name; `MAIN` is the task's own main metric where it has none called so."""
    value = answer.metrics.get(name, answer.correct if name == MAIN else None)
    return value if value is not None and math.isfinite(value) else None


def _interval(
    values: Sequence[float], answers: Sequence[Answer], alpha: float, right_or_wrong: bool, shares: bool
) -> Interval:
    if right_or_wrong:
        return share_interval([value == 1.0 for value in values], clusters(answers), alpha)
    found = mean_interval(values, clusters(answers), alpha)
    return Interval(found.value, max(0.0, found.low), min(1.0, found.high), found.n) if shares else found


def _census(limit: Limit, interval: Interval) -> State:
    """`verdict` of a share; "none at all" and "all" are asked of these items, since no sample can show them."""
    if (limit.operator, limit.value) in ((">=", 1.0), ("<=", 0.0)):
        return "pass" if limit.holds(interval.value) else "fail"
    return verdict(limit, interval)


def _percentile(lengths: Sequence[float], answers: Sequence[Answer], share: float, alpha: float) -> Interval:
    """A percentile with bounds from the share of longer answers (Woodruff 1952, JASA 47:635).

    ``high`` is the shortest length that at most ``1 - share`` are shown to exceed, infinite where there are too few
    answers to show that of any; ``low`` the shortest of which it is not shown that more exceed it.
    """
    values = sorted(lengths)
    value = values[max(0, math.ceil(share * len(values) - 1e-9) - 1)]
    named = clusters(answers)

    def longer(length: float) -> Interval:
        return share_interval([each > length for each in lengths], named, alpha)

    low = bisect.bisect_left(values, True, key=lambda length: longer(length).low <= 1 - share)
    high = bisect.bisect_left(values, True, key=lambda length: longer(length).high <= 1 - share)
    bounds = [values[place] if place < len(values) else math.inf for place in (low, high)]
    return Interval(value, min(bounds[0], value), max(bounds[1], value), len(values))


def _category(gate: Gate, case: Case) -> str:
    seen: set[str] = {*PRECEDENCE, *BUILTIN, *case.declared.categories}
    for answers in filter(None, (case.now, case.baseline)):
        seen.update(answers.identity.classifiers, answers.identity.categories)
        for answer in answers.answers:
            seen.update(answer.categories, answer.not_assessed, (answer.primary,) if answer.primary else ())
    if gate.subject not in seen:
        raise InputError(f"{place(gate)}: unknown category '{gate.subject}'.{did_you_mean(gate.subject, seen)}")
    return gate.subject


def _not_run(name: str, case: Case) -> str:
    """The classifier that sees ``name``, where it is known that it has not looked; else nothing."""
    by = case.declared.categories.get(name, name if name in BUILTIN and name != _ALWAYS else "")
    ran = case.now.identity.classifiers
    return by if by and ran and by not in ran else ""


def _shows(answer: Answer, name: str) -> bool:
    return name in answer.categories or answer.primary == name


def _shown(
    gate: Gate, case: Case, answers: Sequence[Answer], bad: Any, state: State, badness: Any = lambda answer: 0.0
) -> Any:
    return () if state == "pass" else broken(filter(bad, answers), case.baseline, bad, badness)


def _distance(limit: Limit, value: float | None) -> float:
    return 0.0 if value is None else abs(limit.value - value)


def _figures(interval: Interval, limit: Limit, unit: str) -> dict[str, Any]:
    low, high = (bound if math.isfinite(bound) else None for bound in (interval.low, interval.high))
    return {
        "value": interval.value, "low": low, "high": high, "threshold": limit.value, "unit": unit, "n": interval.n
    }  # fmt: skip


def _left_out(count: int, why: str) -> tuple[str, ...]:
    return (f"left out: {items(count)} that {why}",) if count else ()


def _plain(value: float) -> str:
    return f"{value:.4g}"


def _sentence(gate: Gate, what: str, interval: Interval, show: Any, state: State) -> str:
    """``acc is 71.2% on 60 items; 60.6% to 79.9% (95% confidence each way); wanted >= 80%: missed``."""
    limit, confidence = _limit(gate), f"{100 * (1 - gate.alpha):g}% confidence"
    low, high = interval.low, interval.high
    if state != verdict(limit, interval):
        bounds = "asked of these items alone"
    elif state == "pass":
        bounds = f"at least {show(low)}" if limit.at_least else f"at most {show(high)}"
        bounds += f" with {confidence}"
    elif state == "fail":
        bounds = f"at most {show(high)}" if limit.at_least else f"at least {show(low)}"
        bounds += f" with {confidence}"
    elif math.isinf(low) and math.isinf(high):
        bounds = "which says nothing beyond these items, all of one cluster"
    else:
        ends = [show(bound) if math.isfinite(bound) else "nobody knows what" for bound in (low, high)]
        bounds = f"{ends[0]} to {ends[1]} with {confidence} each way"
    end = {"pass": ": holds", "fail": ": missed"}.get(state, "")
    return f"{what}, {bounds}, wanted {limit.text}{end}"
