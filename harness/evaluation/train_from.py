"""Rows for training from a file, for a domain whose tasks have no training split of their own, or too small a one.

A row is a document in the form of the task's own data, or ``prompt`` and ``answer``. It is mined, classified and
trained on like any other train item, and left out where it repeats a protected one.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.evaluation.documents import as_loaded
from harness.evaluation.domain import Domain, DomainTask
from harness.evaluation.local_rows import family_of, read_rows
from harness.evaluation.task_metrics import TaskMetrics, gold_text
from harness.exceptions import InputError, at
from harness.storage import sha256_text

PROMPT, ANSWERS = "prompt", ("answer", "completion")
SUFFIX = "_train_file"
"""Ends the name of the task that rows of prompt and answer make."""


def with_train_file(domain: Domain, path: Path) -> Domain:
    """``domain`` with the rows of ``path`` as further train items.

    In a domain of several tasks a row's ``task`` says which one it is for; without it, the only one whose form it has.

    Args:
        path: JSONL, JSON, CSV or Parquet.

    Raises:
        InputError: the file cannot be read or is empty; a row is neither a document of a task of the domain nor prompt
            and answer; names file and row.
    """
    rows = read_rows(path)
    if not rows:
        raise InputError(f"{path}: holds no rows; give one document, or prompt and answer, a row")
    documents: dict[str, list[Mapping[str, Any]]] = {}
    pairs: dict[str, list[Mapping[str, Any]]] = {}
    for number, row in enumerate(rows, start=1):
        place = f"{at(path)}: row {number}"
        name, doc = _task_of(domain, row, place)
        if name is not None:
            documents.setdefault(name, []).append(doc)
        else:
            pairs.setdefault(_owner(domain, row, place), []).append(_pair(row, place))
    tasks = dict(domain.tasks)
    for name, docs in documents.items():
        tasks[name] = replace(tasks[name], train_file=as_loaded(tasks[name], docs, f"the rows of {path}"))
    for name, docs in pairs.items():
        handle = of_pairs(domain.tasks[name], docs)
        if handle.name in tasks:
            raise InputError(f"{path}: the domain has a task '{handle.name}', the name that its rows would have")
        tasks[handle.name] = handle
    return replace(domain, tasks=tasks)


def _task_of(domain: Domain, row: Mapping[str, Any], place: str) -> tuple[str | None, dict[str, Any]]:
    """The task whose document ``row`` is, and the document; no task for prompt and answer."""
    named = str(row.get("task"))
    doc = {key: value for key, value in row.items() if key != "task" or named not in domain.tasks}
    among = [named] if named in domain.tasks else list(domain.tasks)
    fits = {name: adapted for name in among if (adapted := _fitting(domain.tasks[name], doc)) is not None}
    if len(fits) == 1:
        name, adapted = next(iter(fits.items()))
        return name, adapted
    if fits:
        raise InputError(f"{place}: which task is it of? Give it a 'task': {', '.join(fits)}")
    return None, doc


def _fitting(handle: DomainTask, doc: dict[str, Any]) -> dict[str, Any] | None:
    """``doc`` in the form of the task's data set, if the task can ask it and knows its answer."""
    family = family_of(handle.name)
    try:
        adapted = family.adapt(doc) if family.columns and all(name in doc for name in family.columns) else doc
        (loaded,) = as_loaded(handle, [adapted], "it")
        prompt = str(handle.task.doc_to_text(loaded))
        if handle.kind == "choice":
            choices = handle.task.doc_to_choice(loaded)
            target = handle.task.doc_to_target(loaded)
            answer = str(choices[target] if isinstance(target, int) else target)
        else:
            answer = gold_text(handle.task, loaded)
    except Exception:  # a template or a task's own code that meets another form may raise anything
        return None
    return adapted if prompt.strip() and answer.strip() else None


def _owner(domain: Domain, row: Mapping[str, Any], place: str) -> str:
    """The task that a row of prompt and answer is for: the one it names, or the only one."""
    named = row.get("task")
    if named in domain.tasks:
        return str(named)
    if named is None and len(domain.tasks) == 1:
        return next(iter(domain.tasks))
    if PROMPT in row:
        raise InputError(f"{place}: which task is it for? Give it a 'task': {', '.join(domain.tasks)}")
    raise InputError(f"{place}: {_neither(row)}")


def _neither(row: Mapping[str, Any]) -> str:
    return (
        f"is neither a document of the task's own form nor '{PROMPT}' and '{ANSWERS[0]}' "
        f"(it has: {', '.join(map(str, list(row)[:8]))}); correct the file"
    )


def _pair(row: Mapping[str, Any], place: str) -> dict[str, Any]:
    answer = next((row[name] for name in ANSWERS if name in row), None)
    if PROMPT not in row or answer is None:
        raise InputError(f"{place}: {_neither(row)}")
    for name, value in ((PROMPT, row[PROMPT]), ("answer", answer)):
        if not isinstance(value, (str, int, float)) or not str(value).strip():
            raise InputError(f"{place}: its {name} is {'empty' if value in ('', None) else 'no text'}; correct the row")
    return {**row, PROMPT: str(row[PROMPT]), "answer": str(answer)}


def of_pairs(handle: DomainTask, docs: Sequence[Mapping[str, Any]]) -> DomainTask:
    """A task of rows of prompt and answer, asked and ended as ``handle`` is, with no items but these.

    Scored as ``handle`` scores where it generates text by lm-eval's own metrics, or scores one continuation (behind a
    space, where neither prompt nor answer has one); else an answer is right that is the row's, spacing apart.
    """
    config = handle.task.config
    continued = handle.kind == "continuation"
    own = handle.kind == "generate" and not getattr(config, "process_results", None) and not handle.metrics.stand_in
    task = copy.copy(handle.task)
    task._config = copy.copy(config)
    task._config.doc_to_text = _prompt
    task._config.doc_to_target = _continuation if continued else _answer
    task._config.doc_to_choice = None
    task._config.process_docs = None
    task._config.output_type = task.OUTPUT_TYPE = "loglikelihood" if continued else "generate_until"
    task.prompt = None
    if not own:
        task._config.process_results = _greedy if continued else _scored
        task._filters = []
    metrics = replace(handle.metrics, corpus={}) if own else TaskMetrics("acc" if continued else "exact_match")
    return replace(
        handle,
        name=f"{handle.name}{SUFFIX}",
        kind="continuation" if continued else "generate",
        metric=metrics.main,
        until=handle.until if handle.kind == "generate" else ("\n\n",),
        task=task,
        skill=handle.skill or handle.name,
        graded=False,
        prompts={},
        extension=(),
        config_hash=sha256_text(f"{handle.config_hash}\0pairs\0{own}")[:16],
        metrics=metrics,
        train_file=list(docs),
        file_alone=True,
    )


def _prompt(doc: Mapping[str, Any]) -> str:
    return str(doc[PROMPT])


def _answer(doc: Mapping[str, Any]) -> str:
    return str(doc["answer"])


def _continuation(doc: Mapping[str, Any]) -> str:
    prompt, answer = _prompt(doc), _answer(doc)
    return answer if prompt[-1:].isspace() or answer[:1].isspace() else f" {answer}"


def _greedy(doc: Mapping[str, Any], results: Sequence[tuple[float, bool]]) -> dict[str, float]:
    return {"acc": float(results[0][1])}


def _scored(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    return {"exact_match": float(results[0].split() == _answer(doc).split())}
