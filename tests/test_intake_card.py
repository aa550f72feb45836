"""The data card: what stops, what warns, and that no sink shows what is private or hostile."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intake_examples import WORDS, card_of, checks, example, plain
from rich.console import Console

from harness.cli.card_tables import print_card
from harness.exceptions import InputError
from harness.intake.card import Card, data_card
from harness.intake.card_page import JSON, PAGE, card_json, write_card
from harness.intake.example import Example, Row

MANY = plain(90)


def test_a_file_with_nothing_wrong_has_no_problem() -> None:
    card = card_of(MANY)
    assert checks(card) == {}
    assert card.stops == card.warnings == []
    assert (card.rows, card.examples, card.splits) == (90, 90, {"none": 90})
    assert sum(card.roles.values()) == 90
    assert 44 <= card.roles["train_pool"] <= 46
    assert card.role_notes
    assert card.classes is not None
    assert card.classes.counts == {"blue": 30, "green": 30, "red": 30}


def test_splits_give_the_roles_they_are_named_for() -> None:
    examples = [
        *plain(40, split="train", name="train.jsonl"),
        *plain(40, split="validation", start=100, name="val.jsonl"),
        *plain(20, split="test", start=200, name="test.jsonl"),
    ]
    card = card_of(examples)
    assert card.roles == {"train_pool": 40, "dev": 20, "gate": 20, "test": 20}
    assert card.splits == {"train": 40, "validation": 40, "test": 20}


@pytest.mark.parametrize("count", [1, 19])
def test_too_few_rows_stop(count: int) -> None:
    card = card_of(plain(count))
    assert checks(card)["too_few_rows"] is True
    assert card.stops[0].places == tuple(f"a.jsonl:{n + 1}" for n in range(min(count, 3)))


def test_no_usable_row_stops() -> None:
    card = card_of([example("", "a"), example("b", " ")])
    assert list(checks(card).items()) == [("no_usable_row", True)]
    assert checks(data_card([], [])) == {"no_usable_row": True}


def test_rows_of_another_form_stop() -> None:
    error = InputError("a.jsonl:7: 'text', which other rows have, is missing")
    card = card_of(MANY, refused=[(Row({"txt": "x"}, "a.jsonl:7"), error)])
    assert checks(card) == {"refused_rows": True}
    reason = "1 row is not of the others' form: 'text', which other rows have, is missing (a.jsonl:7)"
    assert card.stops[0].line.startswith(reason)


def test_all_rows_of_another_form_are_named_up_to_three() -> None:
    places = [f"a.jsonl:{line}" for line in (7, 12, 30, 31)]
    same = [(Row({}, place), InputError(f"{place}: 'text', which other rows have, is missing")) for place in places]
    (stop,) = card_of(MANY, refused=same).stops
    assert stop.line.startswith(
        "4 rows are not of the others' form: 'text', which other rows have, is missing "
        "(a.jsonl:7, a.jsonl:12, a.jsonl:30 and 1 more); "
    )
    other = [(Row({}, "a.jsonl:40"), InputError("a.jsonl:40: 'text' is a number"))]
    (stop,) = card_of(MANY, refused=[*same, *other]).stops
    assert "form, the first one: 'text', which" in stop.line


def test_rows_that_gave_no_example_warn() -> None:
    card = card_of(MANY, rows=[*(one.row for one in MANY), Row({"x": 1}, "a.jsonl:91")])
    assert checks(card) == {"unusable_rows": False}
    assert card.warnings[0].places == ("a.jsonl:91",)


def test_a_split_with_too_few_rows_for_its_roles_stops() -> None:
    one = plain(1, split="validation", start=200, name="val.jsonl")
    assert checks(card_of([*plain(60, split="train"), *one]))["empty_role"] is True


def test_a_gate_that_can_certify_nothing_warns() -> None:
    assert checks(card_of(plain(24))) == {"small_gate": False}


def test_the_same_rows_in_train_and_test_stop_and_a_few_warn() -> None:
    train = plain(60, split="train", name="train.jsonl")
    card = card_of([*train, *plain(60, split="test", name="test.jsonl")])
    assert checks(card)["identical_splits"] is True
    assert "all test rows" in card.stops[0].line
    few = [*plain(2, split="test", name="test.jsonl"), *plain(40, split="test", start=300, name="test.jsonl")]
    assert checks(card_of([*train, *few])) == {"leakage": False}
    assert checks(card_of([*train, *plain(40, split="test", start=300)])) == {}


def conflicting(count: int) -> list[Example]:
    return [example(MANY[n].prompt, "no such", f"b.jsonl:{n + 1}", label=True) for n in range(count)]


def test_labels_in_conflict_stop_where_many_can_be_evaluated() -> None:
    card = card_of([*MANY, *conflicting(2)])
    assert checks(card)["conflicting_labels"] is True
    assert card.stops[0].places == ("a.jsonl:1", "b.jsonl:1", "a.jsonl:2")


def test_labels_in_conflict_in_train_alone_warn() -> None:
    train = [*plain(60, split="train"), example(plain(1)[0].prompt, "green", "a.jsonl:61", split="train", label=True)]
    card = card_of([*train, *plain(40, split="test", start=300)])
    assert checks(card) == {"conflicting_labels": False}


def test_free_answers_in_conflict_warn() -> None:
    free = [example(one.prompt, f"It says {one.prompt[5:40]} and more.", one.place) for one in MANY]
    assert checks(card_of(free)) == {}
    card = card_of([*free, example(free[0].prompt, "Something else entirely.", "b.jsonl:1")])
    assert checks(card) == {"conflicting_answers": False}


def test_duplicates_warn() -> None:
    assert checks(card_of([*MANY, *(example(o.prompt, o.answer, "b:1", label=True) for o in MANY[:2])])) == {
        "exact_duplicates": False
    }
    shouted = example(MANY[0].prompt.upper(), MANY[0].answer, "b:1", label=True)
    assert checks(card_of([*MANY, shouted])) == {"near_duplicates": False}


def test_a_class_of_one_row_stops_where_no_other_two_are_left() -> None:
    rare = example("Quite another thing?", "violet", "b.jsonl:1", label=True)
    assert checks(card_of([*MANY, rare])) == {"rare_class": False}
    red = [example(one.prompt, "red", one.place, label=True) for one in MANY]
    card = card_of([*red, rare])
    assert checks(card)["rare_class"] is True
    assert card.stops[0].places == ("b.jsonl:1",)
    assert checks(card_of(red)) == {"one_class": True}


def test_one_label_nearly_everywhere_warns() -> None:
    skewed = [example(o.prompt, "red" if n > 9 else "blue", o.place, label=True) for n, o in enumerate(MANY)]
    assert checks(card_of(skewed)) == {"majority_class": False}


def test_a_label_in_two_spellings_stops() -> None:
    card = card_of([*MANY, example("Quite another thing?", "Red", "b.jsonl:1", label=True)])
    assert checks(card) == {"label_spelling": True}
    assert "'red' 30, 'Red' 1 (b.jsonl:1)" in card.stops[0].line


def test_one_id_for_two_rows_stops_and_groups_warn() -> None:
    def with_ids(ids: list[int]) -> Card:
        pairs = zip(MANY, ids, strict=True)
        return card_of(
            [Example(o.prompt, o.answer, Row({**o.row.values, "id": n}, o.place), label=True) for o, n in pairs]
        )

    assert checks(with_ids(list(range(90)))) == {}
    assert checks(with_ids([0, *range(89)])) == {"duplicate_ids": True}
    assert checks(with_ids([n // 3 for n in range(90)])) == {"duplicate_ids": False}


def test_chat_errors_warn_and_stop_where_most_rows_teach_nothing() -> None:
    def chats(last: str) -> Card:
        talks = [
            [{"role": "user", "content": one.prompt}, {"role": "assistant" if n else last, "content": one.answer}]
            for n, one in enumerate(MANY)
        ]
        pairs = zip(MANY, talks, strict=True)
        return card_of([Example(o.prompt, o.answer, Row({"messages": talk}, o.place)) for o, talk in pairs])

    assert chats("assistant").chat == {}
    card = chats("asistant")
    assert checks(card)["chat_format"] is False
    assert card.chat == {"unrecognized_role": 1, "example_missing_assistant_message": 1, "last_turn_not_assistant": 1}
    mute = [Example(o.prompt, o.answer, Row({"messages": [{"role": "user", "content": "x"}]}, o.place)) for o in MANY]
    assert checks(card_of(mute))["chat_format"] is True


def test_rows_without_a_question_or_an_answer_stop() -> None:
    card = card_of([*MANY, example("", "red", "a.jsonl:91", label=True)])
    assert checks(card) == {"empty_prompt": True}
    assert checks(card_of([*MANY, example("What?", "", "a.jsonl:91")])) == {"empty_answer": True}


def test_formulas_and_languages_warn() -> None:
    assert checks(card_of([*MANY, example("=1+1 or two", "red", "a.csv:91", label=True)])) == {"formulas": False}
    german = "Wie kann ich bitte meine verlorene Karte {} wieder sperren lassen, und was kostet das?"
    mixed = [example(german.format(n), "red", f"b:{n}", label=True) for n in ("eins", "zwei", "drei", "vier", "acht")]
    card = card_of([*MANY[:30], *mixed])
    assert card.languages["de"] == 5


SECRETS = ["jane.doe@example.org", "DE89 3704 0044 0532 0130 00", "sk-proj-abcDEF1234567890abcDEF1234567890", "8.8.4.4"]
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e{{ 7 * 7 }}"


def sinks(card: Card, folder: Path) -> list[str]:
    out = io.StringIO()
    print_card(card, Console(file=out, width=100, highlight=False))
    write_card(card, folder)
    lines = "\n".join(problem.line for problem in card.problems)
    return [out.getvalue(), (folder / PAGE).read_text(), (folder / JSON).read_text(), lines]


def hostile_card(secret: str) -> Card:
    noise = f"{HOSTILE} {secret}"
    bad = [
        example(f"Ask {noise}", f"red {noise}"[:60], "a.csv:1", label=True),
        example(f"Ask {noise}", "red", "a.csv:2", label=True),
        example(f"Ask {noise}", "Red", "a.csv:3", label=True),
        example(f"ask {noise}!", secret, "a.csv:4", label=True),
        example(f"Again {noise}", secret, "a.csv:5", label=True),
        example(f"Again {noise}", secret, "a.csv:5", label=True),
        *(example(f"Cut {n} {secret}", f"{'so ' * 30}{secret}", f"a.csv:{n}") for n in range(6, 9)),
    ]
    return card_of(
        [*MANY, *bad], source=f"data {HOSTILE}.csv", refused=[(Row({}, "a.csv:9"), InputError(f"a.csv:9: {noise}"))]
    )


@pytest.mark.parametrize("secret", SECRETS)
def test_no_sink_shows_a_secret_or_acts_on_a_text(secret: str, tmp_path: Path) -> None:
    card = hostile_card(secret)
    assert card.private
    assert {"conflicting_labels", "label_spelling", "exact_duplicates", "private_data"} <= set(checks(card))
    for sink in sinks(card, tmp_path):
        assert secret not in sink
        assert secret not in sink.replace("\n", "")
        assert not any(sign in sink for sign in ("\x1b", "\u202e", "<U+202E>49"))
    page = (tmp_path / PAGE).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "{{ 7 * 7 }}" in page


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.text(max_size=30), st.sampled_from(SECRETS[:3]), st.text(max_size=12)), min_size=1, max_size=5
    )
)
def test_whatever_stands_around_it_a_secret_is_not_shown(parts: list[tuple[str, str, str]]) -> None:
    examples = [example(f"{before} {secret} {after}", f"{secret} {after}") for before, secret, after in parts]
    text = json.dumps(card_json(card_of(examples)), ensure_ascii=False)
    assert all(secret not in text for _, secret, _ in parts)


def test_the_json_has_a_stable_form(tmp_path: Path) -> None:
    card = card_of([*MANY, *conflicting(2)], source="a.jsonl")
    write_card(card, tmp_path)
    found = json.loads((tmp_path / JSON).read_text())
    assert found["schema"] == 1
    assert list(found) == [
        "schema", "source", "rows", "examples", "splits", "roles", "role_notes", "exact_duplicates", "near_duplicates",
        "near_conflicts", "conflicts", "conflicting", "leaks", "empty_prompts", "empty_answers", "cut_answers",
        "classes", "languages", "languages_of", "private", "chat", "formula_rows", "off_topic", "tokens", "samples",
        "stops", "warnings",
    ]  # fmt: skip
    assert found["stops"][0] == {
        "check": "conflicting_labels",
        "stops": True,
        "count": 4,
        "message": "2 questions with more than one label, 4.3% of the 92 rows that can be evaluated",
        "remedy": "correct them, or 'harness data clean FILE -o OUT' drops them",
        "places": ["a.jsonl:1", "b.jsonl:1", "a.jsonl:2"],
    }
    first = (tmp_path / PAGE).read_bytes()
    write_card(card, tmp_path)
    assert (tmp_path / PAGE).read_bytes() == first


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    write_card(card_of(MANY, source="a.jsonl"), tmp_path)
    page = (tmp_path / PAGE).read_text()
    assert not any(sign in page for sign in ("http://", "https://", "src=", "@import", "url("))
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page


def test_ids_that_name_groups_are_no_problem_where_the_user_says_so() -> None:
    examples = [
        Example(o.prompt, o.answer, Row({**o.row.values, "id": n // 3}, o.place), label=True)
        for n, o in enumerate(MANY)
    ]
    assert checks(card_of(examples, cluster="id")) == {}
    twice = [replace(o, row=replace(o.row, values={**o.row.values, "id": max(n, 1)})) for n, o in enumerate(MANY)]
    assert checks(card_of(twice)) == {"duplicate_ids": True}
    assert checks(card_of(twice, cluster="id")) == {}


def test_blanks_around_a_label_warn_and_can_be_seen() -> None:
    def with_label(label: str) -> Card:
        return card_of([*MANY, example("Quite another thing?", label.strip(), "b.jsonl:1", label=True)])

    assert checks(with_label("red")) == {}
    rows = [Row({"prompt": o.prompt, "label": o.answer}, o.place) for o in MANY]
    rows[0] = Row({"prompt": MANY[0].prompt, "label": "red "}, MANY[0].place)
    card = card_of([replace(o, row=row) for o, row in zip(MANY, rows, strict=True)])
    assert checks(card) == {"label_spelling": False}
    assert "'red' 29, 'red\u2423' 1 (\u2423 is a blank) (a.jsonl:1)" in card.warnings[0].line
    within = card_of([*MANY, example("Quite another thing?", "re  d", "b.jsonl:1", label=True)])
    assert checks(within) == {"label_spelling": True}
    assert "'re\u2423\u2423d' 1" in within.stops[0].line


def test_what_is_added_to_the_file_is_counted_in_roles_and_examples_alone() -> None:
    sentence = "This is nothing that the shop can say anything about, so please ask someone else"
    added = [
        Example(f"Whatever happened to the {word} of old?", sentence, Row({}, "added"), skill="off_topic", cluster=word)
        for word in WORDS
    ]
    few = MANY[:19]
    card = card_of(few, rows=[one.row for one in few], added=added)
    assert (card.rows, card.examples, card.off_topic, sum(card.roles.values())) == (19, 39, 20, 39)
    assert checks(card)["too_few_rows"] is True
    answers = [replace(one, answer=f"It says {one.prompt[5:40]} and that is all.", label=False) for one in MANY]
    assert checks(card_of(answers, added=added)) == {}
