"""Next steps: each rule speaks where its evidence is, and is silent where it is not."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_fixture import make_report_data
from report_gated import make_gated, pages
from report_items import HOSTILE

from harness.gate.migration import RIGHT
from harness.reporting.data import ReportData, RoundView
from harness.reporting.escape import visible
from harness.reporting.next_steps import MOST, NextStep, in_vain, next_steps, suspicious
from harness.reporting.outcomes import Outcomes, outcomes_of


@functools.cache
def run(rounds: int = 4, **options: Any) -> ReportData:
    return make_report_data(rounds=rounds, n=80, crash_round=None, **options)


def step(data: ReportData, kind: str) -> NextStep | None:
    return next((found for found in next_steps(data) if found.kind == kind), None)


def rejected(view: RoundView) -> RoundView:
    return replace(view, entry={**view.entry, "decision": "reject"})


def after_promotions(rejections: int) -> ReportData:
    data = run()
    kept = len(data.rounds) - rejections
    promoted = [
        replace(view, entry={**view.entry, "decision": "promote"}, verdict={**view.verdict, "decision": "promote"})
        for view in data.rounds
    ]
    return replace(data, rounds=[*promoted[:kept], *map(rejected, promoted[kept:])])


# --- stop and go on


def test_three_rounds_in_a_row_without_a_promotion_are_a_plateau() -> None:
    data = after_promotions(3)
    assert in_vain(data.rounds) == 3
    found = step(data, "stop")
    assert found is not None
    assert found.evidence.startswith("Rounds 2 to 4, 3 in a row, were not promoted on dev, which can show gains from ")
    assert step(data, "go on") is None


def test_two_rounds_without_a_promotion_are_none() -> None:
    data = after_promotions(2)
    assert step(data, "stop") is None
    found = step(data, "go on")
    assert found is not None
    assert found.evidence.startswith("Round 2 was still promoted, ")


def test_spent_looks_stop_a_run_that_still_promotes() -> None:
    data = make_gated()
    looks = [{**look, "place": place} for look, place in zip(data.summary["looks"], (6, 7, 8), strict=True)]
    spent = replace(data, summary={**data.summary, "looks": looks})
    found = step(spent, "stop")
    assert found is not None
    assert "All 8 looks at the gate items are spent" in found.evidence
    assert found.command == "harness data extend NEW_ITEMS --domain helpdesk"
    assert step(data, "stop") is None


def test_a_model_that_is_right_throughout_can_stop() -> None:
    data = run()
    dev = {**data.summary["champion"]["dev"], "correct": 80, "n": 80}
    found = step(replace(data, summary={**data.summary, "champion": {"round": 4, "dev": dev}}), "stop")
    assert found is not None
    assert found.evidence == "All 80 dev items are right: dev can show no further gain."


def test_an_unfinished_run_goes_on_with_its_own_command_and_every_word_of_it_quoted() -> None:
    data = run(rounds=2, finished=False)
    found = step(data, "go on")
    assert found is not None
    assert found.evidence == "2 of 10 rounds are done; the same command resumes."
    assert found.command == "harness iterate --domain helpdesk --out 'runs/my run' --rounds 10"
    hostile = {"environment": {"command": "harness iterate --rounds 10 --out 'x; rm -rf y' $(reboot)"}}
    quoted = step(replace(data, manifest=hostile), "go on")
    assert quoted is not None
    assert quoted.command == "harness iterate --out 'x; rm -rf y' '$(reboot)' --rounds 10"
    foreign = step(replace(data, manifest={"environment": {"command": "reboot 'now"}}), "go on")
    assert foreign is not None
    assert foreign.command == "harness iterate --rounds 10 --domain helpdesk"


def test_before_the_first_round_the_largest_cell_is_the_evidence() -> None:
    data = run(rounds=0, finished=False)
    found = step(data, "go on")
    assert found is not None
    worst = max(data.baseline_categories.values())
    assert f"holds {worst} of 80 dev items" in found.evidence


# --- another prompt


def prompts(low: float, name: str = "terse") -> Mapping[str, Any]:
    honest = {"delta": low + 0.02, "ci95": [low, low + 0.04], "fixed": 9, "broken": 2}
    return {"zero_shot": {"chosen": {"helpdesk": name}, "honest": honest}, "skills": {"helpdesk": "routing"}}


def test_a_prompt_is_advised_only_where_it_does_better_on_items_that_did_not_choose_it(tmp_path: Path) -> None:
    found = step(replace(run(), prompts=prompts(0.01)), "prompt")
    assert found is not None
    assert "+3.0 points (95% interval +1.0 to +5.0)" in found.evidence
    assert found.command.startswith("prompt: terse ")
    for silent in (None, prompts(0.0), prompts(-0.01), prompts(0.01, name="default")):
        assert step(replace(run(), prompts=silent), "prompt") is None


# --- suspicious golds


def stubborn(rounds: int, score: float = 0.8, answers: tuple[str, ...] = ("no",) * 9) -> ReportData:
    """A run in which item ``odd`` got ``answers`` from the promoted rounds, and the champion's answer is the last."""
    data = run()
    champion = data.champion_dev
    odd = next(result.item_id for result in champion.results if result.correct < 1)
    changed = [replace(r, response=answers[rounds - 1]) if r.item_id == odd else r for r in champion.results]
    views = [
        replace(
            data.rounds[0],
            number=number,
            entry={**data.rounds[0].entry, "decision": "promote", "dev": {"value": score, "n": 80}},
            asked=Outcomes({odd: "wrong_answer"}, {odd: answers[number - 1]}),
        )
        for number in range(1, rounds + 1)
    ]
    return replace(data, rounds=views, champion_dev=replace(champion, results=tuple(changed)))


def test_items_that_several_good_models_answer_in_the_same_wrong_way_are_listed() -> None:
    data = stubborn(3)
    (odd,) = suspicious(data)
    found = step(data, "relabel")
    assert found is not None
    assert found.items == (odd,)
    failing = len(outcomes_of(data.champion_dev).wrong)
    assert f"the same wrong answer to 1 dev item, 1 of the {failing} that still fail" in found.evidence


@pytest.mark.parametrize(
    ("rounds", "score", "answers"),
    [
        (2, 0.8, ("no", "no")),
        (3, 0.4, ("no", "no", "no")),
        (3, 0.8, ("no", "yes", "no")),
        (3, 0.8, ("", "", "")),
    ],
    ids=["two models", "poor models", "other answers", "no answer"],
)
def test_golds_are_not_suspected_of_less(rounds: int, score: float, answers: tuple[str, ...]) -> None:
    data = stubborn(rounds, score, answers)
    assert suspicious(data) == ()
    assert step(data, "relabel") is None


def test_an_item_that_failed_in_another_way_is_not_suspected() -> None:
    data = stubborn(3)
    first = data.rounds[0]
    assert first.answers is not None
    other = replace(first, asked=replace(first.answers, states=dict.fromkeys(first.answers.states, "too_long")))
    assert suspicious(replace(data, rounds=[other, *data.rounds[1:]])) == ()


# --- more data


def curated(got: int, mined: int, pool: int, cell: str | None = None) -> tuple[ReportData, str]:
    data = run()
    champion, skills = outcomes_of(data.champion_dev), data.champion_dev.skills()
    worst = cell or next(f"{skills[item]}/{champion.states[item]}" for item in champion.wrong)
    curation = {"asked_cells": {worst: 100}, "delivered_cells": {worst: got}, "mined": mined}
    manifest = {**data.manifest, "identity": {"data": {"items": {"pool": pool}}}}
    views = [*data.rounds[:-1], replace(data.rounds[-1], curation=curation)]
    return replace(data, rounds=views, manifest=manifest), worst


def test_a_cell_without_rows_in_the_whole_pool_needs_data() -> None:
    data, cell = curated(got=7, mined=500, pool=500)
    found = step(data, "data")
    assert found is not None
    assert found.title == f"Gather data for {cell.replace('_', ' ')}"
    assert found.evidence.endswith("round 4 wanted 100 rows and found 7 in all 500 pool rows.")
    assert " dev items fail so (" in found.evidence
    assert step(data, "mine") is None


def test_a_cell_without_rows_in_a_sample_of_the_pool_is_mined_further_first() -> None:
    data, _ = curated(got=7, mined=224, pool=500)
    found = step(data, "mine")
    assert found is not None
    assert found.evidence.endswith("found 7, having asked 224 of 500 pool rows.")
    assert step(data, "data") is None


def test_no_data_is_asked_for_where_rows_were_found_or_nothing_fails() -> None:
    for data, _ in (curated(60, 500, 500), curated(0, 500, 500, cell="routing/never_seen")):
        assert step(data, "data") is None
        assert step(data, "mine") is None


# --- a larger model


def unmoved(rounds: int, cured: int = 0) -> ReportData:
    """Rounds that trained 50 rows each on one cell, of which each cured ``cured`` items."""
    data = run()
    base = outcomes_of(data.baseline_dev)
    skills = data.baseline_dev.skills()
    cell = max(sorted(data.baseline_categories), key=lambda name: data.baseline_categories[name])
    own = [item for item, state in base.states.items() if f"{skills[item]}/{state}" == cell]
    assert len(own) >= 5
    states = {**base.states, **dict.fromkeys(own[:cured], RIGHT)}
    views = [
        replace(
            data.rounds[0],
            number=number,
            met=0,
            entry={**data.rounds[0].entry, "targets": [cell], "decision": "reject"},
            asked=Outcomes(states, base.wrong),
            curation={"delivered_cells": {cell: 50}},
        )
        for number in range(1, rounds + 1)
    ]
    champion = {"round": 0, "dev": data.baseline_dev.score.as_dict()}
    return replace(
        data, rounds=views, champion_dev=data.baseline_dev, summary={**data.summary, "champion": champion, "test": None}
    )


def test_a_cell_that_no_training_moves_speaks_for_a_larger_model() -> None:
    found = step(unmoved(3), "model")
    assert found is not None
    assert "did not move: rounds 1, 2, 3 trained 150 rows on it, " in found.evidence


def test_a_cell_that_moved_or_was_tried_twice_does_not() -> None:
    assert step(unmoved(3, cured=1), "model") is None
    assert step(unmoved(2), "model") is None


# --- all of them


def test_at_most_five_and_every_command_of_ours_can_be_split() -> None:
    data, _ = curated(got=0, mined=500, pool=500)
    views = [*unmoved(3).rounds[:2], *stubborn(3).rounds, data.rounds[-1]]
    found = next_steps(replace(data, rounds=views, prompts=prompts(0.01)))
    assert len(found) <= MOST
    assert len({each.kind for each in found}) == len(found) >= 3
    for each in found:
        assert each.title
        assert any(character.isdigit() for character in each.evidence)
        if each.command.startswith("harness"):
            assert shlex.split(each.command)


def test_hostile_names_and_answers_stay_text_in_next_steps(tmp_path: Path) -> None:
    data = run(hostile=True, rounds=2, finished=False)
    cell = f"{HOSTILE[0]}/wrong_answer"
    first = data.champion_dev.results[0]
    wrong = replace(first, skill=HOSTILE[0], correct=0.0, item_id=HOSTILE[2])
    error = replace(data.champion_dev.errors[0], item_id=HOSTILE[2], primary="wrong_answer")
    champion = replace(data.champion_dev, results=(wrong,), errors=(error,))
    curation = {"asked_cells": {cell: 9}, "delivered_cells": {}, "mined": 1}
    views = [
        *data.rounds[:-1],
        replace(data.rounds[-1], curation=curation, entry={**data.rounds[-1].entry, "targets": [cell]}),
    ]
    found = step(replace(data, rounds=views, champion_dev=champion), "data")
    assert found is not None
    assert HOSTILE[0] in found.title
    html, markdown = pages(replace(data, rounds=views, champion_dev=champion), tmp_path)
    assert visible(HOSTILE[0]).replace("<", "&lt;").replace(">", "&gt;") in html
    assert HOSTILE[0] not in html + markdown
