"""Responses labelled by hand: JSON lines, one response each. The format and the rules are in docs/labelling.md."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors.proof.case import WRONG, Case
from harness.errors.proof.consequences import consequences
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError, at, did_you_mean
from harness.storage import sha256_text

CATEGORIES: tuple[str, ...] = (
    "empty", "repetitive", "wrong_language", "leaked_prompt", "copied_prompt", "toxic", "needless_refusal",
    "missed_refusal", "unsupported_answer", "malformed_call", "wrong_tool", "wrong_argument", "invalid_format",
    "ignored_constraint", "too_long", "truncated", "hallucinated", "inconsistent", "misspelled", "ungrammatical",
    "wrong_answer",
)  # fmt: skip
"""Every category that docs/labelling.md has a rule for, whether or not its classifier is installed."""

_ITEM_TEXTS = ("prompt", "target", "response")
_ITEM_OPTIONAL: dict[str, Any] = {
    "item_id": "", "task": "labelled", "skill": "labelled", "cluster": "", "finish_reason": "unknown",
    "prompt_tokens": 0, "new_tokens": 0,
}  # fmt: skip
_ITEM_FIELDS = (*_ITEM_TEXTS, "correct", "doc", "expects", "metrics", *_ITEM_OPTIONAL)
_FIELDS = ("item", "labels", "primary", "doubtful", "model", "labeller", "note")


def load_labelled(path: Path, known: Iterable[str] = ()) -> list[Case]:
    """Read a file of labelled responses.

    Args:
        path: one JSON object a line; blank lines are passed over.
        known: categories of one's own that may be used beside `CATEGORIES`.

    Returns:
        One case a line, in order; ``kind`` is ``by hand`` with the true primary category, so that a table of misses
        says what was missed.

    Raises:
        InputError: the file is missing or empty, or a line is malformed, contradicts itself or repeats an earlier
            one; names file and line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    names = list(dict.fromkeys((*CATEGORIES, *known)))
    cases: list[Case] = []
    seen: dict[tuple[str, str], int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = at(path, number)
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{where}: not valid JSON: {error.msg}") from error
        case = _case(row, where, names)
        key = (case.item.prompt, case.item.response)
        if key in seen:
            raise InputError(f"{where}: the same prompt and response as on line {seen[key]}; keep one of them")
        seen[key] = number
        cases.append(case)
    if not cases:
        raise InputError(f"{path}: holds no labelled response; see docs/labelling.md for the format")
    return _with_ids(cases)


def _with_ids(cases: list[Case]) -> list[Case]:
    """Cases whose item ids are all different: several models' responses to one item share the item's own."""
    return [
        replace(case, item=replace(case.item, item_id=f"{case.item.item_id or 'labelled'}/{number}"))
        for number, case in enumerate(cases, start=1)
    ]


def _case(row: object, where: str, names: Collection[str]) -> Case:
    if not isinstance(row, dict):
        raise InputError(f"{where}: expected a JSON object, found {type(row).__name__}")
    _only(row, _FIELDS, where, "")
    item = _item(row.get("item"), where)
    labels = _categories(row.get("labels"), f"{where}: 'labels'", names)
    doubtful = _categories(row.get("doubtful", []), f"{where}: 'doubtful'", names)
    both = sorted(labels & doubtful)
    if both:
        raise InputError(f"{where}: '{both[0]}' stands in 'labels' and in 'doubtful'; decide for one")
    for name in ("model", "labeller", "note"):
        if not isinstance(row.get(name, ""), str):
            raise InputError(f"{where}: '{name}' must be text")
    primary = row.get("primary")
    if primary is not None and (not isinstance(primary, str) or primary not in names):
        raise InputError(f"{where}: 'primary' is {primary!r}.{did_you_mean(str(primary), names)}")
    right = item.correct >= 1.0
    if right and primary is not None:
        raise InputError(
            f"{where}: a right response has no primary category; set 'primary' to null or correct 'correct'"
        )
    if not right and primary is None:
        raise InputError(f"{where}: a wrong response needs a primary category, '{WRONG}' where nothing else fits")
    if right and WRONG in labels:
        raise InputError(f"{where}: '{WRONG}' cannot be a label of a response that the task counts as right")
    if primary not in (None, WRONG) and primary not in labels:
        raise InputError(f"{where}: 'primary' is '{primary}', which is not among the labels; add it or change it")
    due = (labels - {WRONG}) | ({WRONG} if primary == WRONG else set())
    allowed = doubtful | consequences(item, labels) | (set() if right else {WRONG})
    item = _in_group_of(item, row.get("model", ""))
    return Case(item, f"by hand: {primary or 'right'}", frozenset(due), frozenset(allowed - due), primary)


def _in_group_of(item: ItemResult, model: str) -> ItemResult:
    """A paraphrase group is one model's answers: those of another model are another group."""
    expects = item.doc.get("expects") or {}
    if not model or expects.get("group") is None:
        return item
    return replace(item, doc={**item.doc, "expects": {**expects, "group": f"{model}/{expects['group']}"}})


def _item(raw: object, where: str) -> ItemResult:
    if not isinstance(raw, dict):
        raise InputError(f"{where}: 'item' must be an object with prompt, target, response and correct")
    _only(raw, _ITEM_FIELDS, where, "item.")
    for name in _ITEM_TEXTS:
        if not isinstance(raw.get(name), str):
            raise InputError(f"{where}: 'item.{name}' must be text")
    correct = raw.get("correct")
    if isinstance(correct, bool) or not isinstance(correct, int | float) or not 0 <= correct <= 1:
        raise InputError(f"{where}: 'item.correct' must be a number from 0 to 1, the task's own score")
    if "doc" in raw and "expects" in raw:
        raise InputError(f"{where}: give 'item.doc' or 'item.expects', not both")
    doc = raw.get("doc", {"expects": raw.get("expects") or {}})
    if not isinstance(doc, dict) or not isinstance(doc.get("expects") or {}, dict):
        raise InputError(f"{where}: 'item.doc' and what it expects must be objects")
    values = {name: raw.get(name, default) for name, default in _ITEM_OPTIONAL.items()}
    for name, default in _ITEM_OPTIONAL.items():
        if not isinstance(values[name], type(default)) or isinstance(values[name], bool):
            raise InputError(f"{where}: 'item.{name}' must be of the kind of {default!r}")
    if values["finish_reason"] not in ("stop", "length", "unknown"):
        raise InputError(
            f"{where}: 'item.finish_reason' is '{values['finish_reason']}'; it must be stop, length or unknown"
        )
    metrics = raw.get("metrics", {})
    if not isinstance(metrics, dict):
        raise InputError(f"{where}: 'item.metrics' must be an object")
    values["cluster"] = values["cluster"] or values["item_id"] or sha256_text(raw["prompt"])[:16]
    return ItemResult(
        doc=doc, prompt=raw["prompt"], target=raw["target"], response=raw["response"], correct=float(correct),
        metrics=metrics, **values,
    )  # fmt: skip


def _categories(raw: object, where: str, names: Collection[str]) -> frozenset[str]:
    if not isinstance(raw, list) or not all(isinstance(name, str) for name in raw):
        raise InputError(f"{where} must be a list of categories, empty where nothing is wrong")
    for name in raw:
        if name not in names:
            raise InputError(f"{where}: no category '{name}'.{did_you_mean(name, names)}")
    if len(set(raw)) < len(raw):
        raise InputError(f"{where}: a category is given twice")
    return frozenset(raw)


def _only(row: Mapping[str, Any], fields: Collection[str], where: str, prefix: str) -> None:
    for name in row:
        if name not in fields:
            raise InputError(f"{where}: unknown field '{prefix}{name}'.{did_you_mean(name, fields)}")
