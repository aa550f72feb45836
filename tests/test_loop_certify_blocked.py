"""What the second tier takes back, and what no candidate may do, on the scripted model with its domain's record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import LEAP, SAME, TOY_SETTINGS, Effect, FakeWorkbench, Monotonous, toy_record
from tiered_toy import gate_calls, opened, play, rounds

from harness.evaluated import load_evaluation
from harness.exceptions import InputError
from harness.storage import read_json

FADING = Effect(loss={"add": -0.25, "reverse": -0.3}, confidence=1.0)
"""Loses a few items and grows surer of the others: promoted by the golds' log-likelihood."""


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

    workbench = Monotonous(answer, [Effect(gain=0.6)], {"add": 0.6})
    run, _ = play(tmp_path / "run", [SAME], workbench=workbench, change=declare)
    (data,) = rounds(run)
    assert (data["decision"], data["rule"], data["tier"]) == ("reject", "degenerate", None)
    assert data["reason"].startswith(reason)
