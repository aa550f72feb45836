"""Task YAML files as text: what stands in them and where, without running what they name.

lm-eval passes over malformed files in silence and names no line; this reads them for listing and for checking.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.exceptions import InputError, at
from harness.yamlfile import not_yaml

IGNORED = frozenset({"__pycache__", ".ipynb_checkpoints"})
"""Folders that lm-eval does not look into."""


class FunctionName(str):
    """What stood behind ``!function``."""


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a tag such as ``!function`` is the text behind it."""


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> FunctionName:
    return FunctionName(node.value if isinstance(node, yaml.ScalarNode) else suffix)


_Loader.add_multi_constructor("!", _tagged)


@dataclass(frozen=True)
class TaskFile:
    """One YAML file.

    Attributes:
        values: the mapping in it; names of functions are `FunctionName`.
        lines: dotted key -> line, from 1; an entry of a list has its place as key (``metric_list.0.metric``).
        twice: keys that are given twice, dotted, with the line of the second.
    """

    path: Path
    values: Mapping[str, Any]
    lines: Mapping[str, int]
    twice: Mapping[str, int]

    @property
    def group(self) -> str | None:
        """Name of the group that it defines."""
        name = self.values.get("group")
        return name if isinstance(name, str) else None

    @property
    def task(self) -> str | None:
        """Name of the task that it defines; ``None`` for a group, and for a part that others include."""
        name = self.values.get("task")
        return name if isinstance(name, str) and self.group is None else None

    @property
    def members(self) -> list[str]:
        """Names of the group's tasks and groups."""
        listed = self.values.get("task") if self.group is not None else None
        entries = listed if isinstance(listed, list) else [listed]
        names = [entry.get("task") or entry.get("group") if isinstance(entry, dict) else entry for entry in entries]
        return [name for name in names if isinstance(name, str)]

    def place(self, key: str = "") -> str:
        """``path:line`` of a dotted key, or of the nearest parent that has one."""
        while key and key not in self.lines:
            key = key.rpartition(".")[0]
        return at(self.path, self.lines.get(key))

    def includes(self) -> list[Path]:
        """The files that it includes, as lm-eval finds them."""
        listed = self.values.get("include")
        names = listed if isinstance(listed, list) else [listed]
        home = self.path.resolve().parent if self.path.is_symlink() else self.path.parent
        return [home / name for name in names if isinstance(name, str)]


def read_task_file(path: Path) -> TaskFile:
    """Parse a task file.

    Raises:
        InputError: it cannot be read, is malformed or no mapping; names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        node = yaml.compose(text, Loader=_Loader)
        values = yaml.load(text, Loader=_Loader)  # a safe loader
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise not_yaml(path, error) from error
    if not isinstance(values, dict):
        raise InputError(f"{at(path, 1)}: expected 'field: value' lines; correct the file")
    lines: dict[str, int] = {}
    twice: dict[str, int] = {}
    _walk(node, "", lines, twice, set())
    return TaskFile(path, {str(key): value for key, value in values.items()}, lines, twice)


def _walk(node: Any, prefix: str, lines: dict[str, int], twice: dict[str, int], seen: set[int]) -> None:
    if id(node) in seen:  # an alias: what it stands for has its lines, and aliases of aliases would never end
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        own: set[str] = set()
        for key, value in node.value:
            dotted = f"{prefix}.{key.value}" if prefix else str(key.value)
            line = key.start_mark.line + 1
            if dotted in own:
                twice[dotted] = line
            own.add(dotted)
            lines[dotted] = line
            _walk(value, dotted, lines, twice, seen)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            lines[f"{prefix}.{place}"] = value.start_mark.line + 1
            _walk(value, f"{prefix}.{place}", lines, twice, seen)


def yaml_files(folder: Path) -> list[Path]:
    """The files in which lm-eval looks for tasks, in its order."""
    return [path for path in sorted(folder.rglob("*.yaml")) if IGNORED.isdisjoint(path.parts)]


def merged(file: TaskFile, seen: frozenset[Path] = frozenset()) -> dict[str, Any]:
    """The values of ``file`` over those that it includes.

    Raises:
        InputError: an included file is missing or malformed, or files include one another.
    """
    values: dict[str, Any] = {}
    for path in file.includes():
        if not path.is_file():
            raise InputError(f"{file.place('include')}: includes {path}, which is not there; correct the path")
        if path.resolve() in seen:
            raise InputError(f"{file.place('include')}: includes itself by way of {path}; drop it")
        values |= merged(read_task_file(path), seen | {file.path.resolve()})
    return values | {key: value for key, value in file.values.items() if key != "include"}


def listed(folders: Iterable[Path]) -> dict[str, list[str] | str]:
    """Groups with their members and tasks that are in no group with their output type, in alphabetical order.

    Files that cannot be read are passed over: `harness tasks validate` names what is wrong with them.
    """
    groups: dict[str, list[str]] = {}
    tasks: dict[str, str] = {}
    for path in (path for folder in folders for path in yaml_files(folder)):
        try:
            file = read_task_file(path)
            if file.group is not None:
                groups.setdefault(file.group, file.members)
            elif file.task is not None:
                tasks.setdefault(file.task, str(merged(file).get("output_type", "generate_until")))
        except InputError:
            continue
    held = {member for members in groups.values() for member in members}
    found: dict[str, list[str] | str] = {name: kind for name, kind in tasks.items() if name not in held}
    found |= groups
    return {name: found[name] for name in sorted(found)}
