"""Single fields: empty, cut off, ids, spellings of labels, formulas, languages, lengths."""

from __future__ import annotations

import pytest
from intake_examples import example

from harness.intake.example import Row
from harness.intake.fields import (
    cut_answers,
    duplicate_ids,
    empty_answers,
    empty_prompts,
    formulas,
    id_columns,
    is_formula,
    languages,
    spellings,
)
from harness.intake.tokens import count_tokens, describe_tokens, padding

LONG = "The kettle has to be filled with cold water, closed, and set on its base before it is swit"


def test_blank_questions_and_answers_are_empty() -> None:
    blank, whole = example(" \n", "a"), example("Why?", "\t")
    assert empty_prompts([blank, whole]) == [blank]
    assert empty_answers([blank, whole]) == [whole]


def test_an_instruction_of_its_own_is_a_question_and_one_that_all_share_is_none() -> None:
    own = [example("", "a", instruction=f"Do {number}") for number in range(4)]
    assert empty_prompts(own) == []
    shared = [
        example("", "a", instruction="Sort it"),
        *(example(f"q{n}", "a", instruction="Sort it") for n in range(3)),
    ]
    assert empty_prompts(shared) == shared[:1]


def test_answers_that_stop_mid_sentence_at_one_length_are_cut() -> None:
    cut = [example(f"q{n}", LONG[:79] + str(n)) for n in range(3)]
    whole = [example(f"w{n}", "A short answer.") for n in range(9)]
    assert cut_answers([*cut, *whole]) == (cut, "characters", 80)


@pytest.mark.parametrize("end", [".", "!", '"', "}", "\u3002", "```"])
def test_answers_of_one_length_that_end_are_not_cut(end: str) -> None:
    assert cut_answers([example(f"q{n}", LONG[:70] + str(n) + end) for n in range(5)]) is None


def test_answers_of_different_lengths_are_not_cut() -> None:
    assert cut_answers([example(f"q{n}", LONG[: 60 + n]) for n in range(5)]) is None
    assert cut_answers([example(f"q{n}", "red", label=True) for n in range(5)]) is None


def test_a_limit_of_words_or_tokens_is_seen_too() -> None:
    words = ["kettle " * 19 + word for word in ("so", "then", "there")]
    examples = [example(f"q{n}", text) for n, text in enumerate(words)]
    found = cut_answers(examples)
    assert found is not None
    assert found[1:] == ("words", 20)
    mixed = [example(f"q{n}", LONG[: 60 + 5 * n]) for n in range(3)]
    found = cut_answers(mixed, [64, 64, 64])
    assert found is not None
    assert found[1:] == ("tokens", 64)


def row(place: str, **values: object) -> Row:
    return Row(values, place)


def test_an_id_given_to_two_different_rows_is_seen_and_a_row_twice_is_not() -> None:
    rows = [row("a:1", id=1, t="x"), row("a:2", id=1, t="x"), row("a:3", id=1, t="y"), row("a:4", id=None, t="z")]
    assert id_columns(rows) == ["id"]
    assert duplicate_ids(rows, "id") == ([rows[2]], 1)
    assert id_columns([row("a:1", paid="x", idea="y", width="z")]) == []


def test_the_same_id_in_two_splits_is_no_duplicate() -> None:
    rows = [Row({"id": 1, "t": "x"}, "a:1", "train"), Row({"id": 1, "t": "y"}, "b:1", "test")]
    assert duplicate_ids(rows, "id")[0] == []


def test_labels_that_differ_by_case_or_blanks_are_one_label() -> None:
    examples = [
        example(f"q{n}", label, f"a:{n}", label=True) for n, label in enumerate(["Yes", "Yes", "yes", "no", "Y es"])
    ]
    (spelling,) = spellings(examples)
    assert spelling.column == "label"
    assert spelling.written == (("Yes", 2), ("yes", 1), ("Y es", 1))
    assert [one.place for one in spelling.rows] == ["a:2", "a:4"]


def test_grades_and_signs_are_labels_of_their_own() -> None:
    assert spellings([example("q", label, label=True) for label in ("A", "A-", "-1", "1", "C", "C#")]) == []


@pytest.mark.parametrize("cell", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3+cmd", "\t=1", "\r=1"])
def test_cells_that_a_spreadsheet_would_run(cell: str) -> None:
    assert is_formula(cell)
    assert formulas([row("a.csv:2", text=cell)]) == [row("a.csv:2", text=cell)]
    assert formulas([row("a.jsonl:2", text=cell)]) == []


@pytest.mark.parametrize("cell", ["", "-", "-5", "+3.2", "-1,000.50", "-12 %", "1=1", "a@b", "2-1"])
def test_cells_that_a_spreadsheet_would_not_run(cell: str) -> None:
    assert not is_formula(cell)


def test_languages_are_told_of_running_text_alone() -> None:
    german = [example("Wie kann ich meine verlorene Karte sperren lassen, bitte?", "x", label=True) for _ in range(2)]
    english = [example("How can I get a new card if mine was stolen yesterday?", "x", label=True)]
    counts, of = languages([*german, *english, example("ok", "x", label=True)])
    assert counts == {"de": 2, "en": 1, "too short": 1}
    assert of == 4


class Tokenizer:
    """A token a word; a frame of two tokens."""

    chat_template = "yes"
    model_max_length = 12

    def __call__(self, texts: list[str], **_: object) -> dict[str, list[list[int]]]:
        return {"input_ids": [[0] * len(text.split()) for text in texts]}

    def apply_chat_template(self, turns: list[dict[str, str]], **_: object) -> str:
        return f"<user> {turns[0]['content']} <assistant>"


def test_lengths_count_the_frame_and_the_end_token() -> None:
    examples = [example("one two three", "four"), example(" ".join("abcdefghij"), "k l")]
    counted = count_tokens(examples, Tokenizer())
    assert (counted.prompt, counted.answer, counted.whole, counted.framed) == ((5, 12), (1, 2), (7, 15), True)
    found = describe_tokens(counted, model="m", context=12, train=[0])
    assert (found.over, found.epoch, found.rows, found.hours, found.cost) == (1, 7, 1, None, None)
    assert (found.whole.mean, found.whole.longest, found.whole.percentiles[50]) == (11, 15, 7)


def test_time_and_cost_are_said_only_of_what_is_known() -> None:
    counted = count_tokens([example("one two", "three")], Tokenizer())
    timed = describe_tokens(counted, model="m", context=None, tokens_per_second=2)
    assert (timed.epoch, timed.hours, timed.cost) == (6, 3 / 3600, None)
    priced = describe_tokens(counted, model="m", context=None, tokens_per_second=2, price_per_hour=1200)
    assert priced.cost == pytest.approx(1)
    assert describe_tokens(counted, model="m", context=None, price_per_hour=9).cost is None


def test_padding_is_what_the_longest_row_of_a_batch_leaves_empty() -> None:
    assert padding([4, 2], batch=2) == 0.25
    assert padding([5, 5, 5]) == 0
    assert padding([]) == 0
