"""An evaluation on disk: ``responses.parquet``, ``errors.parquet`` and ``scores.json`` in one folder."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.errors.contract import ErrorLabel, ErrorRecord
from harness.evaluation.items import ItemResult, Score, score
from harness.evaluation.units import units
from harness.exceptions import InputError
from harness.storage import read_json, write_bytes, write_json

RESPONSES, ERRORS, SCORES = "responses.parquet", "errors.parquet", "scores.json"


@dataclass(frozen=True)
class Evaluation:
    """Scored responses of one model on one set of items, with their errors.

    Attributes:
        name: which set and arm, e.g. ``dev`` or ``dev_fewshot``.
        results: one per item, in a stable order.
        errors: one record per result, same order.
        seconds: wall time of generating and scoring.
        details: whatever else explains the numbers (batch size, few-shot count, prompt tokens).
    """

    name: str
    results: tuple[ItemResult, ...]
    errors: tuple[ErrorRecord, ...]
    seconds: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def score(self) -> Score:
        """Mean correctness over all items."""
        return score(self.results)

    def by_skill(self) -> dict[str, Score]:
        """Score of each skill, in alphabetical order."""
        return self._by(lambda result: result.skill)

    def by_tag(self) -> dict[str, Score]:
        """Score of each ``tag`` that documents carry, in alphabetical order; items without one are in none."""
        return self._by(lambda result: result.tag)

    def _by(self, key: Callable[[ItemResult], str | None]) -> dict[str, Score]:
        parts: dict[str, list[ItemResult]] = {}
        for result in self.results:
            name = key(result)
            if name is not None:
                parts.setdefault(name, []).append(result)
        return {name: score(parts[name]) for name in sorted(parts)}

    def not_assessed(self) -> dict[str, int]:
        """Responses on which each category could not be judged, in alphabetical order; others are left out."""
        return dict(sorted(Counter(name for record in self.errors for name in record.not_assessed).items()))

    def only(self, item_ids: Collection[str]) -> Evaluation:
        """The same answers on some of the items."""
        return replace(
            self,
            results=tuple(result for result in self.results if result.item_id in item_ids),
            errors=tuple(record for record in self.errors if record.item_id in item_ids),
        )

    def correctness(self) -> dict[str, float]:
        """Correctness by item id."""
        return {result.item_id: result.correct for result in self.results}

    def skills(self) -> dict[str, str]:
        """Skill by item id."""
        return {result.item_id: result.skill for result in self.results}

    def clusters(self) -> dict[str, str]:
        """Unit by item id: what was dealt together, is counted together (`harness.evaluation.units`)."""
        return dict(self._clusters)

    @functools.cached_property
    def _clusters(self) -> dict[str, str]:
        first = self.results
        return {
            result.item_id: f"{first[unit].task}\0{first[unit].cluster}"
            for result, unit in zip(first, units(first), strict=True)
        }


def _text(value: str) -> str:
    """Parquet holds valid UTF-8 only; a lone surrogate in a response becomes its escape."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _parquet(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    import io

    import pandas as pd

    buffer = io.BytesIO()
    pd.DataFrame(list(rows), columns=list(columns)).to_parquet(buffer, index=False)
    return buffer.getvalue()


_RESPONSE_COLUMNS = (
    "item_id",
    "task",
    "skill",
    "cluster",
    "prompt",
    "target",
    "response",
    "finish_reason",
    "correct",
    "metrics",
    "prompt_tokens",
    "new_tokens",
    "doc",
)
_ERROR_COLUMNS = ("item_id", "primary", "labels", "not_assessed", "reasons")


def save_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write ``evaluation`` into ``folder`` (created), each file atomically.

    Raises:
        EnvironmentFault: the folder cannot be written or the disk is full.
    """
    responses = [
        {
            **{name: getattr(result, name) for name in ("item_id", "task", "skill", "cluster", "finish_reason")},
            "prompt": _text(result.prompt),
            "target": _text(result.target),
            "response": _text(result.response),
            "correct": result.correct,
            "metrics": json.dumps(dict(result.metrics), allow_nan=False),
            "prompt_tokens": result.prompt_tokens,
            "new_tokens": result.new_tokens,
            "doc": json.dumps(dict(result.doc)),
        }
        for result in evaluation.results
    ]
    write_bytes(folder / RESPONSES, _parquet(responses, _RESPONSE_COLUMNS))
    save_errors(folder / ERRORS, evaluation.errors)
    write_json(folder / SCORES, scores(evaluation))


def save_errors(path: Path, records: Sequence[ErrorRecord]) -> None:
    """Write ``records`` as ``errors.parquet``, atomically.

    Raises:
        EnvironmentFault: the folder cannot be written or the disk is full.
    """
    errors = [
        {
            "item_id": record.item_id,
            "primary": record.primary,
            "labels": json.dumps(
                [[label.category, label.confidence, label.span, _text(label.reason)] for label in record.labels]
            ),
            "not_assessed": json.dumps(list(record.not_assessed)),
            "reasons": json.dumps([_text(reason) for reason in record.reasons]),
        }
        for record in records
    ]
    write_bytes(path, _parquet(errors, _ERROR_COLUMNS))


def scores(evaluation: Evaluation) -> dict[str, Any]:
    """The object of ``scores.json``."""
    counts = Counter(record.primary for record in evaluation.errors if record.primary is not None)
    return {
        "name": evaluation.name,
        "score": evaluation.score.as_dict(),
        "skills": {skill: value.as_dict() for skill, value in evaluation.by_skill().items()},
        "categories": dict(sorted(counts.items())),
        "not_assessed": evaluation.not_assessed(),
        "seconds": evaluation.seconds,
        "details": dict(evaluation.details),
    }


def _columns(path: Path, names: Sequence[str] | None = None) -> dict[str, list[Any]]:
    """A parquet file's columns as Python values; ``names`` for these alone."""
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            columns: dict[str, list[Any]] = file.read(columns=names).to_pydict()
    except Exception as error:  # pyarrow raises many kinds; each means the same to the user
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: missing or damaged ({reason})") from error
    return columns


def load_evaluation(folder: Path) -> Evaluation:
    """Read back what `save_evaluation` wrote.

    Raises:
        InputError: a file is missing or damaged; names it.
    """
    columns = {name: _columns(folder / name) for name in (RESPONSES, ERRORS)}
    head = read_json(folder / SCORES)
    strings = functools.cache(lambda text: tuple(json.loads(text)))  # most rows have the same few
    try:
        results = tuple(
            ItemResult(
                item_id=item_id,
                task=task,
                skill=skill,
                cluster=cluster,
                doc=json.loads(doc),
                prompt=prompt,
                target=target,
                response=response,
                finish_reason=finish_reason,
                correct=float(correct),
                metrics=json.loads(metrics),
                prompt_tokens=int(prompt_tokens),
                new_tokens=int(new_tokens),
            )
            for (
                item_id, task, skill, cluster, prompt, target, response, finish_reason, correct, metrics,
                prompt_tokens, new_tokens, doc,
            ) in zip(*(columns[RESPONSES][name] for name in _RESPONSE_COLUMNS), strict=True)
        )  # fmt: skip
        errors = tuple(
            ErrorRecord(
                item_id=item_id,
                primary=None if primary is None else str(primary),
                labels=tuple(
                    ErrorLabel(category, confidence, None if span is None else (span[0], span[1]), reason)
                    for category, confidence, span, reason in (() if labels == "[]" else json.loads(labels))
                ),
                not_assessed=strings(not_assessed),
                reasons=strings(reasons),
            )
            for item_id, primary, labels, not_assessed, reasons in zip(
                *(columns[ERRORS][name] for name in _ERROR_COLUMNS), strict=True
            )
        )
        return Evaluation(head["name"], results, errors, float(head["seconds"]), head["details"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder}: damaged evaluation ({error})") from error


def load_outcomes(folder: Path) -> list[tuple[str, float, str, str | None]]:
    """Item id, correctness (0 to 1), response and primary error category of each item of an evaluation's folder.

    Raises:
        InputError: a file is missing or damaged; names it.
    """
    answered = _columns(folder / RESPONSES, ("item_id", "correct", "response"))
    errors = _columns(folder / ERRORS, ("item_id", "primary"))
    try:
        primary = dict(zip(errors["item_id"], errors["primary"], strict=True))
        rows = zip(answered["item_id"], answered["correct"], answered["response"], strict=True)
        return [(str(item), float(correct), str(response), primary.get(item)) for item, correct, response in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder}: damaged evaluation ({error})") from error
