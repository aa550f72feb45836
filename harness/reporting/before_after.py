"""Before and after on the same items: all of them, by task, by skill and by error category, what was harmed first.

What is called an improvement or a regression is decided where ``harness compare`` decides it
(`harness.regression.compare`): one-sided tests, by Holm's procedure over the rows of a table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from harness.evaluated import Evaluation
from harness.gate.power import power_line
from harness.gate.verdict import Paired
from harness.regression import compare as regression
from harness.regression.answers import AnswerSet, from_evaluation
from harness.reporting.data import ReportData
from harness.reporting.formatting import plural
from harness.reporting.standing import worn_label
from harness.reporting.unknowns import MINIMUM_EFFECT, differs
from harness.reporting.words import compare, detectable

ORDER: tuple[regression.State, ...] = ("regression", "missing", "new", "no change", "improvement")
"""Harm first."""
_Row = TypeVar("_Row", regression.Row, regression.CategoryRow)


@dataclass(frozen=True)
class Comparison:
    """Before and after on one set of items.

    Attributes:
        title: what is compared, in words.
        reference: heading of the first of the two scores.
        rows: ``(name, before Score, after Score, paired comparison)`` of each skill, harm first, all items last.
        power: what so many items can see, in words.
        question, p: what the one-sided p over all items is of, in words, and its value.
        skills: each skill's row, and that of ``all``.
        tasks: where there are several, harm first.
        categories: harm first; answers that show the category, right or wrong.
        counted: rows by state in words, ``1 regression, 3 no change``.
        worn: whether the items have been chosen by, so that nothing is called better or worse.
        certified: the same of the last certified model, where that is another one (``test_certified``).
    """

    title: str
    reference: str
    rows: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any], Paired], ...]
    power: str
    question: str
    p: float
    skills: Mapping[str, regression.Row]
    tasks: tuple[regression.Row, ...] = ()
    categories: tuple[regression.CategoryRow, ...] = ()
    counted: str = ""
    worn: bool = False
    certified: Mapping[str, Any] | None = None


def comparisons(data: ReportData) -> list[Comparison]:
    """Test and test against few-shot examples where test is opened, then dev and the guard."""
    summary = data.summary
    found: list[Comparison | None] = []
    test = summary.get("test")
    if test and test["round"]:
        mark = worn_label(summary)
        title = f"Test, {mark}" if mark else "Test: held out from all choosing"
        whole = _comparison(title, data.test_before, data.test_after)
        found.append(replace(whole, certified=summary.get("test_certified")) if whole else None)
        title = f"Test{mark and ', ' + mark}, against few-shot examples"
        found.append(_comparison(title, data.test_before_fewshot, data.test_after, "Few-shot"))
        found = [replace(each, worn=bool(mark)) for each in found if each]
    if summary["champion"]["round"]:
        found.append(_comparison("Dev: used for choosing, so optimistic", data.baseline_dev, data.champion_dev))
        title = "Guard: general questions, to see forgetting"
        found.append(_comparison(title, data.guard_before, data.guard_after, harm=True))
    return [comparison for comparison in found if comparison is not None]


def _comparison(
    title: str,
    before: Evaluation | None,
    after: Evaluation | None,
    reference: str = "Before",
    harm: bool = False,
) -> Comparison | None:
    """``harm``: the question is what was lost, and not what was gained."""
    whole = compare(before, after)
    if before is None or after is None or whole is None:
        return None
    found = regression.compare(_answers("before", before), _answers("after", after))
    skills = {row.name: row for row in found.skills} | {"all": found.totals[0]}
    old, new = before.by_skill(), after.by_skill()
    compared = {row.name: row.paired for row in found.skills if row.paired}
    several = sorted(old.keys() & new.keys() & compared.keys()) if len(old) > 1 else []
    rows = [(skill, old[skill].as_dict(), new[skill].as_dict(), compared[skill]) for skill in several]
    rows.sort(key=lambda row: (ORDER.index(skills[row[0]].state), row[3].delta, row[0]))
    rows.append(("all", before.score.as_dict(), after.score.as_dict(), whole))
    tasks = found.tasks if {row.name for row in found.tasks} != {row.name for row in found.skills} else ()
    power = power_line(detectable(whole), 1.0 if differs(whole) else MINIMUM_EFFECT)
    made = Comparison(
        title, reference, tuple(rows), power, "that it is better", whole.p, skills,
        tasks=_harm_first(tasks) if len(tasks) > 1 else (),
        categories=_harm_first(found.categories),
        counted=_counted([skills[row[0]] for row in rows[:-1]] or [skills["all"]]),
    )  # fmt: skip
    if harm:
        power = power.replace("true gain", "true loss")
        return replace(made, power=power, question="of harm", p=whole.p_worse)
    return made


def _answers(name: str, evaluation: Evaluation) -> AnswerSet:
    return AnswerSet(name, tuple(from_evaluation(evaluation)))


def _harm_first(rows: Sequence[_Row]) -> tuple[_Row, ...]:
    def rank(row: _Row) -> tuple[int, float, str]:
        return ORDER.index(row.state), _delta(row.paired), row.name

    return tuple(sorted(rows, key=rank))


def _delta(paired: Paired | None) -> float:
    return paired.delta if paired else 0.0


def _counted(rows: Sequence[regression.Row]) -> str:
    counts = Counter((row.state, row.said.partition(" (")[0]) for row in rows)
    shown = sorted(counts.items(), key=lambda pair: (ORDER.index(pair[0][0]), pair[0][1]))
    nouns = {"regression": "regression", "improvement": "improvement"}
    return ", ".join(plural(n, nouns[state]) if state in nouns else f"{n:,} {word}" for (state, word), n in shown)
