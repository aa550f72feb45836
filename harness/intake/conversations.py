"""Rows that hold a conversation: OpenAI's ``messages`` and ShareGPT's ``conversations``.

Each answer of the assistant to a user's turn is an example, the turns before it its history. An answer to a tool's
result is none: what it is asked stands in no turn of the user.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness.exceptions import InputError, did_you_mean
from harness.intake.example import Row, Turn
from harness.intake.findings import shown
from harness.intake.tools import call_text, parsed, read_call

ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "customer": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant", "chatgpt": "assistant",
    "function_call": "call", "tool_call": "call",
    "tool": "tool", "observation": "tool", "function": "tool", "tool_response": "tool", "function_response": "tool",
}  # fmt: skip


def is_conversation(value: Any) -> bool:
    """Whether a cell is a list of messages, each with ``role`` or ``from``."""
    value = parsed(value) if isinstance(value, str) and value.lstrip().startswith("[") else value
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(turn, Mapping) and ("role" in turn or "from" in turn) for turn in value)
    )


def read_turns(value: Any, row: Row) -> list[tuple[Turn, bool]]:
    """The turns of a cell, and whether each is a call of a tool.

    Raises:
        InputError: no list of messages, an unknown role, or a turn without text.
    """
    value = parsed(value)
    if not is_conversation(value):
        raise InputError(f"{row.place}: expected a list of messages with 'role' and 'content'; correct the row")
    return [_turn(turn, row, number) for number, turn in enumerate(value, start=1)]


def _turn(message: Mapping[str, Any], row: Row, number: int) -> tuple[Turn, bool]:
    where = f"{row.place}, message {number}"
    name = str(message["role"] if "role" in message else message["from"])
    role = ROLES.get(name.casefold())
    if role is None:
        raise InputError(f"{where}: unknown role '{shown(name, 40)}'.{did_you_mean(name.casefold(), ROLES)}")
    content = message.get("content", message.get("value"))
    if isinstance(content, list):  # parts, as of a message with pictures
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        if len(parts) != len(content) or not all(isinstance(part, str) for part in parts):
            raise InputError(f"{where}: holds a picture or another part that is no text; drop the row")
        content = "\n".join(str(part) for part in parts)
    calls = message.get("tool_calls") or ([message["function_call"]] if message.get("function_call") else None)
    if role == "assistant" and calls and not content:
        call = read_call(calls)
        return Turn("assistant", call_text(call) if call else json.dumps(calls, ensure_ascii=False)), call is not None
    if role == "call":
        call = read_call(content)
        return Turn("assistant", call_text(call) if call else str(content)), call is not None
    if content is None or isinstance(content, Mapping):
        content = "" if content is None else json.dumps(content, ensure_ascii=False)
    if not isinstance(content, str):
        raise InputError(f"{where}: its content is no text; correct the row")
    return Turn(role, content.strip()), False


def exchanges(turns: list[tuple[Turn, bool]]) -> Iterator[tuple[tuple[Turn, ...], str, str, bool]]:
    """Each answer to a user's turn: the turns before that, its text, the answer, and whether that is a call."""
    for place in range(1, len(turns)):
        (asked, _), (answer, is_call) = turns[place - 1], turns[place]
        if asked.role == "user" and answer.role == "assistant" and asked.content and answer.content:
            yield tuple(turn for turn, _ in turns[: place - 1]), asked.content, answer.content, is_call
