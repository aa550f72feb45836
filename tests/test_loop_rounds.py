"""What a round does with each kind of outcome, on the scripted model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import (
    BETTER,
    CRASH,
    SAME,
    SURER,
    TOY_RECIPE,
    TOY_SETTINGS,
    WORSE,
    Effect,
    FakeWorkbench,
    Halving,
    Monotonous,
    decisions,
    open_toy,
    play,
    starts,
    toy_prepared,
    tree,
)
from toy import skill_of

from harness.evaluated import load_evaluation
from harness.evaluation.engine import Progress, Scoring, ScoringRequest
from harness.gate.degenerate import degenerate
from harness.gate.promotion import LOGLIKELIHOOD_ALPHA
from harness.gate.signflip import sign_flip
from harness.loop.iterate import prune
from harness.loop.rounds import run_round
from harness.loop.run import Run, baseline
from harness.models.session import weights_hash
from harness.storage import read_json, read_jsonl
from harness.training.contract import Start


def rows(run: Run, number: int) -> list[dict[str, Any]]:
    return read_jsonl(run.round_dir(number) / "train.jsonl")


def test_a_better_candidate_becomes_champion_and_the_next_round_goes_on_from_its_learner(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [BETTER, BETTER])
    assert decisions(run) == ["promote", "promote"]
    assert run.state.champion == 2
    learner = run.round_dir(1) / "learner"
    assert starts(workbench) == [Start(None, None, 1.0), Start(learner, learner, 1.0)]


def test_an_unproven_category_is_counted_and_never_targeted(tmp_path: Path) -> None:
    run = open_toy(tmp_path / "run", FakeWorkbench([BETTER]))
    run.taxonomy = replace(run.taxonomy, may_trigger=frozenset({"repetitive", "wrong_answer"}))
    baseline(run)
    entry = run_round(run)
    assert run.ledger.of_kind("baseline")[0].data["categories"]["add/empty"] == 6
    assert {target.rpartition("/")[2] for target in entry.data["targets"]} == {"repetitive", "wrong_answer"}
    assert all(cell[1] != "empty" for cell in entry.data["broken"])
    # The rows follow the targets: what is empty is trained on as wrong.
    cells = {row["cell"] for row in rows(run, 1) if row["origin"] == "failing"}
    assert "add/wrong_answer" in cells
    assert not any(cell.endswith("/empty") for cell in cells)


def test_what_may_trigger_is_frozen_with_the_run(tmp_path: Path) -> None:
    run = open_toy(tmp_path / "run", FakeWorkbench([]))
    assert run.taxonomy.may_trigger is not None
    assert read_json(tmp_path / "run" / "manifest.json")["identity"]["may_trigger"] == sorted(run.taxonomy.may_trigger)


def test_the_optimisers_state_is_carried_from_round_to_round(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [BETTER, WORSE, SAME])
    steps = [read_json(run.round_dir(number) / "learner" / "state.json")["steps"] for number in (1, 2, 3)]
    assert steps == [2, 4, 6]


def test_a_worse_candidate_is_rejected_and_the_learner_goes_on_from_it(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [BETTER, WORSE, BETTER])
    assert decisions(run) == ["promote", "reject", "reject"]
    assert run.state.champion == 1
    assert starts(workbench)[2].weights == run.round_dir(2) / "learner"


def test_the_champion_answers_what_is_mined(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [BETTER, SAME, SAME])
    asked = {call.texts: call.weights for call in workbench.asked()}
    for number, champion in ((1, "base"), (2, "001/adapter"), (3, "001/adapter")):
        mined = load_evaluation(run.round_dir(number) / "mine").results
        assert asked[tuple(result.prompt for result in mined)] == champion


def test_no_item_is_mined_twice_before_the_pool_is_used_up(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [SAME] * 5)
    mined = Counter(
        result.item_id for number in range(1, 6) for result in load_evaluation(run.round_dir(number) / "mine").results
    )
    assert sum(mined.values()) == 80
    assert set(mined.values()) == {1}


def test_after_patience_rejections_the_learner_returns_to_the_champion_cooler(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [BETTER, WORSE, WORSE, WORSE, SAME])
    learner = run.round_dir(1) / "learner"
    assert starts(workbench)[4] == Start(learner, learner, 0.5)
    entry = run.ledger.of_kind("round")[4].data["learner"]
    assert entry == {"start": "latest", "from_round": 1, "rate": 2e-4, "replay": 0.35}


def test_with_no_champion_yet_the_learner_returns_to_fresh_weights(tmp_path: Path) -> None:
    _, workbench = play(tmp_path / "run", [WORSE, WORSE, WORSE, SAME])
    assert starts(workbench)[3] == Start(None, None, 0.5)


def test_a_return_brings_more_replay(tmp_path: Path) -> None:
    recipe = replace(
        TOY_RECIPE, patience=1, data=replace(TOY_RECIPE.data, mine=40, rows=20, first_rows=20, replay=0.2, general=0.0)
    )
    run, _ = play(tmp_path / "run", [SAME, SAME, SAME], recipe=recipe)
    shares = [sum(row["origin"] == "replay" for row in rows(run, number)) / 20 for number in (1, 2, 3)]
    assert shares == [0.2, 0.3, 0.4]


def test_what_the_last_candidate_broke_is_mined_with_the_learner_and_trained_next(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [Effect(gain=0.6), Effect(loss={"add": -0.8}), SAME])
    assert {skill for skill, _ in run.ledger.of_kind("round")[1].data["broken"]} == {"add"}
    mined = read_json(run.round_dir(3) / "mine.done.json")["result"]
    assert mined["by_learner"] > 0
    pool = {item.prompt for item in run.prepared.pool}
    by_learner = [call for call in workbench.asked() if call.weights == "002/adapter" and pool & set(call.texts)]
    assert len(by_learner) == 1
    assert len(by_learner[0].texts) == mined["by_learner"]
    assert all(text.startswith("What is") for text in by_learner[0].texts)
    broken = [row for row in rows(run, 3) if row["origin"] == "broken"]
    assert broken
    assert {row["skill"] for row in broken} == {"add"}


def test_what_was_broken_is_forgotten_when_the_learner_returns_to_the_champion(tmp_path: Path) -> None:
    recipe = replace(TOY_RECIPE, patience=1)
    run, _ = play(tmp_path / "run", [BETTER, WORSE, SAME], recipe=recipe)
    assert run.ledger.of_kind("round")[1].data["broken"]
    assert not [row for row in rows(run, 3) if row["origin"] == "broken"]
    assert read_json(run.round_dir(3) / "mine.done.json")["result"]["by_learner"] == 0


def test_a_candidate_that_only_grew_surer_is_promoted_by_the_golds_log_likelihood(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [SURER])
    verdict = read_json(run.round_dir(1) / "verdict.json")
    assert (verdict["decision"], verdict["rule"]) == ("promote", "loglikelihood")
    assert verdict["loglikelihood_p"] < 0.05
    assert (verdict["dev"]["fixed"], verdict["dev"]["broken"]) == (0, 0)


def test_a_candidate_in_which_nothing_changed_is_rejected(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [SAME])
    verdict = read_json(run.round_dir(1) / "verdict.json")
    assert (verdict["decision"], verdict["rule"], verdict["loglikelihood_p"]) == ("reject", "loglikelihood", 1.0)


def test_the_log_likelihood_is_not_asked_where_exact_match_can_tell(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [BETTER])
    assert not (run.round_dir(1) / "loglikelihood.json").exists()
    assert {call.texts[0].split()[0] for call in workbench.asked("loglikelihood")} == {"Is"}  # the guard's


class SurerOfSums(Monotonous):
    """Grows surer of the gold answers to sums, and of no others."""

    def loglikelihood(self, requests: Sequence[ScoringRequest], progress: Progress | None) -> list[Scoring]:
        scores = super().loglikelihood(requests, progress)
        more = [self._name != "base" and skill_of(request.context) == "add" for request in requests]
        return [replace(each, logprob=each.logprob + is_sum) for each, is_sum in zip(scores, more, strict=True)]


def test_log_likelihood_gained_in_a_skill_of_one_answer_does_not_count(tmp_path: Path) -> None:
    """The model before knew nothing of sums, so that it loses nothing by one answer to all of them."""
    run, _ = play(tmp_path / "run", [SAME], workbench=SurerOfSums("1004", [SAME], {"add": 0.0}))
    folder = run.round_dir(1)
    before, after = (load_evaluation(path / "dev") for path in (run.run_dir / "baseline", folder))
    (found,) = degenerate(before.results, after.results)
    assert (found.skill, found.blocks) == ("add", False)
    asked = read_json(folder / "loglikelihood.json")
    gained = [new - old for new, old in zip(asked["candidate"], asked["champion"], strict=True)]
    assert (len(gained), sorted(set(gained))) == (40, [0.0, 1.0])
    assert sign_flip(gained, [after.clusters()[item] for item in asked["items"]]) < LOGLIKELIHOOD_ALPHA  # on the whole
    verdict = read_json(folder / "verdict.json")
    assert (verdict["decision"], verdict["rule"], verdict["loglikelihood_p"]) == ("reject", "loglikelihood", 1.0)


def test_a_crash_is_recorded_and_the_champion_stands(tmp_path: Path) -> None:
    run, workbench = play(tmp_path / "run", [BETTER, CRASH, SAME])
    entry = run.ledger.of_kind("round")[1].data
    assert (entry["decision"], entry["rule"], entry["champion"], entry["dev"]) == ("crash", "crash", 1, None)
    assert entry["reason"] == "non-finite loss at step 1 of 2; lower the recipe's learning_rate"
    learner = run.round_dir(1) / "learner"
    assert starts(workbench)[2] == Start(learner, learner, 0.5)
    assert not (run.round_dir(2) / "dev").exists()


def test_start_champion_takes_the_champions_adapter_with_a_fresh_optimiser(tmp_path: Path) -> None:
    recipe = replace(TOY_RECIPE, start="champion")
    run, workbench = play(tmp_path / "run", [BETTER, WORSE, SAME], recipe=recipe)
    adapter = run.round_dir(1) / "adapter"
    assert starts(workbench) == [Start(), Start(adapter, None, 1.0), Start(adapter, None, 1.0)]
    assert not list((tmp_path / "run").rglob("learner"))


def test_start_base_trains_afresh_on_the_rows_of_all_rounds(tmp_path: Path) -> None:
    recipe = replace(TOY_RECIPE, start="base")
    run, workbench = play(tmp_path / "run", [BETTER, SAME, SAME], recipe=recipe)
    assert starts(workbench) == [Start()] * 3
    names = [{row["row_id"] for row in rows(run, number)} for number in (1, 2, 3)]
    assert names[0] < names[1] < names[2]
    assert [entry.data["train_rows"] for entry in run.ledger.of_kind("round")] == [len(found) for found in names]


def test_a_uniform_round_asks_nothing_of_the_model_to_choose_its_rows(tmp_path: Path) -> None:
    recipe = replace(TOY_RECIPE, data=replace(TOY_RECIPE.data, select="uniform"))
    run, workbench = play(tmp_path / "run", [BETTER], recipe=recipe)
    pool = {item.prompt for item in run.prepared.pool}
    assert not [call for call in workbench.asked() if pool & set(call.texts)]
    assert run.ledger.of_kind("round")[0].data["targets"] == []
    assert {row["origin"] for row in rows(run, 1)} == {"uniform", "general"}


def test_the_first_round_has_its_own_number_of_rows_and_no_prompt_stands_twice(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [SAME, SAME])
    for number, expected in ((1, 12), (2, 8)):
        prompts = [row["prompt"] for row in rows(run, number)]
        assert len(prompts) == len(set(prompts)) == expected


def test_rows_are_the_failures_with_their_gold_answers(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [SAME])
    mined = {result.item_id: result for result in load_evaluation(run.round_dir(1) / "mine").results}
    failing = [row for row in rows(run, 1) if row["origin"] == "failing"]
    assert failing
    for row in failing:
        assert mined[row["row_id"]].correct == 0
        assert row["completion"] == mined[row["row_id"]].target


def test_a_training_row_that_is_a_protected_item_blocks_the_round(tmp_path: Path) -> None:
    prepared = toy_prepared()
    leaked = tuple(replace(item, role="train_pool") for item in prepared.dev)
    run, workbench = play(tmp_path / "run", [BETTER], prepared=replace(prepared, pool=leaked))
    entry = run.ledger.of_kind("round")[0].data
    assert (entry["decision"], entry["rule"]) == ("invalid", "overlap")
    assert workbench.asked("train") == []
    assert read_json(run.round_dir(1) / "curation.json")["overlaps"]


def test_a_halved_batch_has_the_champion_evaluated_again(tmp_path: Path) -> None:
    workbench = FakeWorkbench([BETTER, BETTER, SAME])
    listener = Halving(workbench, 2)
    run, _ = play(tmp_path / "run", [BETTER] * 3, workbench=workbench, listener=listener)
    assert decisions(run)[:2] == ["promote", "promote"]
    (notice,) = listener.notices
    assert notice.endswith("the champion is evaluated again")
    again = load_evaluation(run.round_dir(2) / "dev_champion_001")
    assert again.details["environment"]["batch_size"] == 8
    assert again.correctness() == load_evaluation(run.round_dir(1) / "dev").correctness()


def test_an_unfinished_second_evaluation_of_the_champion_is_not_taken_for_one(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [BETTER])
    (run.run_dir / "rounds" / "002" / "dev_champion_001").mkdir(parents=True)
    assert run.champion_dev(run.state) == load_evaluation(run.round_dir(1) / "dev")


def test_states_and_whole_models_that_no_round_can_need_again_are_pruned(tmp_path: Path) -> None:
    workbench = FakeWorkbench([BETTER, WORSE, WORSE, BETTER])
    workbench.identity["method"] = "sft"
    run, _ = play(tmp_path / "run", [BETTER] * 4, workbench=workbench)
    prune(run)
    state = run.state
    assert (state.champion, state.learner, state.done) == (1, 1, 4)
    for name in ("learner", "adapter"):
        assert [number for number in range(1, 5) if (run.round_dir(number) / name).exists()] == [1, 4]


def test_adapters_stay(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [BETTER, WORSE, WORSE])
    prune(run)
    assert all((run.round_dir(number) / "adapter").is_dir() for number in (1, 2, 3))
    assert [number for number in (1, 2, 3) if (run.round_dir(number) / "learner").exists()] == [1, 3]


def test_the_ledger_holds_the_hash_of_the_weights_that_were_judged(tmp_path: Path) -> None:
    run, _ = play(tmp_path / "run", [BETTER])
    assert run.ledger.of_kind("round")[0].data["adapter_sha256"] == weights_hash(run.round_dir(1) / "adapter")


@pytest.mark.parametrize("seed", [0, 1])
def test_equal_runs_are_equal_byte_for_byte(tmp_path: Path, seed: int) -> None:
    trees = []
    for name in ("a", "b"):
        settings = replace(TOY_SETTINGS, seed=seed)
        play(tmp_path / name / "run", [BETTER], rounds=2, settings=settings)
        trees.append(tree(tmp_path / name / "run"))
    assert trees[0] == trees[1]
