"""YAML files turned into dataclasses, every complaint with its line and the nearest field name."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from harness.exceptions import InputError, at, did_you_mean

_T = TypeVar("_T")


@dataclass(frozen=True)
class YamlFile:
    """A parsed YAML mapping that remembers the line of each key.

    Attributes:
        path: for messages.
        values: the mapping; an empty file is an empty mapping.
        lines: dotted key -> line, from 1; the entries of a list go by their places, as in ``gates.0.metric``.
    """

    path: Path
    values: Mapping[str, Any]
    lines: Mapping[str, int]

    def line(self, key: str) -> int | None:
        """Line of a dotted key, or of the nearest parent that has one."""
        while key:
            if key in self.lines:
                return self.lines[key]
            key = key.rpartition(".")[0]
        return None

    def build(
        self,
        cls: type[_T],
        ranges: Mapping[str, tuple[float, float]] | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> _T:
        """Make a ``cls`` (a dataclass with defaults, perhaps nested) from the mapping.

        Args:
            ranges: dotted key -> inclusive range of a number.
            given: fields that the file may not set.

        Raises:
            InputError: unknown field, wrong type, value out of range; names file and line.
        """
        built: _T = self._build(cls, self.values, "", ranges or {}, dict(given or {}))
        return built

    def _build(
        self, cls: Any, values: Any, prefix: str, ranges: Mapping[str, tuple[float, float]], given: dict[str, Any]
    ) -> Any:
        if not isinstance(values, Mapping):
            raise InputError(f"{at(self.path, self.line(prefix))}: expected fields below '{prefix}'")
        hints = typing.get_type_hints(cls)
        names = [item.name for item in dataclasses.fields(cls) if item.name not in given]
        arguments = dict(given)
        for key, value in values.items():
            dotted = f"{prefix}.{key}" if prefix else str(key)
            place = at(self.path, self.line(dotted))
            if key not in names:
                raise InputError(f"{place}: unknown field '{dotted}'.{did_you_mean(str(key), names)}")
            hint = hints[key]
            inner = typing.get_args(hint)[-1] if typing.get_origin(hint) is dict else None
            if dataclasses.is_dataclass(hint):
                arguments[key] = self._build(hint, {} if value is None else value, dotted, ranges, {})
            elif dataclasses.is_dataclass(inner):
                if not isinstance(value, Mapping):
                    raise InputError(f"{place}: expected a name and fields for each below '{dotted}'")
                arguments[key] = {
                    str(name): self._build(inner, {} if fields is None else fields, f"{dotted}.{name}", ranges, {})
                    for name, fields in value.items()
                }
            else:
                arguments[key] = _convert(value, hint, f"{place}: field '{dotted}'")
                low_high = ranges.get(dotted)
                if low_high and not low_high[0] <= arguments[key] <= low_high[1]:
                    raise InputError(
                        f"{place}: field '{dotted}' is {value}; it must lie from {low_high[0]} to {low_high[1]}"
                    )
        return cls(**arguments)


def _convert(value: Any, hint: Any, where: str) -> Any:
    if hint is Any:
        return value
    origin = typing.get_origin(hint)
    if origin is Literal:
        options = typing.get_args(hint)
        if value not in options:
            raise InputError(f"{where} is {value!r}.{did_you_mean(str(value), map(str, options))}")
        return value
    if origin in (typing.Union, types.UnionType):
        for option in typing.get_args(hint):
            try:
                return _convert(value, option, where)
            except InputError:
                continue
        raise InputError(f"{where} is {value!r}; expected {_words(hint)}")
    if origin is list:
        if isinstance(value, list):
            return [_convert(item, typing.get_args(hint)[0], where) for item in value]
    elif origin is dict:
        inner = typing.get_args(hint)[1]
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {
                key: item if inner is Any else _convert(item, inner, f"{where}, '{key}',")
                for key, item in value.items()
            }
    elif hint is type(None):
        if value is None:
            return None
    elif hint is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, str):  # YAML 1.1 reads 3e-4 as text: it wants 3.0e-4
            try:
                return float(value)
            except ValueError:
                pass
    elif hint is Path:
        if isinstance(value, str):
            return Path(value)
    elif isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise InputError(f"{where} is {value!r}; expected {_words(hint)}")


def _words(hint: Any) -> str:
    """A type as its values are written in YAML: ``pass, fail or null``, ``str or {name: str}``."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    *most, last = (word for option in options for word in _option(option))
    return f"{', '.join(most)} or {last}" if most else last


def _option(hint: Any) -> list[str]:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return list(map(str, inner))
    if origin is list:
        return [f"list of {_words(inner[0])}"]
    if origin is dict:
        return [f"{{name: {_words(inner[1])}}}"]
    return ["null" if hint is type(None) else getattr(hint, "__name__", str(hint))]


def not_yaml(path: Path, error: Exception) -> InputError:
    """What to raise where a parser refused ``path``: names file and line.

    Args:
        error: a `yaml.YAMLError`, or what PyYAML lets through: ``ValueError`` of a date that is none,
            ``RecursionError`` of thousands of opening brackets.
    """
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    if isinstance(error, RecursionError):
        problem = "nested too deeply"
    return InputError(f"{at(path, mark.line + 1 if mark else None)}: not valid YAML: {problem}; correct the file")


def read_yaml(path: Path) -> YamlFile:
    """Parse a YAML mapping.

    Raises:
        InputError: missing, malformed or not a mapping; names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise not_yaml(path, error) from error
    if values is None:
        return YamlFile(path, {}, {})
    if not isinstance(values, dict):
        raise InputError(f"{at(path, 1)}: expected 'field: value' lines, found {type(values).__name__}")
    lines: dict[str, int] = {}
    seen: set[int] = set()  # an alias names a node again, even one that it lies in

    def walk(node: Any, prefix: str) -> None:
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            children = [(str(key.value), key, value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            children = [(str(place), value, value) for place, value in enumerate(node.value)]
        else:
            return
        for name, named, value in children:
            dotted = f"{prefix}.{name}" if prefix else name
            lines[dotted] = named.start_mark.line + 1
            walk(value, dotted)

    walk(node, "")
    return YamlFile(path, values, lines)
