"""Hostile and arbitrary texts for the classifiers of text: the contract is kept, and what is excused stays excused."""

from __future__ import annotations

import random
from typing import Any

import pytest
from errors_items import make_item
from hypothesis import given
from hypothesis import strategies as st
from test_errors_properties import TEXTS, assert_keeps_the_contract, filled

from harness.errors import classify, load_classifiers
from harness.errors.builtin.ignored_constraint import IgnoredConstraint
from harness.errors.builtin.misspelled import Misspelled
from harness.errors.runs import shared_runs
from harness.errors.text import WORD, count_words, sentence_spans, visible_span

NAMES = [
    "toxic", "leaked_prompt", "copied_prompt", "wrong_language", "ignored_constraint", "misspelled", "ungrammatical",
]  # fmt: skip
CLASSIFIERS = load_classifiers(NAMES)
CONSTRAINTS = {
    "min_words": 2, "max_words": 3, "min_sentences": 2, "max_sentences": 1, "max_chars": 5, "must_contain": ["lamp"],
    "must_not_contain": ["ha", "{"], "casing": "sentence",
}  # fmt: skip
EXPECTATIONS: list[dict[str, Any]] = [
    {},
    {"constraints": CONSTRAINTS, "language": "en", "system": "ha ha ha"},
    {"constraints": {"casing": "lower"}, "language": "de", "context": "teh lamp is recieved", "system": "a"},
    {"constraints": {"casing": "upper", "max_words": "many"}, "language": "", "format": "json"},
]
PROSE = st.lists(
    st.sampled_from(
        [
            "the",
            "lamp",
            "teh",
            "recieve",
            "goverment",
            "dont",
            "Zolt",
            "12",
            "NV-20417",
            "https://a.b",
            "`code`",
            "<|im_end|>",
            "User:",
            "der",
            "die",
            "das",
            "请保留",
            ".",
            "!",
            "\n",
            "seperate",
            "a",
            "an",
        ]
    ),
    max_size=60,
).map(" ".join)
ANY = st.one_of(TEXTS, PROSE)


@given(response=ANY, target=ANY, prompt=ANY, correct=st.sampled_from([0.0, 1.0]), expects=st.sampled_from(EXPECTATIONS))
def test_any_text_is_classified_within_the_contract_and_the_same_twice(
    response: str, target: str, prompt: str, correct: float, expects: dict[str, Any]
) -> None:
    item = make_item(response, target=target, prompt=prompt, correct=correct, **expects)
    record = classify(item, CLASSIFIERS)
    assert_keeps_the_contract(record, item)
    assert classify(item, CLASSIFIERS) == record


@given(text=ANY.filter(lambda text: visible_span(text) is not None), prompt=ANY)
def test_the_target_itself_is_never_misspelled_copied_leaked_or_against_a_constraint(text: str, prompt: str) -> None:
    record = classify(make_item(text, target=text, prompt=prompt, **EXPECTATIONS[1]), CLASSIFIERS)
    assert not {"copied_prompt", "ignored_constraint", "leaked_prompt", "misspelled"} & {
        label.category for label in record.labels
    }


@given(text=ANY)
def test_the_words_of_the_prompt_are_never_misspelled(text: str) -> None:
    labels = Misspelled().classify(make_item(text, prompt=text, target=""))
    assert not any(label.assessed for label in labels)


@given(text=ANY)
def test_a_length_is_broken_just_where_it_is_passed(text: str) -> None:
    words, sentences = count_words(text), len(sentence_spans(text))
    for name, size in (("max_words", words), ("max_sentences", sentences)):
        for limit in {size, max(0, size - 1)}:
            found = IgnoredConstraint().classify(make_item(text, target="", constraints={name: limit}))
            assert bool(found) == (limit < size)


@given(text=ANY, source=ANY, size=st.integers(1, 9))
def test_the_words_of_a_run_stand_in_both_texts(text: str, source: str, size: int) -> None:
    def words(of: str, start: int, end: int) -> list[str]:
        return [match.group().casefold() for match in WORD.finditer(of, start, end)]

    end = 0
    for run in shared_runs(text, source, size):
        assert end <= run.start
        end = run.end
        assert words(text, run.start, run.end) == words(source, run.source_start, run.source_end)
        assert run.words >= size


def _unknown_words(count: int) -> str:
    letters = random.Random(1)
    return " ".join("".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=9)) for _ in range(count))


@pytest.mark.parametrize(
    "response",
    [
        filled(" "), filled("a "), filled("teh "), filled("`"), filled("<"), filled("$a"), filled('"'), filled("{"),
        filled("User:\n"), filled("<|im_end|>"), filled("### Input:\n"), filled("请"), filled("请 a "),
            filled("\ud800 a"),
        filled("a. "), filled("A B. "), filled("one two three four five six seven eight nine. "), filled("e.g. "),
        filled("1. "), filled("'a"), filled("-a"), _unknown_words(500_000),
    ],
    ids=lambda text: ascii(text[:12]),
)  # fmt: skip
def test_five_megabytes_of_anything_are_classified(response: str) -> None:
    prompt = "one two three four five six seven eight nine. teh end. " * 30
    item = make_item(response, prompt=prompt, target="a lamp", **EXPECTATIONS[1])
    assert_keeps_the_contract(classify(item, CLASSIFIERS), item)
