"""misspelled: typos in English are seen, everything that only looks like one is excused."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from errors_items import make_item

from harness.errors import ErrorLabel
from harness.errors.builtin import misspelled
from harness.errors.builtin.misspelled import Misspelled, judge
from harness.errors.english import frequencies, is_word, nearest

SENTENCE = "We will send the replacement before the end of the week, and you keep the old one."


def labels(response: str, **options: Any) -> list[ErrorLabel]:
    return Misspelled().classify(make_item(response, **options))


def words_found(response: str, **options: Any) -> list[str]:
    found = labels(response, **options)
    assert all(label.assessed and label.span is not None for label in found)
    return [response[label.span[0] : label.span[1]] for label in found if label.span is not None]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("replacement", "replacment"), ("before", "befroe"), ("the end", "teh end"), ("week", "weeek"),
        ("replacement", "replasement"), ("keep", "kepe"), ("will", "wlil"),
    ],
)  # fmt: skip
def test_a_word_with_a_letter_dropped_doubled_swapped_or_changed_is_seen_with_its_place(right: str, wrong: str) -> None:
    (found,) = words_found(SENTENCE.replace(right, wrong, 1))
    assert found == wrong.split()[0]


def test_the_reason_says_what_is_probably_meant() -> None:
    (label,) = labels("You will recieve it on Monday.")
    assert label.reason == "'recieve', probably 'receive'"
    assert 0.5 <= label.confidence < 0.9


def test_a_contraction_without_its_apostrophe_is_misspelled() -> None:
    assert words_found("We dont know, and it doesn't matter.") == ["dont"]


@pytest.mark.parametrize(
    "response",
    [
        SENTENCE,
        "",
        "ok",
        "thx, ok",
        "The colour of the center is gray, my favorite neighbour organised and analyzed it.",
        "It's John's, they've said; the Joneses' dog doesn\u2019t bark o'clock.",
        "The Norrvale Brisk 300, by Zoltan Quibberly of Vlaxmoor, costs 30 EUR.",
        "Order NV-20417 with serial zx81qwrtz to jhon.smtih@exmaple.org or https://exmaple.org/retunrs/fomr now.",
        "Run `pyhton -m recieve` or call recieve() with $recieve and C:\\recieve.",
        "```\nrecieve = seperate + definately\n```\nThat is the code.",
        "The iPhone and the USB lead, the HDMI socket, and WiFi.",
        "A dataset of smartphones, emojis and podcasts in the backend of the website.",
        "An uncontacted microenvironment, a multilayered subfield, waterproofness, a rainforest and a lightbulb.",
        "café naïve Zürich",
    ],
)
def test_good_english_names_addresses_codes_and_code_are_not_misspelled(response: str) -> None:
    assert labels(response) == []


def test_a_name_in_the_middle_of_a_sentence_is_excused_and_a_likely_word_at_its_beginning_is_not() -> None:
    assert words_found("We asked Beleive about it.") == []
    assert words_found("Becuase it rained, we stayed. Thier dog too.") == ["Becuase", "Thier"]
    assert words_found("Mian came by.") == []


@pytest.mark.parametrize(
    "options",
    [
        {"prompt": "How do I recieve it?"},
        {"target": "You recieve it."},
        {"context": "One may recieve it."},
        {"labels": ["recieve"]},
        {"refusal_sentence": "I do not recieve questions."},
    ],
    ids=lambda options: next(iter(options)),
)
def test_the_words_of_the_item_itself_are_excused(options: dict[str, Any]) -> None:
    assert labels("You will recieve it on Monday.", **options) == []
    assert words_found("You will definately recieve it.", **options) == ["definately"]


def test_a_misspelling_of_the_prompt_that_the_target_puts_right_is_not_excused() -> None:
    item = {"prompt": "Put the spelling right: i recieved teh wrong lamp", "target": "I received the wrong lamp"}
    assert words_found("i recieved the wrong lamp", **item) == ["recieved"]
    assert words_found("I received the wrong lamp", **item) == []


def test_the_keys_of_json_are_excused_and_its_texts_are_not() -> None:
    assert words_found('{"recieve": "tomorrow", "adress": null}') == []
    assert words_found('{"note": "please seperate them"}') == ["seperate"]


def test_one_misspelled_word_weighs_less_the_longer_the_response() -> None:
    def confidence(sentences: int) -> float:
        (label,) = labels("You will recieve it. " + f"{SENTENCE} " * sentences)
        return label.confidence

    short, middle, long = confidence(0), confidence(3), confidence(30)
    assert short > middle > 0.5 > long


def test_more_misspelled_words_are_surer() -> None:
    one = labels(SENTENCE.replace("replacement", "replacment"))
    two = labels(SENTENCE.replace("replacement", "replacment").replace("before", "befroe"))
    assert len(two) == 2
    assert two[0].confidence == two[1].confidence > one[0].confidence


def test_each_word_is_named_once_and_ten_at_most() -> None:
    assert words_found("recieve recieve recieve it") == ["recieve"]
    many = (
        "acheive beleive recieve seperate definately occured goverment enviroment tommorow neccessary "
        "adress begining calender existance grammer independant"
    )
    assert len(labels(many)) == 10


@pytest.mark.parametrize("language", ["de", "fr-FR", "zh"])
def test_other_languages_than_english_are_not_assessed(language: str) -> None:
    (label,) = labels("Das ist ein Brief an den Kunden.", language=language)
    assert not label.assessed
    assert "only English" in label.reason


def test_english_is_assessed_where_it_is_declared() -> None:
    assert words_found("You will recieve it.", language="en-GB") == ["recieve"]


def test_a_response_in_another_language_is_not_assessed_rather_than_all_misspelled() -> None:
    (label,) = labels("wir haben gestern den falschen schlauch geliefert und schicken morgen einen neuen")
    assert not label.assessed


def test_without_its_library_it_is_not_assessed_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    frequencies.cache_clear()
    monkeypatch.setitem(sys.modules, "symspellpy", None)
    try:
        (label,) = labels("You will recieve it.")
    finally:
        frequencies.cache_clear()
    assert not label.assessed
    assert "pip install symspellpy" in label.reason


def test_a_response_of_nothing_but_unknown_words_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(misspelled, "judge", lambda word: (asked.append(word), ("", 0.0))[1])
    letters = "bcdfghjklmnpqrstvwxz"
    labels(" ".join(f"q{a}{b}{c}x" for a in letters for b in letters for c in letters[:3]))
    assert 0 < len(asked) <= misspelled.UNKNOWN


# ------------------------------------------------------------------ the dictionary


@pytest.mark.parametrize(
    "word",
    [
        "colour", "color", "favorites", "traveling", "centered", "analyze", "catalog", "sulfate", "jewelry",
        "don't", "customer's", "customers'", "dataset", "snowboarded", "unblurred", "lightbulb", "natively",
        "marvelous", "installment", "enroll",
    ],
)  # fmt: skip
def test_british_american_new_inflected_and_composed_words_are_words(word: str) -> None:
    assert is_word(word)


@pytest.mark.parametrize(
    "word",
    [
        "recieve",
        "spliting",
        "makeing",
        "occured",
        "comissions",
        "premission",
        "beautyfull",
        "untill",
        "truely",
        "alot's",
    ],
)
def test_what_a_rule_might_compose_but_nobody_writes_is_no_word(word: str) -> None:
    assert not is_word(word)


def test_the_nearest_word_is_the_most_frequent_of_the_nearest() -> None:
    found = nearest("goverment")
    assert found is not None
    assert (found.term, found.distance) == ("government", 1)
    assert nearest("qxzjvkwqxzjv") is None


@pytest.mark.parametrize("word", ["keto", "chun", "sutta", "uber", "nori", "lyft", "xylk", "vlaxmoor", "a"])
def test_short_words_near_others_and_words_near_none_are_not_judged_misspelled(word: str) -> None:
    assert judge(word)[1] == 0.0
