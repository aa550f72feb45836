"""Duplicates, near-duplicates, conflicts and leakage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from intake_examples import example, plain

from harness.intake.example import Example, FileSplit, Row, Turn
from harness.intake.repeats import (
    answer_key,
    conflicts,
    exact_duplicates,
    leaks,
    near_conflicts,
    near_duplicates,
    near_pairs,
)

STORY = "the blue kettle that my aunt sent from Porto last week boils over whenever the lid is closed too tightly"


def near(examples: list[Example]) -> list[tuple[int, int]]:
    return [(pair.position, pair.of) for pair in near_duplicates(examples, near_pairs(examples))]


def test_the_same_example_twice_is_a_duplicate_whatever_its_white_space() -> None:
    examples = [example("Caf\u00e9?", "Yes."), example("Cafe\u0301?", " Yes. "), example("Cafe?", "Yes.")]
    assert [(repeat.position, repeat.of) for repeat in exact_duplicates(examples)] == [(1, 0)]


def test_case_makes_a_near_duplicate_and_no_duplicate() -> None:
    examples = [example("Where is it?", "Here"), example("where is it", "here")]
    assert exact_duplicates(examples) == []
    assert near(examples) == [(1, 0)]


def test_another_passage_or_another_split_is_another_question() -> None:
    examples = [
        example("What is the title?", "A", context="one text"),
        example("What is the title?", "A", context="another text"),
        example("Why?", "So", split="train"),
        example("Why?", "So", split="test"),
    ]
    assert exact_duplicates(examples) == []
    assert near(examples) == []
    assert conflicts(examples) == []


def test_nearly_the_same_prompt_with_nearly_the_same_answer_is_a_near_duplicate() -> None:
    other = STORY.replace("blue", "red")
    assert near([*plain(10), example(STORY, "Open it"), example(other, "Open it.")]) == [(11, 10)]
    assert near([*plain(10), example(STORY, "Open it"), example(other, "Throw it away")]) == []


def test_a_passage_in_common_makes_no_near_duplicate() -> None:
    longer = f"{STORY}, and what does one do about it without a new lid, a new kettle or a word to the aunt in Porto"
    other = " ".join(f"{word}{n}" for n, word in enumerate(longer.split())) + " " + STORY
    examples = [*plain(10), example(longer, "red", label=True), example(other, "red", label=True)]
    assert [(pair.position, pair.of, pair.rule) for pair in near_pairs(examples)] == [(11, 10, "13-gram")]
    assert near(examples) == []


def test_one_of_each_set_of_near_duplicates_stays() -> None:
    forms = [example(STORY.replace("blue", colour), "Open it") for colour in ("blue", "red", "green")]
    assert {position for position, _ in near([*plain(10), *forms])} == {11, 12}


def test_conversations_that_begin_alike_are_no_duplicates() -> None:
    one, two = Row({"id": 1}, "a.jsonl:1"), Row({"id": 2}, "a.jsonl:2")
    examples = [
        Example("Hi", "Hello", one),
        Example("And now?", "Tea", one, turns=(Turn("user", "Hi"), Turn("assistant", "Hello"))),
        Example("Hi", "Hello", two),
        Example("And then?", "Coffee", two, turns=(Turn("user", "Hi"), Turn("assistant", "Hello"))),
    ]
    assert exact_duplicates(examples) == []
    assert near(examples) == []
    twice = [*examples[:2], *(Example(e.prompt, e.answer, two, turns=e.turns) for e in examples[:2])]
    assert [repeat.position for repeat in exact_duplicates(twice)] == [2, 3]


def test_another_answer_to_the_same_question_is_a_conflict() -> None:
    examples = [
        example("Red or blue?", "red", "a:1", label=True),
        example("red or blue", "blue", "a:2", label=True),
        example("Red or blue?!", "Red ", "a:3", label=True),
        example("Green?", "green", "a:4", label=True),
    ]
    (conflict,) = conflicts(examples)
    assert conflict.positions == (0, 1, 2)
    assert conflict.answers == (("red", 2), ("blue", 1))
    assert conflict.majority == "red"
    assert conflict.label


@pytest.mark.parametrize(
    ("one", "other"),
    [("Paris", "paris."), ('{"a": 1, "b": [2]}', '{"b":[2],"a":1}'), (STORY, STORY.replace("blue", "red"))],
)
def test_answers_that_say_the_same_are_no_conflict(one: str, other: str) -> None:
    assert conflicts([example("Why?", one), example("Why?", other)]) == []


def test_an_accepted_answer_is_no_conflict() -> None:
    assert conflicts([example("Why?", "one", accepted=("two",)), example("Why?", "two")]) == []


def test_a_sign_makes_another_answer() -> None:
    assert answer_key("-5") != answer_key("5")
    assert answer_key("A-") != answer_key("A")
    assert len(conflicts([example("What is 2 - 7?", "-5"), example("What is 2 - 7?", "5")])) == 1


def test_what_lacks_a_question_or_an_answer_is_no_repetition() -> None:
    examples = [example("", "a"), example(" ", "b"), example("Why?", ""), example("Why?", "so")]
    assert conflicts(examples) == []
    assert near_pairs(examples) == []
    assert exact_duplicates([example("", "a"), example("", "a")]) == []


def test_labels_of_nearly_the_same_question_are_told_apart() -> None:
    one = example(STORY, "red", label=True)
    other = example(STORY.replace("blue", "red"), "green", label=True)
    examples = [*plain(10), one, other]
    assert [(pair.position, pair.of) for pair in near_conflicts(examples, near_pairs(examples))] == [(11, 10)]
    assert near(examples) == []


def test_leakage_is_named_with_both_rows() -> None:
    train = [*plain(10, split="train"), example(STORY, "x", "train.jsonl:9", split="train")]
    test = [*plain(10, split="test", start=50), example(STORY.upper(), "y", "test.jsonl:9", split="test")]
    (leak,) = leaks([*train, *test])
    assert (leak.position, leak.of, leak.rule) == (10, 21, "same text")
    assert leaks([*train, *test[:-1]]) == []


@pytest.mark.parametrize(
    ("folder", "held_out", "column", "known"),
    [("banking77", "test", "label", 6), ("snips", "validate", "intent", 1)],
)
def test_known_leaks_of_real_sets_are_found(
    shared_data: Path, folder: str, held_out: str, column: str, known: int
) -> None:
    examples = []
    splits: list[tuple[str, FileSplit]] = [
        ("train", "train"),
        (held_out, "test" if held_out == "test" else "validation"),
    ]
    for name, split in splits:
        lines = (shared_data / folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        for number, row in enumerate(map(json.loads, lines), start=1):
            examples.append(example(row["text"], row[column], f"{name}.jsonl:{number}", split=split, label=True))
    trained = {one.prompt for one in examples if one.row.split == "train"}
    verbatim = {place for place, one in enumerate(examples) if one.row.split != "train" and one.prompt in trained}
    assert len(verbatim) == known
    found = leaks(examples)
    same = {examples[leak.position].prompt for leak in found if leak.rule == "same text"}
    assert {examples[place].prompt for place in verbatim} <= same
