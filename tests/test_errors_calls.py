"""The three faults of a call, told apart, and what a caller would pass on all the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from errors_items import make_item

from harness.errors import ErrorLabel, classify, load_classifiers
from harness.errors.builtin.calls import read_call, same_value
from harness.evaluation.items import ItemResult

TOOLS = [
    {
        "name": "track_order",
        "description": "Where a parcel is.",
        "parameters": {
            "type": "object",
            "properties": {
                "order": {"type": "string"},
                "days": {"type": "integer", "default": 7},
                "express": {"type": "boolean"},
                "tags": {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
            },
            "required": ["order"],
        },
    },
    {"name": "cancel_order", "description": "Stops an order.", "parameters": {"type": "object", "properties": {}}},
]
RIGHT = {"name": "track_order", "arguments": {"order": "73557", "tags": ["a", "b"]}}


def item(response: Any, call: Any = RIGHT, tools: Any = TOOLS, **options: Any) -> ItemResult:
    text = response if isinstance(response, str) else json.dumps(response)
    return make_item(text, target=json.dumps(call), tools=tools, call=call, **options)


def found(response: Any, **options: Any) -> dict[str, list[ErrorLabel]]:
    """Labels by category; a category that was not assessed has ``None`` in its list's place."""
    result: dict[str, list[ErrorLabel]] = {}
    for classifier in load_classifiers(["malformed_call", "wrong_tool", "wrong_argument"]):
        for label in classifier.classify(item(response, **options)):
            result.setdefault(label.category + ("" if label.assessed else "?"), []).append(label)
    return result


def call(name: Any = "track_order", **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


@pytest.mark.parametrize(
    "response",
    [
        RIGHT,
        call(order="73557", tags=["b", "a"]),
        call(order=" 73557", tags=["A", "b"]),
        call(order="73557", tags=["a", "b"], days=7),
        call(order="73557", tags=["a", "b"], express=None),
        "Here you are:\n```json\n" + json.dumps(RIGHT, indent=2) + "\n```",
    ],
)
def test_the_right_call_in_any_dress_has_none_of_the_faults(response: Any) -> None:
    assert found(response) == {}


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("I would track the order.", "no JSON object"),
        ("", "no text|no JSON object"),
        ('{"name": "track_order", "arguments": {"order": "73557"', "breaks"),
        ('["track_order"]', "found: array"),
        ({"tool": "track_order", "arguments": {}}, "no key 'name'"),
        ({"name": 7, "arguments": {}}, "'name' is no string"),
        ({"name": "track_order"}, "no key 'arguments'"),
        ({"name": "track_order", "arguments": '{"order": "73557"}'}, "'arguments' is no object"),
        (json.dumps(RIGHT) + "\n" + json.dumps(RIGHT), "more than one call"),
        ('{"name": "a", "name": "b", "arguments": {}}', "given more than once"),
    ],
)
def test_what_is_no_single_call_is_malformed(response: Any, reason: str) -> None:
    (label,) = found(response)["malformed_call"]
    assert label.confidence == 1.0
    assert any(part in label.reason for part in reason.split("|"))


def test_a_call_that_the_token_limit_cut_is_doubtful_and_truncated_is_primary() -> None:
    cut = item('{"name": "track_order", "arguments": {"order": "735', finish_reason="length")
    record = classify(cut, load_classifiers())
    assert record.primary == "truncated"
    assert [label.confidence for label in record.labels if label.category == "malformed_call"] == [0.4]


def test_what_cannot_be_read_is_not_assessed_for_tool_and_arguments() -> None:
    assert set(found("no")) == {"malformed_call", "wrong_tool?", "wrong_argument?"}
    assert set(found({"name": "cancel_order"})) == {"malformed_call", "wrong_tool", "wrong_argument?"}


@pytest.mark.parametrize(
    ("response", "wanted", "reason"),
    [
        (call("cancel_order"), RIGHT, "calls 'cancel_order', 'track_order' is right"),
        (call("refund"), RIGHT, "calls 'refund', which is none of the 2 tools; 'track_order' is right"),
        (call("Track_Order", order="73557"), RIGHT, "none of the 2 tools"),
        (call("none"), RIGHT, "calls none where 'track_order' fits"),
        (call(order="1"), None, "calls 'track_order' where no tool fits"),
    ],
)
def test_another_tool_is_wrong_and_its_arguments_are_not_judged(response: Any, wanted: Any, reason: str) -> None:
    seen = found(response, call=wanted)
    assert set(seen) == {"wrong_tool"}
    (label,) = seen["wrong_tool"]
    assert reason in label.reason
    assert label.span is not None
    assert json.dumps(response)[slice(*label.span)] == '"name"'


@pytest.mark.parametrize("wanted", [None, call("none"), json.dumps(call("none"))])
def test_none_is_right_where_no_tool_fits(wanted: Any) -> None:
    assert found(call("none"), call=wanted) == {}


@pytest.mark.parametrize(
    ("response", "reasons"),
    [
        (call(tags=["a", "b"]), ["missing argument 'order'"]),
        (call(order="73557", tags=["a", "b"], colour="red"), ["unexpected argument 'colour'"]),
        (call(order="73558", tags=["a", "b"]), ["argument 'order' is '\"73558\"', '\"73557\"' is right"]),
        (call(order=73557, tags=["b", "a"]), ["argument 'order' is '73557', '\"73557\"' is right"]),
        (call(order="73557", tags=["a"]), ["argument 'tags'"]),
        (call(order="73557", tags=["a", "b"], days=8), ["unexpected argument 'days'"]),
        (call(order="1", colour=1), ["argument 'order'", "missing argument 'tags'", "unexpected argument 'colour'"]),
        (call(), ["missing argument 'order'", "missing argument 'tags'"]),
    ],
)
def test_the_right_tool_with_other_arguments(response: Any, reasons: list[str]) -> None:
    seen = found(response)
    assert set(seen) == {"wrong_argument"}
    assert all(reason in label.reason for reason, label in zip(reasons, seen["wrong_argument"], strict=True))


@pytest.mark.parametrize(
    ("wanted", "given", "schema", "same"),
    [
        (2, 2.0, {}, True), (2, "2", {"type": "integer"}, True), (2, "2", {}, False),
        (2, "2.0", {"type": "number"}, True),
        ("2", 2, {"type": "string"}, True), ("2", 2, {}, False), (True, "True", {"type": "boolean"}, True),
        (True, 1, {}, False), (True, "true", {"type": "string"}, False), ("Oslo ", "oslo", {}, True),
        (["a", "b"], ["b", "a"], {"type": "array"}, False), (["a", "b"], ["b", "a"], {"uniqueItems": True}, True),
        ([1], [1, 1], {"uniqueItems": True}, False), ({"a": 1, "b": None}, {"a": 1}, {}, True),
        ({"a": 1}, {"a": "1"}, {"properties": {"a": {"type": "integer"}}}, True), ({"a": 1}, {"a": 2}, {}, False),
        ([1, [2]], [1, [2.0]], {}, True), (None, None, {}, True), (None, 0, {}, False), ("1e3", "1000", {}, False),
        (1000, "1e3", {"type": ["number", "null"]}, True), (5, "5 days", {"type": "integer"}, False),
    ],
)  # fmt: skip
def test_values_are_the_same_to_a_caller_that_goes_by_the_declared_type(
    wanted: Any, given: Any, schema: Any, same: bool
) -> None:
    assert same_value(wanted, given, schema) is same


def test_documents_from_a_table_may_hold_json_text_and_nulls_for_what_a_row_lacks() -> None:
    tools = [{"name": "track_order", "parameters": {"properties": {"order": {"type": "string"}, "city": None}}}]
    wanted = {"name": "track_order", "arguments": {"order": "73557", "city": None}}
    assert found(call(order="73557"), call=wanted, tools=tools) == {}
    assert found(call(order="73557"), call=json.dumps(wanted), tools=json.dumps(tools)) == {}
    assert set(found(call(order="1"), call=json.dumps(wanted), tools=json.dumps(tools))) == {"wrong_argument"}


def test_without_tools_nothing_is_assessed_and_a_right_response_has_no_fault() -> None:
    assert set(found("x", tools=None, call=None)) == {"malformed_call?", "wrong_tool?", "wrong_argument?"}
    assert found("x", correct=1.0) == {}


def test_a_malformed_wanted_call_is_not_assessed_and_stops_nothing() -> None:
    record = classify(item(RIGHT, call="{"), load_classifiers())
    assert {"wrong_tool", "wrong_argument"} <= set(record.not_assessed)


@pytest.mark.parametrize("value", ["9" * 5000, "-" + "9" * 5000, "1e999", '"' + "9" * 5000 + '"'])
def test_numbers_beyond_measure_are_compared_and_raise_nothing(value: str) -> None:
    response = '{"name": "track_order", "arguments": {"order": "73557", "tags": ["a", "b"], "days": ' + value + "}}"
    assert set(found(response)) == {"wrong_argument"}


def test_prose_in_braces_before_the_call_is_passed_over() -> None:
    assert read_call("{so} the call: " + json.dumps(RIGHT)).name == "track_order"
