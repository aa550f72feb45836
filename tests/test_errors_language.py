"""wrong_language: another language or another script than is due; data, names and short texts are not judged."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from errors_items import make_item

from harness.errors import ErrorLabel, languages
from harness.errors.builtin import wrong_language
from harness.errors.builtin.wrong_language import WrongLanguage
from harness.errors.languages import detect, primary, running_text

ENGLISH = "You can send the lamp back within thirty days if the box is still closed."
GERMAN = "Sie können die Lampe innerhalb von dreißig Tagen zurückschicken, wenn der Karton noch zu ist."
FRENCH = "Vous pouvez renvoyer la lampe dans les trente jours si la boîte est encore fermée."
CHINESE = "如果盒子仍未打开\uff0c您可以在三十天内退回这盏灯。"
RUSSIAN = "Вы можете вернуть лампу в течение тридцати дней, если коробка не открыта."


def labels(response: str, **options: Any) -> list[ErrorLabel]:
    return WrongLanguage().classify(make_item(response, **{"target": "", **options}))


def only(response: str, **options: Any) -> ErrorLabel:
    (label,) = labels(response, **options)
    return label


@pytest.mark.parametrize("response", [GERMAN, FRENCH, CHINESE, RUSSIAN])
@pytest.mark.parametrize(
    "options", [{"language": "en"}, {"target": ENGLISH}, {"prompt": f"{ENGLISH} Is that right?"}], ids=str
)
def test_another_language_than_declared_or_than_targets_or_than_the_prompts(
    response: str, options: dict[str, Any]
) -> None:
    label = only(response, **options)
    assert label.assessed
    assert label.confidence >= 0.5
    assert label.span == (0, len(response))
    assert "en" in label.reason


@pytest.mark.parametrize(
    ("response", "options"),
    [
        (ENGLISH, {"language": "en"}),
        (ENGLISH, {"language": "en-GB"}),
        (GERMAN, {"language": "de"}),
        (GERMAN, {"target": GERMAN, "prompt": f"Translate into German: {ENGLISH}"}),
        (CHINESE, {"language": "zh"}),
        ("", {"language": "en"}),
        (" \n", {"language": "en"}),
    ],
)
def test_the_language_that_is_due_is_silent(response: str, options: dict[str, Any]) -> None:
    assert labels(response, **options) == []


def test_what_is_declared_counts_before_the_target_and_that_before_the_prompt() -> None:
    assert only(ENGLISH, language="de", target=ENGLISH).assessed
    assert labels(GERMAN, target=GERMAN, prompt=ENGLISH) == []


@pytest.mark.parametrize(
    ("response", "options", "why"),
    [
        ("ja", {"language": "en"}, "too few words"),
        ("NV-20417, 30.50, https://beispiel.de/der-brief-an-die-kunden", {"language": "en"}, "too few words"),
        ('{"name": "Lampe mit Karton und Schirm"}', {"language": "en"}, "data"),
        (GERMAN, {"language": "en", "format": "label", "labels": ["a"]}, "data"),
        (GERMAN, {"language": "en", "format": "json"}, "data"),
        (ENGLISH, {"language": "tlh"}, "no language that can be told"),
        (ENGLISH, {"prompt": "12 + 30 ="}, "declares no language"),
    ],
)
def test_what_cannot_be_told_is_not_assessed(response: str, options: dict[str, Any], why: str) -> None:
    label = only(response, **options)
    assert not label.assessed
    assert why in label.reason


def test_a_list_of_foreign_names_is_not_another_language() -> None:
    found = labels("Giorgia Meloni, Mario Draghi, Giuseppe Conte, Paolo Gentiloni, Matteo Renzi", language="en")
    assert not any(label.assessed for label in found)


def test_words_in_another_script_amid_english_are_the_evidence() -> None:
    response = f"{ENGLISH} 请保留收据 and the invoice."
    label = only(response, language="en")
    assert label.span is not None
    assert response[label.span[0] : label.span[1]] == "请保留收据"
    assert label.confidence == 0.7


@pytest.mark.parametrize(
    "options", [{"prompt": "What does 请保留收据 mean?"}, {"target": "请保留收据"}, {"context": "请保留收据"}]
)
def test_words_in_another_script_that_the_item_has_itself_are_excused(options: dict[str, Any]) -> None:
    assert labels(f"{ENGLISH} 请保留收据", language="en", **options) == []


def test_a_name_given_in_brackets_in_its_own_script_is_excused() -> None:
    assert labels(f"{ENGLISH} (Chinese: 请保留收据, 1970)", language="en") == []
    assert labels(f"{ENGLISH} (as before) 请保留收据", language="en") != []


def test_greek_letters_in_a_formula_are_no_other_script() -> None:
    assert labels(f"{ENGLISH} αβγ = δεζ", language="en") == []


def test_without_its_library_it_is_not_assessed_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    caches = (languages._identifier, languages.known_languages, detect, wrong_language._guess)
    for cached in caches:
        cached.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    try:
        declared, guessed = only(GERMAN, language="en"), only(GERMAN, target=ENGLISH)
    finally:
        for cached in caches:
            cached.cache_clear()
    for label in (declared, guessed):
        assert not label.assessed
        assert "pip install py3langid" in label.reason


@pytest.mark.parametrize(
    ("code", "expected"), [("en", "en"), ("EN_us", "en"), (" de-CH ", "de"), ("nb", "no"), ("zh-Hant", "zh"), ("", "")]
)
def test_the_language_of_a_code(code: str, expected: str) -> None:
    assert primary(code) == expected


def test_running_text_has_no_code_addresses_numbers_or_marks() -> None:
    text = "See `this`, https://example.org/x and a@b.org: 12 lamps (NV-20417)!\n```\ncode\n``` Fine."
    assert running_text(text) == "See and lamps Fine"


def test_a_language_is_told_with_a_probability() -> None:
    found = detect(running_text(FRENCH))
    assert found.code == "fr"
    assert 0.5 < found.confidence <= 1.0
