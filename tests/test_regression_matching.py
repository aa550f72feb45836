"""Which baselines can be compared with, and what is said where they cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gate_answers import IDENTITY, answer, answers

from harness.exceptions import InputError
from harness.regression.answers import AnswerSet
from harness.regression.baseline_file import comparable, noted, read_baseline, write_baseline

SOME = [answer(number) for number in range(6)]
BASE = answers(SOME, "old.json")


def with_identity(**fields: Any) -> AnswerSet:
    return answers(SOME, identity=replace(IDENTITY, **fields))


def refused(now: AnswerSet, baseline: AnswerSet = BASE) -> str:
    with pytest.raises(InputError) as error:
        comparable(baseline, now)
    return str(error.value)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"model": "another", "weights": "bb"},
        {"environment": {"torch": "2.7"}},
        {"settings": {"fewshot": 0, "engine": "hf", "limit": 60}},
        {"settings": {}, "classifiers": {}, "tasks": {}},
        {"tasks": {"letters": "1.0"}},
        {"tasks": {"letters": "0123456789abcdef", "more": "1"}},
    ],
)
def test_another_model_other_libraries_and_what_is_not_known_can_be_compared(fields: dict[str, Any]) -> None:
    comparable(BASE, with_identity(**fields))


def test_items_that_are_new_or_gone_are_counted_and_named() -> None:
    said = refused(answers([*SOME[1:], answer(10), answer(11)]))
    assert said.startswith("old.json: no baseline for now: of 7, 2 items are new (000000000000000a, 000000000000000b)")
    assert "and 1 items are gone (0000000000000000)" in said
    assert said.endswith("'harness gate --update-baseline'")


def test_a_baseline_of_another_domain_has_none_of_the_items() -> None:
    assert "it has none of the 2 items" in refused(answers([answer(10), answer(11)]))


def test_guards_that_only_one_side_was_asked_are_passed_over() -> None:
    guarded = answers([*SOME, answer(20, role="guard")])
    comparable(BASE, guarded)
    comparable(guarded, BASE)
    assert "it has none of the 1 guard items" in refused(answers([*SOME, answer(21, role="guard")]), guarded)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tasks": {"letters": "fedcba9876543210"}}, "task letters was 0123456789abcdef and is fedcba9876543210"),
        ({"classifiers": {"missed_refusal": "1", "too_long": "3"}}, "classifier too_long was 2 and is 3"),
        ({"classifiers": {"too_long": "2"}}, "classifier missed_refusal was 1 and is not there"),
        ({"settings": {"fewshot": 4}}, "setting fewshot was 0 and is 4"),
    ],
)
def test_another_task_version_classifier_or_setting_is_refused_by_name(fields: dict[str, Any], says: str) -> None:
    assert says in refused(with_identity(**fields))


def test_classifiers_do_not_matter_where_nobody_classified() -> None:
    comparable(BASE, answers(SOME, identity=replace(IDENTITY, classifiers={"other": "1"}), classified=False))


def test_other_prompts_are_counted_where_both_are_known() -> None:
    now = answers([replace(SOME[0], prompt_sha256="ff"), replace(SOME[1], prompt_sha256=""), *SOME[2:]])
    assert "the prompts of 1 of 5 items differ (0000000000000000)" in refused(now)


def test_many_differences_of_a_kind_are_cut_short() -> None:
    many = {f"c{number}": "1" for number in range(9)}
    assert "6 more of that kind" in refused(
        with_identity(classifiers=dict.fromkeys(many, "2")), with_identity(classifiers=many)
    )


def test_a_baseline_read_from_its_file_is_still_comparable(tmp_path: Path) -> None:
    now = with_identity(settings={"prompt": ("a", "b"), "fewshot": 0})
    write_baseline(tmp_path / "b.json", now)
    comparable(read_baseline(tmp_path / "b.json"), now)


def test_engines_and_library_versions_are_noted() -> None:
    now = with_identity(settings={"engine": "hf"}, environment={"torch": "2.7", "peft": "1"})
    assert noted(BASE, now) == (
        "since the baseline: torch was 2.6 and is 2.7",
        'since the baseline: engine was "harness" and is "hf"',
    )
    assert noted(BASE, BASE) == ()
