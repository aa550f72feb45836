"""malformed_call, wrong_tool and wrong_argument: no call, one of another tool, the right one called otherwise.

A call is one JSON object, ``{"name": "...", "arguments": {...}}``; where no tool fits, ``name`` is ``none``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors.contract import ErrorLabel, not_assessed
from harness.errors.jsontext import JsonFault, find_json, json_value, key_span
from harness.errors.text import quote, visible_span
from harness.evaluation.items import Expectation, ItemResult

NONE = "none"
"""The name that says that no tool fits."""
CUT_CONFIDENCE = 0.4  # a call that the token limit cut is doubtful as a malformed one, so `truncated` becomes primary
MOST_LABELS = 10
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?")
_DIGITS = 300

Span = tuple[int, int] | None


@dataclass(frozen=True)
class Call:
    """A call as a response makes it, as far as it can be read.

    Attributes:
        name: the tool; ``None`` where it cannot be read.
        arguments: ``None`` where they cannot be read.
        span: character range of the JSON object, else of where reading stopped.
        fault: why the response is not one call; empty where it is.
        cut: the text merely stops too early.
    """

    name: str | None
    arguments: Mapping[str, Any] | None
    span: Span
    fault: str = ""
    cut: bool = False


def read_call(text: str) -> Call:
    """The one call in ``text``; prose and code fences around it are the form's business, not the call's."""
    found = find_json(text)
    if isinstance(found, JsonFault):
        if found.missing:
            return Call(None, None, visible_span(text), "no JSON object, so no call")
        at = min(found.position, len(text) - 1)
        return Call(None, None, (at, at + 1), f"the call breaks: {found.message}", found.at_end)
    span = (found.start, found.end)
    if found.kind != "object":
        return Call(None, None, span, f"expected one call object, found: {found.kind}")
    value = json_value(text, found)
    name, arguments = value.get("name"), value.get("arguments")
    faults = [f"key {quote(key)} given more than once" for key, count in Counter(found.keys).items() if count > 1]
    if not isinstance(name, str):
        faults.append("no key 'name'" if "name" not in value else "'name' is no string")
    if not isinstance(arguments, dict):
        faults.append("no key 'arguments'" if "arguments" not in value else "'arguments' is no object")
    rest = text[found.end :]
    another = find_json(rest) if "{" in rest else None
    if not isinstance(another, JsonFault | None) and another.kind == "object":
        faults.append("more than one call")
    return Call(
        name if isinstance(name, str) else None,
        arguments if isinstance(arguments, dict) else None,
        span,
        "; ".join(faults),
    )


def wanted_call(expected: Expectation) -> tuple[str, dict[str, Any]] | None:
    """Tool and arguments of the right call, ``none`` where no tool fits; ``None`` where the document has no calls.

    Raises:
        ValueError: ``call`` is not a call; the taxonomy reports that as not assessed.
    """
    if not expected.tools and expected.call is None:
        return None
    call = _parsed(expected.call)
    if call is None:
        return NONE, {}
    return str(call["name"]), _given(_parsed(call.get("arguments")) or {})


def _parsed(value: Any) -> Any:
    """A part of a document: as it is, or as JSON text, the form in which tables keep what differs by row."""
    return json.loads(value) if isinstance(value, str) else value


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without nulls: tables fill up with them what a row does not have."""
    return {key: value for key, value in values.items() if value is not None}


def _schema(expected: Expectation, tool: str) -> Mapping[str, Any]:
    for each in _parsed(expected.tools) or ():
        if each["name"] == tool:
            return _parsed(each.get("parameters")) or {}
    return {}


class MalformedCall:
    """Sees responses that hold no single readable call; needs ``expects.tools`` or ``expects.call``."""

    name = "malformed_call"
    version = "1"
    categories: tuple[str, ...] = ("malformed_call",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label with all that keeps the response from being one call."""
        expected = item.expectation
        if not expected.tools and expected.call is None:
            return [not_assessed("malformed_call", "the item offers no tools")]
        if item.correct >= 1.0:
            return []
        call = read_call(item.response)
        if not call.fault:
            return []
        cut = call.cut and item.finish_reason == "length"
        reason = call.fault + (", where the token limit cut it" if cut else "")
        return [ErrorLabel("malformed_call", CUT_CONFIDENCE if cut else 1.0, call.span, reason)]


class WrongTool:
    """Sees calls of another tool than the right one, of one where none fits, and of none where one fits."""

    name = "wrong_tool"
    version = "1"
    categories: tuple[str, ...] = ("wrong_tool",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label over the name; not assessed where no name can be read."""
        wanted = wanted_call(item.expectation)
        if wanted is None:
            return [not_assessed("wrong_tool", "the item offers no tools")]
        if item.correct >= 1.0:
            return []
        call = read_call(item.response)
        if call.name is None:
            return [not_assessed("wrong_tool", "no call can be read")]
        right, _ = wanted
        if call.name == right:
            return []
        known = [str(each["name"]) for each in _parsed(item.expectation.tools) or ()]
        if right == NONE:
            reason = f"calls {quote(call.name)} where no tool fits"
        elif call.name == NONE:
            reason = f"calls none where {quote(right)} fits"
        elif known and call.name not in known:
            reason = f"calls {quote(call.name)}, which is none of the {len(known)} tools; {quote(right)} is right"
        else:
            reason = f"calls {quote(call.name)}, {quote(right)} is right"
        return [ErrorLabel("wrong_tool", 1.0, _key(item.response, "name", call), reason)]


class WrongArgument:
    """Sees missing, unexpected and wrong arguments in a call of the right tool."""

    name = "wrong_argument"
    version = "2"
    categories: tuple[str, ...] = ("wrong_argument",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label an argument; silent where another tool is called, not assessed where no call can be read."""
        expected = item.expectation
        wanted = wanted_call(expected)
        if wanted is None:
            return [not_assessed("wrong_argument", "the item offers no tools")]
        if item.correct >= 1.0:
            return []
        call = read_call(item.response)
        if call.name is None or call.arguments is None:
            return [not_assessed("wrong_argument", "no call can be read")]
        right, arguments = wanted
        if call.name != right or right == NONE:
            return []
        given = _given(call.arguments)
        schema = _schema(expected, right)
        faults = list(_differences(arguments, given, schema)) or _differences(arguments, given, _untyped(schema))
        labels = []
        for key, reason in faults:
            labels.append(ErrorLabel("wrong_argument", 1.0, _key(item.response, key, call), reason))
            if len(labels) == MOST_LABELS:
                break
        return labels


def _key(text: str, key: str, call: Call) -> Span:
    """Where ``key`` stands in the call, else the whole call."""
    if call.span is None:
        return None
    return key_span(text, key, *call.span) or call.span


def _differences(
    wanted: Mapping[str, Any], given: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """``(argument, reason)`` of each that differs; one left out at its declared default differs from nothing."""
    for key, value in wanted.items():
        declared = _property(schema, key)
        if key not in given:
            if not ("default" in declared and same_value(value, declared["default"], declared)):
                yield key, f"missing argument {quote(key)}"
        elif not same_value(value, given[key], declared):
            yield key, f"argument {quote(key)} is {_shown(given[key])}, {_shown(value)} is right"
    for key, value in given.items():
        declared = _property(schema, key)
        if key not in wanted and not ("default" in declared and same_value(declared["default"], value, declared)):
            yield key, f"unexpected argument {quote(key)}"


def _untyped(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without the types of its arguments, so that 5 and ``"5"`` are two values."""
    properties = schema.get("properties") or {}
    return {"properties": {key: {**_property(schema, key), "type": []} for key in properties}}


def _property(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = (schema.get("properties") or {}).get(key)
    return found if isinstance(found, Mapping) else {}


def _shown(value: Any) -> str:
    return quote(json.dumps(value, ensure_ascii=False))


def same_value(wanted: Any, given: Any, schema: Mapping[str, Any]) -> bool:
    """Whether two argument values are the same to a caller that goes by the declared type.

    5 is 5.0. A string counts as the number or the boolean that the schema declares, a number as the string that it
    declares. Case and spacing of strings do not count, nor does the order of an array with ``uniqueItems``. A null
    stands for what is left out. Types that the schema does not name are compared as JSON has them.

    Example::

        same_value(2, "2", {"type": "integer"})
        not same_value(2, "2", {})
    """
    declared = schema.get("type")
    types = {declared} if isinstance(declared, str) else set(declared or ())
    wanted, given = _as_declared(wanted, types), _as_declared(given, types)
    if isinstance(wanted, bool) or isinstance(given, bool):
        return wanted is given
    if isinstance(wanted, int | float) and isinstance(given, int | float):
        return wanted == given
    if isinstance(wanted, str) and isinstance(given, str):
        return " ".join(wanted.split()).casefold() == " ".join(given.split()).casefold()
    if isinstance(wanted, list) and isinstance(given, list):
        return _same_items(wanted, given, schema)
    if isinstance(wanted, Mapping) and isinstance(given, Mapping):
        wanted, given = _given(wanted), _given(given)
        return wanted.keys() == given.keys() and all(
            same_value(value, given[key], _property(schema, key)) for key, value in wanted.items()
        )
    return wanted is None and given is None


def _same_items(wanted: list[Any], given: list[Any], schema: Mapping[str, Any]) -> bool:
    if len(wanted) != len(given):
        return False
    items = schema.get("items")
    inner = items if isinstance(items, Mapping) else {}
    if not schema.get("uniqueItems"):
        return all(same_value(a, b, inner) for a, b in zip(wanted, given, strict=True))
    left = list(given)
    for value in wanted:
        place = next((i for i, other in enumerate(left) if same_value(value, other, inner)), None)
        if place is None:
            return False
        del left[place]
    return True


def _as_declared(value: Any, types: set[str]) -> Any:
    if isinstance(value, str) and "string" not in types:
        text = value.strip()
        if types & {"number", "integer"} and len(text) <= _DIGITS and _NUMBER.fullmatch(text):
            return float(text) if set(text) & set(".eE") else int(text)
        if "boolean" in types and text.casefold() in {"true", "false"}:
            return text.casefold() == "true"
    elif isinstance(value, int | float) and not isinstance(value, bool) and types == {"string"}:
        return str(value)
    return value
