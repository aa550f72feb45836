"""Formatting errors of chat data, each with a row that has it and one that has not."""

from __future__ import annotations

from typing import Any

import pytest

from harness.intake.chat_format import chat_column, chat_errors
from harness.intake.example import Row

USER, BOT = {"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day"}
SYSTEM, TOOL = {"role": "system", "content": "Be kind"}, {"role": "tool", "content": "{}"}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}


def errors(messages: Any) -> set[str]:
    return set(chat_errors([Row({"messages": messages}, "a.jsonl:1")], "messages"))


@pytest.mark.parametrize(
    "messages",
    [
        [USER, BOT],
        [SYSTEM, USER, BOT, USER, BOT],
        [USER, CALL, TOOL, BOT],
        [USER, BOT, CALL, TOOL, BOT],
        [{"role": "user", "content": "Hi", "name": "ann"}, {**BOT, "weight": 0}],
        [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, BOT],
        [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}],
        [USER, {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}],
        '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]',
    ],
)
def test_good_conversations_have_none(messages: Any) -> None:
    assert errors(messages) == set()


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (None, {"missing_messages_list"}),
        ([], {"missing_messages_list"}),
        ("Hi", {"missing_messages_list"}),
        ([USER, BOT, "Bye"], {"message_data_type"}),
        ([{"role": "user"}, BOT], {"message_missing_key", "missing_content"}),
        ([{"content": "Hi"}, USER, BOT], {"message_missing_key", "unrecognized_role"}),
        ([{**USER, "mood": "glad"}, BOT], {"message_unrecognized_key"}),
        ([USER, {"role": "assistent", "content": "Hi"}, BOT], {"unrecognized_role"}),
        ([USER, {"role": ["assistant"], "content": "Hi"}, BOT], {"unrecognized_role"}),
        ([USER, {"role": "assistant", "content": None}], {"message_with_null_content", "missing_content"}),
        ([USER, {"role": "assistant", "content": " "}], {"missing_content"}),
        ([USER, {"role": "assistant", "content": 7}], {"missing_content"}),
        ([USER], {"example_missing_assistant_message", "last_turn_not_assistant"}),
        ([BOT], {"missing_user_message", "roles_out_of_order"}),
        ([USER, BOT, USER], {"last_turn_not_assistant"}),
        ([USER, SYSTEM, BOT], {"roles_out_of_order"}),
        ([USER, USER, BOT], {"roles_out_of_order"}),
        ([USER, BOT, BOT], {"roles_out_of_order"}),
        ([BOT, USER, BOT], {"roles_out_of_order"}),
        ([USER, TOOL, BOT], {"roles_out_of_order"}),
    ],
)
def test_each_error_by_its_name(messages: Any, expected: set[str]) -> None:
    assert errors(messages) == expected


def test_a_row_counts_once_for_an_error() -> None:
    row = Row({"messages": [{**USER, "x": 1}, {**BOT, "x": 1}]}, "a.jsonl:1")
    assert chat_errors([row], "messages") == {"message_unrecognized_key": [row]}


def test_the_column_is_told_by_its_name_and_what_it_holds() -> None:
    good = Row({"conversations": [USER, BOT]}, "a.jsonl:1")
    assert chat_column([good, good, Row({}, "a.jsonl:3")]) == "conversations"
    assert chat_column([Row({"messages": "no list"}, "a.jsonl:1")]) is None
    assert chat_column([Row({"messages": ["a", "b"]}, "a.jsonl:1")]) is None
    assert chat_column([]) is None
