"""Gates that ask for particular items (must_pass), or compare with a baseline item by item (no_regression, guard)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.gate.pairing import RIGHT, Outcome, first, pair_outcomes
from harness.gate.verdict import Paired, against
from harness.regression.answers import Answer, Role
from harness.regression.baseline_file import KEPT
from harness.regression.declare import Gate
from harness.regression.intervals import Interval, difference_interval
from harness.regression.judging import Case, broken, chosen, clusters, finish, items, unknown
from harness.regression.results import GateResult, State

NO_BASELINE = (
    "there is no baseline; write one: 'pytest --harness --harness-update-baseline' or 'harness gate --update-baseline'"
)
_SKILLS = 3


def judge_must_pass(gate: Gate, case: Case) -> GateResult:
    """Every listed item is right, but for known failures. An item that was not asked makes the gate unknown."""
    asked = [item for item in gate.items if item not in case.allowed]
    notes = _left_out(gate.items, case)
    if not asked:
        return unknown(gate, "all of its items are known failures", unit="items", notes=notes)
    there = [case.now.by_item[item] for item in asked if item in case.now.by_item]
    missing = [item for item in asked if item not in case.now.by_item]
    wrong = [answer for answer in there if answer.correct < RIGHT]
    state: State = "fail" if wrong else "unknown" if missing else "pass"
    if wrong:
        message = f"{len(wrong)} of {len(asked)} must-pass items wrong: {first(answer.item for answer in wrong)}"
    elif missing:
        message = f"{len(missing)} of {items(len(asked))} not among the {len(case.now.answers)} of {case.now.source}"
        message += f" ({first(missing)}); take them off the list, or evaluate without a limit"
    else:
        message = f"all {items(len(asked))} right" if len(asked) > 1 else "its item is right"
    return finish(
        gate,
        state,
        message,
        value=float(len(there) - len(wrong)),
        threshold=float(len(asked)),
        unit="items",
        n=len(asked),
        broken=broken(wrong, case.baseline, _wrong),
        notes=(*notes, *((f"not asked: {first(missing)}",) if missing and wrong else ())),
    )


def judge_regression(gate: Gate, case: Case) -> GateResult:
    """The model against the baseline on the same items, known failures left out; of a ``guard`` on the guards' items.

    It fails where "worse" is confirmed at alpha (`harness.gate.pairing.pair_outcomes`) and the drop that was seen is
    above the margin; it passes where a drop above the margin is excluded at alpha, or every answer is the baseline's.
    """
    role: Role = "guard" if gate.kind == "guard" else "domain"
    what = "guard items" if role == "guard" else "items"
    every = case.now.of(role)
    if not every:
        missing = "name one as 'guard:' in harness.yaml, and evaluate" if role == "guard" else "evaluate the domain"
        return unknown(gate, f"{case.now.source} has no answers to {what}; {missing}")
    answers = chosen(gate, every, case.now.source)
    if case.baseline is None:
        return unknown(gate, case.why_not or NO_BASELINE, unit="difference", threshold=-gate.margin)
    before = {answer.item: answer for answer in case.baseline.of(role)}
    kept = [answer for answer in answers if answer.item not in case.allowed]
    notes = _left_out([answer.item for answer in answers], case)
    if role == "guard" and not before:
        return unknown(
            gate,
            f"{case.baseline.source} has no {what}; declare a 'guard' gate in harness.yaml, so that a baseline asks "
            "them, and write it anew with --harness-update-baseline",
            notes=notes,
        )
    if missing_items := [answer.item for answer in kept if answer.item not in before]:
        return unknown(
            gate,
            f"{case.baseline.source} lacks {len(missing_items)} of {len(kept)} {what} ({first(missing_items)}); "
            "write it anew with --harness-update-baseline",
            notes=notes,
        )
    if not kept:
        return unknown(gate, f"all {what} are known failures", notes=notes)
    olds = [before[answer.item] for answer in kept]
    named = clusters(kept)
    paired = pair_outcomes(
        [Outcome(old.item, old.correct, name) for old, name in zip(olds, named, strict=True)],
        [Outcome(new.item, new.correct, name) for new, name in zip(kept, named, strict=True)],
    )
    differences = [new.correct - old.correct for new, old in zip(kept, olds, strict=True)]
    interval = difference_interval(differences, named, gate.alpha)
    texts = _have_texts(kept) and _have_texts(olds)
    same = texts and all(_same(new, old) for new, old in zip(kept, olds, strict=True))
    state, message = _decided(gate, paired, interval, same, what)
    lost = [new for new, old in zip(kept, olds, strict=True) if new.correct < old.correct]
    by_item = case.baseline.by_item
    return finish(
        gate,
        state,
        message,
        value=interval.value,
        low=interval.low,
        high=interval.high,
        threshold=-gate.margin,
        unit="difference",
        n=len(kept),
        broken=()
        if state == "pass"
        else broken(lost, case.baseline, _wrong, lambda answer: by_item[answer.item].correct - answer.correct),
        notes=(*notes, *_skills(kept, olds, state)),
    )


def _decided(gate: Gate, paired: Paired, interval: Interval, same: bool, what: str) -> tuple[State, str]:
    margin = f"{100 * gate.margin:g} points"
    if same:
        return "pass", f"all {paired.n} answers to {what} are the baseline's"
    seen = f"{100 * paired.delta:+.1f} points on {paired.n} {what} ({paired.fixed} fixed, {paired.broken} broken)"
    worse = f"{paired.test} of worse {against(paired.p_worse, gate.alpha)}"
    if paired.p_worse < gate.alpha and -paired.delta > gate.margin:
        return "fail", f"{seen}: worse by more than {margin}, {worse}"
    confidence = f"with {100 * (1 - gate.alpha):g}% confidence"
    if interval.low >= -gate.margin:
        return "pass", f"{seen}: a drop above {margin} is excluded {confidence}"
    loss = f"a drop of up to {-100 * interval.low:.1f} points cannot be excluded {confidence}, allowed are {margin}"
    return "uncertain", f"{seen}, {worse}: {loss}"


def _same(new: Answer, old: Answer) -> bool:
    """Whether the answer is the baseline's, as far as a baseline keeps it."""
    return (
        new.correct == old.correct and new.new_tokens == old.new_tokens and new.response[:KEPT] == old.response[:KEPT]
    )


def _have_texts(answers: Sequence[Answer]) -> bool:
    """Whether what was said is known: an answer that is empty is, where its tokens were counted."""
    return any(each.response for each in answers) or all(each.new_tokens is not None for each in answers)


def _wrong(answer: Answer) -> bool:
    return answer.correct < RIGHT


def _skills(kept: Sequence[Answer], olds: Sequence[Answer], state: State) -> tuple[str, ...]:
    """The skills that lost most, where something was lost."""
    net: Counter[str] = Counter()
    for new, old in zip(kept, olds, strict=True):
        net[new.skill] += (new.correct >= RIGHT) - (old.correct >= RIGHT)
    worst = sorted((count, skill) for skill, count in net.items() if count < 0)[:_SKILLS]
    if state == "pass" or not worst or len(net) < 2:
        return ()
    return (f"most was lost in {', '.join(f'{skill} ({items(-count)})' for count, skill in worst)}",)


def _left_out(asked: Sequence[str], case: Case) -> tuple[str, ...]:
    out = [item for item in asked if item in case.allowed]
    return (f"left out as known failures: {items(len(out))} ({first(out)})",) if out else ()
