"""The verdict in words, and what it does not know: each state of a run has its own honest sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.evaluated import Evaluation
from harness.gate.paired import pair
from harness.gate.power import minimum_detectable_effect
from harness.gate.verdict import Paired
from harness.reporting.data import ReportData
from harness.reporting.formatting import Z95, duration, integer, interval, percent, plural, points

Tone = Literal["better", "worse", "open"]
PLANNED_DISCORDANT = 0.15
"""Share of items that flip between equally good models; assumed where nothing was compared yet (GATE: the test)."""


@dataclass(frozen=True)
class Headline:
    """The verdict: one word, one sentence.

    Attributes:
        tone: which of three looks it gets; the word says the same without colour.
        word: e.g. ``Better``.
        sentence: the rest, numbers included; continues the word after a colon.
    """

    tone: Tone
    word: str
    sentence: str


def compare(
    before: Evaluation | None, after: Evaluation | None, skill: str | None = None, tag: str | None = None
) -> Paired | None:
    """The paired comparison of two evaluations on the items they share, of one skill, of one tag or of all.

    ``None`` where an evaluation is missing or they share no item.
    """
    if before is None or after is None:
        return None
    wanted = {
        result.item_id for result in before.results if skill in (None, result.skill) and tag in (None, result.tag)
    }
    old = {item: value for item, value in before.correctness().items() if item in wanted}
    new = {item: value for item, value in after.correctness().items() if item in wanted}
    shared = old.keys() & new.keys()
    if not shared:
        return None
    clusters = before.clusters()
    return pair(
        {item: old[item] for item in old if item in shared},
        {item: new[item] for item in old if item in shared},
        {item: clusters[item] for item in old if item in shared},
    )


def detectable(comparison: Paired) -> float:
    """The smallest true gain, 0 to 1, that a comparison of this size shows with 80% power (one-sided 5%).

    The larger of McNemar's, which takes items as independent, and 2.49 standard errors of the clustered interval
    (1.645 for the level, 0.842 for the power): items of one template err together and tell less than their number.
    """
    changed = (comparison.fixed + comparison.broken) / comparison.n
    independent = minimum_detectable_effect(comparison.n, max(changed, 1 / comparison.n))
    low, high = comparison.ci95
    return min(1.0, max(independent, (1.645 + 0.842) * (high - low) / (2 * Z95)))


def _right(score: Mapping[str, Any], where: str) -> str:
    return f"{percent(score['value'])} of {integer(score['n'])} {where} items right"


def _gain(delta: float, ci95: Any, reference: str) -> str:
    direction = "more than" if delta >= 0 else "fewer than"
    return f"{points(delta, signed=False)} points {direction} {reference} (95% interval {interval(ci95)})"


def headline(data: ReportData) -> Headline:
    """The verdict on the run as it stands."""
    summary = data.summary
    test = summary.get("test")
    if test is not None:
        return _test_headline(data, test)
    return _dev_headline(data)


def _test_headline(data: ReportData, test: Mapping[str, Any]) -> Headline:
    n, after = integer(test["after"]["n"]), percent(test["after"]["value"])
    if test["round"] == 0:
        rounds = plural(data.summary["rounds_done"], "round")
        return Headline(
            "open",
            "Not better",
            f"no round was promoted ({rounds} done), so the model is still the untouched one; on {n} held-out test "
            f"items it answers {after} right.",
        )
    model = f"the {test['model']} {'model' if test['model'] == 'certified' else ''}".strip()
    subject = f"on {n} held-out test items {model} of round {test['round']} answers {after} right"
    sentence = f"{subject}, {_gain(test['delta'], test['ci95'], 'before')}"
    fewshot = compare(data.test_before_fewshot, data.test_after)
    if fewshot is not None:
        joint, direction = ("that is", "more") if fewshot.delta >= 0 else ("but that is", "fewer")
        arm = test.get("before_fewshot")
        reached = f", {percent(arm['value'])}" if arm else ""
        size = points(fewshot.delta, signed=False)
        sentence += (
            f"; {joint} {size} points {direction} (95% interval {interval(fewshot.ci95)}) "
            f"than the untouched model with few-shot examples{reached}"
        )
    low, high = test["ci95"]
    if low > 0:
        return Headline("better", "Better", sentence + ".")
    if high < 0:
        return Headline("worse", "Worse", sentence + ".")
    return Headline("open", "No proven difference", sentence + "; the interval of the change from before holds zero.")


def _dev_headline(data: ReportData) -> Headline:
    summary = data.summary
    status, done, asked = summary["status"], summary["rounds_done"], summary["rounds_asked"]
    champion = summary["champion"]
    if status == "running":
        word, so_far = "Running", f"{done} of {plural(asked, 'round')} done"
    elif status in ("stopped", "failed"):
        word, so_far = status.capitalize(), f"after {done} of {plural(asked, 'round')}"
    else:
        word, so_far = "No test yet", f"{plural(done, 'round')} done"
    if done == 0:
        return Headline(
            "open", word, f"no round is done yet; the untouched model answers {_right(champion['dev'], 'dev')}."
        )
    if champion["round"] == 0:
        return Headline(
            "open",
            word,
            f"{so_far}, none promoted; the champion is still the untouched model, which answers "
            f"{_right(champion['dev'], 'dev')}.",
        )
    sentence = f"{so_far}; the champion, round {champion['round']}, answers {_right(champion['dev'], 'dev')}"
    comparison = compare(data.baseline_dev, data.champion_dev)
    if comparison is not None:
        sentence += f", {_gain(comparison.delta, comparison.ci95, 'before')}"
    return Headline("open", word, sentence + ". This is provisional: the test items have not been opened.")


def unknowns(data: ReportData) -> list[str]:
    """What the verdict does not know, one sentence each; the smallest effect that could have been seen comes first."""
    summary = data.summary
    sentences = [_smallest_effect(data)]
    certified = summary.get("certified_round")
    sentences.append(
        "Not certified: this version has no sealed gate, so nothing here carries an error budget over the rounds."
        if certified is None
        else f"Round {certified} is certified by the gate; a champion after it is provisional."
    )
    sentences.append(_optimism(data))
    sentences.append(_guard(data))
    if summary["baseline"].get("dev_fewshot") is None:
        sentences.append("The untouched model was not scored with few-shot examples: prompting alone may do as well.")
    control = "One run, one seed: how much changes when nothing changes was not measured"
    if summary["champion"]["round"] > 0:
        control += (
            ", nor what random training rows would have brought; "
            "the gain is of training as a whole, not of its targeting"
        )
    sentences.append(control + ".")
    unjudged = data.champion_dev.not_assessed()
    if unjudged:
        n = len(data.champion_dev.results)
        names = ", ".join(f"{name.replace('_', ' ')} on {integer(count)}" for name, count in unjudged.items())
        sentences.append(
            f"Not assessed on every response (of {integer(n)} dev items): {names}; a count of these is a lower bound."
        )
    return sentences


def _smallest_effect(data: ReportData) -> str:
    opened = data.summary.get("test") is not None
    where = "test" if opened else "dev"
    before, after = (data.test_before, data.test_after) if opened else (data.baseline_dev, data.champion_dev)
    comparison = compare(before, after)
    if comparison is not None and data.summary["champion"]["round"] > 0:
        changed = percent((comparison.fixed + comparison.broken) / comparison.n)
        smallest = points(detectable(comparison), signed=False)
        return (
            f"Minimum detectable effect: with {integer(comparison.n)} {where} items, {changed} of which changed, a "
            f"true gain below {smallest} points is missed more often than one time in five."
        )
    n = data.summary["champion"]["dev"]["n"]
    effect = minimum_detectable_effect(n, PLANNED_DISCORDANT)
    return (
        f"Minimum detectable effect: with {integer(n)} dev items, if 15% of them change, a true gain below "
        f"{points(effect, signed=False)} points is missed more often than one time in five."
    )


def _optimism(data: ReportData) -> str:
    summary = data.summary
    start = "Dev is optimistic: its items chose the targets and the champion"
    if summary.get("test") is None:
        return start + "; only the test items, opened once at the end, give an honest figure."
    dev, test = summary["champion"]["dev"]["value"], summary["test"]["after"]["value"]
    if summary["test"]["round"] != summary["champion"]["round"] or summary["champion"]["round"] == 0:
        return start + "; the test figure is the one to quote."
    gap = f"{points(dev - test, signed=False)} points lower" if dev > test else "no lower in this run"
    return f"{start} (dev {percent(dev)}; test {percent(test)}, {gap})."


def _guard(data: ReportData) -> str:
    guard = data.summary.get("guard")
    if guard is None:
        if data.summary["status"] == "running":
            return "Forgetting is not known yet: the guard is compared at the end."
        return "Forgetting was not measured: there is no guard result in this run."
    if data.summary["champion"]["round"] == 0:
        return "Forgetting: none, since the champion is the untouched model."
    low, high = guard["ci95"]
    finding = "harm is shown" if high < 0 else "a gain is shown" if low > 0 else "no harm is shown, none is ruled out"
    return (
        f"Forgetting: on {integer(guard['after']['n'])} guard items {points(guard['delta'])} points against the "
        f"untouched model (95% interval {interval(guard['ci95'])}): {finding}; a change below "
        f"{points(guard['mde'], signed=False)} points would most likely not be seen."
    )


def status_line(data: ReportData) -> str:
    """Status, rounds and time in one short line."""
    summary = data.summary
    line = f"{summary['status']}, {summary['rounds_done']} of {plural(summary['rounds_asked'], 'round')}"
    return f"{line}, {duration(summary['seconds'])}"
