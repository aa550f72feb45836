"""Finding the JSON in a response, and saying where it breaks.

Python's parser does the parsing; around it stand what it lacks for hostile text: a limit on depth (it recurses), no
number conversion (thousands of digits raise), strict JSON (it takes NaN), and a search for an object inside prose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from harness.errors.text import visible_span

MAX_DEPTH = 100
MAX_CANDIDATES = 4  # places in prose at which an object may begin; each is parsed at most once

Kind = Literal["object", "array", "string", "number", "boolean", "null"]

# Strings are matched first, whole, so that what stands inside them is passed over. An unterminated one runs to the
# end of the text; without that each of its escaped quotes would be tried as a beginning, in quadratic time.
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+'
_STRING_OR_BRACKET = re.compile(_STRING + r"|[\[\]{}]", re.DOTALL)
_STRING_OR_CONSTANT = re.compile(_STRING + r"|NaN|-?Infinity", re.DOTALL)
_STRING_LITERAL = re.compile(_STRING, re.DOTALL)
_SCALAR = re.compile(_STRING + r"|-?\d[\d.eE+-]*+", re.DOTALL)
_KEY_FOLLOWS = re.compile(r"\s*+:")
_OBJECT_BEGINS = re.compile(r'\{\s*+["}]')
_KEY_CHARACTERS = 200
_VALUE_BEGINS = frozenset('{["-0123456789tfn')


@dataclass(frozen=True)
class JsonFault:
    """Why a text holds no JSON.

    Attributes:
        position: character offset at which the parser stopped, 0 to ``len(text)``.
        message: the parser's words.
        at_end: whether the text merely stops too early, as a cut answer does.
        missing: there is no beginning of a JSON value at all.
    """

    position: int
    message: str
    at_end: bool = False
    missing: bool = False


@dataclass(frozen=True)
class JsonValue:
    """A JSON value and where it stands.

    Attributes:
        kind: the JSON type.
        keys: for an object, its top-level keys as written, repetitions included.
        start, end: character range of the value in the text.
    """

    kind: Kind
    keys: tuple[str, ...]
    start: int
    end: int


class _Object(list[Any]):
    """An object as its pairs: a dict would hide a key that is given twice."""


class _ConstantError(ValueError):
    """``NaN`` or ``Infinity``, which Python's parser takes and JSON has not."""


def _refuse_constant(name: str) -> None:
    raise _ConstantError(name)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Object, parse_int=str, parse_float=float, parse_constant=_refuse_constant, strict=True
)


def find_json(text: str) -> JsonValue | JsonFault:
    """The JSON value that ``text`` is, else the first JSON object inside it, else where and why there is none."""
    visible = visible_span(text)
    if visible is None:
        return JsonFault(0, "no text", missing=True)
    start, end = visible
    first: JsonFault | None = None
    resume = start
    if text[start] in _VALUE_BEGINS:
        whole = _decode(text, start)
        if isinstance(whole, JsonValue):
            if whole.kind == "object" or whole.end >= end:
                return whole
            resume = whole.end
        elif text[start] in "{[":
            first, resume = whole, _read_up_to(text, whole)
    candidates = 0
    for match in _OBJECT_BEGINS.finditer(text, start):
        if match.start() < resume:  # already read, as a part of what stands before it
            continue
        candidates += 1
        if candidates > MAX_CANDIDATES:
            break
        found = _decode(text, match.start())
        if isinstance(found, JsonValue):
            return found
        first = first or found
        resume = max(_read_up_to(text, found), match.end())
    if first is not None:
        return first
    brace = text.find("{", resume)
    if brace >= 0:
        fault = _decode(text, brace)
        if isinstance(fault, JsonFault):
            return fault
    return JsonFault(start, "no JSON object in the response", missing=True)


def _read_up_to(text: str, fault: JsonFault) -> int:
    return len(text) if fault.at_end else fault.position


def is_json_document(text: str) -> bool:
    """Whether the whole of ``text`` is one JSON object or array."""
    visible = visible_span(text)
    if visible is None or text[visible[0]] not in "{[":
        return False
    value = _decode(text, visible[0])
    return isinstance(value, JsonValue) and value.end >= visible[1]


def string_spans(text: str) -> list[tuple[int, int]]:
    """Character ranges of the string literals of a JSON document, quotes included."""
    return [match.span() for match in _STRING_LITERAL.finditer(text)]


def key_span(text: str, key: str, start: int, end: int) -> tuple[int, int] | None:
    """Where ``key`` stands between two offsets; ``None`` where it is written with escapes, or too long to look for."""
    if len(key) > _KEY_CHARACTERS:
        return None
    match = re.compile(re.escape(f'"{key}"') + r"(?=\s*+:)").search(text, start, end)
    return match.span() if match else None


def json_scalars(text: str, value: JsonValue) -> Iterator[tuple[str, int, int]]:
    """The strings and numbers of a JSON value, keys left out: what each says, and its character range.

    The range of a string is that inside its quotes, so it is longer than what the string says where that is written
    with escapes.
    """
    for match in _SCALAR.finditer(text, value.start, value.end):
        start, end = match.span()
        if text[start] != '"':
            yield match.group(), start, end
        elif not _KEY_FOLLOWS.match(text, end):
            inside = text[start + 1 : end - 1]
            yield (str(json.loads(match.group(), strict=False)) if "\\" in inside else inside), start + 1, end - 1


def json_value(text: str, value: JsonValue) -> Any:
    """``value`` as Python has it: the last of a key given twice, integers of more than 300 digits as infinity."""
    return _PLAIN.raw_decode(text, value.start)[0]


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _INTEGER_DIGITS else float("-inf" if digits[0] == "-" else "inf")


_INTEGER_DIGITS = 300  # Python refuses to convert above 4,300
_PLAIN = json.JSONDecoder(parse_int=_integer, parse_constant=_refuse_constant, strict=True)


def _decode(text: str, start: int) -> JsonValue | JsonFault:
    too_deep = _position_too_deep(text, start)
    if too_deep is not None:
        return JsonFault(too_deep, f"nested deeper than {MAX_DEPTH} levels")
    try:
        value, end = _DECODER.raw_decode(text, start)
    except _ConstantError as error:
        return JsonFault(_position_of_constant(text, start), f"{error} is not JSON")
    except json.JSONDecodeError as error:
        position = min(error.pos, len(text))
        # Unterminated strings are reported where they begin; half a literal or an escape where it begins.
        at_end = error.msg.startswith("Unterminated string") or len(text.rstrip()) - position <= 5
        return JsonFault(position, error.msg.rstrip(": "), at_end=at_end)
    keys = tuple(pair[0] for pair in value) if isinstance(value, _Object) else ()
    return JsonValue(_kind(value, text[start]), keys, start, end)


def _kind(value: Any, first: str) -> Kind:
    if isinstance(value, _Object):
        return "object"
    if isinstance(value, list):
        return "array"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "string" if first == '"' else "number"


def _position_too_deep(text: str, start: int) -> int | None:
    """Offset of the bracket that opens level 101 of the value at ``start``; ``None`` where it stays below."""
    if text.count("[", start) + text.count("{", start) <= MAX_DEPTH:
        return None
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text, start):
        character = text[match.start()]
        if character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return match.start()
        elif character in "]}":
            depth -= 1
            if depth <= 0:
                return None
    return None


def _position_of_constant(text: str, start: int) -> int:
    for match in _STRING_OR_CONSTANT.finditer(text, start):
        if text[match.start()] != '"':
            return match.start()
    return start
