"""How well classifiers see: recall, precision and confusion by category, from cases whose faults are known.

What counts. A category is *reported* where a label of it has a confidence of `DOUBTFUL` or more. Of a case's categories

- those *due* count as found where they are reported, else as missed; NOT_ASSESSED is missed too, and counted apart;
- those *allowed* (consequences of the fault, or doubtful to the reader who labelled) count neither way;
- any other that is reported is a false alarm.

``wrong_answer`` is what is left where nothing more precise is seen, so it is read from the primary category.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors.contract import ErrorRecord
from harness.errors.proof.case import WRONG, Case
from harness.errors.taxonomy import DOUBTFUL
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError

NOTHING = "none"
"""In the confusion matrix: no fault, or none seen."""
CHUNK = 200
"""Cases classified between two reports of progress."""
_Z95 = 1.959963984540054


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Two-sided 95% Wilson interval of a rate (Wilson 1927), 0 to 1; (0, 1) where ``n`` is 0."""
    if n == 0:
        return 0.0, 1.0
    rate, square = successes / n, _Z95 * _Z95
    middle = rate + square / (2 * n)
    spread = _Z95 * math.sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    return max(0.0, (middle - spread) / (1 + square / n)), min(1.0, (middle + spread) / (1 + square / n))


@dataclass(frozen=True)
class Figures:
    """How well one category is seen.

    Attributes:
        due: cases on which it must be reported.
        found: those on which it was.
        not_assessed: those of the missed on which it could not be judged.
        false_alarms: cases on which it was reported and neither due nor allowed.
        missed_kinds, false_kinds: what those cases were, the most frequent first: kind and number.
    """

    category: str
    due: int
    found: int
    not_assessed: int
    false_alarms: int
    missed_kinds: tuple[tuple[str, int], ...] = ()
    false_kinds: tuple[tuple[str, int], ...] = ()

    @property
    def recall(self) -> float | None:
        """Share of the due cases that were found, 0 to 1; ``None`` where none was due."""
        return self.found / self.due if self.due else None

    @property
    def precision(self) -> float | None:
        """Share of the reports that were due, 0 to 1; ``None`` where none was made."""
        reports = self.found + self.false_alarms
        return self.found / reports if reports else None

    @property
    def recall95(self) -> tuple[float, float]:
        """95% Wilson interval of the recall."""
        return wilson(self.found, self.due)

    @property
    def precision95(self) -> tuple[float, float]:
        """95% Wilson interval of the precision."""
        return wilson(self.found, self.found + self.false_alarms)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, rates and intervals included."""
        return {
            "category": self.category, "due": self.due, "found": self.found, "not_assessed": self.not_assessed,
            "false_alarms": self.false_alarms, "recall": self.recall, "recall95": list(self.recall95),
            "precision": self.precision, "precision95": list(self.precision95),
            "missed": [list(pair) for pair in self.missed_kinds],
            "false": [list(pair) for pair in self.false_kinds],
        }  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """What a set of cases says about the classifiers.

    Attributes:
        cases: all cases; ``harmless`` of them without a fault.
        alarmed: harmless cases on which any category but ``wrong_answer`` was reported.
        figures: by category, in the order in which they were asked for.
        confusion: (true primary, reported primary) to wrong responses; `NOTHING` stands for no fault, and on harmless
            cases for none reported.
    """

    cases: int
    harmless: int
    alarmed: int
    figures: tuple[Figures, ...]
    confusion: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data; the confusion matrix as rows of (true, reported, number)."""
        return {
            "cases": self.cases, "harmless": self.harmless, "alarmed": self.alarmed,
            "categories": [each.as_dict() for each in self.figures],
            "confusion": [[*pair, number] for pair, number in sorted(self.confusion.items())],
        }  # fmt: skip


def records_of(
    cases: Sequence[Case],
    classify: Callable[[Sequence[ItemResult]], list[ErrorRecord]],
    progress: Callable[[int, int], None] | None = None,
) -> list[ErrorRecord]:
    """The records of the cases' own items, each classified along with its companions.

    Args:
        classify: the record of each of the items that it is given, such as `Taxonomy.classify_all`.
        progress: told of finished and all cases. The cases are then taken `CHUNK` at a time, which is right where no
            paraphrase group spans several cases, as after `inject`.
    """
    size = CHUNK if progress else max(1, len(cases))
    records: list[ErrorRecord] = []
    for start in range(0, len(cases), size):
        part = cases[start : start + size]
        items = [item for case in part for item in (case.item, *case.companions)]
        by_id = dict(zip((item.item_id for item in items), classify(items), strict=True))
        records += [by_id[case.item.item_id] for case in part]
        if progress:
            progress(len(records), len(cases))
    return records


def reported(record: ErrorRecord) -> frozenset[str]:
    """Categories that a record reports with enough confidence; ``wrong_answer`` only where it is primary."""
    seen = {label.category for label in record.labels if label.confidence >= DOUBTFUL and label.category != WRONG}
    return frozenset(seen | ({WRONG} if record.primary == WRONG else set()))


def measure(cases: Sequence[Case], records: Sequence[ErrorRecord], categories: Iterable[str]) -> Measured:
    """Compare what is known about ``cases`` with what the classifiers reported.

    Args:
        cases: the cases, each item once.
        records: their error records, in the same order.
        categories: which ones to report on, in this order. Name those that have a classifier: a fault that nothing
            looks for is then still a trial of the others, and no fault of ``wrong_answer``, to which it falls.

    Raises:
        InputError: cases and records do not belong together.
    """
    if [case.item.item_id for case in cases] != [record.item_id for record in records]:
        raise InputError("the error records are not those of the cases; classify the cases again")
    names = list(dict.fromkeys(categories))
    pairs = [(case, record, reported(record)) for case, record in zip(cases, records, strict=True)]
    harmless = [(case, seen) for case, _, seen in pairs if not case.due]
    return Measured(
        cases=len(cases),
        harmless=len(harmless),
        alarmed=sum(bool((seen - case.allowed - {WRONG}) & set(names)) for case, seen in harmless),
        figures=tuple(_figures(name, pairs, frozenset(names)) for name in names),
        confusion=_confusion(pairs),
    )


def _figures(
    category: str, pairs: Sequence[tuple[Case, ErrorRecord, frozenset[str]]], names: frozenset[str]
) -> Figures:
    due = found = unassessed = 0
    missed: Counter[str] = Counter()
    false: Counter[str] = Counter()
    for case, record, seen in pairs:
        is_due = category in case.due and (category != WRONG or case.primary == WRONG)
        if is_due:
            due += 1
            found += category in seen
            if category not in seen:
                missed[case.kind] += 1
                unassessed += category in record.not_assessed
        elif category in seen and (category not in case.allowed or _left_over(category, case, record, names)):
            false[case.kind] += 1
    return Figures(category, due, found, unassessed, sum(false.values()), _ranked(missed), _ranked(false))


def _left_over(category: str, case: Case, record: ErrorRecord, names: frozenset[str]) -> bool:
    """Whether ``wrong_answer`` is primary because a more precise category, judged and asked for, was missed."""
    missed = case.primary != WRONG and case.primary in names and case.primary not in record.not_assessed
    return category == WRONG and missed


def _ranked(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _confusion(pairs: Sequence[tuple[Case, ErrorRecord, frozenset[str]]]) -> dict[tuple[str, str], int]:
    counts: Counter[tuple[str, str]] = Counter()
    for case, record, seen in pairs:
        if not case.due:
            unexpected = sorted(seen - case.allowed - {WRONG})
            first = next((label.category for label in record.labels if label.category in unexpected), NOTHING)
            counts[NOTHING, first] += 1
        elif record.primary is not None and case.primary is not None:
            counts[case.primary, record.primary] += 1
    return dict(counts)
