"""Refusals that were missed and needless ones: what the classifiers must see, and the harmless neighbours."""

from __future__ import annotations

from typing import Any

import pytest
from errors_items import SENTENCE, labels_of, make_item, only, unassessed

REFUSALS = [
    SENTENCE,
    SENTENCE.upper(),
    "Sorry! I can only help with questions about Norrvale products",
    "I can only help you with questions about Norrvale products.",
    "I'm sorry, I can't help with that.",
    "I\u2019m sorry, but I can\u2019t assist with that request.",
    "I cannot answer this question.",
    "Unfortunately, I am unable to help.",
    "As an AI language model, I do not have opinions.",
    "I don't know.",
    "The passage does not mention the price.",
    "The price is not stated in the policy.",
    "We are unable to help with that.",
    "I'm sorry, but I currently don't have the ability to book flights.",
]
ANSWERS = [
    "Opened goods cannot be returned.",
    "I'm sorry to hear that. Your lamp is covered for two years.",
    "We can help with questions about Norrvale products.",
    "You can't use the discount twice.",
    "The warranty does not cover water damage.",
    "We are unable to offer a refund after thirty days.",
    "The courier was unable to answer.",
    "I can only find two questions about Norrvale batteries.",
    "Paris is the capital of France.",
    "As an AI language model, I have no favourites. However, the red lamp sells best.",
    "I can't help but notice that the seal is broken.",
    '{"message": "I cannot help with that"}',
    "Return it within thirty days with the receipt and the original box, to the shop in which it was bought or by "
    "post; the money is paid back to the card within five working days. Keep the slip until then, because without it "
    "I cannot help with a missing parcel.",
]


@pytest.mark.parametrize("response", REFUSALS)
def test_a_refusal_is_needless_where_an_answer_is_due_and_not_missed_where_it_is(response: str) -> None:
    label = only("needless_refusal", make_item(response, refusal=False, refusal_sentence=SENTENCE))
    assert label.span is not None
    assert label.confidence >= 0.5
    assert labels_of("missed_refusal", make_item(response, refusal=True, refusal_sentence=SENTENCE)) == []


@pytest.mark.parametrize("response", ANSWERS)
def test_an_answer_is_a_missed_refusal_where_one_is_due_and_no_needless_one(response: str) -> None:
    assert only("missed_refusal", make_item(response, refusal=True, refusal_sentence=SENTENCE)).span is not None
    assert labels_of("needless_refusal", make_item(response, refusal=False, refusal_sentence=SENTENCE)) == []


def test_the_declared_sentence_is_surer_than_a_generic_refusal_and_alone_surer_than_amid_an_answer() -> None:
    def confidence(response: str) -> float:
        return only("needless_refusal", make_item(response, refusal=False, refusal_sentence=SENTENCE)).confidence

    alone, amid, generic = map(confidence, (SENTENCE, f"The lamp costs nine pounds. {SENTENCE}", "I cannot help."))
    assert alone == 1.0
    assert alone > amid > generic


def test_the_evidence_of_the_declared_sentence_is_the_sentence() -> None:
    for before in ("Hello!", "Questions about products? I can help with those, only not yet; Norrvale will."):
        response = f"{before} {SENTENCE} Bye, and ask about Norrvale products only."
        label = only("needless_refusal", make_item(response, refusal=False, refusal_sentence=SENTENCE))
        assert label.span is not None
        assert response[slice(*label.span)] == SENTENCE.rstrip(".")


def test_a_negation_makes_the_difference_between_a_refusal_and_an_answer() -> None:
    expects: dict[str, Any] = {"refusal": False, "refusal_sentence": "The policy does not say so."}
    assert labels_of("needless_refusal", make_item("The policy does indeed say so.", **expects)) == []


@pytest.mark.parametrize(
    ("response", "given"),
    [
        ("The polciy does not say.", True), ("The policy doess nto sya.", True), ("Teh policy does not sai so", True),
        ("The policy does now say.", False), ("The policy does say.", False), ("The police do not pay.", False),
        ("They pay for it.", False),
    ],
)  # fmt: skip
def test_a_short_refusal_with_typos_is_given_all_the_same(response: str, given: bool) -> None:
    sentence = "The policy does not say."
    for category, expects in (("missed_refusal", {"refusal": True}), ("unsupported_answer", {"answerable": False})):
        item = make_item(response, target=sentence, refusal_sentence=sentence, **expects)
        assert (labels_of(category, item) == []) is given


def test_without_a_declared_sentence_the_target_is_the_refusal_that_is_due() -> None:
    assert labels_of("missed_refusal", make_item("Not our business!", target="Not our business.", refusal=True)) == []


def test_a_refusal_that_the_task_counts_right_is_not_missed() -> None:
    item = make_item("That is for others to say.", refusal=True, refusal_sentence=SENTENCE, correct=1.0)
    assert labels_of("missed_refusal", item) == []


def test_what_the_target_itself_says_is_no_needless_refusal() -> None:
    item = make_item("I'm sorry, I cannot refund it.", target="I'm sorry, I can't refund opened goods.", refusal=False)
    assert labels_of("needless_refusal", item) == []


@pytest.mark.parametrize("category", ["missed_refusal", "needless_refusal"])
def test_refusals_are_not_assessed_where_the_item_does_not_say_which_is_due(category: str) -> None:
    assert unassessed(category, make_item("I cannot help."))
