"""What is wrong with a loaded domain: items that cannot be asked, gold answers that do not score as right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from harness.evaluation.domain import Domain, DomainTask
from harness.evaluation.items import Expectation, Item
from harness.evaluation.respond import scored_gold
from harness.exceptions import InputError, did_you_mean

SCORED = 20
"""Items of each task whose gold answers are scored."""
_FORMATS = ("json", "label", "text")
_EXPECTS = frozenset(each.name for each in fields(Expectation))


@dataclass(frozen=True)
class Checked:
    """What `check_items` found.

    Attributes:
        findings: what is wrong, one line each.
        notes: what may be meant so, one line each.
        scored: gold answers that were scored.
    """

    findings: tuple[str, ...]
    notes: tuple[str, ...]
    scored: int


def check_items(domain: Domain, items: Sequence[Item]) -> Checked:
    """Look at items that may be shown: prompt, gold answer and its score, ``expects``, ``skill`` and ``cluster``.

    Args:
        items: of the train pool and dev; gate and test are hidden material.
    """
    findings: list[str] = []
    notes: list[str] = []
    scored = 0
    for name, handle in domain.tasks.items():
        own = [item for item in items if item.task == name]
        if not own:
            notes.append(f"task '{name}': no item that may be looked at; nothing of it was scored")
        found, count = _gold(domain, own[:SCORED])
        scored += count
        findings += [*_texts(own), *found, *_reported(domain, handle, own[:1]), *_expectations(own)]
        for field in ("skill", "cluster"):
            lacking = sum(item.doc.get(field) in (None, "") for item in own)
            if own and lacking == len(own):
                notes.append(f"task '{name}': documents have no '{field}'; {_WITHOUT[field]}")
            elif lacking:
                findings.append(f"task '{name}': {lacking:,} of {len(own):,} documents have no '{field}'; add it")
    return Checked(tuple(findings), tuple(notes), scored)


_WITHOUT: Mapping[str, str] = {
    "skill": "all its items count as one skill",
    "cluster": "each item stands for itself, so name what shares a template or a passage",
}


def _where(item: Item) -> str:
    return f"task '{item.task}', item {item.item_id}"


def _texts(items: Sequence[Item]) -> list[str]:
    empty = [(item, what) for item in items for what in ("prompt", "target") if not getattr(item, what).strip()]
    return [f"{_where(item)}: its {'gold answer' if what == 'target' else what} is empty" for item, what in empty[:5]]


def _gold(domain: Domain, items: Sequence[Item]) -> tuple[list[str], int]:
    """Gold answers that the task's own ``process_results`` does not take as right."""
    findings = []
    for item in items:
        try:
            result = scored_gold(domain, item)
        except InputError as error:
            if str(error) not in findings:  # what is wrong with the task is the same for each item
                findings.append(str(error))
            continue
        if result.correct < 1.0:
            metric = domain.tasks[item.task].metric
            findings.append(
                f"{_where(item)}: its own gold answer scores {result.correct:g} by {metric}; correct the answer, the "
                "filters or process_results"
            )
    more = len(findings) - 3
    return (findings if more <= 0 else [*findings[:3], f"task '{items[0].task}': {more} more like it"]), len(items)


def _reported(domain: Domain, handle: DomainTask, items: Sequence[Item]) -> list[str]:
    """Metrics that are listed but never come out of ``process_results``."""
    listed = [entry["metric"] for entry in handle.task.config.metric_list or [] if isinstance(entry["metric"], str)]
    findings = []
    for item in items:
        try:
            result = scored_gold(domain, item)
        except InputError:
            continue  # said already
        given = {*result.metrics, *result.carried}
        for name in listed:
            if name not in given and name != "bypass" and callable(handle.task.config.process_results):
                findings.append(
                    f"task '{handle.name}': metric_list names '{name}', which process_results does not return."
                    f"{did_you_mean(name, given)}"
                )
    return findings


def _expectations(items: Sequence[Item]) -> list[str]:
    """Keys under ``expects`` that no classifier reads, each once a task."""
    findings: list[str] = []
    seen: Counter[str] = Counter()
    for item in items:
        raw = item.doc.get("expects")
        if raw is None:
            continue
        if not isinstance(raw, Mapping):
            findings.append(f"{_where(item)}: 'expects' is {type(raw).__name__}; it takes keys and values")
            return findings
        for key in raw:
            if key not in _EXPECTS:
                seen[str(key)] += 1
                if seen[str(key)] == 1:
                    hint = did_you_mean(str(key), _EXPECTS)
                    findings.append(f"{_where(item)}: unknown key '{key}' under 'expects'.{hint}")
        form = raw.get("format")
        if form is not None and form not in _FORMATS:
            seen[f"format {form}"] += 1
            if seen[f"format {form}"] == 1:
                findings.append(f"{_where(item)}: expects.format is {form!r}.{did_you_mean(str(form), _FORMATS)}")
    return findings
