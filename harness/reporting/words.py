"""The verdict in words: each state of a run has its own honest sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.evaluated import Evaluation
from harness.gate.paired import pair
from harness.gate.verdict import Paired
from harness.reporting.data import ReportData
from harness.reporting.formatting import duration, integer, interval, percent, plural, points
from harness.reporting.standing import champion_words, worn, worn_label

Tone = Literal["better", "worse", "open"]


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
    """The smallest true gain, 0 to 1, that the comparison shows with 80% power (`harness.gate.power.detectable`).

    1 where a comparison was recorded before that was.
    """
    return 1.0 if comparison.mde is None else comparison.mde


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
    held_out = "" if worn(data.summary) else "held-out "
    model = f"the {champion_words(test['model'] == 'certified')} of round {test['round']}"
    subject = f"on {n} {held_out}test items {model} answers {after} right"
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
    if worn(data.summary):
        return Headline("open", worn_label(data.summary).capitalize(), sentence + ".")
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
    openings, join = worn(summary), ";"
    if openings and word == "No test yet":
        word, join = "Test is worn", ""
        so_far = f"its items were opened {openings} times, so no test result is shown. After {plural(done, 'round')}"
    if done == 0:
        return Headline(
            "open", word, f"no round is done yet; the untouched model answers {_right(champion['dev'], 'dev')}."
        )
    if champion["round"] == 0:
        return Headline(
            "open",
            word,
            f"{so_far}, none promoted{join or ','} the champion is still the untouched model, which answers "
            f"{_right(champion['dev'], 'dev')}.",
        )
    model = champion_words(champion["round"] == summary.get("certified_round"))
    sentence = f"{so_far}{join} the {model}, round {champion['round']}, answers {_right(champion['dev'], 'dev')}"
    comparison = compare(data.baseline_dev, data.champion_dev)
    if comparison is not None:
        sentence += f", {_gain(comparison.delta, comparison.ci95, 'before')}"
    if openings:
        said = f" The test result is {worn_label(summary)} and not shown." if join else ""
        return Headline("open", word, f"{sentence}.{said}")
    return Headline("open", word, sentence + ". That is of dev, which chose it: the test items have not been opened.")


def status_line(data: ReportData) -> str:
    """Status, rounds and time in one short line."""
    summary = data.summary
    line = f"{summary['status']}, {summary['rounds_done']} of {plural(summary['rounds_asked'], 'round')}"
    return f"{line}, {duration(summary['seconds'])}"
