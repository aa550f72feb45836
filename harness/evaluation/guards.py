"""Guards: one or more general tasks, by their lm-eval names or from local rows, as one domain."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.evaluation.domain import Domain, DomainTask, Split, load_domain, task_handle
from harness.evaluation.find import find_tasks
from harness.evaluation.items import Item
from harness.evaluation.local_rows import family_of
from harness.exceptions import HarnessError, InputError
from harness.storage import sha256_text

SALT = "lm-eval-ratchet/guard/1"
LOADER = "harness.evaluation.local_rows.load"
Guards = str | Mapping[str, str | None]
"""A task, group or tag; or several, each with the file or folder of its rows (``None``: where lm-eval looks)."""


def guard_names(guards: Guards) -> list[str]:
    """The names alone; none for the empty string."""
    return list(guards) if not isinstance(guards, str) else [guards] if guards else []


def load_guards(guards: Guards, include_paths: Sequence[Path]) -> Domain | None:
    """All guards as one domain; its tasks count under the guard's name unless their documents name a skill.

    Args:
        include_paths: folders of task YAMLs, as for `load_domain`.

    Raises:
        InputError: as `load_domain`; rows that are missing or not as the task needs them; a task in two guards.
    """
    tasks: dict[str, DomainTask] = {}
    paths = {guards: None} if isinstance(guards, str) and guards else guards or {}
    for name, path in dict(paths).items():
        domain = local_domain(name, Path(path), include_paths) if path else _named(name, include_paths)
        for task, handle in domain.tasks.items():
            if task in tasks:
                raise InputError(f"guard: task '{task}' is in '{tasks[task].skill}' and in '{name}'; name it once")
            tasks[task] = replace(handle, skill=name)
    return Domain(", ".join(paths), tasks) if tasks else None


def _named(name: str, include_paths: Sequence[Path]) -> Domain:
    """The guard that lm-eval knows by this name, its rows from where lm-eval looks."""
    try:
        return load_domain(name, [*include_paths, *_shipped(name)])
    except InputError as error:
        if not family_of(name).columns:
            raise
        raise InputError(f"{error}; without a hub give it local rows: guard: {{{name}: PATH}}") from error


def _shipped(name: str) -> list[Path]:
    """Where lm-eval keeps a benchmark, which saves the seconds of indexing all of its tasks; empty where not known."""
    folder = family_of(name).folder
    if not folder:
        return []
    import lm_eval.tasks

    path = Path(lm_eval.tasks.__file__).parent / folder
    return [path] if path.is_dir() else []


def local_domain(name: str, path: Path, include_paths: Sequence[Path]) -> Domain:
    """lm-eval's task or group ``name`` as it is defined there, its data set replaced by the rows in ``path``.

    Prompts, choices, targets and scoring are lm-eval's own. Only the split that lm-eval evaluates is read, and the
    examples of few-shot prompts where the task has a split of their own: rows of a guard are never trained on.

    Raises:
        InputError: as `load_domain` and `harness.evaluation.local_rows.local_rows`.
    """
    import yaml

    manager = find_tasks(name, [*include_paths, *_shipped(name)])
    if manager.task_index[name].kind.name == "TAG":  # its tasks have little in common, their rows least of all
        members = ", ".join(sorted(manager.task_index[name].tags))
        raise InputError(f"guard '{name}': is a tag; give its tasks local rows one by one: {members}")
    entries = {leaf: manager.task_index[leaf] for leaf in _leaves(manager.task_index, name)}
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    from lm_eval.tasks import TaskManager

    with TemporaryDirectory() as folder:
        for leaf, entry in entries.items():
            text = yaml.safe_dump(_override(leaf, entry, path)) + f"custom_dataset: !function {LOADER}\n"
            Path(folder, f"{leaf}.yaml").write_text(text, encoding="utf-8")
        try:
            loaded = TaskManager(include_path=folder, include_defaults=False).load(list(entries))["tasks"]
        except HarnessError:
            raise
        except Exception as error:  # lm-eval's own complaints, a template that does not fit the rows
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"guard '{name}': its task does not fit the rows in {path}: {reason}") from error
    for task in loaded.values():
        task.config.dataset_kwargs = task.config.custom_dataset = None  # where rows come from is no part of the task
    return Domain(
        name, {leaf: task_handle(leaf, loaded[leaf], Path(entries[leaf].yaml_path).parent) for leaf in entries}
    )


def _leaves(index: Mapping[str, Any], name: str) -> Iterator[str]:
    """Names of the tasks in a task or group of lm-eval's index (and in the tags of a group), in its order."""
    entry = index[name]
    kind = entry.kind.name
    members = sorted(entry.tags) if kind == "TAG" else entry.cfg.get("task") if kind == "GROUP" else None
    if members is None:
        yield name
        return
    for member in members:
        if not isinstance(member, str) or member not in index:
            raise InputError(
                f"guard '{name}': its member {str(member)[:60]!r} cannot have local rows; name tasks one by one"
            )
        yield from _leaves(index, member)


def _override(leaf: str, entry: Any, path: Path) -> dict[str, Any]:
    """What a task file says that includes the task's own and takes local rows."""
    config = entry.cfg
    evaluated = config.get("test_split") or config.get("validation_split")
    if not evaluated or not entry.yaml_path:
        raise InputError(f"guard '{leaf}': has no test or validation split of its own to put local rows in")
    splits = [evaluated, *([config["fewshot_split"]] if config.get("fewshot_split") else [])]
    return {
        "include": str(entry.yaml_path),
        "task": leaf,
        "dataset_kwargs": {
            "task": leaf,
            "path": str(path),
            "splits": list(dict.fromkeys(splits)),
            "subject": config.get("dataset_name"),
        },
        "training_split": None,
        "validation_split": evaluated if evaluated == config.get("validation_split") else None,
        "test_split": evaluated if evaluated == config.get("test_split") else None,
    }


def guard_items(domain: Domain, limit: int | None) -> tuple[list[Item], list[Item], list[str]]:
    """Items to ask: of each task its test split, or else its validation split.

    Args:
        limit: most items of each guard. Which ones is settled by the hash of their ids alone, so it is a simple random
            sample, the same in every run.

    Returns:
        Items that are right or wrong; items that have a share instead (`harness.evaluation.domain.GRADED`); what was
        left out, one line a guard.

    Raises:
        InputError: a guard has neither test nor validation items.
    """
    splits: tuple[Split, ...] = ("test", "validation")
    ids: dict[Split, dict[str, list[str]]] = {split: domain.item_ids(split) for split in splits}
    guards: dict[str, list[str]] = {}
    asked: dict[Split, set[str]] = {split: set() for split in splits}
    for task, handle in domain.tasks.items():
        split = next((split for split in splits if ids[split][task]), splits[0])
        own = list(dict.fromkeys(ids[split][task]))  # the same document twice is one item
        guards.setdefault(handle.skill or domain.name, []).extend(own)
        asked[split].update(own)
    notices = []
    chosen: set[str] = set()
    for name, every in guards.items():
        if not every:
            raise InputError(f"guard '{name}' has neither test nor validation items")
        if limit is not None and limit < len(every):
            notices.append(f"guard {name}: {limit:,} of {len(every):,} items are asked (guard_limit)")
            every = sorted(every, key=lambda item: sha256_text(f"{SALT}\0{item}"))[:limit]
        chosen.update(every)
    found = (item for split in splits for item in domain.items(split, "guard", chosen & asked[split]))
    order = {name: place for place, name in enumerate(domain.tasks)}
    items = sorted({item.item_id: item for item in found}.values(), key=lambda item: order[item.task])
    graded = {name for name, handle in domain.tasks.items() if handle.graded}
    return [i for i in items if i.task not in graded], [i for i in items if i.task in graded], notices


def general_rows(domain: Domain) -> list[Item]:
    """Train items of the guards, to be mixed into training: none of a benchmark's, whose form would be learned."""
    return [item for item in domain.items("train", "train_pool") if not family_of(item.task).columns]
