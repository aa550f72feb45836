"""What stands behind ``!function`` in task files, looked for without running anything."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.evaluation.task_files import FunctionName, TaskFile
from harness.exceptions import at, did_you_mean

_BY_OTHER_WAYS = frozenset({"globals", "locals", "vars", "setattr", "exec"})


def check_functions(file: TaskFile) -> Iterator[str]:
    """Names of functions that are not there, one line each with ``file:line`` and the nearest name.

    As lm-eval does, ``MODULE.NAME`` is looked for in ``MODULE.py`` beside the file, then among what can be imported.
    Modules are read, not run; of one whose names cannot be told from its text nothing is said.
    """
    for key, name in _named("", file.values, set()):
        module, _, function = name.rpartition(".")
        place = file.place(key)
        if not module or not function:
            yield f"{place}: '{name}' names no module; write !function MODULE.FUNCTION"
            continue
        home = (file.path.resolve() if file.path.is_symlink() else file.path).parent
        source = home / f"{module.replace('.', '/')}.py"
        if not source.is_file() and not _can_be_imported(module):
            beside = [path.stem for path in home.glob("*.py")]
            yield f"{place}: no module '{module}' beside the file or installed.{did_you_mean(module, beside)}"
            continue
        path = source if source.is_file() else _installed(module)
        if path is None:
            continue
        try:
            known = _defined(ast.parse(path.read_bytes()))
        except SyntaxError as error:
            yield f"{at(path, error.lineno)}: not valid Python: {error.msg}; correct it"
            continue
        except (OSError, ValueError, RecursionError):  # the import will say more
            continue
        if known is not None and function not in known:
            yield f"{place}: {path.name} has no '{function}'.{did_you_mean(function, known)}"


def _named(prefix: str, value: Any, seen: set[int]) -> Iterator[tuple[str, FunctionName]]:
    if isinstance(value, FunctionName):
        yield prefix, value
        return
    if id(value) in seen or not isinstance(value, Mapping | list):  # aliases of aliases would never end
        return
    seen.add(id(value))
    for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
        yield from _named(f"{prefix}.{key}" if prefix else str(key), inner, seen)


def _can_be_imported(module: str) -> bool:
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None  # of a top-level name nothing runs
    except (ImportError, ValueError):
        return False


def _installed(module: str) -> Path | None:
    """The source of an installed module, ``None`` where it is not plainly a file in its package's folder."""
    first, *rest = module.split(".")
    spec = importlib.util.find_spec(first)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    if not rest:
        return Path(spec.origin)
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, *rest)
        for found in (path.with_suffix(".py"), path / "__init__.py"):
            if found.is_file():
                return found
    return None


def _defined(tree: ast.Module) -> set[str] | None:
    """Names that a module defines at its top level; ``None`` where others may come about in other ways."""
    if any(isinstance(node, ast.Name) and node.id in _BY_OTHER_WAYS for node in ast.walk(tree)):
        return None
    names: set[str] = set()
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        else:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            waiting += ast.iter_child_nodes(node)
    return None if names & {"*", "__getattr__"} else names
