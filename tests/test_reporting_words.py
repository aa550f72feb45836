"""The verdict: each state of a run has its own honest sentence."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from report_fixture import make_report_data
from report_items import make_evaluation

from harness.errors.contract import ErrorRecord
from harness.gate.verdict import Paired
from harness.reporting.data import ReportData
from harness.reporting.formatting import interval, percent, points
from harness.reporting.summary import optimism_gap
from harness.reporting.unknowns import unknowns
from harness.reporting.words import compare, detectable, headline


def changed(data: ReportData, **summary: Any) -> ReportData:
    return replace(data, summary={**data.summary, **summary})


def test_better_needs_the_whole_interval_above_zero() -> None:
    data = make_report_data(rounds=6)
    test = data.summary["test"]
    verdict = headline(data)
    assert (verdict.tone, verdict.word) == ("better", "Better")
    assert verdict.sentence.startswith(
        f"on 600 held-out test items the provisional champion of round {test['round']} answers "
        f"{percent(test['after']['value'])} "
        f"right, {points(test['delta'], signed=False)} points more than before (95% interval {interval(test['ci95'])})"
    )
    straddling = changed(data, test={**test, "delta": 0.01, "ci95": [-0.001, 0.021]})
    assert headline(straddling).word == "No proven difference"
    assert headline(straddling).tone == "open"


def test_worse_is_called_worse() -> None:
    data = make_report_data(rounds=3, test_share=0.0)
    verdict = headline(data)
    assert (verdict.tone, verdict.word) == ("worse", "Worse")
    assert "points fewer than before" in verdict.sentence


def test_losing_to_few_shot_is_not_hidden() -> None:
    verdict = headline(make_report_data(rounds=1))
    assert verdict.word == "Better"
    assert re.search(r" but [\d.]+ fewer than few-shot prompting alone \([\d.]+%\)", verdict.sentence)


def test_without_a_promotion_nothing_is_better() -> None:
    data = make_report_data(rounds=3, all_rejected=True)
    assert headline(data).word == "Not better"
    assert "no round was promoted (3 rounds done)" in headline(data).sentence
    assert "Forgetting: none, since the champion is the untouched model." in unknowns(data)


def test_a_run_without_rounds_says_what_the_untouched_model_does() -> None:
    data = make_report_data(rounds=0, finished=False)
    assert headline(data).word == "Running"
    assert "no round is done yet" in headline(data).sentence
    assert percent(data.summary["baseline"]["dev"]["value"]) in headline(data).sentence


def test_a_running_run_is_provisional() -> None:
    verdict = headline(make_report_data(rounds=3, finished=False))
    assert (verdict.tone, verdict.word) == ("open", "Running")
    assert "3 of 10 rounds done; the provisional champion" in verdict.sentence


@pytest.mark.parametrize(
    ("status", "word"),
    [("stopped", "Stopped"), ("failed", "Failed"), ("finished", "No test yet"), ("converged", "No test yet")],
)
def test_a_run_that_ended_without_test_claims_nothing(status: str, word: str) -> None:
    verdict = headline(changed(make_report_data(rounds=3, finished=False), status=status))
    assert (verdict.tone, verdict.word) == ("open", word)
    assert "the test items have not been opened" in verdict.sentence


@pytest.mark.parametrize("rounds", [0, 3])
@pytest.mark.parametrize("finished", [True, False])
def test_every_report_says_the_smallest_effect_and_that_nothing_is_certified(rounds: int, finished: bool) -> None:
    said = unknowns(make_report_data(rounds=rounds, finished=finished))
    assert said[0].startswith("Not certified: ")
    assert any(sentence.startswith("Minimum detectable effect: with 600 ") for sentence in said)
    assert any(sentence.startswith("Dev is optimistic") for sentence in said)


def test_a_certified_round_is_named() -> None:
    said = unknowns(changed(make_report_data(rounds=3), certified_round=2))
    assert any(sentence.startswith("Round 2 is certified") for sentence in said)
    assert not any("Not certified" in sentence for sentence in said)


def test_the_gap_between_the_gains_on_dev_and_on_test_is_said() -> None:
    data = make_report_data(rounds=6, test_share=0.2)
    dev = data.summary["champion"]["dev"]["value"] - data.summary["baseline"]["dev"]["value"]
    test = data.summary["test"]["delta"]
    said = next(sentence for sentence in unknowns(data) if sentence.startswith("Dev is optimistic"))
    assert said.endswith(
        f"is {points(dev)} points on dev and {points(test)} on test: an optimism gap of {points(dev - test)}."
    )


def test_there_is_a_gap_only_where_the_champion_was_tested() -> None:
    test = {"round": 3, "delta": 0.1}
    assert optimism_gap(0.25, 3, test) == pytest.approx(0.15)
    assert optimism_gap(-0.05, 3, test) == pytest.approx(-0.15)
    for champion, of in ((3, None), (2, test), (0, {"round": 0, "delta": 0.0})):
        assert optimism_gap(0.25, champion, of) is None
    chosen = changed(make_report_data(rounds=6), optimism_gap=None)
    assert any(sentence.endswith("the test figure is the one to quote.") for sentence in unknowns(chosen))


def test_a_gain_that_is_well_above_what_can_be_missed_is_said_to_be() -> None:
    much, little = make_report_data(rounds=6), make_report_data(rounds=6, test_share=0.09)
    for data, seen in ((much, True), (little, False)):
        said = next(sentence for sentence in unknowns(data) if sentence.startswith("Minimum detectable effect"))
        assert ("UNDERPOWERED" in said) == (data.summary["test"]["ci95"][0] <= 0)
        gain = f"The gain found, {points(data.summary['test']['delta'])} points, is well above what would be missed."
        assert said.endswith(gain) == seen


def test_a_missing_guard_and_missing_few_shot_are_said() -> None:
    said = " ".join(unknowns(make_report_data(rounds=3, guard=False, fewshot=False)))
    assert "Forgetting was not measured" in said
    assert "not scored with few-shot examples" in said


def test_shown_harm_on_the_guard_is_called_harm() -> None:
    data = make_report_data(rounds=3)
    assert data.guard_before is not None
    worse = make_evaluation("guard", 0.3, 300, 7, ("general",))
    compared = compare(data.guard_before, worse)
    assert compared is not None
    assert compared.p_worse < 0.05
    said = next(s for s in unknowns(replace(data, guard_after=worse)) if s.startswith("Forgetting"))
    assert "harm is shown" in said
    assert interval(compared.ci95) in said


def test_categories_that_were_not_assessed_are_named_and_counted() -> None:
    data = make_report_data(rounds=0, finished=False)
    first, *rest = data.champion_dev.errors
    records = (ErrorRecord(first.item_id, first.primary, first.labels, ("truncated",)), *rest)
    data = replace(data, champion_dev=replace(data.champion_dev, errors=records))
    said = next(sentence for sentence in unknowns(data) if sentence.startswith("Not assessed on every response"))
    assert said.startswith("Not assessed on every response (of 600 dev items): truncated on 1;")


def test_evaluations_are_compared_on_the_items_they_share() -> None:
    before, after = make_evaluation("dev", 0.1, 80, 0), make_evaluation("dev", 0.5, 80, 1)
    shorter = replace(after, results=after.results[:40])
    compared = compare(before, shorter)
    assert compared is not None
    assert compared.n == 40
    skill = compare(before, after, "routing")
    assert skill is not None
    assert skill.n == 20
    assert compare(before, None) is None
    assert compare(before, make_evaluation("test", 0.1, 80, 0)) is None


def test_the_smallest_detectable_effect_is_the_comparisons_and_unknown_in_old_ones() -> None:
    compared = compare(make_evaluation("dev", 0.1, 80, 0), make_evaluation("dev", 0.5, 80, 1))
    assert compared is not None
    assert detectable(compared) == compared.mde
    assert detectable(Paired(600, 60, 30, 0.05, (0.02, 0.08), 0.001, 0.999)) == 1.0
