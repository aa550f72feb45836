"""Hostile responses: whatever the model writes, classifying answers, and answers within the contract."""

from __future__ import annotations

from typing import Any

import pytest
from errors_items import SENTENCE, make_item
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import PRECEDENCE, ErrorRecord, classify, load_classifiers
from harness.errors.registry import BUILTIN
from harness.evaluation.items import ItemResult

CLASSIFIERS = load_classifiers(list(BUILTIN))
EXPECTATIONS: list[dict[str, Any]] = [
    {},
    {"format": "json", "keys": ["name", "order"], "refusal": False, "refusal_sentence": SENTENCE},
    {"format": "label", "labels": ["billing", "lost card"], "refusal": True, "max_words": 4},
    {"format": "text", "refusal": True, "refusal_sentence": SENTENCE},
    {"context": "Order 73557 of 5 March 2024 went to Oona Ruiz.", "answerable": False, "group": "g1"},
    {"tools": [{"name": "track", "parameters": {"properties": {"order": {"type": "integer"}}}}], "call": None},
    {"tools": "[]", "call": '{"name": "track", "arguments": {"order": 73557, "name": "Oona"}}', "format": "json"},
]
PIECES = st.sampled_from(
    [
        "{", "}", "[", "]", '"', "\\", ":", ",", "```json\n", "null", "NaN", '{"name": 1, "order": [2]}', "\ud800",
        "\0", "\u202e", "\u2066", " ", "\n", "a", "ha", "I'm sorry, I can't", "Oona",
        " 5 March", "73557", "two hundred", "FD-99", "a@b.org", "1,000.5", '{"name": "track", "arguments": {"order": ',
        SENTENCE, "billing", "1. ", "\u3053\u3093", "'",
    ]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=()), max_size=200),
    st.lists(PIECES, max_size=40).map("".join),
    st.tuples(st.lists(PIECES, min_size=1, max_size=4).map("".join), st.integers(2, 60)).map(
        lambda part: part[0] * part[1]
    ),
)


def assert_keeps_the_contract(record: ErrorRecord, item: ItemResult) -> None:
    for label in record.labels:
        assert label.assessed
        assert 0.0 <= label.confidence <= 1.0
        assert label.category in PRECEDENCE
        assert "\n" not in label.reason
        if label.span is not None:
            assert 0 <= label.span[0] <= label.span[1] <= len(item.response)
    assert not any("raised" in reason for reason in record.reasons)
    assert (record.primary is None) == (item.correct >= 1.0)
    if record.primary is not None:
        assert record.primary in {label.category for label in record.labels}


@given(
    response=TEXTS,
    target=st.one_of(st.just(SENTENCE), TEXTS),
    correct=st.sampled_from([0.0, 0.5, 1.0]),
    finish=st.sampled_from(["stop", "length", "unknown"]),
    expects=st.sampled_from(EXPECTATIONS),
)
def test_any_text_is_classified_within_the_contract_and_the_same_twice(
    response: str, target: str, correct: float, finish: Any, expects: dict[str, Any]
) -> None:
    item = make_item(response, target=target, correct=correct, finish_reason=finish, **expects)
    record = classify(item, CLASSIFIERS)
    assert_keeps_the_contract(record, item)
    assert classify(item, CLASSIFIERS) == record


@given(text=TEXTS)
def test_the_target_itself_is_never_too_long_nor_repetitive(text: str) -> None:
    record = classify(make_item(text, target=text, max_words=1), CLASSIFIERS)
    assert not {"too_long", "repetitive"} & {label.category for label in record.labels}


MEGABYTES = 5_000_000
FIBONACCI = ["a", "ab"]  # of all long words the one with the most repetitions in it that never become a loop of four
while len(FIBONACCI[-1]) < MEGABYTES:
    FIBONACCI = [FIBONACCI[-1], FIBONACCI[-1] + FIBONACCI[-2]]


def filled(unit: str) -> str:
    return unit * (MEGABYTES // len(unit))


@pytest.mark.parametrize(
    "response",
    [
        filled(" "), filled("\0"), filled("\ud800"), filled("\u202e"), filled("a"), filled("a "), filled("a'"),
        filled("{"), filled("["), filled("[]"), filled("{ "), filled('{"a":'), filled('"'), filled('{"\\"'),
        '{"' + filled('\\"'), "{" + filled(" "), '{"a": ' + filled("1") + "}", '{"' + filled("k") + '": 1}',
        '{"a": [' + filled("NaN,") + "1]}", '{"a": [' + filled('"NaN",') + "NaN]}", '{"a": "' + filled("ha ") + '"}',
        filled("`"), filled(". "), filled("\n"), filled("I'm sorry, I "), filled("I can only help "), FIBONACCI[-1],
        " ".join(map(str, range(700_000))), "{" + ",".join(f'"k{n}":{n}' for n in range(350_000)) + "}",
    ],
    ids=lambda text: ascii(text[:12]),
)  # fmt: skip
@pytest.mark.parametrize(
    "expects", [*EXPECTATIONS[1:3], EXPECTATIONS[4], EXPECTATIONS[6]], ids=["json", "label", "context", "call"]
)
def test_five_megabytes_of_anything_are_classified(response: str, expects: dict[str, Any]) -> None:
    target = '{"name": 1, "order": 2}' if expects.get("format") == "json" else "billing"
    item = make_item(response, target=target, finish_reason="length", **expects)
    assert_keeps_the_contract(classify(item, CLASSIFIERS), item)
