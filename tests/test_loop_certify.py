"""The second tier: looks, certificates and rollbacks on the scripted model, with the record of its domain."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import (
    BETTER,
    LEAP,
    SAME,
    SURER,
    TOY_SETTINGS,
    TOY_TIME,
    Call,
    Clock,
    Effect,
    FakeWorkbench,
    toy_record,
    tree,
)
from tiered_toy import Notices, gate_calls, opened, play, prepared_with, rounds

from harness.evaluated import load_evaluation
from harness.evaluation.engine import Generation, GenerationRequest, Progress
from harness.exceptions import InputError
from harness.gate.alpha import LOOKS
from harness.loop.hand import roll_back
from harness.loop.iterate import expected_look, iterate, prune
from harness.loop.judge import paired
from harness.loop.rounds import run_round
from harness.loop.run import Run, baseline
from harness.reporting.load import write_reports
from harness.storage import read_json
from harness.verify.rescore import rescore
from harness.verify.verify import verify_run

FADING = Effect(loss={"add": -0.25, "reverse": -0.3}, confidence=1.0)
"""Loses a few items and grows surer of the others: promoted by the golds' log-likelihood."""
ALPHA = 0.05 / LOOKS


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


def broken_off(script: Sequence[Effect], kind: str, place: int) -> tuple[FakeWorkbench, list[Call]]:
    """A workbench that is interrupted at the ``place``-th time that a trained model is asked gate items."""
    seen: list[Call] = []

    def fault(call: Call) -> None:
        if call.kind == kind and hidden & set(call.texts):
            seen.append(call)
            if len(seen) == place:
                raise KeyboardInterrupt

    workbench = FakeWorkbench(script, fault)
    hidden: set[str] = set()
    workbench.hidden = hidden  # type: ignore[attr-defined]
    return workbench, seen


@pytest.mark.parametrize("place", [1, 2], ids=["the candidate", "the anchor"])
def test_a_look_is_spent_before_gate_is_asked(tmp_path: Path, place: int) -> None:
    workbench, seen = broken_off([LEAP], "generate", place)
    run, _ = opened(tmp_path / "run", [], workbench=workbench)
    workbench.hidden.update(item.prompt for item in run.prepared.gate)  # type: ignore[attr-defined]
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
    workbench, _ = broken_off([LEAP], "generate", 1)
    run, _ = opened(tmp_path / "run", [], workbench=workbench)
    workbench.hidden.update(item.prompt for item in run.prepared.gate)  # type: ignore[attr-defined]
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


# --- the way back


def test_harm_on_dev_against_the_anchor_rolls_back_to_it(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [LEAP, FADING, SAME])
    second = rounds(run)[1]
    assert (second["decision"], second["rule"]) == ("rollback", "harm")
    assert "log-likelihood of the gold answers" in second["reason"]  # why it was promoted
    assert "; then dev shows harm against the last certified model: " in second["reason"]
    assert (second["champion"], second["anchor"], second["certified"]) == (1, 1, None)
    verdict = read_json(run.round_dir(2) / "verdict.json")
    assert (verdict["decision"], verdict["rule"]) == ("rollback", "harm")
    assert run.state.champion == 1
    start = [call.start for call in workbench.asked("train")][2]
    learner = run.round_dir(1) / "learner"
    assert start is not None
    assert (start.weights, start.state, start.rate) == (learner, learner, 0.5)


def test_harm_on_the_guard_blocks_the_look_and_rolls_back(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [Effect(gain=0.6, loss={"even": -1.0})])
    (data,) = rounds(run)
    assert (data["decision"], data["rule"], data["certified"]) == ("rollback", "harm", None)
    assert "then guard shows harm against the last certified model" in data["reason"]
    assert (data["tier"]["rule"], data["tier"]["guard"]["blocks"], data["tier"]["look"]) == ("guard", True, None)
    assert (run.state.champion, run.state.anchor, run.state.learner) == (0, 0, 0)
    assert gate_calls(run, workbench) == []
    assert toy_record(tmp_path / "state").kept.looks == []
    assert run.ledger.of_kind("look") == []


def test_what_was_forgotten_little_by_little_blocks_the_look_though_the_anchor_is_hardly_better(tmp_path: Path) -> None:
    workbench = FakeWorkbench(
        [Effect(gain=0.4, loss={"even": -0.05}), Effect(gain=0.3, loss={"even": -0.2})], base={"even": 0.9}
    )
    run, _ = play(tmp_path / "run", [SAME] * 2, workbench=workbench)
    first, second = rounds(run)
    assert (first["certified"], first["tier"]["guard"]["blocks"]) == (True, False)
    assert (second["decision"], second["certified"], second["tier"]["rule"]) == ("promote", None, "guard")
    assert second["tier"]["reason"].startswith("no look: ")
    assert "against round 0" in second["tier"]["reason"]
    assert second["tier"]["rollback"] is None
    assert (second["champion"], second["anchor"]) == (2, 1)
    assert len(toy_record(tmp_path / "state").kept.looks) == 1


# --- what no candidate may do


def test_a_broken_must_pass_item_rejects_with_its_id(tmp_path: Path) -> None:
    probe, _ = play(tmp_path / "probe", [LEAP])
    right = [r.item_id for r in load_evaluation(probe.run_dir / "baseline" / "dev").results
             if r.correct == 1 and r.skill == "add"]  # fmt: skip
    settings = replace(TOY_SETTINGS, must_pass=right[:2])
    run, _ = play(tmp_path / "run", [Effect(gain=0.7, loss={"add": -1.0})], settings=settings)
    (data,) = rounds(run)
    assert (data["decision"], data["rule"], data["champion"]) == ("reject", "must-pass", 0)
    assert data["reason"] == f"broke 2 must-pass items: {', '.join(sorted(right[:2]))}"


def test_an_item_that_its_document_pins_is_dev_and_must_pass(tmp_path: Path) -> None:
    plain, _ = opened(tmp_path / "plain", [], record=None)
    chosen = plain.prepared.gate[0].doc["input"]  # of a cluster that would be dealt to gate

    def pin(split: str, doc: dict[str, Any]) -> Mapping[str, Any]:
        return {**doc, "pin": True} if doc["input"] == chosen else doc

    workbench = FakeWorkbench(
        [Effect(gain=0.2, loss={"add": -1.2, "reverse": -1.2})], base={"add": 1.0, "reverse": 0.9}
    )
    run, _ = play(tmp_path / "run", [SAME], workbench=workbench, change=pin)
    (item,) = [item for item in run.prepared.dev if item.doc["input"] == chosen]
    before = load_evaluation(run.run_dir / "baseline" / "dev").correctness()
    assert before[item.item_id] == 1.0
    (data,) = rounds(run)
    assert (data["decision"], data["rule"]) == ("reject", "must-pass")
    assert data["reason"] == f"broke 1 must-pass item: {item.item_id}"


def test_a_must_pass_item_that_is_none_of_dev_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must_pass: 'nosuch' is no dev item of this run"):
        opened(tmp_path / "run", [], settings=replace(TOY_SETTINGS, must_pass=["nosuch"]))


SENTENCE = "I can only help with words."


class Monotonous(FakeWorkbench):
    """Once trained it gives one answer to every sum; words it writes the better."""

    def __init__(self, answer: str) -> None:
        super().__init__([Effect(gain=0.6)], base={"add": 0.6})
        self.answer = answer

    def generate(self, requests: Sequence[GenerationRequest], progress: Progress | None) -> list[Generation]:
        found = super().generate(requests, progress)
        if self._name == "base":
            return found
        sums = [request.prompt.rpartition("\n\n")[2].startswith("What") for request in requests]
        return [replace(each, text=self.answer) if is_sum else each for each, is_sum in zip(found, sums, strict=True)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "answers nothing in add: 100% of 20 answers"),
        (f"{SENTENCE} Ask me about those.", f"always redirects ('{SENTENCE.rstrip('.').lower()}') in add: 100% of 20"),
        ("1004", "always answers '1004' in add: 100% of 20 answers"),
    ],
    ids=["empty", "redirects", "one label"],
)
def test_answers_that_are_no_answers_reject_whatever_else_is_gained(tmp_path: Path, answer: str, reason: str) -> None:
    def declare(split: str, doc: dict[str, Any]) -> Mapping[str, Any]:
        return {**doc, "expects": {"refusal_sentence": SENTENCE}}

    run, _ = play(tmp_path / "run", [SAME], workbench=Monotonous(answer), change=declare)
    (data,) = rounds(run)
    assert (data["decision"], data["rule"], data["tier"]) == ("reject", "degenerate", None)
    assert data["reason"].startswith(reason)


# --- what is told


class Elsewhere(FakeWorkbench):
    """Answers some questions wrongly once trained."""

    def __init__(self, script: Sequence[Effect], wrong: frozenset[str] = frozenset()) -> None:
        super().__init__(script)
        self.wrong = wrong

    def _knows(self, question: str) -> bool:
        return super()._knows(question) and not (self._name != "base" and question in self.wrong)


def all_told(run: Run) -> dict[str, Any]:
    """All that anybody is shown of a run, without hashes of files and of what holds them."""
    write_reports(run.run_dir)
    entries = [{key: value for key, value in entry.data.items() if key not in ("files", "record")}
               for entry in run.ledger.entries]  # fmt: skip
    shown = {name: (run.run_dir / name).read_text() for name in ("summary.json", "summary.md", "report/index.html")}
    shown = {name: re.sub(f"{run.ledger.head[:8]}[0-9a-f]*", "head", text) for name, text in shown.items()}
    verdicts = [path.read_text() for path in sorted(run.run_dir.glob("rounds/*/verdict.json"))]
    phases = [read_json(path)["result"] for path in sorted(run.run_dir.glob("rounds/*/certify.done.json"))]
    return {**shown, "ledger": entries, "verdicts": verdicts, "phases": phases}


def test_of_gate_nothing_is_told_but_the_bit(tmp_path: Path) -> None:
    plain, _ = opened(tmp_path / "plain", [], record=None)
    some = frozenset(item.prompt for item in plain.prepared.gate[:2])
    shown, looked = [], []
    for name, wrong in (("a", frozenset[str]()), ("b", some)):
        run, _ = opened(tmp_path / name / "run", [], workbench=Elsewhere([LEAP, BETTER], wrong))
        iterate(run, 2, None, lambda: None)
        shown.append(all_told(run))
        looked.append(load_evaluation(run.round_dir(1) / "gate").correctness())
    assert looked[0] != looked[1]
    assert rounds(run)[0]["certified"] is True
    assert shown[0] == shown[1]
    text = json.dumps(shown[0])
    for item in run.prepared.gate:
        assert item.item_id not in text
        assert item.prompt not in text
    assert set(shown[0]["phases"][0]) == {
        "anchor", "against", "dev", "rule", "reason", "guard", "looks", "look", "certified", "rollback", "watch"
    }  # fmt: skip


def test_rescoring_leaves_gate_out(tmp_path: Path) -> None:
    run, _ = opened(tmp_path / "run", [LEAP])
    iterate(run, 1, None, lambda: None)
    found = rescore(run.run_dir)
    assert "rounds/001/dev" in found["evaluations"]
    assert "rounds/001/guard" in found["evaluations"]
    assert not [name for name in (*found["evaluations"], *found["files"]) if "gate" in name]


def test_test_is_opened_for_champion_and_anchor_and_counted_over_runs(tmp_path: Path) -> None:
    finals = []
    for name, seed in (("first", 0), ("second", 1)):
        run, _ = opened(tmp_path / name, [LEAP, SURER], settings=replace(TOY_SETTINGS, seed=seed))
        iterate(run, 1 if seed else 2, None, lambda: None)
        finals.append(run.ledger.of_kind("final")[0].data)
    assert [final["openings"] for final in finals] == [1, 2]
    first, second = finals
    assert (first["test"]["model"], first["test"]["round"]) == ("champion", 2)
    assert (first["test_certified"]["model"], first["test_certified"]["round"]) == ("certified", 1)
    assert (tmp_path / "first" / "final" / "002" / "test_certified" / "scores.json").is_file()
    assert second["test_certified"] is None
    write_reports(tmp_path / "first")
    summary = read_json(tmp_path / "first" / "summary.json")
    assert (summary["champion"]["round"], summary["certified_round"], summary["test_openings"]) == (2, 1, 1)
    assert summary["looks"] == [{"round": 1, "number": 1, "place": 1, "alpha": ALPHA, "certified": True}]


# --- what is kept, and how long it takes


def test_the_anchors_state_and_whole_model_are_kept(tmp_path: Path) -> None:
    workbench = FakeWorkbench([LEAP, SURER, SAME, SAME])
    workbench.identity["method"] = "sft"
    run, _ = play(tmp_path / "run", [SAME] * 4, workbench=workbench)
    prune(run)
    state = run.state
    assert (state.anchor, state.champion, state.learner, state.done) == (1, 2, 4, 4)
    for name in ("learner", "adapter"):
        assert [number for number in range(1, 5) if (run.round_dir(number) / name).exists()] == [1, 2, 4]
    assert (run.run_dir / "champion").readlink() == Path("rounds/002")
    assert (run.run_dir / "certified").readlink() == Path("rounds/001")


def test_the_time_of_a_look_is_reckoned_with(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [BETTER], clock=Clock(tick=1.0))
    (data,) = rounds(run)
    seconds = read_json(run.round_dir(1) / "evaluate.done.json")["seconds"]
    # One model's gate items, whose base has answered them, and the guard's: 40 and 12 items, where dev has 40.
    assert expected_look(run, run.state, data) == pytest.approx(seconds / 40 * 52)
    spent = read_json(run.round_dir(1) / "certify.done.json")["seconds"]
    assert data["seconds"]["evaluate"] == seconds + spent
    bare, _ = play(tmp_path / "bare", [BETTER], clock=Clock(tick=1.0), record=None)
    assert expected_look(bare, bare.state, rounds(bare)[0]) == 0.0


# --- by hand


def test_going_back_by_hand_behind_the_certified_round_takes_the_certificate_from_it(tmp_path: Path) -> None:
    run, _ = opened(tmp_path / "run", [Effect(gain=0.4), Effect(gain=0.3)])
    iterate(run, 2, None, lambda: None)
    assert (run.state.champion, run.state.anchor) == (2, 2)
    entry = roll_back(run.run_dir, 1, "the second one is rude", now=lambda: TOY_TIME)
    assert (entry.data["champion"], entry.data["anchor"]) == (1, 1)
    assert (run.run_dir / "certified").readlink() == Path("rounds/001")
    roll_back(run.run_dir, 0, "so is the first", now=lambda: TOY_TIME)
    assert not (run.run_dir / "certified").is_symlink()
    write_reports(run.run_dir)
    assert read_json(run.run_dir / "summary.json")["certified_round"] is None
    assert verify_run(run.run_dir).mismatches == []


def test_a_look_at_a_candidate_that_was_undone_by_hand_is_spent(tmp_path: Path) -> None:
    workbench, _ = broken_off([BETTER, Effect(gain=0.3)], "generate", 3)
    run, _ = opened(tmp_path / "run", [], workbench=workbench)
    workbench.hidden.update(item.prompt for item in run.prepared.gate)  # type: ignore[attr-defined]
    baseline(run)
    run_round(run)
    with pytest.raises(KeyboardInterrupt):
        run_round(run)
    assert [look.certified for look in toy_record(tmp_path / "state").kept.looks] == [False, None]
    roll_back(run.run_dir, 0, "start over", now=lambda: TOY_TIME)
    again, _ = opened(tmp_path / "run", [BETTER, LEAP])
    data = run_round(again).data
    assert (data["tier"]["look"]["number"], data["certified"]) == (3, True)
    looks = toy_record(tmp_path / "state").kept.looks
    assert [look.certified for look in looks] == [False, None, True]
    assert [entry.data["look"] for entry in again.ledger.of_kind("look")] == [1, 2, 3]
