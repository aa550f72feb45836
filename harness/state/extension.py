"""Items that are added to a domain later: read from a file, kept with its record, loaded beside its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.curation.overlap import CANARY
from harness.evaluation.documents import as_loaded
from harness.evaluation.domain import Domain, DomainTask
from harness.evaluation.items import Item
from harness.exceptions import InputError, at
from harness.storage import read_jsonl


@dataclass(frozen=True)
class Added:
    """A line of a file of new items: the document as `with_extension` takes it, and the item that it makes."""

    line: int
    document: Mapping[str, Any]
    item: Item


def with_extension(domain: Domain, documents: Sequence[Mapping[str, Any]]) -> Domain:
    """``domain`` with further items, under the split ``extension``.

    Args:
        documents: ``{"task": name, "doc": document}`` each, as `harness.state.domain.DomainState.documents` has them.

    Raises:
        InputError: a document is of no task of the domain, or the task's own code refuses it.
    """
    of_task: dict[str, list[Mapping[str, Any]]] = {}
    for document in documents:
        if document["task"] not in domain.tasks:
            raise InputError(
                f"domain '{domain.name}' has no task '{document['task']}', which items were added to; "
                "use the tasks that they were added with, or another folder for the state"
            )
        of_task.setdefault(document["task"], []).append(document["doc"])
    tasks = {
        name: replace(handle, extension=_canaried(handle, of_task[name])) if name in of_task else handle
        for name, handle in domain.tasks.items()
    }
    return replace(domain, tasks=tasks)


def _canaried(handle: DomainTask, docs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Documents as the task would have loaded them, the canary planted."""
    return [{"canary": CANARY, **row} for row in as_loaded(handle, docs, "the items that were added to it")]


def read_extension(domain: Domain, path: Path) -> list[Added]:
    """New items from a JSONL file of documents in the form of the domain's own data.

    A document's task is its ``task``, where that names one of the domain's; else the one whose items have its
    ``skill``; else the domain's only one.

    Raises:
        InputError: a line is no document, its task cannot be told or cannot render it, its answer is empty, or it is
            another line's; names file and line.
    """
    rows = [(number, row) for number, row in enumerate(_lines(path), start=1) if row is not None]
    if not rows:
        raise InputError(f"{path}: holds no items; give one document a line")
    skills = _skills(domain) if len(domain.tasks) > 1 else {}
    added = []
    seen: dict[str, int] = {}
    for number, row in rows:
        task, doc = _task_of(domain, skills, row, at(path, number))
        document = {"task": task, "doc": doc}
        try:
            (item,) = with_extension(replace(domain, tasks={task: domain.tasks[task]}), [document]).items(
                "extension", "dev"
            )
        except InputError as error:
            raise InputError(f"{at(path, number)}: {error}") from error
        if not item.target.strip() or not item.prompt.strip():
            what = "answer" if item.prompt.strip() else "prompt"
            raise InputError(f"{at(path, number)}: its {what} is empty; correct the document")
        if item.item_id in seen:
            raise InputError(f"{at(path, number)}: the same document as line {seen[item.item_id]}; remove one")
        seen[item.item_id] = number
        added.append(Added(number, document, item))
    return added


def _lines(path: Path) -> list[dict[str, Any] | None]:
    """Each line's object, ``None`` for a blank one."""
    rows = iter(read_jsonl(path))
    lines = path.read_bytes().decode("utf-8-sig").split("\n")
    return [next(rows) if line.strip() else None for line in lines]


def _skills(domain: Domain) -> dict[str, set[str]]:
    """The tasks that have items of each skill."""
    found: dict[str, set[str]] = {}
    for split in ("train", "validation", "test"):
        for item in domain.items(split, "dev"):
            found.setdefault(item.skill, set()).add(item.task)
    return found


def _task_of(
    domain: Domain, skills: Mapping[str, set[str]], row: dict[str, Any], place: str
) -> tuple[str, dict[str, Any]]:
    if row.get("task") in domain.tasks:
        return row["task"], {key: value for key, value in row.items() if key != "task"}
    if len(domain.tasks) == 1:
        return next(iter(domain.tasks)), row
    tasks = skills.get(str(row.get("skill")), set())
    if len(tasks) != 1:
        raise InputError(f"{place}: which task is it of? Give it a 'task': {', '.join(sorted(domain.tasks))}")
    return next(iter(tasks)), row
