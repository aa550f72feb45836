"""Whether two sets of answers are answers to the same: items, tasks, prompts, classifiers, settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from harness.exceptions import InputError
from harness.gate.pairing import NAMED, first
from harness.regression.answers import AnswerSet

UPDATE = (
    "if that is meant, write the baseline anew: 'pytest --harness --harness-update-baseline' "
    "or 'harness gate --update-baseline'"
)
ONLY_NOTED = frozenset({"engine", "batch_size", "device", "dtype", "cache", "max_batch_size"})
"""Settings that change answers in ties alone, if at all."""
SINCE = "since the baseline: "
ITEMS_TELL = frozenset({"limit", "guard_limit"})
"""Settings that show in the items."""


def comparable(baseline: AnswerSet, now: AnswerSet) -> None:
    """Refuse a baseline that answers something else than ``now``.

    Another model is what a comparison is for; other library versions are worth a note (`noted`). What is not known on
    one side is passed over, and so are guards that only one side was asked.

    Raises:
        InputError: items, task versions, prompts, classifier versions or settings differ; names each difference.
    """
    found = [*_items(baseline, now), *differences(baseline, now)]
    before, after = (each.identity.settings.get("limit") for each in (baseline, now))
    if found and before != after:
        limits = ["no limit" if limit is None else f"limit {limit}" for limit in (before, after)]
        found.append(f"it was made with {limits[0]} and this with {limits[1]}; ask with the same")
    if found:
        raise InputError(f"{baseline.source}: no baseline for {now.source}: {'; '.join(found)}; {UPDATE}")


def differences(baseline: AnswerSet, now: AnswerSet) -> list[str]:
    """What beside the items makes answers unlike, one line each: tasks, prompts, classifier versions, settings."""
    found = [*_tasks(baseline, now), *_prompts(baseline, now)]
    if baseline.classified and now.classified:
        found += _changed("classifier", baseline.identity.classifiers, now.identity.classifiers, missing=True)
    before, after = (_settings(each, noted=False) for each in (baseline, now))
    return found + _changed("setting", before, after)


def noted(baseline: AnswerSet, now: AnswerSet) -> tuple[str, ...]:
    """What differs and forbids no comparison, one line each: library versions, engine, batch size."""
    before, after = (_settings(each, noted=True) for each in (baseline, now))
    found = _changed("", baseline.identity.environment, now.identity.environment) + _changed("", before, after)
    return tuple(f"{SINCE}{line}" for line in found)


def _settings(answers: AnswerSet, noted: bool) -> dict[str, str]:
    """Settings of which a change is noted, or refused, as JSON: a file has lists where memory has tuples."""
    return {
        name: json.dumps(value, sort_keys=True, default=str)
        for name, value in answers.identity.settings.items()
        if name not in ITEMS_TELL and (name in ONLY_NOTED) == noted
    }


def _items(baseline: AnswerSet, now: AnswerSet) -> Iterable[str]:
    for role, what in (("domain", "items"), ("guard", "guard items")):
        before = {answer.item for answer in baseline.answers if answer.role == role}
        after = {answer.item for answer in now.answers if answer.role == role}
        if not after or (role == "guard" and not before):
            continue
        if not before & after:
            yield f"it has none of the {len(after)} {what}"
        elif before != after:
            parts = [
                f"{len(ids)} {what} are {word} ({first(ids)})"
                for ids, word in ((after - before, "new"), (before - after, "gone"))
                if ids
            ]
            yield f"of {len(after)}, " + " and ".join(parts)


def _tasks(baseline: AnswerSet, now: AnswerSet) -> list[str]:
    """Versions of tasks that both have, where both are hashes or neither is."""
    before, after = baseline.identity.tasks, now.identity.tasks
    alike = [name for name in before if name in after and _is_hash(before[name]) == _is_hash(after[name])]
    return _changed("task", {name: before[name] for name in alike}, {name: after[name] for name in alike})


def _is_hash(version: str) -> bool:
    return re.fullmatch("[0-9a-f]{12,}", version) is not None


def _prompts(baseline: AnswerSet, now: AnswerSet) -> Iterable[str]:
    pairs = [(answer, now.by_item[answer.item]) for answer in baseline.answers if answer.item in now.by_item]
    known = [(a, b) for a, b in pairs if a.prompt_sha256 and b.prompt_sha256]
    other = [a.item for a, b in known if a.prompt_sha256 != b.prompt_sha256]
    if other:
        yield f"the prompts of {len(other)} of {len(known)} items differ ({first(other)})"


def _changed(what: str, before: Mapping[str, Any], after: Mapping[str, Any], missing: bool = False) -> list[str]:
    """``classifier empty was 1 and is 2``, the first few; what one side lacks only where ``missing``, and both know."""
    if not before or not after:
        return []
    names = sorted(before.keys() | after.keys() if missing else before.keys() & after.keys())
    other = [name for name in names if before.get(name) != after.get(name)]
    lines = [
        f"{what} {name} was {before.get(name, 'not there')} and is {after.get(name, 'not there')}".strip()
        for name in other[:NAMED]
    ]
    return lines + ([f"{len(other) - NAMED} more of that kind"] if len(other) > NAMED else [])
