"""What of gate and test is told, what is kept, and what a choice by hand changes, on the scripted model."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import BETTER, LEAP, SAME, SURER, TOY_SETTINGS, TOY_TIME, Clock, Effect, FakeWorkbench, toy_record
from tiered_toy import ALPHA, break_off, opened, play, rounds

from harness.evaluated import load_evaluation
from harness.loop.hand import roll_back
from harness.loop.iterate import expected_look, iterate, prune
from harness.loop.rounds import run_round
from harness.loop.run import Run, baseline
from harness.reporting.load import write_reports
from harness.storage import read_json
from harness.verify.rescore import rescore
from harness.verify.verify import verify_run

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
    run, workbench = opened(tmp_path / "run", [BETTER, Effect(gain=0.3)])
    break_off(run, workbench, 3)
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
