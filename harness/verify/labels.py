"""Error labels of saved responses, recomputed; in processes beside this one where there are many."""

from __future__ import annotations

import gc
import multiprocessing
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors.contract import ErrorRecord
from harness.errors.taxonomy import DOUBTFUL
from harness.evaluated import ERRORS, Evaluation, load_evaluation
from harness.evaluation.items import ItemResult
from harness.verify.classifiers import RunClassifiers, run_classifiers
from harness.verify.findings import Findings

BESIDE = 3000
"""Responses from which on classifying them takes longer than starting processes for it."""
PROCESSES = 2
"""At most, beside this one: each loads the classifiers' dictionaries, and this one is busy for as long as they are."""
_ESCAPED = re.compile(r"\\ud[89a-f][0-9a-f]{2}")  # a lone surrogate as it is saved: the response itself is lost


@dataclass(frozen=True)
class Job:
    """An evaluation whose labels are to be checked.

    Attributes:
        folder: in the run directory.
        n: responses, about.
        by_learner: results at the end that another model gave than those before.
    """

    folder: str
    n: int
    by_learner: int = 0


class LabelCheck:
    """Checks the labels of several evaluations while the caller does something else.

    Args:
        load: reads an evaluation in this process.
        trust_code: as `harness.verify.classifiers.present_taxonomy` takes it.
    """

    def __init__(
        self,
        root: Path,
        manifest: Mapping[str, Any],
        jobs: Sequence[Job],
        load: Callable[[Path], Evaluation],
        trust_code: bool = False,
    ) -> None:
        self._root, self._manifest, self._jobs, self._load = root, manifest, jobs, load
        self._trust = trust_code
        self._pool: ProcessPoolExecutor | None = None
        self._futures: list[Future[list[Findings]]] = []
        self._parts = _parts(jobs)
        cores = os.cpu_count() or 1
        if sum(job.n for job in jobs) >= BESIDE and cores > 1:
            parts = self._parts
            self._pool = ProcessPoolExecutor(
                PROCESSES, mp_context=multiprocessing.get_context("spawn"), initializer=gc.disable
            )
            self._futures = [self._pool.submit(check_labels, root, manifest, part, trust_code) for part in parts]

    def __enter__(self) -> LabelCheck:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def result(self) -> list[Findings]:
        """What was found in each evaluation, in the order of the jobs."""
        if self._pool is not None:
            try:
                done = [future.result() for future in self._futures]
                found = {
                    job.folder: findings
                    for part, own in zip(self._parts, done, strict=True)
                    for job, findings in zip(part, own, strict=True)
                }
                return [found[job.folder] for job in self._jobs]
            except (BrokenProcessPool, OSError):
                pass  # too little memory for another process, or none allowed: then in this one
        return check_labels(self._root, self._manifest, self._jobs, self._trust, self._load)


def _parts(jobs: Sequence[Job]) -> list[list[Job]]:
    """Evaluations of the same items together, since many answers are the same round after round; the longest first."""
    by_set: dict[str, list[Job]] = {}
    for job in jobs:
        by_set.setdefault(PurePosixPath(job.folder).name, []).append(job)
    return sorted(by_set.values(), key=lambda part: -sum(job.n for job in part))


def check_labels(
    root: Path,
    manifest: Mapping[str, Any],
    jobs: Sequence[Job],
    trust_code: bool = False,
    load: Callable[[Path], Evaluation] = load_evaluation,
) -> list[Findings]:
    """Classify each evaluation anew and compare; the findings of each, in order."""
    classifiers = run_classifiers(root, manifest, trust_code)
    found = []
    for job in jobs:
        findings = Findings()
        with findings.attempt(job.folder, "error labels"):
            _check(f"{job.folder}/{ERRORS}", load(root / job.folder), job.by_learner, classifiers, findings)
        found.append(findings)
    return found


def _check(
    place: str, evaluation: Evaluation, by_learner: int, classifiers: RunClassifiers, findings: Findings
) -> None:
    ids = [result.item_id for result in evaluation.results]
    if not findings.equal("records", place, "items", ids, [record.item_id for record in evaluation.errors]):
        return
    for result, record in zip(evaluation.results, evaluation.errors, strict=True):
        expected = _primary(result, record)
        if record.primary != expected:
            findings.mismatch(place, f"primary category of item {record.item_id}", expected, record.primary)
    if not classifiers.classifiers:
        return
    n = len(ids)
    again = classifiers.classify(evaluation.results, [n - by_learner, by_learner] if by_learner else ())
    keep = None if classifiers.whole else classifiers.categories
    for result, saved, record in zip(evaluation.results, evaluation.errors, again, strict=True):
        if _ESCAPED.search(result.response) or _ESCAPED.search(result.prompt):
            findings.note("not recomputed: labels of responses with a lone surrogate, which is saved as its escape")
            continue
        findings.checked["records of errors"] += 1
        if record == saved:
            continue
        one, other = _plain(record, keep), _plain(saved, keep)
        if one != other:
            findings.equal("labels that differ", place, f"labels of item {record.item_id}", one, other)


def _plain(record: ErrorRecord, categories: Collection[str] | None) -> dict[str, Any]:
    """A record as it is saved.

    Args:
        categories: those that are kept; ``None`` for all, and the primary one.
    """
    kept = [label for label in record.labels if categories is None or label.category in categories]
    unable = [
        [name, _text(reason)]
        for name, reason in zip(record.not_assessed, record.reasons, strict=False)
        if categories is None or name in categories
    ]
    labels = [
        [label.category, label.confidence, list(label.span) if label.span else label.span, _text(label.reason)]
        for label in kept
    ]
    whole = {"labels": labels, "not_assessed": unable}
    return {**whole, "primary": record.primary} if categories is None else whole


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _primary(result: ItemResult, record: ErrorRecord) -> str | None:
    if result.correct >= 1.0:
        return None
    return next((label.category for label in record.labels if label.confidence >= DOUBTFUL), "wrong_answer")
