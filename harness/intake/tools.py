"""Tools that a row offers and calls that it makes, in the forms that data sets have, brought to one.

A tool is ``{"name": ..., "description": ..., "parameters": <JSON schema>}``, a call ``{"name": ..., "arguments":
{...}}``, as `harness.errors.builtin.calls` reads them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = ("tools", "functions", "function_description")
_PARAMETERS = re.compile(r"^Parameters:\s*(\{.*\})\s*$", re.MULTILINE)
_TYPE = re.compile(r"(?:Required\.|Optional\.|\s)*(string|integer|number|boolean|array|object)\b", re.IGNORECASE)
_INSTRUCTION = """\
You can call these tools:
{tools}
To call one, answer with one JSON object and nothing else: {{"name": the tool, "arguments": {{its parameters}}}}."""
OR_WORDS = " Otherwise answer in words."


def parsed(value: Any) -> Any:
    """``value``, or what it is where it is JSON text; ``None`` for other text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def read_tools(value: Any) -> tuple[Mapping[str, Any], ...]:
    """The tools of a cell: a list in OpenAI's form, with or without its ``function`` level, as JSON text or not; or
    ToolAlpaca's ``Function_Description``, a name to a text that holds ``Parameters: {...}``. Others give none.
    """
    value = parsed(value)
    if isinstance(value, Mapping) and value and all(isinstance(text, str) for text in value.values()):
        return tuple(_described(name, text) for name, text in value.items() if name != "components")
    found: list[Mapping[str, Any]] = []
    for entry in value if isinstance(value, list) else ():
        tool = entry.get("function", entry) if isinstance(entry, Mapping) else None
        if not isinstance(tool, Mapping) or not isinstance(tool.get("name"), str):
            return ()
        parameters = tool.get("parameters")
        schema = parameters if isinstance(parameters, Mapping) else {}
        found.append({"name": tool["name"], "description": str(tool.get("description") or ""), "parameters": schema})
    return tuple(found)


def _described(name: str, text: str) -> Mapping[str, Any]:
    match = _PARAMETERS.search(text)
    given = parsed(match[1]) if match else None
    properties: dict[str, Any] = {}
    required = []
    for key, meaning in given.items() if isinstance(given, Mapping) else ():
        words = meaning if isinstance(meaning, str) else json.dumps(meaning)
        kind = _TYPE.match(words)
        properties[key] = {**({"type": kind[1].lower()} if kind else {}), "description": words.strip()}
        if words.casefold().startswith("required"):
            required.append(key)
    schema = {"type": "object", "properties": properties, "required": required}
    return {"name": name, "description": text.partition("\n")[0].strip(), "parameters": schema}


def read_call(value: Any) -> dict[str, Any] | None:
    """The call that a cell or a turn makes, ``None`` where it is none.

    Known are ``{"name", "arguments"}``, OpenAI's ``{"function": {...}}`` and ToolAlpaca's ``{"Action",
    "Action_Input"}``, each as JSON text or not, also alone in a list; arguments as an object or as JSON text.
    """
    value = parsed(value)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, Mapping):
        return None
    value = value.get("function", value)
    if not isinstance(value, Mapping):
        return None
    name = value.get("name", value.get("Action"))
    arguments = value.get("arguments", value.get("parameters", value.get("Action_Input", {})))
    arguments = parsed(arguments) if arguments not in ("", None) else {}
    if not isinstance(name, str) or not name or not isinstance(arguments, Mapping):
        return None
    return {"name": name, "arguments": dict(arguments)}


def call_text(call: Mapping[str, Any]) -> str:
    """The call as a model shall write it."""
    return json.dumps(call, ensure_ascii=False)


def instruction_of(tools: Sequence[Mapping[str, Any]], or_words: bool) -> str:
    """What tells a model which tools there are and how to call one.

    Args:
        or_words: whether it may also answer in words.
    """
    lines = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    return _INSTRUCTION.format(tools=lines) + (OR_WORDS if or_words else "")
