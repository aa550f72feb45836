"""Responses before and after, side by side: what was fixed, broken, what still fails, and how each item went."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TypeVar

from harness.diagnosis import UNCLASSIFIED
from harness.errors.contract import ErrorRecord
from harness.evaluated import Evaluation
from harness.evaluation.choices import unsaid
from harness.evaluation.items import ItemResult
from harness.gate.migration import RIGHT
from harness.gate.pairing import RIGHT as RIGHT_FROM
from harness.reporting.data import ReportData
from harness.reporting.differences import Spans, differing
from harness.reporting.escape import Excerpt, head, shorten, tail, visible
from harness.reporting.outcomes import Outcomes, outcomes_of

T = TypeVar("T", str, int)

UNSAID = "[another continuation was likelier]"
"""Stands for the response where a continuation was scored and greedy decoding would not have given it."""

VERDICTS = {
    "broken": "right before, wrong after",
    "fixed": "wrong before, right after",
    "still failing": "wrong before and after, in the same way",
    "changed": "wrong before and after, in another way",
    "right": "right before and after",
}
"""Every verdict on an item, harm first, and what it means."""

SINGLE = {"failing": "wrong", "right": "right"}
"""The verdicts while the champion is the untouched model, so that there is nothing to set side by side."""

OVERVIEW = 60
"""Items that are on the page as they are; all others, and these again, lie in its compressed block."""

SHOWN = 1_200
"""Characters of a response that are shown and compared."""

PROMPTS, SHORTEST, LONGEST = 14_000_000, 700, 6_000
"""Characters of all prompts together that the page may hold, and of one: its end, where the question stands."""

QUOTED = 60
"""Characters of evidence and of a prompt's last line that are quoted."""


@dataclass(frozen=True)
class Label:
    """An error seen in a response.

    Attributes:
        confidence: 0 to 1.
        quote: the beginning of its evidence, where that is a part of the response.
    """

    category: str
    confidence: float
    reason: str
    quote: str


@dataclass(frozen=True)
class Answer:
    """One response as shown.

    Attributes:
        text: its beginning, evidence marked.
        pieces: the same as consecutive ``(text, evidence, differs)``; what differs, the other response has not.
        right: whether it counts as right.
        length: its characters in all.
        category: its primary error category; empty where there is none.
        labels: the primary category's first.
    """

    text: Excerpt
    pieces: tuple[tuple[str, bool, bool], ...]
    right: bool
    length: int
    category: str
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class History:
    """An item's path through the evaluations.

    Attributes:
        marks: right, wrong or not asked, one character an evaluation.
        stretches: the same in words, ``(evaluations, what became of the item)``.
        changed: rounds in which the item became right or wrong.
    """

    marks: str
    stretches: tuple[tuple[str, str], ...]
    changed: tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """One item with its answers.

    Attributes:
        of: the set that it is of, ``test``, ``dev`` or ``gate``.
        item_id: made visible, so that it can stand in an address.
        verdict: one of `VERDICTS`, or of `SINGLE`.
        gist: the last line of the prompt, cut.
        before: ``None`` where there is only one model to show.
    """

    of: str
    item_id: str
    skill: str
    verdict: str
    gist: str
    prompt: Excerpt
    gold: Excerpt
    before: Answer | None
    after: Answer
    history: History


@dataclass(frozen=True)
class CaseGroup:
    """The items of one verdict.

    Attributes:
        meaning: what the verdict means.
        total: how many there are; ``cases`` holds the ones that are on the page as they are.
        by_skill: ``(skill, count)`` of all of them.
    """

    name: str
    meaning: str
    total: int
    by_skill: tuple[tuple[str, int], ...]
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Responses:
    """All items of the sets that may be shown.

    Attributes:
        of: ``test`` once it was opened, else ``dev``: the set that the groups are of.
        groups: the verdicts, harm first; those without an item are there, too.
        cases: every item, by set, verdict and then the skills in turn; once test was opened, those of dev behind it,
            last those of gate, once the run is closed.
        sets, verdicts: ``(name, items)``, in the order of the cases.
        skills: ``(skill, items)`` in alphabetical order.
        before, after: ``(primary category, items)``, the most frequent first.
        rounds: ``(round, dev items that became right or wrong in it)``.
    """

    of: str
    groups: tuple[CaseGroup, ...] = ()
    cases: tuple[Case, ...] = ()
    sets: tuple[tuple[str, int], ...] = ()
    verdicts: tuple[tuple[str, int], ...] = ()
    skills: tuple[tuple[str, int], ...] = ()
    before: tuple[tuple[str, int], ...] = ()
    after: tuple[tuple[str, int], ...] = ()
    rounds: tuple[tuple[int, int], ...] = ()

    @property
    def overview(self) -> int:
        """Items that are on the page as they are."""
        return sum(len(group.cases) for group in self.groups)


def responses(data: ReportData, overview: int = OVERVIEW) -> Responses:
    """Every item of dev, once it was opened of test, and once the run is closed of gate, with its responses.

    Args:
        data: the run.
        overview: items at most that are put on the page as they are, an equal number of each verdict but ``right``.
    """
    asked = {view.number: view.asked for view in data.rounds if view.asked}
    sets = [_Set("dev", data.baseline_dev, data.champion_dev, int(data.summary["champion"]["round"]), asked)]
    test = data.summary.get("test")
    if test and data.test_before is not None and data.test_after is not None:
        again = int(data.summary["test_certified"]["round"]) if data.test_certified else 0
        others = {again: data.test_certified} if data.test_certified else {}
        sets.insert(0, _Set("test", data.test_before, data.test_after, int(test["round"]), others))
    if data.gate is not None:
        sets.append(_Set("gate", data.gate.before, data.gate.after, data.gate.round, data.gate.others))
    limit = max(SHORTEST, min(LONGEST, PROMPTS // max(1, sum(len(each.after.results) for each in sets))))
    first, *more = sets
    own = _cases(first, limit)
    wrong = [name for name in first.meanings if name != "right"]
    of = {name: [case for case in own if case.verdict == name] for name in first.meanings}
    cases = (*own, *(case for each in more for case in _cases(each, limit)))
    return Responses(
        of=first.name,
        groups=tuple(
            CaseGroup(
                name,
                meaning,
                len(of[name]),
                _counted(case.skill for case in of[name]),
                tuple(of[name][: overview // len(wrong)] if name in wrong else ()),
            )
            for name, meaning in first.meanings.items()
        ),
        cases=cases,
        sets=tuple(Counter(case.of for case in cases).items()),
        verdicts=tuple(Counter(dict.fromkeys(first.meanings, 0) | Counter(case.verdict for case in cases)).items()),
        skills=_counted(case.skill for case in cases),
        before=_frequent(case.before.category for case in cases if case.before),
        after=_frequent(case.after.category for case in cases),
        rounds=_counted(number for case in cases if case.of == "dev" for number in case.history.changed),
    )


@dataclass(frozen=True)
class _Set:
    """Items with the answers of the untouched model, of a champion, and what became of them in other rounds."""

    name: str
    before: Evaluation
    after: Evaluation
    champion: int
    others: Mapping[int, Outcomes]

    @property
    def meanings(self) -> Mapping[str, str]:
        return VERDICTS if self.champion else SINGLE

    def evaluations(self) -> list[tuple[int, str, Outcomes]]:
        """Round, name and outcomes of each model, in order: by round, on test the certified one second."""
        own = {0: outcomes_of(self.before), self.champion: outcomes_of(self.after)}
        if self.name != "test":
            own = {**self.others, **own}  # the champion's as it was asked last
            return [(number, str(number), own[number]) for number in sorted(own)]
        named = [(0, "untouched model", own[0])]
        others = [number for number in self.others if number not in own]
        named += [(number, f"certified (round {number})", self.others[number]) for number in others]
        champion = (self.champion, f"champion (round {self.champion})", own[self.champion])
        return [*named, champion] if self.champion else named


def _counted(values: Iterable[T]) -> tuple[tuple[T, int], ...]:
    counts: dict[T, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return tuple(sorted(counts.items()))


def _frequent(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(_counted(name for name in names if name), key=lambda pair: -pair[1]))


def _spread(cases: Sequence[Case]) -> list[Case]:
    """The skills in turn, in order of item id, so that none crowds the others out; the same in every run."""
    skills: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda case: case.item_id):
        skills.setdefault(case.skill, []).append(case)
    queues = [skills[skill] for skill in sorted(skills)]
    depth = max((len(queue) for queue in queues), default=0)
    return [queue[row] for row in range(depth) for queue in queues if row < len(queue)]


def _cases(of: _Set, limit: int) -> list[Case]:
    """By verdict, harm first, and then the skills in turn; ``limit`` is of a prompt's characters."""
    before = of.before if of.champion else None
    evaluations = of.evaluations()
    old = {result.item_id: result for result in before.results} if before else {}
    old_errors = {record.item_id: record for record in before.errors} if before else {}
    errors = {record.item_id: record for record in of.after.errors}
    cases = []
    for item in of.after.results:
        key, first = item.item_id, old.get(item.item_id)
        if before and first is None:
            continue
        was_differs, now_differs = differing(_text(first)[:SHOWN], _text(item)[:SHOWN]) if first else ((), ())
        was = _answer(first, old_errors.get(key), was_differs) if first else None
        now = _answer(item, errors.get(key), now_differs)
        cases.append(
            Case(
                of=of.name,
                item_id=visible(shorten(key, SHOWN)),
                skill=item.skill,
                verdict=_verdict(was, now),
                gist=_gist(item.prompt),
                prompt=tail(item.prompt, limit),
                gold=head(item.target),
                before=was,
                after=now,
                history=_history(key, evaluations),
            )
        )
    return [case for name in of.meanings for case in _spread([each for each in cases if each.verdict == name])]


def _text(result: ItemResult) -> str:
    return UNSAID if unsaid(result.metrics) else result.response


def _answer(result: ItemResult, record: ErrorRecord | None, differs: Spans = ()) -> Answer:
    text, labels = _text(result), record.labels if record else ()
    primary = (record.primary if record else None) or ""
    excerpt = head(text, (label.span for label in labels), SHOWN)
    ordered = sorted(labels, key=lambda label: label.category != primary)  # stable: precedence is kept otherwise
    return Answer(
        text=excerpt,
        pieces=_pieces(excerpt.segments, differs),
        right=result.correct >= RIGHT_FROM,
        length=len(text),
        category=primary,
        labels=tuple(
            Label(label.category, label.confidence, label.reason, _quote(text, label.span)) for label in ordered
        ),
    )


def _pieces(segments: Sequence[tuple[str, bool]], differs: Spans) -> tuple[tuple[str, bool, bool], ...]:
    """``segments`` cut again wherever a difference begins or ends."""
    borders = [border for span in differs for border in span]  # rising: a place is inside after an odd number of them
    pieces, at = [], 0
    for text, evidence in segments:
        end = at + len(text)
        cuts = [at, *borders[bisect_right(borders, at) : bisect_left(borders, end)], end]
        for left, right in pairwise(cuts):
            pieces.append((text[left - at : right - at], evidence, bisect_right(borders, left) % 2 == 1))
        at = end
    return tuple(pieces)


def _quote(text: str, span: tuple[int, int] | None) -> str:
    """The beginning of the evidence; empty where there is no place, or it is the whole response."""
    evidence = text[max(0, span[0]) : max(0, span[1])].strip() if span else ""
    if not evidence or len(evidence) >= len(text.strip()):
        return ""
    return evidence if len(evidence) <= QUOTED else evidence[:QUOTED] + "…"


def _gist(prompt: str) -> str:
    lines = prompt[-4 * SHOWN :].split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return last if len(last) <= QUOTED else "…" + last[-QUOTED:]


def _verdict(was: Answer | None, now: Answer) -> str:
    if was is None:
        return "right" if now.right else "failing"
    if was.right:
        return "right" if now.right else "broken"
    if now.right:
        return "fixed"
    return "still failing" if was.category == now.category else "changed"


def _history(item_id: str, evaluations: Sequence[tuple[int, str, Outcomes]]) -> History:
    marks, said, changed = "", [], []
    last: bool | None = None
    for number, name, outcomes in evaluations:
        state = outcomes.states.get(item_id)
        if state is None:
            marks += "·"
            said.append((name, "not asked"))
            continue
        right = state == RIGHT
        marks += "✓" if right else "✗"
        said.append((name, "wrong" if state == UNCLASSIFIED else state.replace("_", " ")))
        if last is not None and right != last:
            changed.append(number)
        last = right
    stretches = []
    for what, run in groupby(said, key=lambda pair: pair[1]):
        names = [name for name, _ in run]
        joined = f"{names[0]}\u2013{names[-1]}" if len(names) > 1 and names[0].isdigit() else ", ".join(names)
        stretches.append((joined, what))
    return History(marks, tuple(stretches), tuple(changed))
