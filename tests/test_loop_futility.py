"""Candidates given up on a part of dev: what the round records, and when dev is asked whole, on the scripted model."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from fake_workbench import BETTER, LEAP, RUIN, SAME, TOY_SETTINGS, FakeWorkbench, Halving, decisions, play, starts

from harness.evaluated import load_evaluation
from harness.reporting.load import load_report_data
from harness.reporting.outcomes import outcomes_of
from harness.storage import read_json
from harness.training.contract import Start

FUTILE = replace(TOY_SETTINGS, futility=True)


def test_a_candidate_that_does_much_worse_is_rejected_on_a_third_of_dev(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [LEAP, RUIN, SAME], settings=FUTILE)
    entry = run.ledger.of_kind("round")[1].data
    assert (entry["decision"], entry["rule"], entry["champion"], entry["dev"]) == ("reject", "futility", 1, None)
    assert entry["reason"].startswith("stopped after 13 of 40 dev items, ")
    stop = entry["futility"]
    assert (stop["asked"], stop["of"]) == (13, 40)
    assert stop["e"] >= 20
    partial = load_evaluation(run.round_dir(2) / "dev_partial")
    right = load_evaluation(run.round_dir(1) / "dev").correctness()
    assert stop["delta"] == pytest.approx(sum(r.correct - right[r.item_id] for r in partial.results) / 13)
    dev = {item.prompt for item in run.prepared.dev}
    asked = [len(call.texts) for call in workbench.asked() if call.weights == "002/adapter" and dev & set(call.texts)]
    assert asked == [13]
    assert not (run.round_dir(2) / "loglikelihood.json").exists()


def test_nothing_takes_answers_to_a_part_of_dev_for_the_whole(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [LEAP, RUIN], settings=FUTILE)
    assert not (run.round_dir(2) / "dev").exists()
    assert load_evaluation(run.round_dir(2) / "dev_partial").name == "dev_partial"
    assert run.champion_dev(run.state) == load_evaluation(run.round_dir(1) / "dev")
    assert run.ledger.of_kind("round")[1].data["categories"] == {}
    assert read_json(run.round_dir(2) / "verdict.json")["dev"] is None
    whole, part = load_report_data(run.run_dir).rounds
    assert whole.asked == whole.answers == outcomes_of(load_evaluation(run.round_dir(1) / "dev"))
    assert (part.asked, part.answers) == (outcomes_of(load_evaluation(run.round_dir(2) / "dev_partial")), None)


def test_after_a_stop_the_learner_goes_on_as_after_any_rejection(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [LEAP, RUIN, SAME], settings=FUTILE)
    learner = run.round_dir(2) / "learner"
    assert starts(workbench)[2] == Start(learner, learner, 1.0)


def test_what_was_broken_is_told_by_the_champions_answers_to_the_same_items(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [LEAP, RUIN], settings=FUTILE)
    entry = run.ledger.of_kind("round")[1].data
    asked = load_evaluation(run.round_dir(2) / "dev_partial")
    champion = load_evaluation(run.round_dir(1) / "dev").only(asked.correctness())
    assert len(champion.results) == 13
    wrong = {r.item_id for r in asked.results if r.correct < 1} - {r.item_id for r in champion.results if r.correct < 1}
    assert {r.skill for r in asked.results if r.item_id in wrong} == {skill for skill, _ in entry["broken"]}
    sizes = Counter(r.skill for r in asked.results)
    failing = Counter(r.skill for r in champion.results if r.correct < 1)
    for _, skill, _, before, after, n in entry["trials"]:
        assert n == sizes[skill]
        assert 0 < before <= failing[skill]
        assert after <= n


def test_a_better_candidate_is_asked_in_blocks_and_answers_as_if_asked_at_once(tmp_path: Path) -> None:
    settings = replace(FUTILE, futility=False)
    blocks, workbench = play(tmp_path / "blocks" / "run", [LEAP, BETTER], settings=FUTILE)
    whole, _ = play(tmp_path / "whole" / "run", [LEAP, BETTER], settings=settings)
    dev = {item.prompt for item in blocks.prepared.dev}
    asked = [call.texts for call in workbench.asked() if call.weights == "002/adapter" and dev & set(call.texts)]
    assert len(asked) > 1
    assert sorted(text for texts in asked for text in texts) == sorted(dev)
    assert load_evaluation(blocks.round_dir(2) / "dev") == load_evaluation(whole.round_dir(2) / "dev")
    assert decisions(blocks) == decisions(whole)
    assert blocks.ledger.of_kind("round")[1].data["futility"] is None


def test_each_round_asks_in_an_order_of_its_own(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [LEAP, RUIN, SAME], settings=FUTILE)
    parts = [load_evaluation(run.round_dir(number) / "dev_partial").correctness().keys() for number in (2, 3)]
    assert [len(part) for part in parts] == [13, 13]
    assert parts[0] != parts[1]


def test_with_little_to_lose_dev_is_asked_at_once(tmp_path: Path) -> None:
    weak = FakeWorkbench([SAME], base={"add": 0.1, "reverse": 0.1})
    run, workbench = play(tmp_path / "run", [SAME], workbench=weak, settings=FUTILE)
    dev = tuple(item.prompt for item in run.prepared.dev)
    assert [call.weights for call in workbench.asked() if call.texts == dev] == ["base", "001/adapter"]


def test_without_the_setting_a_candidate_is_asked_all(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [LEAP, RUIN])
    assert run.ledger.of_kind("round")[1].data["dev"]["n"] == 40
    assert not list((tmp_path / "run").rglob("dev_partial"))


def test_a_candidate_is_not_given_up_against_answers_of_another_environment(tmp_path: Path) -> None:
    workbench = FakeWorkbench([LEAP, RUIN, RUIN])
    listener = Halving(workbench, 2)
    run, _ = play(tmp_path / "run", [LEAP] * 3, workbench=workbench, listener=listener, settings=FUTILE)
    second, third = (entry.data for entry in run.ledger.of_kind("round")[1:])
    assert (second["rule"], second["dev"]["n"]) == ("lost-skill", 40)  # on all of dev
    assert len(listener.notices) == 1
    assert third["rule"] == "futility"  # the champion has been asked again by then
