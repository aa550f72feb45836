"""A JSON schema that all of some values meet, as narrow as keys and types can say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def infer_schema(values: Sequence[Any]) -> dict[str, Any]:
    """The schema of ``values``: types, keys that all have, no further keys, what lists hold.

    Args:
        values: JSON values, at least one.
    """
    schema: dict[str, Any] = {}
    types = sorted({_type(value) for value in values})
    if "integer" in types and "number" in types:
        types.remove("integer")
    schema["type"] = types[0] if len(types) == 1 else types
    objects = [value for value in values if isinstance(value, dict)]
    if objects:
        keys = list(dict.fromkeys(key for value in objects for key in value))
        schema["properties"] = {key: infer_schema([value[key] for value in objects if key in value]) for key in keys}
        schema["required"] = [key for key in keys if all(key in value for value in objects)]
        schema["additionalProperties"] = False
    if items := [item for value in values if isinstance(value, list) for item in value]:
        schema["items"] = infer_schema(items)
    return schema


def _type(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


def says_more_than_keys(schema: dict[str, Any]) -> bool:
    """Whether ``schema`` says more than which keys an object of texts has."""
    if schema["type"] != "object":
        return True
    plain = all(each["type"] in ("string", ["null", "string"], "null") for each in schema["properties"].values())
    return not plain or len(schema["required"]) < len(schema["properties"])
