"""The baseline in the user's repository: ``baselines/<domain>.json``, made to be read and merged by people.

JSON with one answer a line, in a stable order: a change of one answer is a change of one line. Invisible and
bidirectional characters are written as escapes, so that what a reviewer sees is what is there.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.config import Settings
from harness.evaluation.choices import PICKED, PREFIX
from harness.exceptions import InputError, at
from harness.regression.answers import Answer, AnswerSet, Identity
from harness.regression.matching import UPDATE, comparable, noted
from harness.storage import sha256_text, write_text

__all__ = ["KEPT", "SCHEMA", "baseline_path", "comparable", "noted", "read_baseline", "write_baseline"]

SCHEMA = "lm-eval-ratchet/baseline/1"
KEPT = 400
"""Characters of a response that are kept."""
_ERROR_METRIC = "err_"  # categories once more, as lm-eval metrics (`harness.errors.lm_eval_metrics`)
_MARKERS = re.compile(r"^(<{7}|\|{7}|={7}|>{7})(?: .*)?$", re.M)
_TEXTS = ("item", "task", "skill", "cluster", "role", "primary", "prompt", "response")
_LISTS = ("categories", "not_assessed")
_EMPTY: tuple[Any, ...] = ("", None, [], {})


def baseline_path(settings: Settings) -> Path:
    """Where the domain's baseline lies: in ``baselines`` beside ``harness.yaml``, without one in the current folder."""
    base = settings.file.path.resolve().parent if settings.file else Path().absolute()
    name = re.sub(r"[^\w.-]", "_", settings.domain).lstrip(".")[:80]
    if name != settings.domain:
        name = f"{name}-{sha256_text(settings.domain)[:8]}"
    return base / Path(settings.baselines).expanduser() / f"{name}.json"


def write_baseline(path: Path, answers: AnswerSet) -> None:
    """Write ``answers`` as a baseline, atomically; a file that is there is replaced.

    Responses are cut at `KEPT` characters; prompts are kept as hashes, targets and seconds not at all.

    Raises:
        EnvironmentFault: the folder cannot be written or the disk is full.
    """
    identity = answers.identity
    head = {
        "schema": SCHEMA,
        "model": identity.model,
        "weights": identity.weights,
        "tasks": dict(identity.tasks),
        "classifiers": dict(identity.classifiers),
        "categories": dict(identity.categories),
        "settings": dict(identity.settings),
        "environment": dict(identity.environment),
        "classified": answers.classified,
    }
    order = sorted(answers.answers, key=lambda answer: (answer.role, answer.task, answer.item))
    text = json.dumps(head, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False, default=str)
    text = text.removesuffix("\n}")
    lines = ",\n".join(json.dumps(_row(answer), ensure_ascii=False, allow_nan=False) for answer in order)
    write_text(path, _plain(f'{text},\n "answers": [\n{lines}\n ]\n}}\n'))


def _row(answer: Answer) -> dict[str, Any]:
    """The answer without what is empty, in a fixed order."""
    metrics = {
        name: _number(value)
        for name, value in sorted(answer.metrics.items())
        if _worth_keeping(name) and math.isfinite(value)
    }
    row = {
        "item": answer.item,
        "task": answer.task,
        "skill": answer.skill,
        "cluster": None if answer.cluster == answer.item else answer.cluster,
        "role": answer.role if answer.role != "domain" else "",
        "correct": _number(answer.correct),
        "primary": answer.primary,
        "categories": list(answer.categories),
        "not_assessed": sorted(answer.not_assessed),
        "metrics": metrics,
        "prompt": answer.prompt_sha256,
        "new_tokens": answer.new_tokens,
        "response": answer.response[:KEPT],
    }
    return {name: value for name, value in row.items() if (name, value) == ("cluster", "") or value not in _EMPTY}


def _worth_keeping(metric: str) -> bool:
    """Whether a figure says something of its own; those of single choices move with every rounding."""
    return not metric.startswith(_ERROR_METRIC) and (metric == PICKED or not metric.startswith(PREFIX))


def _number(value: float) -> float | int:
    return int(value) if value in (0.0, 1.0) else float(value)


def _plain(text: str) -> str:
    """``text`` of a JSON file with what no one can see as escapes."""
    return "".join(
        char
        if char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
        else _escape(char)
        for char in text
    )


def _escape(char: str) -> str:
    return json.dumps(char)[1:-1]  # ASCII, with a pair of surrogates where it takes two


def read_baseline(path: Path) -> AnswerSet:
    """Read what `write_baseline` wrote: ``prompt``, ``target`` and ``seconds`` are not in it.

    Raises:
        InputError: the file is missing, damaged, in conflict after a merge, or of another schema; names the line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no baseline; write one: {_HOW}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if marker := _MARKERS.search(text):
        line = text.count("\n", 0, marker.start()) + 1
        raise InputError(f"{at(path, line)}: a merge conflict is in it; resolve it, or write it anew: {_HOW}")
    try:
        raw = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InputError(f"{at(path, error.lineno)}: not valid JSON: {error.msg}; write it anew: {_HOW}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON: {error}; write it anew: {_HOW}") from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        schema = raw.get("schema") if isinstance(raw, dict) else None
        was = f"its schema is {schema!r}" if schema else "it names no schema"
        raise InputError(f"{at(path, 1)}: no baseline of this version ({was}, not '{SCHEMA}'); write it anew: {_HOW}")
    return _Reader(path, text).answers(raw)


_HOW = UPDATE.partition(": ")[2]


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


class _Reader:
    """Checks every field: the file has been through editors and merges."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._text = path, text

    def answers(self, raw: Mapping[str, Any]) -> AnswerSet:
        texts = {name: self._texts(raw, name) for name in ("tasks", "classifiers", "categories", "environment")}
        settings = raw.get("settings", {})
        if not isinstance(settings, dict):
            raise self._damaged('"settings"', "settings", settings)
        for name in ("model", "weights"):
            if not isinstance(raw.get(name, ""), str):
                raise self._damaged(f'"{name}"', name, raw[name])
        if not isinstance(raw.get("classified", True), bool):
            raise self._damaged('"classified"', "classified", raw["classified"])
        rows = raw.get("answers")
        if not isinstance(rows, list):
            raise self._damaged('"answers"', "answers", rows)
        identity = Identity(raw.get("model", ""), raw.get("weights", ""), settings=settings, **texts)
        found = tuple(self._answer(row, number) for number, row in enumerate(rows, 1))
        return AnswerSet(str(self._path), found, identity, None, raw.get("classified", True))

    def _texts(self, raw: Mapping[str, Any], name: str) -> dict[str, str]:
        found = raw.get(name, {})
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise self._damaged(f'"{name}"', name, found)
        return found

    def _answer(self, row: Any, number: int) -> Answer:
        item = row.get("item") if isinstance(row, dict) else None
        if not isinstance(item, str) or not re.fullmatch(r"[^\s\x00-\x1f]{1,64}", item):
            raise self._damaged('"answers"', f"answer {number}", row if item is None else item)
        clue = json.dumps(item, ensure_ascii=False)
        for name in _TEXTS:
            if not isinstance(row.get(name, ""), str):
                raise self._damaged(clue, f"{name} of {item}", row[name])
        for name in _LISTS:
            value = row.get(name, [])
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                raise self._damaged(clue, f"{name} of {item}", value)
        correct, metrics, tokens = row.get("correct"), row.get("metrics", {}), row.get("new_tokens")
        if not _is_number(correct) or not 0 <= correct <= 1:
            raise self._damaged(clue, f"correct of {item}", correct)
        if not isinstance(metrics, dict) or not all(map(_is_number, metrics.values())):
            raise self._damaged(clue, f"metrics of {item}", metrics)
        if not (tokens is None or (type(tokens) is int and tokens >= 0)):
            raise self._damaged(clue, f"new_tokens of {item}", tokens)
        if row.get("role", "domain") not in ("domain", "guard"):
            raise self._damaged(clue, f"role of {item}", row["role"])
        for name in ("task", "skill"):
            if not row.get(name):
                raise self._damaged(clue, f"{name} of {item}", row.get(name))
        return Answer(
            item=item,
            task=row["task"],
            skill=row["skill"],
            cluster=row.get("cluster", item),  # left out where the item stands alone
            correct=float(correct),
            role=row.get("role", "domain"),
            metrics={name: float(value) for name, value in metrics.items()},
            primary=row.get("primary"),
            categories=tuple(row.get("categories", ())),
            not_assessed=tuple(row.get("not_assessed", ())),
            prompt_sha256=row.get("prompt", ""),
            response=row.get("response", ""),
            new_tokens=tokens,
        )

    def _damaged(self, clue: str, what: str, value: Any) -> InputError:
        """An error with the line on which ``clue`` stands."""
        place = self._text.find(clue)
        line = self._text.count("\n", 0, place) + 1 if place >= 0 else None
        shown = repr(value)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        return InputError(f"{at(self._path, line)}: damaged: {what} is {shown}; write it anew: {_HOW}")


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
