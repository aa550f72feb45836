"""Which answers are right, by what a file's answers are."""

from __future__ import annotations

import json

import pytest

from harness.exceptions import InputError
from harness.intake.schema import infer_schema, says_more_than_keys
from harness.intake.scoring import F1_RIGHT, score

TOOLS = [{"name": "rate", "parameters": {"type": "object", "properties": {"stars": {"type": "integer"}}}}]


@pytest.mark.parametrize(
    ("scoring", "target", "response", "right"),
    [
        ("label", "Refund", " refund. ", True),
        ("label", "Refund", "Refund now", False),
        ("label", "etc.", "etc.", True),
        ("short", "The Eiffel Tower", "eiffel tower.", True),
        ("short", "Paris", "Paris, France", False),
        ("short", "A", "A", True),
        ("short", "A", "The", False),
        ("number", "6 * 3 = 18\n#### 18", "It is 20, no, 18.", True),
        ("number", "#### 1,800", "so\n#### 1800\nas said above in step 2", True),
        ("number", "#### 18", "#### 18.0", True),
        ("number", "#### 18", "eighteen", False),
        ("number", "#### 18", "18 and 2 make 20", False),
        ("json", '{"a": 1, "b": "x"}', '{"b": " x", "a": 1.0}', True),
        ("json", '{"a": 1}', 'Here: {"a": 1}', False),
        ("json", '{"a": 1}', '{"a": true}', False),
        ("json", '{"a": 1}', '{"a": 2, "a": 1}', False),
        ("json", "[1, 2]", "[2, 1]", False),
        ("json", "[1]", "[" * 5_000, False),
        ("sql", "SELECT a FROM t WHERE b = 'X'", 'select  a from t\nwhere b="x";', True),
        ("sql", "SELECT a FROM t", "SELECT b FROM t", False),
        ("sql", "SELECT a FROM t WHERE b = 'x  y'", "SELECT a FROM t WHERE b = 'x y'", False),
        ("call", '{"name": "rate", "arguments": {"stars": 5}}', '{"arguments": {"stars": "5"}, "name": "rate"}', True),
        ("call", '{"name": "rate", "arguments": {"stars": 5}}', '{"name": "rate", "arguments": {}}', False),
        ("call", '{"name": "rate", "arguments": {"stars": 5}}', '{"name": "like", "arguments": {"stars": 5}}', False),
        ("call", '{"name": "rate", "arguments": {"stars": 5}}', "rate(stars=5)", False),
        ("long", "one two three four", "one two three", True),
        ("long", "one two three four", "five six one", False),
    ],
)
def test_an_answer_is_right_or_not(scoring: str, target: str, response: str, right: bool) -> None:
    doc = {"target": target, "scoring": scoring, "expects": {"tools": TOOLS}}
    assert score(doc, response)["acc"] == float(right)
    assert score(doc, target)["acc"] == 1.0
    assert score(doc, "")["acc"] == 0.0


def test_every_accepted_answer_is_right() -> None:
    doc = {"target": "Ada", "accepted": ["Ada Lovelace"], "scoring": "short"}
    assert score(doc, "ada lovelace") == {"acc": 1.0}


def test_long_answers_have_their_f1_beside_and_a_threshold_of_ones_own() -> None:
    doc = {"target": "one two three four", "scoring": "long"}
    assert score(doc, "one two") == {"acc": 1.0, "f1": pytest.approx(2 / 3)}
    assert score(doc, "one two", 0.7)["acc"] == 0.0
    assert F1_RIGHT == 0.5


def test_calls_may_declare_their_tools_as_text() -> None:
    doc = {"target": '{"name": "rate", "arguments": {"stars": 5}}', "scoring": "call"}
    response = '{"name": "rate", "arguments": {"stars": "5"}}'
    assert score({**doc, "expects": {"tools": json.dumps(TOOLS)}}, response) == {"acc": 1.0}
    assert score({**doc, "expects": {}}, response) == {"acc": 0.0}


def test_an_unknown_scoring_is_named() -> None:
    with pytest.raises(InputError, match=r"no scoring 'labels'. Did you mean 'label'"):
        score({"target": "a", "scoring": "labels"}, "a")


def test_a_schema_is_as_narrow_as_keys_and_types_say() -> None:
    schema = infer_schema([{"a": 1, "b": ["x"]}, {"a": 2.5}, {"a": 3, "b": []}])
    assert schema["required"] == ["a"]
    assert schema["additionalProperties"] is False
    assert schema["properties"] == {"a": {"type": "number"}, "b": {"type": "array", "items": {"type": "string"}}}


@pytest.mark.parametrize(
    ("values", "more"),
    [
        ([{"a": "x"}, {"a": None}], False),
        ([{"a": "x"}, {"a": 1}], True),
        ([{"a": "x"}, {}], True),
        ([[1]], True),
    ],
)
def test_a_schema_is_kept_where_it_says_more_than_keys(values: list[object], more: bool) -> None:
    assert says_more_than_keys(infer_schema(values)) is more
