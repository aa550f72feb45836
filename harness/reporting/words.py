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
    new = after.correctness()
    old = {
        result.item_id: result.correct
        for result in before.results
        if skill in (None, result.skill) and (tag is None or tag == result.tag) and result.item_id in new
    }
    return pair(old, {item: new[item] for item in old}, before.clusters()) if old else None


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
    lead, other = led(data.summary, test)
    model = f"the {_model_words(lead)} of round {lead['round']}"
    n, after = integer(lead["after"]["n"]), percent(lead["after"]["value"])
    sentence = f"on {n} {held_out}test items {model} answers {after} right, "
    sentence += _gain(lead["delta"], lead["ci95"], "before") + _against_fewshot(lead)
    if other is not None:
        reached, gained = percent(other["after"]["value"]), points(other["delta"])
        sentence += (
            f"; the {_model_words(other)} of round {other['round']}: {reached}, {gained} ({interval(other['ci95'])})"
        )
    low, high = lead["ci95"]
    if worn(data.summary):
        return Headline("open", worn_label(data.summary).capitalize(), sentence + ".")
    if low > 0:
        return Headline("better", "Better", sentence + ".")
    if high < 0:
        return Headline("worse", "Worse", sentence + ".")
    return Headline("open", "No proven difference", sentence + "; the interval of the change from before holds zero.")


def led(summary: Mapping[str, Any], test: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    """The test result that is told first, and the other: the certified model's before a provisional champion's.

    Args:
        summary: ``summary.json``.
        test: its ``test``; the second of the two is ``None`` where there is but one model.
    """
    certified = summary.get("test_certified")
    if not certified or certified["round"] == test["round"]:
        return test, None
    return {**certified, "model": "certified"}, test


def _model_words(test: Mapping[str, Any]) -> str:
    return "certified model" if test["model"] == "certified" else champion_words(False)


def _against_fewshot(test: Mapping[str, Any]) -> str:
    """The same items answered by the untouched model with solved examples; empty where it was not asked."""
    fewshot = test.get("before_fewshot")
    if not fewshot:
        return ""
    delta = test["after"]["value"] - fewshot["value"]
    joint, direction = ("and", "more") if delta >= 0 else ("but", "fewer")
    reached = percent(fewshot["value"])
    return f" {joint} {points(delta, signed=False)} {direction} than few-shot prompting alone ({reached})"


def _dev_headline(data: ReportData) -> Headline:
    summary = data.summary
    status, done, asked = summary["status"], summary["rounds_done"], summary["rounds_asked"]
    champion = summary["champion"]
    if status == "running":
        word = "Baseline" if not asked else "Unfinished" if data.left else "Running"
        so_far = f"{done} of {plural(asked, 'round')} done"
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
    done, asked, seconds = summary["rounds_done"], summary["rounds_asked"], duration(summary["seconds"])
    if summary["status"] == "running" and not asked:
        return f"baseline alone, {seconds}"
    return f"{'unfinished' if data.left else summary['status']}, {done} of {plural(asked, 'round')}, {seconds}"
