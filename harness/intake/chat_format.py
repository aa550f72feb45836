"""Formatting errors of chat data, row by row.

The first seven checks are those of OpenAI's ``chat_finetuning_data_prep`` (openai-cookbook,
examples/Chat_finetuning_data_prep.ipynb, MIT) under its names; keys and roles of tool calls, which came after it, are
accepted. The rest is what a chat template or a trainer stumbles over later.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

from harness.intake.conversations import ROLES
from harness.intake.example import Row

ChatError = Literal[
    "data_type",
    "missing_messages_list",
    "message_missing_key",
    "message_unrecognized_key",
    "unrecognized_role",
    "missing_content",
    "example_missing_assistant_message",
    "message_data_type",
    "message_with_null_content",
    "roles_out_of_order",
    "last_turn_not_assistant",
    "missing_user_message",
]

COLUMNS = ("messages", "conversations", "conversation", "dialogue", "dialog")
"""Columns that hold a conversation."""
_KEYS = frozenset({"role", "content", "name", "function_call", "weight", "tool_calls", "tool_call_id"})
_SHAREGPT_KEYS = frozenset({"from", "value", "weight", "name"})
_CALLS = ("function_call", "tool_calls")


def chat_column(rows: Sequence[Row]) -> str | None:
    """The column of the conversations, where at least half of the rows have a list of objects in it; else ``None``."""
    for column in COLUMNS:
        lists = [value for row in rows if isinstance(value := _parsed(row.values.get(column)), list)]
        objects = sum(any(isinstance(turn, Mapping) for turn in turns) for turns in lists)
        if objects and 2 * objects >= len(rows):
            return column
    return None


def chat_errors(rows: Sequence[Row], column: str) -> dict[ChatError, list[Row]]:
    """The rows with each error, in order; a row counts once for an error, however many of its messages have it."""
    found: dict[ChatError, list[Row]] = {}
    for row in rows:
        for error in dict.fromkeys(_of_row(row.values, column)):
            found.setdefault(error, []).append(row)
    return found


def _parsed(value: Any) -> Any:
    """A list that stands in a cell as JSON, as in a CSV file."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _of_row(values: Any, column: str) -> Iterator[ChatError]:
    if not isinstance(values, Mapping):
        yield "data_type"
        return
    messages = _parsed(values.get(column))
    if not isinstance(messages, list) or not messages:
        yield "missing_messages_list"
        return
    roles = []
    for message in messages:
        if not isinstance(message, Mapping):
            yield "message_data_type"
            continue
        yield from _of_message(message)
        roles.append(_role(message))
    yield from _of_order(roles)


def _of_message(message: Mapping[str, Any]) -> Iterator[ChatError]:
    sharegpt = "from" in message and "role" not in message
    said_by, said, keys = ("from", "value", _SHAREGPT_KEYS) if sharegpt else ("role", "content", _KEYS)
    calls = any(message.get(key) for key in _CALLS)
    content = message.get(said)
    if said_by not in message or (said not in message and not calls):
        yield "message_missing_key"
    if any(key not in keys for key in message):
        yield "message_unrecognized_key"
    if not isinstance(named := message.get(said_by), str) or named not in ROLES:
        yield "unrecognized_role"
    if said in message and content is None and not calls:
        yield "message_with_null_content"
    if not calls and not _says(content):
        yield "missing_content"


def _says(content: object) -> bool:
    """Whether it is text, or a list of parts with text in one (or with something that is not text, like an image)."""
    if isinstance(content, str):
        return bool(content.strip())
    return isinstance(content, list) and any(
        isinstance(part, Mapping) and (part.get("text") if "text" in part else part) for part in content
    )


def _role(message: Mapping[str, Any]) -> str | None:
    role = message.get("role", message.get("from"))
    known = ROLES.get(role.casefold()) if isinstance(role, str) else None
    return "assistant" if known == "call" else known


def _of_order(roles: Sequence[str | None]) -> Iterator[ChatError]:
    if "assistant" not in roles:
        yield "example_missing_assistant_message"
    if "user" not in roles:
        yield "missing_user_message"
    if roles and roles[-1] != "assistant":
        yield "last_turn_not_assistant"
    spoken = [role for role in roles if role is not None]
    pairs = list(pairwise(spoken))
    first = next((role for role in spoken if role != "system"), None)
    wrong = (
        "system" in spoken[1:]
        or ("user", "user") in pairs
        or any(pair in (("user", "tool"), ("system", "tool"), ("tool", "user")) for pair in pairs)
        or first in ("assistant", "tool")
    )
    # Two turns of the assistant in a row are a call and its answer only where a tool stands beside them.
    if wrong or (("assistant", "assistant") in pairs and "tool" not in spoken):
        yield "roles_out_of_order"
