"""A comparison as JSON, Markdown and a page. What models wrote is made harmless where it is put out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.regression.answers import Answer, AnswerSet
from harness.regression.compare import CategoryRow, Comparison, Flip, Row
from harness.reporting.escape import Excerpt, head, html_value, markdown_value, tail
from harness.reporting.formatting import interval, plural, points, probability
from harness.reporting.templates import fill

SCHEMA = 1
TEXT = 400
"""Characters of a prompt, target or response in the JSON object."""
MARKDOWN_FLIPS, PAGE_FLIPS = 20, 200
"""Changed documents that Markdown and the page show; all are in the JSON object."""
BRIEF = 160
"""Characters of a prompt that Markdown and the terminal show: its end, where the question stands."""
FULL = 30
"""Rows up to which Markdown and the terminal show a table in full; of a longer one, what changed."""


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """The object of ``--json``.

    ``tasks``, ``skills`` and ``categories`` are objects by name; ``p`` is the one-sided p of "B is better" and
    ``p_worse`` of the reverse (mid-p, or that of the sign-flip test: ``test`` says which), ``ci95`` of ``delta``.
    """
    a, b = comparison.a, comparison.b
    return {
        "schema": SCHEMA,
        "a": _side(a),
        "b": _side(b),
        "alpha": comparison.alpha,
        "verdict": verdict(comparison)[0],
        "domain": comparison.domain.as_dict() if comparison.domain else None,
        "guard": comparison.guard.as_dict() if comparison.guard else None,
        "tasks": _by_name(comparison.tasks),
        "skills": _by_name(comparison.skills),
        "categories": {row.name: row.as_dict() for row in comparison.categories},
        "flips": [_flip(flip) for flip in comparison.flips],
        "new": list(comparison.new),
        "missing": list(comparison.missing),
        "notes": list(comparison.notes),
    }


def as_markdown(comparison: Comparison, templates: Path | None = None) -> str:
    """For a pull request or a job summary; ``templates`` as in `harness.reporting.templates.fill`."""
    return fill("compare.md.j2", templates, markdown_value, html=False, view=view(comparison, MARKDOWN_FLIPS))


def as_html(comparison: Comparison, templates: Path | None = None) -> str:
    """One page without script and network; ``templates`` as in `harness.reporting.templates.fill`."""
    shown = view(comparison, PAGE_FLIPS, prompt=700)
    return fill("compare.html.j2", templates, html_value, html=True, view=shown)


def verdict(comparison: Comparison) -> tuple[str, str]:
    """``better``, ``worse``, ``mixed``, ``no change`` or ``nothing in common``, and the sentence that says why."""
    down = comparison.regressions
    rows = (*comparison.totals, *comparison.tasks, *comparison.skills)
    up = [row for row in rows if row.state == "improvement"]
    word = "mixed" if up and down else "worse" if down else "better" if up else "no change"
    if word == "no change" and all(row.paired is None for row in comparison.totals if row.role == "domain"):
        word = "nothing in common"  # but guards
    sentences = [_sentence(row) for row in comparison.totals]
    finer = [row.name for row in dict.fromkeys((*comparison.tasks, *comparison.skills)) if row.state == "regression"]
    if finer:
        sentences.append(f"Worse in {', '.join(dict.fromkeys(finer))}.")
    return word, " ".join(sentences)


def _sentence(row: Row) -> str:
    what = "guard document" if row.role == "guard" else "document"
    paired = row.paired
    if paired is None:
        return f"{plural(row.new or row.missing, what)} on one side only."
    word = {"improvement": "better", "regression": "worse"}.get(row.state, "no confirmed change")
    begin = f"{plural(row.n, what)}: {word}, {points(paired.delta)} points (95% interval {interval(paired.ci95)}), "
    if paired.mde is None or row.state != "no change":
        return f"{begin}{paired.fixed} fixed and {paired.broken} broken, {p_words(row)}."
    unseen = f"a change of less than {points(paired.mde, signed=False)} points would often go unseen"
    return f"{begin}{paired.fixed} fixed and {paired.broken} broken, {p_words(row)}; {unseen}."


def p_words(row: Row | CategoryRow) -> str:
    """``p .012 worse``: the one-sided p of the direction that is seen; empty where there is none."""
    paired = row.paired
    if paired is None:
        return ""
    if paired.delta < 0:
        return f"p {probability(paired.p_worse)} worse"
    return f"p {probability(paired.p)} better" if paired.delta > 0 else "no difference"


@dataclass(frozen=True)
class Case:
    """A changed document as it is shown."""

    change: str
    item: str
    task: str
    skill: str
    prompt: Excerpt
    target: Excerpt
    before: Excerpt
    after: Excerpt
    before_category: str
    after_category: str


@dataclass(frozen=True)
class View:
    """What the templates show; a task that is the only one of its only skill is among ``skills`` alone."""

    a: AnswerSet
    b: AnswerSet
    word: str
    sentence: str
    totals: Sequence[Row]
    tasks: Sequence[Row]
    skills: Sequence[Row]
    categories: Sequence[CategoryRow]
    left_out: Mapping[str, int]
    cases: Sequence[Case]
    flips: int
    comparison: Comparison

    @property
    def sections(self) -> list[tuple[str, Sequence[Row]]]:
        """Tables of rows that are there."""
        return [(name, rows) for name, rows in (("Skill", self.skills), ("Task", self.tasks)) if rows]

    def lines(self, title: str) -> list[tuple[str, Row]]:
        """The rows of a table with their names; below the first table's stand the totals."""
        sections = self.sections
        rows = [(row.name if row.role == "domain" else f"guard: {row.name}", row) for row in dict(sections)[title]]
        if title == sections[0][0]:
            rows += [("all items" if row.role == "domain" else "all guard items", row) for row in self.totals]
        return rows

    @staticmethod
    def reading(row: Row | CategoryRow) -> str:
        """What the row says (`said`)."""
        return row.said

    @staticmethod
    def p(row: Row | CategoryRow) -> str:
        """For a cell: ``.012 worse``."""
        return p_words(row).removeprefix("p ")


def view(comparison: Comparison, cases: int, prompt: int = BRIEF) -> View:
    """What of ``comparison`` is shown: the first ``cases`` changed documents, of their prompts the last characters."""
    word, sentence = verdict(comparison)
    alike = _alike(comparison)
    tasks = [row for row in comparison.tasks if row.name not in alike]
    tables: dict[str, Sequence[Row]] = {"Task": tasks, "Skill": comparison.skills}
    shown = {name: [row for row in rows if len(rows) <= FULL or worth(row)] for name, rows in tables.items()}
    return View(
        a=comparison.a,
        b=comparison.b,
        word=word,
        sentence=sentence,
        totals=comparison.totals,
        tasks=shown["Task"],
        skills=shown["Skill"],
        categories=[row for row in comparison.categories if row.before or row.after],
        left_out={name: len(rows) - len(shown[name]) for name, rows in tables.items() if len(rows) > len(shown[name])},
        cases=[_case(flip, prompt) for flip in comparison.flips[:cases]],
        flips=len(comparison.flips),
        comparison=comparison,
    )


def worth(row: Row) -> bool:
    """Whether a row stays where a table is cut: whatever is no mere "no change"."""
    return row.state != "no change" or bool(row.new or row.missing)


def _alike(comparison: Comparison) -> set[str]:
    """Tasks that are one skill each, which no other task asks for: a row of their own would say it twice."""
    pairs = {(answer.task, answer.skill) for side in (comparison.a, comparison.b) for answer in side.answers}
    tasks, skills = Counter(task for task, _ in pairs), Counter(skill for _, skill in pairs)
    return {task for task, skill in pairs if tasks[task] == skills[skill] == 1}


def _case(flip: Flip, prompt: int) -> Case:
    return Case(
        change=flip.change,
        item=flip.after.item,
        task=flip.after.task,
        skill=flip.after.skill,
        prompt=tail(flip.prompt, prompt),
        target=head(flip.target, limit=TEXT),
        before=head(flip.before.response),
        after=head(flip.after.response),
        before_category=_category(flip.before),
        after_category=_category(flip.after),
    )


def _category(answer: Answer) -> str:
    return (answer.primary or "").replace("_", " ")


def _side(answers: AnswerSet) -> dict[str, Any]:
    identity = answers.identity
    return {
        "source": answers.source,
        "model": identity.model,
        "weights": identity.weights,
        "n": len(answers.answers),
        "classified": answers.classified,
        "settings": dict(identity.settings),
        "environment": dict(identity.environment),
    }


def _by_name(rows: Sequence[Row]) -> dict[str, Any]:
    """Rows by name; where a skill of the domain is a guard's too, the guard's is ``guard: name``."""
    found: dict[str, Any] = {}
    for row in rows:
        found[f"guard: {row.name}" if row.name in found else row.name] = row.as_dict()
    return found


def _flip(flip: Flip) -> dict[str, Any]:
    def one(answer: Answer) -> dict[str, Any]:
        shown = {"correct": answer.correct, "primary": answer.primary, "categories": list(answer.categories)}
        return {**shown, "response": answer.response[:TEXT]}

    return {
        "item": flip.after.item,
        "task": flip.after.task,
        "skill": flip.after.skill,
        "change": flip.change,
        "prompt": flip.prompt[-TEXT:],
        "target": flip.target[:TEXT],
        "before": one(flip.before),
        "after": one(flip.after),
    }
