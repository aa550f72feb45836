"""Facts in a text, and `hallucinated`: what stands nowhere, and the harmless neighbours that only look so."""

from __future__ import annotations

from typing import Any

import pytest
from errors_items import SENTENCE, make_item
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ErrorLabel, load_classifiers
from harness.errors.facts import Source, facts, levelled_words, number_readings, spelled_number
from harness.evaluation.items import ItemResult

CONTEXT = (
    "Policy 12-B: Henrik Maier runs the returns desk in Basel. Returns take 44 days and cost 1,250.50 euros, or "
    "two hundred francs, until 5 March 2024 (17:30). Write to desk@norrvale.com or see "
    "https://www.norrvale.com/returns. Quote serial FD-9983; the National Football League has its own "
    "rules, and so has Germany."
)


def labels_of(response: str, *, context: str | None = CONTEXT, **options: Any) -> list[ErrorLabel]:
    (classifier,) = load_classifiers(["hallucinated"])
    item = make_item(response, **{"target": "44 days", "context": context, **options})
    labels = classifier.classify(item)
    for label in labels:
        assert label.span is None or 0 <= label.span[0] < label.span[1] <= len(response)
    return labels


def seen(response: str, **options: Any) -> list[str]:
    return [response[slice(*label.span)] for label in labels_of(response, **options) if label.assessed and label.span]


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("1000", ("1000",)), ("1,000", ("1000",)), ("1'000", ("1000",)), ("1.000", ("1000", "1")), ("007", ("7",)),
        ("10.50", ("10.5",)), ("10,5", ("10.5",)), ("1,250.50", ("1250.5",)), ("1.250,50", ("1250.5",)), ("0", ("0",)),
        ("1.2.3", ()), ("1,000,000", ("1000000",)), ("12,34,56", ()), ("6\u00bd", ("6.5",)),
    ],
)  # fmt: skip
def test_formats_of_numbers_are_levelled(text: str, readings: tuple[str, ...]) -> None:
    assert number_readings(text) == readings


@pytest.mark.parametrize(
    ("text", "value"),
    [("two", "2"), ("twenty-four", "24"), ("two hundred and five", "205"), ("three thousand forty", "3040"),
     ("hundred", "100"), ("one million", "1000000")],
)  # fmt: skip
def test_numbers_in_words_have_values(text: str, value: str) -> None:
    assert spelled_number(text) == value


def test_numbers_that_are_listed_are_not_added_up() -> None:
    assert [fact.readings for fact in facts("two three, twenty five, a hundred and two six")] == [
        ("2",), ("3",), ("25",), ("102",), ("6",)
    ]  # fmt: skip


def test_a_unit_written_to_a_number_is_none_of_it() -> None:
    assert [fact.readings for fact in facts("10kg 2.7B 5th 1990s 3k")] == [
        ("10",), ("2.7",), ("5",), ("1990",), ("3", "3000")
    ]  # fmt: skip
    assert [fact.kind for fact in facts("12B A4 v2")] == ["id"] * 3


@given(st.integers(0, 10**9))
def test_thousands_separators_never_change_a_number(number: int) -> None:
    assert set(number_readings(f"{number:,}")) == {str(number)}
    assert str(number) in number_readings(f"{number:,}".replace(",", "."))


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=80))
def test_facts_lie_in_their_text_and_every_text_supports_its_own(text: str) -> None:
    source = Source([text])
    for fact in facts(text):
        assert 0 <= fact.start < fact.end <= len(text)
        assert fact.readings
        assert 0 < fact.confidence <= 1
        if fact.kind in {"number", "name"} and text.isascii():
            assert source.supports(fact), (fact, text[fact.start : fact.end])


@pytest.mark.parametrize(
    "response",
    [
        "44 days", "It takes 44 days.", "forty-four days", "Forty-four", "1250.5 euros", "\u20ac1,250.50",
        "1.250,50 EUR", "200 francs", "by March 5", "the 5th of March 2024", "2024-03-05", "05/03/2024", "5.3.2024",
        "until 5:30 pm, I think",
        "Henrik Maier", "henrik maier", "Ask Maier.", "Maier's desk in Basel", "Write to DESK@norrvale.com.",
        "See norrvale.com/returns", "www.norrvale.com", "serial FD9983", "FD 9983", "fd-9983",
        "Policy 12-B", "Basel[3] and Maier.[12]", "policy-serial-FD9983", "desk-FD-9983",
        '{"a": "Basel", "Key": "Mai', "the NFL",
        "The Germans have rules.", "Yes", "No.", "It is free.", "1. Basel\n2. Maier", "Dear customer, thank you.", "",
        "One day", "the first desk", "I don't know", "It's Basel, isn't it? Don't worry.",
    ],
)  # fmt: skip
def test_what_stands_in_the_context_in_any_format_is_not_made_up(response: str) -> None:
    assert labels_of(response) == []


@pytest.mark.parametrize(
    ("response", "invented"),
    [
        ("45 days", ["45"]), ("forty-five days", ["forty-five"]), ("1,250.60 euros", ["1,250.60"]),
        ("Boris", ["Boris"]),
        ("Boris Hoffmann", ["Boris", "Hoffmann"]), ("The desk of Hoffmann is in Oslo.", ["Hoffmann", "Oslo"]),
        ("until 6 March", ["6"]), ("until 5 April 2024", ["April"]), ("on 2024-04-05", ["2024-04-05"]),
        ("05/04/2024", ["05/04/2024"]), ("each Wednesday", ["Wednesday"]), ("serial FD-9984", ["FD-9984"]),
        ("mail help@norrvale.com.", ["help@norrvale.com"]),
        ("see https://evil.org/a?b=c.", ["https://evil.org/a?b=c"]),
        ("Henrik Maier in Basel, phone 061 555", ["061", "555"]), ("It was Dr. Weber.", ["Weber"]),
        ('{"name": "Weber", "Key": "44', ["Weber"]),
    ],
)  # fmt: skip
def test_what_stands_nowhere_is_made_up(response: str, invented: list[str]) -> None:
    assert seen(response) == invented


def test_prompt_target_and_refusal_sentence_are_sources_too() -> None:
    options: dict[str, Any] = {"prompt": "Ask about Oslo 77.", "target": "Weber", "refusal_sentence": SENTENCE}
    assert labels_of("Weber said in Oslo, at 77: only Norrvale products.", **options) == []


def test_values_of_json_are_read_one_by_one_and_keys_not_at_all() -> None:
    response = '{"Name": "Boris", "order": 73, "days": "44", "note": "Caf\\u00e9 in Basel, room 9"}'
    assert seen(response) == ["Boris", "73", "Caf\\u00e9 in Basel, room 9"]


def test_a_number_that_the_token_limit_cut_is_no_other_number() -> None:
    assert seen("It costs 125", finish_reason="length") == []
    assert seen("It costs 125", finish_reason="stop") == ["125"]


def test_a_name_one_letter_off_is_recorded_in_doubt() -> None:
    (label,) = labels_of("It is Henrig who knows.")
    assert label.confidence < 0.5
    (label,) = labels_of("It is Boris who knows.")
    assert label.confidence >= 0.5


def test_titles_and_shouting_are_not_read_as_names() -> None:
    assert labels_of("Our Best Offer And Conditions For Every Kind Of Return In Short Words") == []
    assert labels_of("PLEASE SEND THE PARCEL BACK AT ONCE OR ELSE WE CANNOT HELP") == []


def test_without_a_context_a_target_that_is_taken_from_the_prompt_makes_it_the_source() -> None:
    prompt = "Message: Oona Ruiz here, order 73557."
    assert seen("order 73558", context=None, prompt=prompt, target="order 73557") == ["73558"]
    assert seen("Boris", context=None, prompt="Say exactly: no answer here.", target="no answer") == ["Boris"]


@pytest.mark.parametrize(("prompt", "target"), [("Who wrote Emma?", "Jane Austen"), ("What melts?", "ice"), ("A?", "")])
def test_without_a_context_open_questions_are_not_assessed(prompt: str, target: str) -> None:
    (label,) = labels_of("Charles Dickens", context=None, prompt=prompt, target=target)
    assert not label.assessed
    assert labels_of("who knows", context=None, prompt=prompt, target=target) == []


def test_kinds_that_the_target_works_out_itself_are_not_judged() -> None:
    (label,) = labels_of("89 days", target="88 days")
    assert not label.assessed
    assert "number" in label.reason
    assert seen("Boris says 89 days", target="88 days") == []  # first word of a sentence
    assert seen("so Boris says 89 days", target="88 days") == ["Boris"]


def test_labels_are_few_and_say_what_stands_nowhere() -> None:
    labels = labels_of(" ".join(f"{number}," for number in range(1000, 1100)))
    assert len(labels) == 10
    assert labels[0].reason == "number '1000' stands in neither context, prompt nor reference"


def test_levelled_words_forget_what_does_not_count() -> None:
    assert levelled_words("The warranty: TWO  years!") == levelled_words("warranty 2 years")
    assert levelled_words("Caf\u00e9 1,000") == levelled_words("cafe 1000")
    assert levelled_words("2 years") != levelled_words("3 years")


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_response_made_of_the_context_alone_is_never_made_up(before: str, after: str) -> None:
    (classifier,) = load_classifiers(["hallucinated"])
    item: ItemResult = make_item("44", target="44", context=f"{before} 44 {after}")
    assert classifier.classify(item) == []
