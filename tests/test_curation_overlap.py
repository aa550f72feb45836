"""Normalised prompts and the overlap check that blocks a round."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.curation.overlap import Overlap, find_overlaps, normalise, prompt_key, protected_keys
from harness.curation.rows import TrainRow
from harness.evaluation.items import Item, Role


def row(row_id: str, prompt: str) -> TrainRow:
    return TrainRow(row_id, "qa", prompt, "gold", "failing", "qa/wrong_answer")


def item(item_id: str, role: Role, prompt: str) -> Item:
    return Item(item_id, "task", "qa", item_id, role, {}, prompt, "gold")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is my order?", "where  is my\norder"),
        ("“Café”", '"Cafe\u0301"'),
        ("ﬁle № ①", "FILE no 1"),
        ("STRASSE", "straße"),
        ("pay\u200bment", "payment"),
        ("e-mail me!", "e mail me"),
        ("7 - 2", "7-2"),
    ],
)
def test_what_asks_the_same_has_the_same_key(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)
    assert prompt_key(one) == prompt_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 7 - 2?", "What is 7 / 2?"),
        ("costs 3.5", "costs 35"),
        ("a < b", "a > b"),
        ("order 17", "order 18"),
        ("???", "!"),
        ("naïve", "naive"),
    ],
)
def test_what_asks_something_else_has_another_key(one: str, other: str) -> None:
    assert prompt_key(one) != prompt_key(other)


@settings(deadline=None)
@given(st.text(alphabet="aB1 2.,-\n?(é", max_size=30))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@settings(deadline=None)
@given(st.text(max_size=50))
def test_any_text_has_a_key(text: str) -> None:
    assert len(prompt_key(text)) == 64


def test_lone_surrogates_have_a_key() -> None:
    assert prompt_key("bad \udc80 text") != prompt_key("bad text")


def test_overlaps_name_row_place_and_text() -> None:
    protected = protected_keys([item("0a", "test", "Where is my order?"), item("0b", "dev", "Cancel it")])
    rows = [row("r1", "where is\nmy order"), row("r2", "Something new"), row("r3", "CANCEL IT!")]
    assert find_overlaps(rows, protected) == [
        Overlap("r1", "test 0a", "where is my order"),
        Overlap("r3", "dev 0b", "CANCEL IT!"),
    ]


def test_no_overlap_gives_an_empty_list() -> None:
    assert find_overlaps([row("r1", "new")], protected_keys([item("0a", "gate", "old")])) == []


def test_long_prompts_are_quoted_in_part() -> None:
    prompt = "word " * 100
    (found,) = find_overlaps([row("r1", prompt)], {prompt_key(prompt): "guard 1"})
    assert len(found.excerpt) <= 80
    assert found.excerpt.endswith("word…")


def test_a_prompt_protected_twice_is_named_once_whatever_the_order() -> None:
    items = [item("2", "test", "same"), item("1", "dev", "Same!")]
    assert protected_keys(items) == protected_keys(items[::-1]) == {prompt_key("same"): "dev 1"}
