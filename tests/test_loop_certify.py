"""The second tier: certificates and looks on the scripted model, with the record of its domain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake_workbench import BETTER, LEAP, SAME, SURER, TOY_SETTINGS, Effect, FakeWorkbench, toy_record, tree
from tiered_toy import ALPHA, Notices, break_off, gate_calls, opened, play, prepared_with, rounds

from harness.evaluated import load_evaluation
from harness.gate.alpha import LOOKS
from harness.loop.judge import paired
from harness.loop.rounds import run_round
from harness.loop.run import baseline
from harness.storage import read_json

# --- certificates


def test_a_real_gain_is_certified_and_the_anchor_moves(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [LEAP])
    (data,) = rounds(run)
    assert (data["decision"], data["certified"], data["champion"], data["anchor"]) == ("promote", True, 1, 1)
    assert read_json(run.round_dir(1) / "verdict.json")["certified"] is True
    assert (run.state.champion, run.state.anchor) == (1, 1)
    assert data["tier"]["rule"] == "look"
    assert data["tier"]["look"] == {"number": 1, "group": 1, "place": 1, "alpha": ALPHA}
    assert data["tier"]["reason"].startswith("look 1 of 8 at alpha 0.00625; dev against the last certified model: ")
    assert gate_calls(run, workbench) == [("001/adapter", 40), ("base", 40)]
    (look,) = toy_record(tmp_path / "state").kept.looks
    assert (look.run, look.round, look.alpha, look.certified) == (run.identity, 1, ALPHA, True)
    before, after = (load_evaluation(run.round_dir(1) / name) for name in ("anchor_gate", "gate"))
    assert paired(before, after).p < ALPHA


def test_what_gate_does_not_bear_out_stays_provisional(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [BETTER])
    (data,) = rounds(run)
    assert (data["decision"], data["certified"], data["champion"], data["anchor"]) == ("promote", False, 1, 0)
    assert (run.state.champion, run.state.anchor) == (1, 0)
    before, after = (load_evaluation(run.round_dir(1) / name) for name in ("anchor_gate", "gate"))
    assert paired(before, after).p >= ALPHA
    assert toy_record(tmp_path / "state").kept.looks[0].certified is False


def test_a_candidate_that_is_not_better_than_the_anchor_on_dev_makes_no_look(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [LEAP, SURER])
    second = rounds(run)[1]
    assert (second["decision"], second["rule"], second["certified"]) == ("promote", "loglikelihood", None)
    assert (second["tier"]["rule"], second["tier"]["look"]) == ("dev", None)
    assert (second["champion"], second["anchor"]) == (2, 1)
    assert len(gate_calls(run, workbench)) == 2  # those of the first round


def test_the_anchors_answers_are_asked_once(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [BETTER, SURER, Effect(gain=0.4)])
    assert [data["certified"] for data in rounds(run)] == [False, False, True]
    assert gate_calls(run, workbench) == [
        ("001/adapter", 40), ("base", 40), ("002/adapter", 40), ("003/adapter", 40)
    ]  # fmt: skip
    assert rounds(run)[1]["tier"]["against"]["anchor_gate"] == "rounds/001/anchor_gate"
    guards = [call.weights for call in workbench.asked("loglikelihood") if call.texts[0].startswith("Is ")]
    assert guards == ["base", "001/adapter", "002/adapter", "003/adapter"]


def test_a_certificate_hands_its_level_on_and_is_the_next_anchor(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [Effect(gain=0.4), Effect(gain=0.3)])
    first, second = (data["tier"] for data in rounds(run))
    assert (first["certified"], first["look"]["alpha"]) == (True, ALPHA)
    assert (second["anchor"], second["look"]["alpha"], second["looks"]) == (1, 2 * ALPHA, [[ALPHA, True]])
    assert second["against"]["anchor_gate"] == "rounds/001/gate"
    assert gate_calls(run, workbench)[2:] == [("002/adapter", 40)]


# --- looks


@pytest.mark.parametrize("place", [1, 2], ids=["the candidate", "the anchor"])
def test_a_look_is_spent_before_gate_is_asked(tmp_path: Path, place: int) -> None:
    run, workbench = opened(tmp_path / "run", [LEAP])
    seen = break_off(run, workbench, place)
    baseline(run)
    with pytest.raises(KeyboardInterrupt):
        run_round(run)
    assert len(seen) == place
    record = toy_record(tmp_path / "state")
    (look,) = record.kept.looks
    assert (look.certified, look.alpha) == (None, ALPHA)
    assert record.groups([item.item_id for item in run.prepared.gate])[0].alpha == ALPHA  # of the next: not handed on
    (entry,) = run.ledger.of_kind("look")
    assert (entry.data["round"], entry.data["look"], entry.data["alpha"]) == (1, 1, ALPHA)
    assert entry.data["record"] == record.head
    assert run.ledger.of_kind("round") == []
    # The same command goes on with the same look, and gains none by the interruption.
    again, _ = opened(tmp_path / "run", [LEAP])
    assert run_round(again).data["certified"] is True
    assert len(toy_record(tmp_path / "state").kept.looks) == 1
    whole, _ = play(tmp_path / "whole" / "run", [LEAP])
    assert tree(again.run_dir) == tree(whole.run_dir)
    assert record.path.read_bytes() == toy_record(tmp_path / "whole" / "state").path.read_bytes()


def test_another_runs_look_in_between_takes_nothing_and_hands_nothing_on(tmp_path: Path) -> None:
    run, workbench = opened(tmp_path / "run", [LEAP])
    break_off(run, workbench, 1)
    baseline(run)
    with pytest.raises(KeyboardInterrupt):
        run_round(run)
    other, _ = play(tmp_path / "other", [LEAP], record=run.record)
    assert rounds(other)[0]["tier"]["look"]["number"] == 2
    again, _ = opened(tmp_path / "run", [LEAP])
    data = run_round(again).data
    assert (data["tier"]["look"]["number"], data["certified"]) == (1, True)
    spent = [look.spent().certified for look in toy_record(tmp_path / "state").kept.looks]
    assert spent == [None, True]


def test_when_the_looks_are_spent_the_run_goes_on_provisionally_and_says_so_once(tmp_path: Path) -> None:
    run, workbench = opened(tmp_path / "run", [LEAP, Effect(gain=0.05), SAME], listener=(told := Notices()))
    assert run.record is not None
    gate = [item.item_id for item in run.prepared.gate]
    for number in range(LOOKS):
        run.record.debit(gate, "another run", number)
    told.notices.clear()
    baseline(run)
    for _ in range(3):
        run_round(run)
    first = rounds(run)[0]
    assert (first["decision"], first["certified"], first["tier"]["rule"]) == ("promote", None, "spent")
    assert (run.state.champion >= 1, run.state.anchor) == (True, 0)
    assert gate_calls(run, workbench) == []
    assert told.notices == [first["tier"]["reason"]]
    assert "all 8 at these gate items are spent" in first["tier"]["reason"]
    assert "'harness data extend FILE'" in first["tier"]["reason"]
    assert run.ledger.of_kind("look") == []
    assert len(run.record.kept.looks) == LOOKS


def test_a_second_run_with_another_seed_goes_on_with_the_looks(tmp_path: Path) -> None:
    first, _ = play(tmp_path / "first", [LEAP])
    second, _ = play(tmp_path / "second", [LEAP], settings=replace(TOY_SETTINGS, seed=1))
    looks = [rounds(run)[0]["tier"]["look"] for run in (first, second)]
    assert [(look["number"], look["alpha"]) for look in looks] == [(1, ALPHA), (2, 2 * ALPHA)]
    assert rounds(second)[0]["tier"]["looks"] == [[ALPHA, True]]


def test_without_a_record_nothing_is_certified_and_the_round_says_why(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [LEAP], record=None, listener=(told := Notices()))
    (data,) = rounds(run)
    assert (data["decision"], data["certified"], data["anchor"]) == ("promote", None, 0)
    assert data["tier"]["reason"] == "no look: no record of this domain's items is kept, so none can be debited"
    assert told.notices[-1] == data["tier"]["reason"]
    assert gate_calls(run, workbench) == []


def test_without_gate_items_nothing_is_certified_and_the_round_says_why(tmp_path: Path) -> None:
    workbench, record = FakeWorkbench([LEAP]), toy_record(tmp_path / "state")
    prepared = replace(prepared_with(workbench, record), gate=())
    run, _ = play(tmp_path / "run", [LEAP], workbench=workbench, record=record, prepared=prepared)
    (data,) = rounds(run)
    assert (data["decision"], data["certified"], data["anchor"]) == ("promote", None, 0)
    assert data["tier"]["reason"] == "no look: the domain has no gate items, so champions stay provisional"


def test_a_record_that_lost_the_runs_looks_brings_no_new_ones(tmp_path: Path) -> None:
    play(tmp_path / "run", [BETTER])
    toy_record(tmp_path / "state").path.unlink()
    again, workbench = opened(tmp_path / "run", [BETTER, LEAP])
    data = run_round(again).data
    assert (data["decision"], data["certified"], data["tier"]["rule"]) == ("promote", None, "lost-record")
    assert "lacks looks that this run made; restore it" in data["tier"]["reason"]
    assert gate_calls(again, workbench) == []
    assert toy_record(tmp_path / "state").kept.looks == []
