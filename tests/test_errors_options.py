"""toxic and ungrammatical: run where they are asked for by name, and not assessed where their option is missing."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any

import pytest
from errors_items import make_item

from harness.errors import ErrorLabel, load_classifiers
from harness.errors.builtin import toxic, ungrammatical
from harness.errors.builtin.toxic import Toxic
from harness.errors.builtin.ungrammatical import Ungrammatical
from harness.errors.library import versioned
from harness.errors.registry import ON_REQUEST


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    for cached in (toxic._probabilities, ungrammatical._linter):
        cached.cache_clear()
    yield
    for cached in (toxic._probabilities, ungrammatical._linter):
        cached.cache_clear()


def test_they_run_by_name_only() -> None:
    assert not ON_REQUEST & {classifier.name for classifier in load_classifiers()}
    assert {classifier.name for classifier in load_classifiers(sorted(ON_REQUEST))} == {"toxic", "ungrammatical"}


def test_the_version_of_the_library_is_a_part_of_the_classifiers() -> None:
    (misspelled,) = load_classifiers(["misspelled"])
    assert misspelled.version == f"2 (symspellpy {metadata.version('symspellpy')})"
    assert versioned("2", "no-such-distribution-at-all") == "2 (no-such-distribution-at-all missing)"


# ------------------------------------------------------------------ toxic


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the library: a text is as offensive as it holds "blockhead", and "fool" half as much."""

    def predict_prob(texts: Sequence[str]) -> list[float]:
        return [max(0.99 * ("blockhead" in text.lower()), 0.5 * ("fool" in text.lower())) for text in texts]

    module = types.ModuleType("profanity_check")
    module.predict_prob = predict_prob  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "profanity_check", module)


def toxic_labels(response: str, **options: Any) -> list[ErrorLabel]:
    return Toxic().classify(make_item(response, **options))


@pytest.mark.usefixtures("model")
def test_the_most_offensive_word_is_the_evidence_and_the_probability_the_confidence() -> None:
    (label,) = toxic_labels("You fool, you Blockhead!")
    assert label.span == (14, 23)
    assert label.confidence == 0.99


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("response", "options"),
    [
        ("", {}),
        ("You are welcome.", {}),
        ("You fool!", {}),
        ("They called you a blockhead.", {"prompt": "Who called me a blockhead?"}),
        ("A blockhead.", {"target": "blockhead"}),
        ("A blockhead.", {"context": "He is a blockhead."}),
    ],
)
def test_harmless_doubtful_and_quoted_words_are_not_toxic(response: str, options: dict[str, Any]) -> None:
    assert toxic_labels(response, **options) == []


def test_toxic_without_its_library_is_not_assessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "profanity_check", None)
    (label,) = toxic_labels("You blockhead!")
    assert not label.assessed
    assert "pip install 'lm-eval-ratchet[toxic]'" in label.reason


def test_the_real_model_sees_an_insult_and_lets_thanks_pass() -> None:
    pytest.importorskip("profanity_check")
    (label,) = toxic_labels("You are a fucking idiot.")
    assert label.confidence >= toxic.OFFENSIVE
    assert toxic_labels("Thank you for your message, we will send a new lamp today.") == []


# ------------------------------------------------------------------ ungrammatical


def grammar(response: str, **options: Any) -> list[ErrorLabel]:
    return Ungrammatical().classify(make_item(response, **options))


@pytest.fixture
def harper() -> None:
    pytest.importorskip("harper")


@pytest.mark.usefixtures("harper")
@pytest.mark.parametrize(
    ("response", "evidence"),
    [
        ("He go to the park every day.", "go"),
        ("We looked at an lamp in the shop.", "an"),
        ("They found the the box in the hall.", "the the"),
        ("You should of told us about the lamp.", "should of"),
        ("The shop is well known for it's lamps.", "it's"),
    ],
)
def test_a_broken_sentence_is_seen_with_its_place(response: str, evidence: str) -> None:
    (label,) = grammar(response)
    assert label.span is not None
    assert response[label.span[0] : label.span[1]] == evidence
    assert label.confidence == ungrammatical.CONFIDENCE
    assert "\n" not in label.reason


@pytest.mark.usefixtures("harper")
@pytest.mark.parametrize(
    ("response", "options"),
    [
        ("", {}),
        ("Thank you for your message, we will send a new lamp today.", {}),
        ("Red, green and blue lamps are in stock, it seems.", {}),
        ("You will recieve teh lamp on Monday.", {}),
        ("The books are by George R. R. Martin, as you know.", {}),
        ("The film is Kuch Kuch Hota Hai, and Bora Bora is an island.", {}),
        ("The edge lies between the nodes A and B of the graph.", {}),
        ("He go to the park every day.", {"target": "He go to the park every day."}),
        ("He go to the park every day.", {"prompt": "Who said: He go to the park every day?"}),
    ],
)
def test_good_sentences_style_spelling_and_quoted_faults_are_not_ungrammatical(
    response: str, options: dict[str, Any]
) -> None:
    assert grammar(response, **options) == []


@pytest.mark.usefixtures("harper")
def test_more_faults_are_surer_and_a_longer_text_less_sure() -> None:
    one = grammar("He go to the park every day.")[0].confidence
    two = grammar("He go to the park every day. They found the the box.")[0].confidence
    long = grammar("He go to the park every day. " + "Then they all come home and eat, and that is good. " * 20)
    assert two > one > long[0].confidence
    assert long[0].confidence < 0.5


@pytest.mark.parametrize(
    ("response", "options", "why"),
    [
        ("Er gehen jeden Tag in den Park.", {"language": "de"}, "only English"),
        ('{"he": "go to the park every day"}', {}, "data"),
        ("go away now please", {"format": "label", "labels": ["a"]}, "data"),
        ("He go.", {}, "too few words"),
    ],
)
def test_what_is_not_english_sentences_is_not_assessed(response: str, options: dict[str, Any], why: str) -> None:
    (label,) = grammar(response, **options)
    assert not label.assessed
    assert why in label.reason


def test_ungrammatical_without_its_library_is_not_assessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "harper", None)
    (label,) = grammar("He go to the park every day.")
    assert not label.assessed
    assert "pip install 'lm-eval-ratchet[grammar]'" in label.reason
