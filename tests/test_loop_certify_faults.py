"""The second tier where something goes wrong: copies of runs, guards that cancel out, memory, a task's own code."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import BETTER, LEAP, SAME, TOY_SETTINGS, TOY_TIME, Call, Effect, FakeWorkbench, toy_record
from tiered_toy import ALPHA, gate_calls, opened, play, prepared_with, rounds

from harness.exceptions import InputError
from harness.loop.hand import promote
from harness.loop.iterate import iterate
from harness.loop.rounds import run_round
from harness.loop.run import baseline
from harness.training.contract import NonFiniteWeights
from harness.verify.verify import verify_run


def test_a_trial_run_makes_no_look(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [LEAP], settings=replace(TOY_SETTINGS, limit=20))
    (data,) = rounds(run)
    assert (data["decision"], data["certified"], data["tier"]["rule"]) == ("promote", None, "trial")
    assert gate_calls(run, workbench) == []
    assert toy_record(tmp_path / "state").kept.looks == []
    assert verify_run(run.run_dir).mismatches == []


def test_a_copy_of_a_run_pays_for_its_own_look_at_another_candidate(tmp_path: Path) -> None:
    """The copy has the run's name. A look that is cut short belongs to the candidate it was made at."""
    workbench = FakeWorkbench([BETTER, Effect(gain=0.3)])
    run, _ = opened(tmp_path / "run", [], workbench=workbench)
    baseline(run)
    run_round(run)
    shutil.copytree(tmp_path / "run", tmp_path / "copy", symlinks=True)
    gate = {item.prompt for item in run.prepared.gate}

    def cut(call: Call) -> None:
        if gate & set(call.texts):
            raise KeyboardInterrupt

    workbench.fault = cut
    with pytest.raises(KeyboardInterrupt):
        run_round(run)
    assert [look.certified for look in toy_record(tmp_path / "state").kept.looks] == [False, None]
    other, _ = opened(tmp_path / "copy", [BETTER, LEAP])
    data = run_round(other).data
    assert data["tier"]["look"] == {"number": 3, "group": 1, "place": 3, "alpha": ALPHA}
    workbench.fault = lambda _: None
    again, _ = opened(tmp_path / "run", [], workbench=workbench)
    assert run_round(again).data["tier"]["look"]["number"] == 2


def test_a_copy_that_asks_test_of_another_model_opens_it_once_more(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [BETTER, LEAP, SAME])
    shutil.copytree(tmp_path / "run", tmp_path / "copy", symlinks=True)
    iterate(run, 3, None, lambda: None)
    promote(tmp_path / "copy", 1, "another choice", now=lambda: TOY_TIME)
    other, _ = opened(tmp_path / "copy", [], workbench=workbench)
    iterate(other, 3, None, lambda: None)
    assert [each.ledger.of_kind("final")[0].data["openings"] for each in (run, other)] == [1, 2]


def test_a_look_that_was_debited_and_never_noted_is_noted_when_the_run_goes_on(tmp_path: Path) -> None:
    workbench = FakeWorkbench([LEAP])
    run, _ = opened(tmp_path / "run", [], workbench=workbench)
    baseline(run)
    append = run.ledger.append

    def cut(kind: str, *given: Any) -> Any:
        if kind == "look":
            raise KeyboardInterrupt
        return append(kind, *given)

    run.ledger.append = cut  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run_round(run)
    assert len(toy_record(tmp_path / "state").kept.looks) == 1
    again, _ = opened(tmp_path / "run", [], workbench=workbench)
    assert run_round(again).data["certified"] is True
    assert [entry.data["look"] for entry in again.ledger.of_kind("look")] == [1]
    assert len(toy_record(tmp_path / "state").kept.looks) == 1
    assert verify_run(again.run_dir).mismatches == []


def test_a_record_that_was_cut_and_grew_again_brings_no_new_looks(tmp_path: Path) -> None:
    """Another run's looks were taken out of it; this run's own keep their numbers."""
    run, _ = play(tmp_path / "run", [BETTER, SAME])
    kept = toy_record(tmp_path / "state")
    other = toy_record(tmp_path / "elsewhere")
    prepared_with(FakeWorkbench([SAME]), other)
    gate = [item.item_id for item in run.prepared.gate]
    other.debit(gate, run.identity, 1, "something else")
    kept.path.write_bytes(other.path.read_bytes())
    again, workbench = opened(tmp_path / "run", [BETTER, SAME, LEAP])
    data = run_round(again).data
    assert data["tier"]["rule"] == "lost-record"
    assert gate_calls(again, workbench) == []


def test_of_two_guards_one_may_not_pay_for_the_other(tmp_path: Path) -> None:
    """Half of the guard's items gain what the others lose: the sum shows nothing."""
    workbench = FakeWorkbench([LEAP])
    record = toy_record(tmp_path / "state")
    prepared = prepared_with(workbench, record)
    numbers = sorted(prepared.guard, key=lambda item: item.item_id)
    more = [replace(item, item_id=f"{n:016x}", cluster=f"c{n}") for n, item in enumerate(numbers * 4)]
    split = [replace(item, skill="gains" if n % 2 else "loses") for n, item in enumerate(more)]
    prepared = replace(prepared, guard=tuple(split))
    run, _ = opened(tmp_path / "run", [], workbench=workbench, record=record, prepared=prepared)
    evaluate = run.evaluate

    def asked(name: str, items: Sequence[Any], adapter: Path | None, folder: Path, *given: Any, **options: Any) -> Any:
        import pandas as pd

        head = evaluate(name, items, adapter, folder, *given, **options)
        if name == "guard":
            path = folder / "responses.parquet"
            frame = pd.read_parquet(path)
            frame["correct"] = [float((skill == "gains") == (adapter is not None)) for skill in frame.skill]
            frame.to_parquet(path, index=False)
        return head

    run.evaluate = asked  # type: ignore[method-assign]
    baseline(run)
    data = run_round(run).data
    assert data["tier"]["guard"]["lost"] == ["loses"]
    assert (data["tier"]["guard"]["blocks"], data["tier"]["rule"], data["certified"]) == (True, "guard", None)
    assert "worse in loses (Holm over all guards at .05)" in data["tier"]["reason"]


def test_where_memory_halves_the_batch_in_a_look_both_models_are_asked_with_the_smaller_one(tmp_path: Path) -> None:
    workbench = FakeWorkbench([LEAP])
    run, _ = opened(tmp_path / "run", [], workbench=workbench)
    gate = {item.prompt for item in run.prepared.gate}

    def fault(call: Call) -> None:
        if call.kind == "generate" and call.weights == "base" and gate & set(call.texts):
            workbench.batch_size = 8

    workbench.fault = fault
    baseline(run)
    data = run_round(run).data
    assert data["certified"] is True
    assert [weights for weights, _ in gate_calls(run, workbench)] == ["001/adapter", "base", "001/adapter"]
    assert len(toy_record(tmp_path / "state").kept.looks) == 1
    assert verify_run(run.run_dir).mismatches == []


def test_a_gate_item_that_cannot_be_scored_is_not_named(tmp_path: Path) -> None:
    workbench = FakeWorkbench([LEAP])
    run, _ = opened(tmp_path / "run", [], workbench=workbench)
    sealed = run.prepared.gate[0]
    baseline(run)
    task = run.prepared.domain.tasks[sealed.task].task
    process = task.process_results

    def failing(doc: Any, results: Any) -> Any:
        if doc == dict(sealed.doc):
            raise ValueError(f"cannot read {doc['input']}")
        return process(doc, results)

    task.process_results = failing
    with pytest.raises(InputError) as raised:
        run_round(run)
    assert "a gate item cannot be scored (ValueError)" in str(raised.value)
    assert sealed.item_id not in str(raised.value)
    assert str(sealed.doc["input"]) not in str(raised.value)


def test_weights_that_are_not_finite_make_the_round_invalid(tmp_path: Path) -> None:
    workbench = FakeWorkbench([SAME])

    def train(*_: Any) -> Any:
        raise NonFiniteWeights("a trained weight is not finite; lower the recipe's learning_rate")

    workbench.train = train  # type: ignore[method-assign]
    run, _ = play(tmp_path / "run", [SAME], workbench=workbench)
    (data,) = rounds(run)
    assert (data["decision"], data["rule"], data["champion"]) == ("invalid", "non-finite", 0)
    assert "lower the recipe's learning_rate" in data["reason"]
    assert verify_run(run.run_dir).mismatches == []


def test_pinned_items_that_are_not_asked_on_dev_are_counted(tmp_path: Path) -> None:
    record = toy_record(tmp_path / "state")
    plain = prepared_with(FakeWorkbench(), record)
    assert not [notice for notice in plain.notices if "pin" in notice]

    def pinned(split: str, doc: dict[str, Any]) -> dict[str, Any]:
        return {**doc, "pin": True} if split == "test" and doc["input"].endswith("+ 1?") else doc

    prepared = prepared_with(FakeWorkbench(), toy_record(tmp_path / "other"), change=pinned)
    count = sum(item.doc.get("pin") is True for item in prepared.test)
    assert count > 0
    said = f"{count} items with pin: true are not asked on dev and bind no candidate (docs/roles.md)"
    assert said in prepared.notices
