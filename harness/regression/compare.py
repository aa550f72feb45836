"""Two models' answers, document by document: what got better, what got worse, and what chance alone would do. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harness.exceptions import InputError
from harness.gate.holm import holm
from harness.gate.pairing import RIGHT, compare_named, first
from harness.gate.verdict import Paired
from harness.regression.answers import Answer, AnswerSet, Role
from harness.regression.matching import SINCE, differences, noted
from harness.reporting.formatting import plural

ALPHA = 0.05
FEW_CLUSTERS = 10
"""Clusters below which not even a difference that all of them share is sure to be confirmed among several rows."""
State = Literal["improvement", "regression", "no change", "new", "missing"]
Change = Literal["fixed", "broken", "better", "worse"]


def _said(state: State, paired: Paired | None) -> str:
    """A difference that is not confirmed could be chance, which is not "no change"."""
    if state != "no change" or paired is None or not (paired.delta or paired.fixed or paired.broken):
        return state
    if paired.clusters is None or paired.clusters >= min(FEW_CLUSTERS, paired.n):
        return "could be chance"
    return f"could be chance ({plural(paired.clusters, 'cluster')})"


@dataclass(frozen=True)
class Row:
    """Some of the documents: all of one role, those of one task or of one skill.

    Attributes:
        state: ``improvement`` and ``regression`` are confirmed (see `compare`), ``no change`` is all that is not;
            ``new`` and ``missing``: there are documents on one side only.
        before, after: mean correctness, 0 to 1, of the documents that both answered; of a row that is new or missing,
            of those of the one side; else ``None``.
        paired: the comparison; ``None`` where no document is on both sides.
        better, worse: documents whose score rose or fell.
        new, missing: documents that only the second, or only the first, answered.
    """

    name: str
    role: Role
    state: State
    before: float | None = None
    after: float | None = None
    paired: Paired | None = None
    better: int = 0
    worse: int = 0
    new: int = 0
    missing: int = 0

    @property
    def n(self) -> int:
        """Documents that both answered."""
        return self.paired.n if self.paired else 0

    @property
    def said(self) -> str:
        """The state for people."""
        return _said(self.state, self.paired)

    def as_dict(self) -> dict[str, Any]:
        """A plain object for JSON; ``p`` is of "the second is better", ``p_worse`` of the reverse, both one-sided."""
        return {
            "role": self.role,
            "state": self.state,
            "n": self.n,
            "before": self.before,
            "after": self.after,
            **_figures(self.paired),
            "better": self.better,
            "worse": self.worse,
            "unchanged": self.n - self.better - self.worse,
            "new": self.new,
            "missing": self.missing,
        }


@dataclass(frozen=True)
class CategoryRow:
    """One error category, over the domain's documents on which it could be judged on both sides.

    Attributes:
        before, after: answers that show it, right or wrong.
        paired: of "does not show it", so that a positive difference is an improvement.
        unjudged: documents that both answered on which it could not be judged on at least one side.
    """

    name: str
    state: State
    before: int
    after: int
    paired: Paired
    unjudged: int

    @property
    def said(self) -> str:
        """The state for people."""
        return _said(self.state, self.paired)

    def as_dict(self) -> dict[str, Any]:
        """A plain object for JSON."""
        return {
            "state": self.state,
            "n": self.paired.n,
            "before": self.before,
            "after": self.after,
            **_figures(self.paired),
            "not_assessed": self.unjudged,
        }


@dataclass(frozen=True)
class Flip:
    """A document whose score changed; ``fixed`` and ``broken`` where it became right or ceased to be."""

    change: Change
    before: Answer
    after: Answer

    @property
    def prompt(self) -> str:
        """What was asked; empty where neither side kept it."""
        return self.after.prompt or self.before.prompt

    @property
    def target(self) -> str:
        """The right answer; empty where neither side kept it."""
        return self.after.target or self.before.target


@dataclass(frozen=True)
class Comparison:
    """What became of each document from ``a`` to ``b``.

    Attributes:
        domain, guard: all documents of that role; ``None`` where neither side has one.
        tasks, skills: in the order domain, guard, then by name.
        categories: by name; empty where one side was not classified.
        flips: the domain's before the guards'; first what broke, then what was fixed, larger changes first.
        new, missing: ids of documents that only ``b``, or only ``a``, answered; in order.
        notes: what makes the two unlike beside the model, one line each.
    """

    a: AnswerSet = field(repr=False)
    b: AnswerSet = field(repr=False)
    alpha: float
    domain: Row | None
    guard: Row | None
    tasks: tuple[Row, ...]
    skills: tuple[Row, ...]
    categories: tuple[CategoryRow, ...]
    flips: tuple[Flip, ...] = field(repr=False)
    new: tuple[str, ...] = field(repr=False)
    missing: tuple[str, ...] = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def totals(self) -> tuple[Row, ...]:
        """The rows of all documents: the domain's and the guards'."""
        return tuple(row for row in (self.domain, self.guard) if row is not None)

    @property
    def regressions(self) -> tuple[Row, ...]:
        """Rows that are confirmed to be worse: totals, tasks, skills."""
        return tuple(row for row in (*self.totals, *self.tasks, *self.skills) if row.state == "regression")


def compare(a: AnswerSet, b: AnswerSet, alpha: float = ALPHA) -> Comparison:
    """Compare the answers ``b`` with the answers ``a`` to the same documents.

    A row is an improvement where the one-sided p of "better" (`harness.gate.pairing.compare`) is small enough, a
    regression where that of "worse" is. The totals share half of ``alpha``, tasks and skills a quarter each, in each
    table by Holm's procedure (`harness.gate.holm`): two equally good models show a regression anywhere with a
    probability of about ``alpha`` at most. Categories, which are other figures, have an ``alpha`` of their own.
    Documents that share a cluster on either side count as one cluster.

    Args:
        alpha: level, above 0 and below .5.

    Raises:
        InputError: no document is on both sides, or the level is out of range.
    """
    if not 0 < alpha < 0.5:
        raise InputError(f"compare: the level must lie above 0 and below .5, got {alpha:g}")
    both = [answer.item for answer in a.answers if answer.item in b.by_item]
    if not both:
        raise InputError(
            f"no document is in both {a.source} and {b.source} ({first(a.by_item)} and {first(b.by_item)}); "
            "these are answers to other documents or tasks"
        )
    notes = _notes(a, b, both)
    if not any("guard" in (a.by_item[item].role, b.by_item[item].role) for item in both):
        for side in (a, b):
            if side.of("guard"):
                notes = (*notes, f"the guards of {side.source} are not compared: the other side was not asked them")
        a, b = _without_guards(a), _without_guards(b)
    clusters = _clusters(a, b, both)
    totals = _rows(a, b, clusters, lambda answer: "guard" if answer.role == "guard" else "all", alpha / 2)
    by_role = {row.role: row for row in totals}
    return Comparison(
        a=a,
        b=b,
        alpha=alpha,
        domain=by_role.get("domain"),
        guard=by_role.get("guard"),
        tasks=_rows(a, b, clusters, lambda answer: answer.task, alpha / 4),
        skills=_rows(a, b, clusters, lambda answer: answer.skill, alpha / 4),
        categories=_categories(a, b, both, clusters, alpha),
        flips=_flips(a, b, both),
        new=tuple(sorted(b.by_item.keys() - a.by_item.keys())),
        missing=tuple(sorted(a.by_item.keys() - b.by_item.keys())),
        notes=notes,
    )


def _without_guards(answers: AnswerSet) -> AnswerSet:
    return replace(answers, answers=answers.of("domain")) if answers.of("guard") else answers


def _figures(paired: Paired | None) -> dict[str, Any]:
    names = ("delta", "ci95", "fixed", "broken", "p", "p_worse", "test", "mde")
    figures = {name: getattr(paired, name) if paired else None for name in names}
    return {**figures, "ci95": list(paired.ci95) if paired else None}


def _clusters(a: AnswerSet, b: AnswerSet, items: Iterable[str]) -> dict[str, str]:
    """Item to the first item of its cluster: joined are those that share one on either side."""
    parent: dict[str, str] = {}

    def root(item: str) -> str:
        while parent.setdefault(item, item) != item:
            parent[item] = item = parent[parent[item]]
        return item

    seen: dict[tuple[int, str, str], str] = {}
    for item in items:
        for side, answers in enumerate((a, b)):
            answer = answers.by_item[item]
            one, other = sorted((root(item), root(seen.setdefault((side, answer.task, answer.cluster), item))))
            parent[other] = one
    return {item: root(item) for item in items}


def _rows(
    a: AnswerSet, b: AnswerSet, clusters: Mapping[str, str], name: Callable[[Answer], str], alpha: float
) -> tuple[Row, ...]:
    """One row a name and role; a document that both answered is where the second has it."""
    groups: dict[tuple[bool, str], tuple[list[str], list[Answer], list[Answer]]] = {}

    def group(answer: Answer, other: Answer | None = None) -> tuple[list[str], list[Answer], list[Answer]]:
        guard = answer.role == "guard" or (other is not None and other.role == "guard")
        return groups.setdefault((guard, name(answer)), ([], [], []))

    for answer in b.answers:
        before = a.by_item.get(answer.item)
        both, new, _ = group(answer, before)
        both.append(answer.item) if before is not None else new.append(answer)
    for answer in a.answers:
        if answer.item not in b.by_item:
            group(answer)[2].append(answer)
    rows = [
        _row(label, "guard" if guard else "domain", a, b, clusters, *groups[guard, label])
        for guard, label in sorted(groups)
    ]
    return tuple(_with_states(rows, alpha))


def _row(
    name: str,
    role: Role,
    a: AnswerSet,
    b: AnswerSet,
    clusters: Mapping[str, str],
    both: Sequence[str],
    new: Sequence[Answer],
    missing: Sequence[Answer],
) -> Row:
    if not both:
        state: State = "new" if new else "missing"
        return Row(name, role, state, _mean(missing), _mean(new), new=len(new), missing=len(missing))
    old, now = [a.by_item[item] for item in both], [b.by_item[item] for item in both]
    scores = [each.correct for each in old], [each.correct for each in now]
    return Row(
        name=name,
        role=role,
        state="no change",
        before=_mean(old),
        after=_mean(now),
        paired=compare_named(*scores, [clusters[item] for item in both], list(both)),
        better=sum(y > x for x, y in zip(*scores, strict=True)),
        worse=sum(y < x for x, y in zip(*scores, strict=True)),
        new=len(new),
        missing=len(missing),
    )


def _mean(answers: Sequence[Answer]) -> float | None:
    return math.fsum(answer.correct for answer in answers) / len(answers) if answers else None


def _with_states(rows: Sequence[Row], alpha: float) -> list[Row]:
    states = _states([row.paired for row in rows], alpha)
    return [replace(row, state=states.get(place, row.state)) for place, row in enumerate(rows)]


def _states(compared: Sequence[Paired | None], alpha: float) -> dict[int, State]:
    """States of those that chance alone does not explain, by place."""
    known = [(place, paired) for place, paired in enumerate(compared) if paired is not None]
    better = holm([paired.p for _, paired in known], alpha)
    worse = holm([paired.p_worse for _, paired in known], alpha)
    found: dict[int, State] = {}
    for (place, _), up, down in zip(known, better, worse, strict=True):
        if up or down:
            found[place] = "improvement" if up else "regression"
    return found


def shows(answer: Answer, category: str) -> bool:
    """Whether the answer has an error of ``category``."""
    return category in answer.categories or answer.primary == category


def _categories(
    a: AnswerSet, b: AnswerSet, both: Sequence[str], clusters: Mapping[str, str], alpha: float
) -> tuple[CategoryRow, ...]:
    if not (a.classified and b.classified):
        return ()
    pairs = [(a.by_item[item], b.by_item[item]) for item in both]
    pairs = [(old, now) for old, now in pairs if "guard" not in (old.role, now.role)]
    names = {name for pair in pairs for each in pair for name in (*each.categories, *filter(None, [each.primary]))}
    rows = []
    for name in sorted(names):
        judged = [pair for pair in pairs if not any(name in each.not_assessed for each in pair)]
        if not judged:
            continue
        old, now = ([float(not shows(pair[side], name)) for pair in judged] for side in (0, 1))
        items = [pair[1].item for pair in judged]
        paired = compare_named(old, now, [clusters[item] for item in items], items)
        counts = (len(old) - round(sum(old)), len(now) - round(sum(now)))
        rows.append(CategoryRow(name, "no change", *counts, paired, len(pairs) - len(judged)))
    states = _states([row.paired for row in rows], alpha)
    return tuple(replace(row, state=states.get(place, row.state)) for place, row in enumerate(rows))


def _flips(a: AnswerSet, b: AnswerSet, both: Iterable[str]) -> tuple[Flip, ...]:
    flips = []
    for item in both:
        old, now = a.by_item[item], b.by_item[item]
        if old.correct == now.correct:
            continue
        up = now.correct > old.correct
        crossed = (old.correct >= RIGHT) != (now.correct >= RIGHT)
        change: Change = ("fixed" if up else "broken") if crossed else ("better" if up else "worse")
        flips.append(Flip(change, old, now))
    order = {"broken": 0, "worse": 1, "fixed": 2, "better": 3}

    def rank(flip: Flip) -> tuple[bool, int, float, str, str]:
        size = abs(flip.after.correct - flip.before.correct)
        guard = "guard" in (flip.before.role, flip.after.role)
        return guard, order[flip.change], -size, flip.after.task, flip.after.item

    return tuple(sorted(flips, key=rank))


def _notes(a: AnswerSet, b: AnswerSet, both: Sequence[str]) -> tuple[str, ...]:
    found = [*differences(a, b), *(line.removeprefix(SINCE) for line in noted(a, b))]
    # Prompts whose hashes are not known, of which both sides have the whole text.
    pairs = [(a.by_item[item], b.by_item[item]) for item in both]
    unknown = [pair for pair in pairs if all(each.prompt and not each.prompt_sha256 for each in pair)]
    other = [now.item for old, now in unknown if old.prompt != now.prompt]
    if other:
        found.append(f"the prompts of {len(other)} of {len(unknown)} items differ ({first(other)})")
    for side in (a, b):
        left_out = side.identity.settings.get("left_out")
        if isinstance(left_out, Mapping) and left_out:
            found.append(f"{side.source}: left out: {', '.join(f'{task} ({why})' for task, why in left_out.items())}")
    if a.classified != b.classified:
        found.append(f"categories are not compared: {(b if a.classified else a).source} is not classified")
    return tuple(found)
