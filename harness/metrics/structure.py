"""Whether a response has the structure asked for: JSON, the declared keys, the right tool call. Each 0.0 or 1.0."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors.jsontext import JsonValue, find_json, is_json_document
from harness.errors.text import visible_span


def valid_json(response: str) -> float:
    """Whether the whole response is one JSON object or array; text or a code fence around it is not."""
    return float(is_json_document(response))


def valid_schema(response: str, keys: Sequence[str]) -> float:
    """Whether the whole response is one JSON object with exactly ``keys``, in any order, none twice."""
    given = _object_keys(response)
    return float(given is not None and given == sorted(keys))


def same_schema(response: str, reference: str) -> float:
    """`valid_schema` with the keys of the object that ``reference`` is; 0.0 where it is none."""
    keys = _object_keys(reference)
    return 0.0 if keys is None else valid_schema(response, keys)


def _object_keys(text: str) -> list[str] | None:
    """Top-level keys of the JSON object that the whole of ``text`` is, sorted, repetitions included."""
    found = find_json(text)
    if isinstance(found, JsonValue) and found.kind == "object" and (found.start, found.end) == visible_span(text):
        return sorted(found.keys)
    return None


def read_call(text: str) -> tuple[str, Mapping[str, Any]] | None:
    """Name and arguments of the tool call that ``text`` is (``{"name": ..., "arguments": {...}}``), or ``None``."""
    if not is_json_document(text):  # which also bounds how deep it is nested
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or set(value) != {"name", "arguments"}:
        return None
    name, arguments = value["name"], value["arguments"]
    return (name, arguments) if isinstance(name, str) and isinstance(arguments, dict) else None


def tool_name_accuracy(response: str, target: str) -> float:
    """Whether ``response`` is a call of the tool that ``target`` calls, whatever the arguments."""
    made, wanted = read_call(response), read_call(target)
    return float(made is not None and wanted is not None and made[0] == wanted[0])


def tool_call_accuracy(response: str, target: str) -> float:
    """Whether ``response`` is the call that ``target`` is: the same tool with the same arguments, in any order.

    Values are compared as JSON: ``1`` is ``1.0`` but neither ``"1"`` nor ``true``.
    """
    made, wanted = read_call(response), read_call(target)
    return float(made is not None and wanted is not None and made[0] == wanted[0] and same_json(made[1], wanted[1]))


def same_json(first: Any, second: Any) -> bool:
    """Whether two JSON values are equal: order of keys apart, and a truth value is no number."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(same_json(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same_json, first, second))
    return isinstance(first, bool) == isinstance(second, bool) and bool(first == second)
