"""The loop over rounds: how it ends, what it opens at the end, what it goes on from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import (
    BETTER,
    CRASH,
    LEAP,
    RUIN,
    SAME,
    TOY_RECIPE,
    TOY_SETTINGS,
    WORSE,
    Clock,
    Effect,
    FakeWorkbench,
    open_toy,
    toy_prepared,
    tree,
)

from harness.evaluated import load_evaluation
from harness.exceptions import InputError
from harness.ledger import Ledger
from harness.loop.iterate import Stop, expected_round, iterate
from harness.loop.listener import Silent
from harness.loop.run import Run
from harness.storage import read_json, write_json


def go(
    run_dir: Path, script: Sequence[Effect], rounds: int, budget: float | None = None, **options: Any
) -> tuple[Stop, Run, FakeWorkbench]:
    """One session of ``harness iterate``."""
    workbench = options.pop("workbench", None) or FakeWorkbench(script)
    run = open_toy(run_dir, workbench, **options)
    return iterate(run, rounds, budget, lambda: None), run, workbench


def kinds(run: Run) -> list[str]:
    return [entry.kind for entry in run.ledger.entries]


def test_a_run_is_opened_scored_improved_judged_and_stopped(tmp_path: Path) -> None:
    stop, run, _ = go(tmp_path / "run", [BETTER, WORSE, BETTER], 3)
    assert stop == Stop("finished", "all 3 rounds done")
    assert kinds(run) == ["open", "asked", "baseline", "round", "round", "round", "test_opened", "final", "stop"]
    assert run.ledger.entries[-1].data == {"status": "finished", "reason": "all 3 rounds done", "round": 3}


def test_at_the_end_baseline_and_champion_are_compared_on_test_and_guard(tmp_path: Path) -> None:
    _, run, workbench = go(tmp_path / "run", [Effect(gain=0.4), WORSE], 2)
    final = run.ledger.of_kind("final")[0].data
    assert (final["champion"], final["openings"]) == (1, 1)
    before = load_evaluation(run.run_dir / "baseline" / "test")
    after = load_evaluation(run.run_dir / "final" / "002" / "test")
    assert final["test"]["before"] == before.score.as_dict()
    assert final["test"]["after"] == after.score.as_dict()
    assert final["test"]["delta"] == pytest.approx(after.score.value - before.score.value)
    assert final["test"]["delta"] > 0.2
    assert final["test"]["ci95"][0] < final["test"]["delta"] < final["test"]["ci95"][1]
    assert final["test"]["p"] < 0.001
    assert final["test"]["before_fewshot"]["n"] == 40
    assert final["guard"]["delta"] == 0
    test = {item.prompt for item in run.prepared.test}
    asked = [call.weights for call in workbench.asked() if call.texts[0].rpartition("\n\n")[2] in test]
    assert asked == ["base", "base", "001/adapter"]


def test_gate_items_are_never_asked(tmp_path: Path) -> None:
    _, run, workbench = go(tmp_path / "run", [BETTER, WORSE], 2)
    gate = {item.prompt for item in run.prepared.gate}
    asked = {text.rpartition("\n\n")[2] for call in workbench.history for text in call.texts}
    assert gate
    assert not gate & asked


def test_test_items_are_never_asked_before_the_end(tmp_path: Path) -> None:
    _, run, workbench = go(tmp_path / "run", [BETTER, WORSE], 2)
    test = {item.prompt for item in run.prepared.test}
    places = [p for p, call in enumerate(workbench.history) if test & {t.rpartition("\n\n")[2] for t in call.texts}]
    assert min(places) > max(p for p, call in enumerate(workbench.history) if call.kind == "train")


def test_a_model_that_fails_nothing_ends_the_run_before_the_first_round(tmp_path: Path) -> None:
    workbench = FakeWorkbench(base={"add": 1.0, "reverse": 1.0})
    stop, run, _ = go(tmp_path / "run", [], 5, workbench=workbench)
    assert stop == Stop("converged", "nothing fails on dev any more after round 0")
    final = run.ledger.of_kind("final")[0].data
    assert (final["champion"], final["test"]["delta"], final["test"]["p"]) == (0, 0, 1.0)


def test_a_run_ends_when_nothing_fails_any_more(tmp_path: Path) -> None:
    stop, run, _ = go(tmp_path / "run", [BETTER, Effect(gain=1.0)], 9)
    assert stop == Stop("converged", "nothing fails on dev any more after round 2")
    assert run.state.done == 2


def test_a_run_ends_when_rounds_bring_nothing(tmp_path: Path) -> None:
    settings = replace(TOY_SETTINGS, stop_after=3)
    stop, run, _ = go(tmp_path / "run", [BETTER, SAME, CRASH, WORSE, BETTER], 9, settings=settings)
    assert stop.status == "converged"
    assert stop.reason == (
        "3 rounds in a row brought no promotion (stop_after 3); "
        "more or other data, another recipe or a larger model may help"
    )
    assert run.state.done == 4
    assert run.state.finals == (4,)


def test_more_patience_can_be_asked_for_later(tmp_path: Path) -> None:
    script = [SAME, SAME, Effect(gain=0.8)]
    go(tmp_path / "run", script, 3, settings=replace(TOY_SETTINGS, stop_after=2))
    stop, run, _ = go(tmp_path / "run", script, 3, settings=replace(TOY_SETTINGS, stop_after=5))
    assert stop.status == "finished"
    assert run.state.champion == 3


def test_a_run_ends_when_the_budget_is_spent_and_test_is_opened_all_the_same(tmp_path: Path) -> None:
    stop, run, _ = go(tmp_path / "run", [SAME], 50, budget=120.0, clock=Clock(tick=1.0))
    assert stop.status == "stopped"
    assert stop.reason.startswith("the budget of 120 s is spent: ")
    assert 1 <= run.state.done < 50
    assert run.state.finals == (run.state.done,)
    assert run.state.seconds <= 120


def test_a_round_broken_off_does_not_make_the_next_one_look_short(tmp_path: Path) -> None:
    settings = replace(TOY_SETTINGS, futility=True)
    _, run, _ = go(tmp_path / "run", [LEAP, RUIN], 2, settings=settings, clock=Clock(tick=1.0))
    first, second = (entry.data for entry in run.ledger.of_kind("round"))
    assert second["rule"] == "futility"
    assert expected_round(run, run.state) == sum(first["seconds"].values())


def test_a_larger_budget_is_used_further(tmp_path: Path) -> None:
    _, first, _ = go(tmp_path / "run", [SAME], 50, budget=60.0, clock=Clock(tick=1.0))
    done = first.state.done
    _, second, _ = go(tmp_path / "run", [SAME], 50, budget=120.0, clock=Clock(tick=1.0))
    assert second.state.done > done


def test_a_budget_already_spent_starts_no_round(tmp_path: Path) -> None:
    stop, run, workbench = go(tmp_path / "run", [BETTER], 5, budget=0.0, clock=Clock(tick=1.0))
    assert (stop.status, run.state.done) == ("stopped", 0)
    assert workbench.asked("train") == []


def test_seconds_add_up_to_what_the_clock_showed(tmp_path: Path) -> None:
    clock = Clock(tick=1.0)
    _, run, _ = go(tmp_path / "run", [BETTER, SAME], 2, clock=clock)
    for entry in run.ledger.of_kind("round"):
        assert all(value >= 0 for value in entry.data["seconds"].values())
    assert 0 < run.state.seconds <= clock.time


def test_the_same_command_on_a_finished_run_asks_nothing_and_changes_nothing(tmp_path: Path) -> None:
    go(tmp_path / "run", [BETTER, WORSE], 2)
    before = tree(tmp_path / "run")
    stop, _, workbench = go(tmp_path / "run", [BETTER, WORSE], 2)
    assert stop.status == "finished"
    assert workbench.history == []
    assert tree(tmp_path / "run") == before


def test_more_rounds_asked_later_go_on_and_open_test_again(tmp_path: Path) -> None:
    script = [BETTER, WORSE, SAME, Effect(gain=0.8)]
    go(tmp_path / "run", script, 2)
    stop, run, workbench = go(tmp_path / "run", script, 4)
    assert stop == Stop("finished", "all 4 rounds done")
    assert [entry.data["rounds"] for entry in run.ledger.of_kind("asked")] == [2, 4]
    assert [(e.data["round"], e.data["champion"], e.data["openings"]) for e in run.ledger.of_kind("final")] == [
        (2, 1, 1),
        (4, 4, 2),
    ]
    dev, test = ({item.prompt for item in items} for items in (run.prepared.dev, run.prepared.test))
    asked = [(call.weights, call.texts[0].rpartition("\n\n")[2]) for call in workbench.asked()]
    assert not [text for weights, text in asked if weights == "base" and text in dev | test]


def test_a_run_continued_is_the_run_asked_for_at_once(tmp_path: Path) -> None:
    script = [BETTER, WORSE, SAME, BETTER]
    go(tmp_path / "a" / "run", script, 2)
    go(tmp_path / "a" / "run", script, 4)
    go(tmp_path / "b" / "run", script, 4)
    parts, whole = tree(tmp_path / "a" / "run"), tree(tmp_path / "b" / "run")
    pruned = {name for name in parts if "learner" in name}
    for name in whole.keys() - {"ledger.jsonl", "rounds/002/learner"} - pruned:
        assert parts[name] == whole[name], name
    rounds = [
        [entry.data for entry in Ledger(tmp_path / name / "run" / "ledger.jsonl").of_kind("round")] for name in "ab"
    ]
    assert rounds[0] == rounds[1]


def test_fewer_rounds_than_are_done_ends_at_once(tmp_path: Path) -> None:
    go(tmp_path / "run", [SAME], 3)
    stop, run, workbench = go(tmp_path / "run", [SAME], 1)
    assert stop == Stop("finished", "all 1 rounds done")
    assert run.state.done == 3
    assert workbench.history == []


def test_without_guard_and_few_shot_there_is_neither_in_the_final(tmp_path: Path) -> None:
    settings = replace(TOY_SETTINGS, guard="", fewshot=0)
    recipe = replace(TOY_RECIPE, data=replace(TOY_RECIPE.data, general=0.0))
    _, run, _ = go(tmp_path / "run", [BETTER], 1, settings=settings, recipe=recipe)
    final = run.ledger.of_kind("final")[0].data
    assert (final["guard"], final["test"]["before_fewshot"]) == (None, None)
    assert sorted(path.name for path in (run.run_dir / "baseline").iterdir() if path.is_dir()) == ["dev", "test"]


class Phases(Silent):
    """Collects what a listener is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, str]] = []
        self.rounds: list[tuple[int, float]] = []

    def phase(self, round: int, rounds: int, name: str) -> None:
        self.seen.append((round, name))

    def recorded(self, entry: Any, champion: float) -> None:
        self.rounds.append((entry["round"], champion))


def test_a_listener_is_told_of_every_phase_in_order(tmp_path: Path) -> None:
    listener = Phases()
    go(tmp_path / "run", [BETTER], 1, listener=listener)
    assert listener.seen == [
        (0, "dev"), (0, "dev_fewshot"), (0, "guard"),
        (1, "mine"), (1, "curate"), (1, "train"), (1, "evaluate"), (1, "certify"),
        (1, "test"), (1, "test_fewshot"), (1, "final test"), (1, "final guard"),
    ]  # fmt: skip
    assert listener.rounds == [(1, load_evaluation(tmp_path / "run" / "rounds" / "001" / "dev").score.value)]


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"settings": replace(TOY_SETTINGS, seed=1)}, "settings.seed: 0 there, 1 now"),
        ({"settings": replace(TOY_SETTINGS, futility=True)}, "settings.futility: False there, True now"),
        ({"settings": replace(TOY_SETTINGS, fewshot=1)}, "settings.fewshot: 2 there, 1 now"),
        ({"recipe": replace(TOY_RECIPE, patience=5)}, "recipe.patience: 3 there, 5 now"),
        (
            {"recipe": replace(TOY_RECIPE, data=replace(TOY_RECIPE.data, rows=9))},
            "recipe.data.rows: 8 there, 9 now",
        ),
        ({"settings": replace(TOY_SETTINGS, limit=4)}, "data.items.dev: 40 there, 4 now"),
    ],
    ids=["seed", "futility", "few-shot", "recipe", "nested", "data"],
)
def test_a_run_with_other_inputs_is_refused_and_the_difference_named(
    tmp_path: Path, options: dict[str, Any], difference: str
) -> None:
    go(tmp_path / "run", [SAME], 1)
    before = tree(tmp_path / "run")
    with pytest.raises(InputError) as caught:
        go(tmp_path / "run", [SAME], 1, **options)
    assert str(caught.value) == (
        f"{tmp_path / 'run'}: holds a run with other inputs ({difference}); "
        "choose another folder with --out, or the settings it was made with"
    )
    assert tree(tmp_path / "run") == before


def test_another_model_is_refused(tmp_path: Path) -> None:
    go(tmp_path / "run", [SAME], 1)
    other = FakeWorkbench()
    other.identity["weights_sha256"] = "1" * 64
    with pytest.raises(InputError, match=r"model\.weights_sha256: 0{60} there, 1{60}"):
        go(tmp_path / "run", [], 1, workbench=other)


def test_changed_task_data_is_refused(tmp_path: Path) -> None:
    go(tmp_path / "run", [SAME], 1)
    prepared = toy_prepared()
    with pytest.raises(InputError, match=r"data\.items\.pool: 80 there, 79 now"):
        go(tmp_path / "run", [], 1, prepared=replace(prepared, pool=prepared.pool[1:]))


def test_a_run_of_another_schema_is_refused(tmp_path: Path) -> None:
    go(tmp_path / "run", [SAME], 1)
    manifest = read_json(tmp_path / "run" / "manifest.json")
    write_json(tmp_path / "run" / "manifest.json", {**manifest, "schema": 2})
    with pytest.raises(InputError, match="another schema"):
        go(tmp_path / "run", [SAME], 1)


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("precious")
    with pytest.raises(InputError) as caught:
        go(tmp_path / "run", [SAME], 1)
    assert str(caught.value) == (
        f"{tmp_path / 'run'}: is not empty and not a run directory (it holds 'thesis.tex'); "
        "choose another folder with --out"
    )
    assert tree(tmp_path / "run") == {"thesis.tex": b"precious"}


def test_a_changed_ledger_is_refused(tmp_path: Path) -> None:
    go(tmp_path / "run", [SAME], 1)
    ledger = tmp_path / "run" / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"decision":"reject"', '"decision":"promote"'))
    with pytest.raises(InputError, match=r"ledger\.jsonl:4: ledger chain broken"):
        go(tmp_path / "run", [SAME], 2)


def test_a_damaged_evaluation_is_refused_and_named(tmp_path: Path) -> None:
    go(tmp_path / "run", [SAME], 1)
    (tmp_path / "run" / "baseline" / "dev" / "responses.parquet").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"baseline/dev/responses\.parquet: changed since it was written"):
        go(tmp_path / "run", [SAME], 2)
