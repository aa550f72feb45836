"""Where a task is found by its name: one's own folders, those that ship, other packages', lm-eval's own.

Nothing of a folder from outside runs here before it was allowed (`harness.evaluation.trust`).
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.evaluation.folders import plugin_folders
from harness.evaluation.trust import folders_of, require_consent
from harness.exceptions import InputError, at, did_you_mean
from harness.yamlfile import not_yaml


def find_tasks(name: str, include_paths: Sequence[Path]) -> Any:
    """lm-eval's ``TaskManager`` that knows ``name``; arguments and errors as for `load_domain`."""
    for path in include_paths:
        if not path.is_dir():
            raise InputError(f"{path}: no such folder of tasks")
        check_yaml(path)
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval.tasks import TaskManager

    paths = [str(path) for path in include_paths]
    manager = TaskManager(include_path=paths, include_defaults=False)
    known = set(manager.all_tasks)
    if name not in known:
        manager = _of_a_plugin(name, paths, known) or _of_lm_eval(name, paths, known)
    require_consent(folders_of(manager.task_index, name))
    return manager


def _of_a_plugin(name: str, paths: list[str], known: set[str]) -> Any:
    """A manager that knows ``name`` from another package's folder of domains, or ``None``; ``known`` gains names.

    Raises:
        InputError: two packages bring it.
    """
    from lm_eval.tasks import TaskManager

    found: dict[str, Path] = {}
    for plugin, folder in plugin_folders().items():
        try:
            check_yaml(folder)
        except InputError as error:
            logging.getLogger(__name__).warning("domains of '%s' are left out: %s", plugin, error)
            continue
        names = TaskManager(include_path=str(folder), include_defaults=False).all_tasks
        known.update(names)
        if name in names:
            found[plugin] = folder
    if len(found) > 1:
        first, second = list(found)[:2]
        raise InputError(
            f"domain '{name}': packages bring it twice, '{first}' in {found[first]} and '{second}' in {found[second]};"
            " uninstall one, or copy its folder and give it by include_path"
        )
    # What comes later comes first: one's own tasks before the plugin's.
    return TaskManager(include_path=[*map(str, found.values()), *paths], include_defaults=False) if found else None


def _of_lm_eval(name: str, paths: list[str], known: set[str]) -> Any:
    """A manager that knows ``name`` from lm-eval's own tasks; raises `InputError` that names the nearest of these."""
    from lm_eval.tasks import TaskManager

    for folder in _likely_folders(name):
        nearer = TaskManager(include_path=[*paths, str(folder)], include_defaults=False)
        if name in nearer.all_tasks:
            return nearer
    manager = _every_task(tuple(paths))
    if name not in manager.all_tasks:
        hint = did_you_mean(name, manager.all_tasks)
        if not hint.startswith(" Did"):  # not all of lm-eval's
            hint = did_you_mean(name, known)
        raise InputError(f"unknown task or domain '{name}'.{hint} See 'harness tasks'.")
    return manager


def _likely_folders(name: str) -> list[Path]:
    """lm-eval's folders that a task of this name usually lies in (``arc_easy`` in ``arc``): saves indexing them all."""
    import lm_eval.tasks

    root = Path(lm_eval.tasks.__file__).parent
    words = re.split(r"[_-]", name)
    names = ["_".join(words[:count]) for count in range(len(words), 0, -1)]
    return [root / folder for folder in names if re.fullmatch(r"\w+", folder) and (root / folder).is_dir()]


@functools.cache  # seconds each; tasks of one's own, which may change, are looked for afresh before
def _every_task(include_paths: tuple[str, ...]) -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=list(include_paths), include_defaults=True)


def check_yaml(folder: Path) -> None:
    """Parse every task YAML under ``folder``; lm-eval itself passes over malformed ones in silence.

    Raises:
        InputError: one that is malformed, cannot be read, or names its task by what YAML takes for another value than
            a text (``no``, ``null``, ``12``); names file and line.
    """
    for path in sorted(folder.rglob("*.yaml")):
        try:
            with path.open("rb") as stream:
                _check_name(path, yaml.compose(stream, Loader=yaml.SafeLoader))
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read: {error.strerror or error}; correct the file, or move it away"
            ) from error
        except (yaml.YAMLError, RecursionError) as error:
            raise not_yaml(path, error) from error


def _check_name(path: Path, root: Any) -> None:
    """lm-eval cannot sort or find a task whose name is no text."""
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        scalar = isinstance(value, yaml.ScalarNode) and value.tag.startswith("tag:yaml.org,2002:")
        if key.value in ("task", "group") and scalar and not value.tag.endswith(":str"):
            raise InputError(
                f"{at(path, value.start_mark.line + 1)}: {key.value} '{value.value}' is no text to YAML; "
                f'write "{value.value}" in quotes'
            )
