"""Faults of function calls: unreadable ones, other tools, other arguments."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from harness.errors.proof.case import Fault, Pool, asked_part, expects, form
from harness.errors.proof.consequences import parsed
from harness.errors.proof.edits import NUMBER, names_of, numbers_of, other_identifier
from harness.errors.proof.faults_content import Text, known_text
from harness.evaluation.items import Item


def _call(item: Item) -> Mapping[str, Any] | None:
    """The call that is due; ``None`` where the item is no call or none fits."""
    wanted = parsed(expects(item).get("call"))
    return wanted if form(item) == "call" and isinstance(wanted, Mapping) and wanted.get("name") != "none" else None


def _arguments(call: Mapping[str, Any]) -> dict[str, Any]:
    """Without nulls, with which tables fill up what a row does not have."""
    return {key: value for key, value in (parsed(call.get("arguments")) or {}).items() if value is not None}


def _tools(item: Item) -> list[Mapping[str, Any]]:
    tools = parsed(expects(item).get("tools"))
    return [tool for tool in tools if isinstance(tool, Mapping)] if isinstance(tools, list | tuple) else []


def _call_fault(change: Callable[[str, dict[str, Any], Item, Random], str | None]) -> Text:
    def make(item: Item, rng: Random, pool: Pool) -> str | None:
        wanted = _call(item)
        return None if wanted is None else change(str(wanted["name"]), _arguments(wanted), item, rng)

    return make


def _written(name: Any, arguments: Any) -> str:
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


def _python_call(name: str, arguments: dict[str, Any], item: Item, rng: Random) -> str:
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def _other_tool(name: str, arguments: dict[str, Any], item: Item, rng: Random) -> str | None:
    others = [str(tool["name"]) for tool in _tools(item) if tool.get("name") != name]
    return _written(rng.choice(others), arguments) if others else None


def _changed_argument(name: str, arguments: dict[str, Any], item: Item, rng: Random) -> str | None:
    """One value replaced by another number or name of the prompt."""
    part = asked_part(item)
    options: list[tuple[str, Any]] = []
    for key, value in arguments.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            options += [(key, int(other)) for other in numbers_of(part) if other.isdigit() and int(other) != value]
        elif isinstance(value, str):
            others = numbers_of(part) if NUMBER.fullmatch(value) else names_of(part)
            options += [(key, other) for other in others if other not in value]
    if not options:
        return None
    key, value = rng.choice(options)
    return _written(name, {**arguments, key: value})


def _missing_argument(name: str, arguments: dict[str, Any], item: Item, rng: Random) -> str | None:
    if not arguments:
        return None
    gone = rng.choice(list(arguments))
    return _written(name, {key: value for key, value in arguments.items() if key != gone})


def _wrong_type(name: str, arguments: dict[str, Any], item: Item, rng: Random) -> str | None:
    if not arguments:
        return None
    key = rng.choice(list(arguments))
    return _written(name, {**arguments, key: [arguments[key]]})


def _call_where_none_fits(item: Item, rng: Random, pool: Pool) -> str | None:
    if form(item) != "call" or _call(item) is not None:
        return None
    tool = rng.choice(_tools(item))
    return _written(tool["name"], {})


def _invented_argument(name: str, arguments: dict[str, Any], item: Item, rng: Random) -> str | None:
    keys = [key for key, value in arguments.items() if isinstance(value, str) and any(map(str.isdigit, value))]
    if not keys:
        return None
    key = rng.choice(keys)
    return _written(name, {**arguments, key: other_identifier(arguments[key], rng, known_text(item))})


CALL_FAULTS: tuple[Fault, ...] = (
    *(
        Fault(f"call: {name}", "malformed_call", _call_fault(change))
        for name, change in (
            ("broken JSON", lambda name, arguments, item, rng: _written(name, arguments)[:-1]),
            ("as Python", _python_call),
            ("in words", lambda name, arguments, item, rng: f"I would call {name} for this."),
            ("without arguments", lambda name, arguments, item, rng: json.dumps({"name": name})),
            ("without a name", lambda name, arguments, item, rng: json.dumps({"arguments": arguments})),
            ("arguments as text", lambda name, arguments, item, rng: _written(name, "as above")),
        )
    ),
    *(
        Fault(f"call: {name}", "wrong_tool", make)
        for name, make in (
            ("another tool", _call_fault(_other_tool)),
            ("none where one fits", _call_fault(lambda name, arguments, item, rng: _written("none", {}))),
            ("a tool that is not offered",
             _call_fault(lambda name, arguments, item, rng: _written(f"{name}_online", arguments))),
            ("a tool where none fits", _call_where_none_fits),
        )
    ),
    *(
        Fault(f"call: {name}", "wrong_argument", _call_fault(change))
        for name, change in (
            ("another value of the prompt", _changed_argument),
            ("missing argument", _missing_argument),
            ("wrong type", _wrong_type),
            ("argument too many", lambda name, arguments, item, rng: _written(name, {**arguments, "force": True})),
            ("invented value", _invented_argument),
        )
    ),
)  # fmt: skip
