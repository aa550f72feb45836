"""Which files a run of plain lm-eval left behind, and what stands in them. Written after lm-eval 0.4.13.

``lm_eval run --log_samples --output_path OUT`` writes ``OUT/<model>/results_<time>.json`` and, for each task,
``OUT/<model>/samples_<task>_<time>.jsonl``; with ``OUT/name.json`` the results are ``OUT/name_<time>.json``, and the
samples lie beside it. Source: ``lm_eval/loggers/evaluation_tracker.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.exceptions import InputError, at
from harness.storage import read_json, read_jsonl

_TIME = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?"
_RESULTS = re.compile(rf"(?:.+_(?P<time>{_TIME})|results(?:_.*)?)\.json")
_SAMPLES = re.compile(rf"samples_(?P<task>.+)_(?P<time>{_TIME})\.jsonl")
DEPTH = 2
"""Levels of folders below the one that was named in which files are looked for."""
NO_FILTER = "none"
"""What lm-eval calls the filter of a task that has none."""


@dataclass(frozen=True)
class TaskOutput:
    """One task of a results file.

    Attributes:
        config: the task's configuration as lm-eval dumped it; functions as their source.
        version: of the task; empty where its author gave none.
        fewshot: solved examples before each document; ``None`` where that is not said.
        higher_is_better: by metric.
        rows: samples by filter, in the order of the file, so that the first filter is the task's first; each row with
            the number of its line.
    """

    name: str
    path: Path
    config: Mapping[str, Any] = field(repr=False)
    version: str
    fewshot: int | None
    higher_is_better: Mapping[str, Any]
    rows: Mapping[str, list[tuple[int, Mapping[str, Any]]]] = field(repr=False)


def is_results_file(path: Path) -> bool:
    """Whether ``path`` is, or by its name should be, a results file of lm-eval."""
    if path.suffix != ".json" or not path.is_file():
        return False
    match = _RESULTS.fullmatch(path.name)
    if match is not None and match["time"]:
        return True
    try:
        return _is_results(read_json(path))
    except InputError:
        return path.name.startswith("results")


def is_lm_eval_output(folder: Path) -> bool:
    """Whether results or samples of lm-eval lie in ``folder`` or up to `DEPTH` levels below."""
    return any(_RESULTS.fullmatch(path.name) or _SAMPLES.fullmatch(path.name) for path in _files(folder))


def find_results(source: Path) -> Path:
    """The one results file at ``source``, a folder or the file itself.

    Raises:
        InputError: there is none, or there are several (of several models or times), which are named.
    """
    if source.is_file():
        return source
    found = [path for path in _files(source) if _RESULTS.fullmatch(path.name)]
    if len(found) == 1:
        return found[0]
    if not found:
        orphans = [path for path in _files(source) if _SAMPLES.fullmatch(path.name)]
        if orphans:
            raise InputError(
                f"{orphans[0]}: samples without a results file beside them; copy the results_*.json of the same run"
            )
        raise InputError(f"{source}: no results_*.json of lm-eval in it")
    names = " and ".join(str(path) for path in found[:2])
    more = f" ({len(found)} in all)" if len(found) > 2 else ""
    raise InputError(f"{source}: holds several results, {names}{more}; name the one file that is meant")


def read_results(path: Path) -> dict[str, Any]:
    """The object of a results file.

    Raises:
        InputError: it is damaged, or something else.
    """
    raw = read_json(path)
    if not _is_results(raw):
        raise InputError(f"{path}: not a results file of lm-eval (no 'results' and 'configs' in it)")
    found: dict[str, Any] = raw
    return found


def read_tasks(path: Path, results: Mapping[str, Any]) -> list[TaskOutput]:
    """Every task of the results file ``path`` with its samples.

    Raises:
        InputError: samples are missing or damaged; names task and file, and line where there is one.
    """
    match = _RESULTS.fullmatch(path.name)
    tasks = []
    for name, config in _object(results, "configs").items():
        samples = _samples(path, name, match["time"] if match else None)
        rows = _by_filter(samples, read_jsonl(samples))
        _check_whole(samples, name, results, rows)
        version = _object(results, "versions").get(name)
        fewshot = _object(results, "n-shot").get(name)
        tasks.append(
            TaskOutput(
                name=name,
                path=samples,
                config=config if isinstance(config, Mapping) else {},
                version="" if version in (None, "Yaml", "N/A") else f"{version:g}" if _real(version) else str(version),
                fewshot=fewshot if isinstance(fewshot, int) else None,
                higher_is_better=_object(_object(results, "higher_is_better"), name),
                rows=rows,
            )
        )
    if not tasks:
        raise InputError(f"{path}: names no task")
    return tasks


def _samples(path: Path, task: str, time: str | None) -> Path:
    beside = [(each, match) for each in sorted(path.parent.iterdir()) if (match := _SAMPLES.fullmatch(each.name))]
    if not beside:
        raise InputError(f"{path}: no samples beside it; run lm-eval again with --log_samples")
    found = [each for each, match in beside if match["task"] == task and time in (None, match["time"])]
    if not found:
        raise InputError(f"{path}: the samples of task '{task}' are missing beside it (samples_{task}_*.jsonl)")
    if len(found) > 1:
        raise InputError(f"{path}: whose samples are these, {found[0].name} or {found[1].name}? Keep one of them")
    return found[0]


def _by_filter(path: Path, rows: list[dict[str, Any]]) -> dict[str, list[tuple[int, Mapping[str, Any]]]]:
    found: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    seen: set[tuple[str, str]] = set()
    for number, row in enumerate(rows, start=1):
        if not isinstance(row.get("doc"), Mapping):
            raise InputError(f"{at(path, number)}: no sample of lm-eval: it has no 'doc'")
        name = str(row.get("filter", NO_FILTER))
        key = (name, str(row.get("doc_id", number)))
        if key in seen:
            raise InputError(f"{at(path, number)}: document {key[1]} is there a second time; are these two runs?")
        seen.add(key)
        found.setdefault(name, []).append((number, row))
    if not found:
        raise InputError(f"{path}: is empty; run lm-eval again with --log_samples")
    counts = {name: len(each) for name, each in found.items()}
    if len(set(counts.values())) > 1:
        raise InputError(f"{path}: cut off: its filters have {', '.join(map(str, counts.values()))} documents")
    return found


def _check_whole(path: Path, task: str, results: Mapping[str, Any], rows: Mapping[str, list[Any]]) -> None:
    asked = _object(_object(results, "n-samples"), task).get("effective")
    there = len(next(iter(rows.values())))
    if isinstance(asked, int) and there < asked:
        raise InputError(f"{path}: cut off: {there} of the {asked} documents that the results are of")


def _files(folder: Path) -> Iterator[Path]:
    """Files in ``folder`` and up to `DEPTH` levels below, in order; those nearer to it come first."""
    level = [folder]
    for _ in range(DEPTH + 1):
        below: list[Path] = []
        for each in level:
            try:
                entries = sorted(each.iterdir())
            except OSError:
                continue
            yield from (entry for entry in entries if entry.is_file())
            below += [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".git")]
        level = below


def _is_results(raw: object) -> bool:
    return isinstance(raw, Mapping) and all(isinstance(raw.get(key), Mapping) for key in ("results", "configs"))


def _object(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = raw.get(key)
    return found if isinstance(found, Mapping) else {}


def _real(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
