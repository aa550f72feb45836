"""Reading responses labelled by hand, and what is said of a line that cannot be right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors.proof.labelled import CATEGORIES, load_labelled
from harness.errors.registry import BUILTIN
from harness.exceptions import InputError

ITEM = {"prompt": "How long?", "target": "2 years", "response": "3 years, as ever", "correct": 0.0}
ROW: dict[str, Any] = {"item": ITEM, "labels": ["hallucinated"], "primary": "hallucinated", "labeller": "A"}


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "labelled.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def changed(item: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {**ROW, "item": {**ITEM, **(item or {})}, **fields}


def test_a_line_becomes_a_case(tmp_path: Path) -> None:
    row = changed(
        {"doc": {"expects": {"format": "text"}}, "finish_reason": "length", "skill": "grounded", "item_id": "abc"},
        labels=["truncated", "hallucinated"], primary="truncated", doubtful=["too_long"], note="cut", model="base",
    )  # fmt: skip
    (case,) = load_labelled(write(tmp_path, row))
    assert case.due == {"truncated", "hallucinated"}
    assert case.allowed == {"too_long", "wrong_answer"}
    assert case.primary == "truncated"
    assert case.kind == "by hand: truncated"
    assert (case.item.finish_reason, case.item.skill, case.item.correct) == ("length", "grounded", 0.0)
    assert case.item.expectation.format == "text"


def test_the_short_form_gives_what_is_expected_without_a_document(tmp_path: Path) -> None:
    (case,) = load_labelled(write(tmp_path, changed({"expects": {"max_words": 3}})))
    assert case.item.expectation.max_words == 3
    assert case.item.finish_reason == "unknown"


def test_wrong_answer_is_due_where_it_is_primary_and_allowed_elsewhere(tmp_path: Path) -> None:
    (case,) = load_labelled(write(tmp_path, changed(labels=[], primary="wrong_answer")))
    assert (case.due, case.allowed) == ({"wrong_answer"}, frozenset())
    (case,) = load_labelled(write(tmp_path, changed(labels=["wrong_answer", "empty"], primary="empty")))
    assert (case.due, case.allowed) == ({"empty"}, {"wrong_answer"})


def test_a_right_response_may_have_labels_but_no_primary_category(tmp_path: Path) -> None:
    (case,) = load_labelled(write(tmp_path, changed({"correct": 1.0}, labels=["too_long"], primary=None)))
    assert (case.due, case.allowed, case.primary) == ({"too_long"}, frozenset(), None)


def test_responses_to_one_item_keep_apart_and_a_group_is_one_models(tmp_path: Path) -> None:
    group = {"doc": {"expects": {"group": "g1"}}, "item_id": "abc"}
    rows = [changed({**group, "response": text}, model=model) for text, model in (("1 year", "base"), ("2", "later"))]
    first, second = load_labelled(write(tmp_path, *rows))
    assert first.item.item_id != second.item.item_id
    assert first.item.doc["expects"]["group"] != second.item.doc["expects"]["group"]


def test_categories_of_ones_own_can_be_made_known(tmp_path: Path) -> None:
    path = write(tmp_path, changed(labels=["leaked_ticket"], primary="leaked_ticket"))
    assert load_labelled(path, known=["leaked_ticket"])[0].due == {"leaked_ticket"}
    with pytest.raises(InputError, match="no category 'leaked_ticket'"):
        load_labelled(path)


def test_blank_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "", ROW, "  ", changed({"correct": 2}))
    with pytest.raises(InputError, match=r"labelled\.jsonl:4: 'item\.correct' must be a number from 0 to 1"):
        load_labelled(path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "not valid JSON"),
        ([], "expected a JSON object, found list"),
        ({**ROW, "labels": "empty"}, "'labels' must be a list of categories"),
        ({**ROW, "labels": ["hallucinatd"]}, "'labels': no category 'hallucinatd'. Did you mean 'hallucinated'?"),
        ({**ROW, "labels": ["hallucinated", "hallucinated"]}, "'labels': a category is given twice"),
        ({**ROW, "lables": []}, "unknown field 'lables'. Did you mean 'labels'?"),
        ({**ROW, "primary": "none"}, "'primary' is 'none'."),
        ({**ROW, "primary": "empty"}, "'primary' is 'empty', which is not among the labels"),
        ({**ROW, "primary": None}, "a wrong response needs a primary category"),
        ({**ROW, "doubtful": ["hallucinated"]}, "'hallucinated' stands in 'labels' and in 'doubtful'"),
        ({**ROW, "labeller": 3}, "'labeller' must be text"),
        (changed({"correct": 1}), "a right response has no primary category"),
        (changed({"correct": 1}, labels=["wrong_answer"], primary=None), "'wrong_answer' cannot be a label"),
        (changed({"correct": True}), "'item.correct' must be a number"),
        (changed({"response": None}), "'item.response' must be text"),
        (changed({"finish_reason": "eos"}), "'item.finish_reason' is 'eos'; it must be stop, length or unknown"),
        (changed({"doc": {}, "expects": {}}), "give 'item.doc' or 'item.expects', not both"),
        (changed({"doc": []}), "'item.doc' and what it expects must be objects"),
        (changed({"metrics": 1}), "'item.metrics' must be an object"),
        (changed({"skill": 1}), "'item.skill' must be of the kind of"),
        (changed({"answer": ""}), "unknown field 'item.answer'"),
        ({**ROW, "item": "text"}, "'item' must be an object"),
    ],
)
def test_what_cannot_be_right_is_named_with_file_and_line(tmp_path: Path, row: Any, message: str) -> None:
    path = write(tmp_path, changed({"response": "another"}), row)
    with pytest.raises(InputError) as caught:
        load_labelled(path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert message in str(caught.value)


def test_the_same_response_twice_would_count_twice_and_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r":2: the same prompt and response as on line 1"):
        load_labelled(write(tmp_path, ROW, changed(labels=[], primary="wrong_answer")))


def test_a_file_that_is_missing_or_holds_nothing_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_labelled(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="holds no labelled response"):
        load_labelled(write(tmp_path, ""))


def test_there_is_a_rule_for_each_category_and_each_classifier(project_root: Path) -> None:
    rules = (project_root / "docs" / "labelling.md").read_text()
    for name in (*CATEGORIES, *BUILTIN):
        assert f"### {name}\n" in rules


def test_the_labelled_example_that_ships_can_be_read(project_root: Path) -> None:
    cases = load_labelled(project_root / "tests" / "labelled" / "example.jsonl")
    assert len(cases) >= 10
    assert any(case.primary is None for case in cases)
