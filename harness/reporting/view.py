"""From `ReportData` to what the templates show: every table as rows of plain values, every chart drawn.

Nothing is decided here; a figure is either in the data or a sum, share or paired comparison of what is.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from markupsafe import Markup

from harness.gate.verdict import Paired
from harness.reporting.answers import Responses, responses
from harness.reporting.before_after import Comparison, comparisons
from harness.reporting.bullets import Bullet, bullets
from harness.reporting.categories import CategoryTable, MigrationTable, category_table, migration_tables
from harness.reporting.cells import Repaid, repaid
from harness.reporting.charts import PHASES, loss_chart, time_bars
from harness.reporting.data import ReportData, RoundView
from harness.reporting.escape import head, tail
from harness.reporting.figures import Figure, figures
from harness.reporting.metrics import Confused, MetricTable, confused, metric_tables
from harness.reporting.next_steps import NextStep, next_steps
from harness.reporting.prompting import PromptRow, prompt_rows, sentences
from harness.reporting.provenance import Fact, facts
from harness.reporting.scores import ScoreLine, columns, score_lines
from harness.reporting.standing import DECIDED, RULES, champion_words, look_words, worn_label
from harness.reporting.trajectory import NARROW, WIDE, guard_charts, score_charts, targeted
from harness.reporting.unknowns import unknowns, watched
from harness.reporting.words import Headline, compare, headline, status_line


@dataclass(frozen=True)
class TagRow:
    """The items of one tag in one set.

    Attributes:
        where: ``Test`` (with its wear) or ``Dev``.
        after, paired: ``None`` while the champion is the untouched model.
    """

    where: str
    tag: str
    before: Mapping[str, Any]
    after: Mapping[str, Any] | None
    paired: Paired | None


@dataclass(frozen=True)
class Training:
    """What one round was trained on.

    Attributes:
        mix: ``(origin, rows, (skill, rows) of each skill that has any)``.
        samples: ``(row, prompt excerpt, completion excerpt)``, one of each origin first, at most three.
        chart: the loss curve, narrow enough for a phone; empty where no loss was recorded.
        bad_losses: non-finite losses.
        shortages: rows that were wanted and not found, one line each.
        seconds: of each phase of the round.
    """

    view: RoundView
    decided: str
    rule: str
    mix: tuple[tuple[str, int, tuple[tuple[str, int], ...]], ...]
    samples: tuple[tuple[Mapping[str, Any], Any, Any], ...]
    chart: Markup
    bad_losses: int
    shortages: tuple[str, ...]
    seconds: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Prompting:
    """What comparing prompts brought: sentences, and each skill's prompts with their scores."""

    sentences: tuple[str, ...]
    rows: tuple[PromptRow, ...]


LEFT = "no process on this machine works on it; the command that began it goes on with it"


@dataclass(frozen=True)
class View:
    """All that a template shows; see the functions that make the parts.

    Attributes:
        standings: round to what became of it.
        columns: heading and number of items of each set of ``scores``.
        looks: round to its look at the gate items, why there was none, or why it was rolled back; rounds that were not
            promoted are left out.
        watch: round to the cells that its candidate was flagged for on dev, where there are any.
        goes_on: whether the page is of a run in progress, so that it is to be loaded anew.
        worn: what marks the test result as chosen by; empty where it is not.
    """

    summary: Mapping[str, Any]
    headline: Headline
    figures: tuple[Figure, ...]
    bullets: tuple[Bullet, ...]
    unknowns: tuple[str, ...]
    steps: tuple[NextStep, ...]
    repaid: tuple[Repaid, ...]
    facts: tuple[Fact, ...]
    status: str
    stopped: str
    goes_on: bool
    scores: tuple[ScoreLine, ...]
    columns: tuple[tuple[str, int | None], ...]
    score_charts: tuple[Markup, ...]
    guard_charts: tuple[Markup, ...]
    targeted: tuple[tuple[str, str], ...]
    rounds: tuple[RoundView, ...]
    standings: Mapping[int, str]
    looks: Mapping[int, str]
    watch: Mapping[int, str]
    worn: str
    categories: CategoryTable
    migration: tuple[MigrationTable, ...]
    comparisons: tuple[Comparison, ...]
    prompts: Prompting | None
    metrics: tuple[MetricTable, ...]
    confused: tuple[Confused, ...]
    tags: tuple[TagRow, ...]
    responses: Responses
    trainings: tuple[Training, ...]
    times: tuple[tuple[str, tuple[float, ...], float], ...]
    phase_seconds: tuple[float, ...]
    outside: float
    time_charts: tuple[Markup, ...]
    manifest: tuple[tuple[str, str], ...]


_VIEWS: WeakKeyDictionary[ReportData, View] = WeakKeyDictionary()


def build_view(data: ReportData) -> View:
    """Everything on the page, from the data alone; made once for all formats, kept as long as ``data``."""
    if data not in _VIEWS:
        _VIEWS[data] = _view(data)
    return _VIEWS[data]


def _view(data: ReportData) -> View:
    times, scores, steps = _times(data.rounds), score_lines(data), next_steps(data)
    return View(
        summary=data.summary,
        headline=headline(data),
        figures=figures(data, steps),
        bullets=bullets(data),
        steps=steps,
        repaid=repaid(data),
        facts=facts(data),
        unknowns=tuple(unknowns(data)),
        status=status_line(data),
        stopped=LEFT if data.left else data.stopped,
        goes_on=data.going and not data.left,
        scores=scores,
        columns=columns(scores),
        score_charts=score_charts(data),
        guard_charts=guard_charts(data),
        targeted=targeted(data),
        rounds=tuple(data.rounds),
        standings={view.number: _standing(view, data.summary["champion"]["round"]) for view in data.rounds},
        looks={
            view.number: look_words(view.tier, view.entry.get("certified"), view.outcome == "rollback")
            for view in data.rounds
            if view.tier
        },
        watch={view.number: ", ".join(cells) for view in data.rounds if (cells := watched(view.tier))},
        worn=worn_label(data.summary),
        categories=category_table(data),
        migration=migration_tables(data.baseline_dev, data.champion_dev) if data.summary["champion"]["round"] else (),
        comparisons=tuple(comparisons(data)),
        prompts=_prompting(data),
        metrics=metric_tables(data.metrics, worn_label(data.summary)),
        confused=tuple(_confused(data)),
        tags=tuple(_tags(data)),
        responses=responses(data),
        trainings=tuple(_training(view) for view in data.rounds),
        times=times,
        phase_seconds=tuple(math.fsum(seconds[i] for _, seconds, _ in times) for i in range(len(PHASES))),
        outside=max(0.0, data.summary["seconds"] - math.fsum(total for _, _, total in times)),
        time_charts=_time_charts(times),
        manifest=(*_flat(data.manifest), ("ledger head", data.ledger_head or "none yet")),
    )


def _standing(view: RoundView, champion: int) -> str:
    if view.number != champion:
        return DECIDED[view.outcome]
    if view.outcome in ("promote", "certified"):
        return champion_words(view.outcome == "certified")
    return f"{DECIDED[view.outcome]}, champion"  # by hand


def _prompting(data: ReportData) -> Prompting | None:
    if data.prompts is None:
        return None
    return Prompting(tuple(sentences(data.prompts)), tuple(prompt_rows(data.prompts)))


def _confused(data: ReportData) -> list[Confused]:
    """Of test where it is open, else of dev; the champion's, else the untouched model's."""
    items = "test" if any(row["items"] == "test" for row in data.confusions) else "dev"
    own = [row for row in data.confusions if row["items"] == items]
    return confused(items, {row["skill"]: row["after"] or row["before"] for row in own})


def _tags(data: ReportData) -> list[TagRow]:
    """Test first, where it was opened, then dev: one row a tag."""
    tested, mark = (data.summary.get("test") or {}).get("round", 0), worn_label(data.summary)
    sets = (
        (f"Test{mark and ', ' + mark}", data.test_before, data.test_after if tested else None),
        ("Dev", data.baseline_dev, data.champion_dev if data.summary["champion"]["round"] else None),
    )
    rows = []
    for where, before, after in sets:
        for tag, score in before.by_tag().items() if before else ():
            paired = compare(before, after, tag=tag)
            reached = after.by_tag()[tag].as_dict() if after and paired else None
            rows.append(TagRow(where, tag, score.as_dict(), reached, paired))
    return rows


def _training(view: RoundView) -> Training:
    origins = list(dict.fromkeys(str(row["origin"]) for row in view.rows))
    mix = []
    for origin in origins:
        of = Counter(str(row["skill"]) for row in view.rows if row["origin"] == origin)
        mix.append((origin, of.total(), tuple(sorted(of.items()))))
    firsts = [next(row for row in view.rows if row["origin"] == origin) for origin in origins]
    chosen = (firsts + [row for row in view.rows if not any(row is first for first in firsts)])[:3]
    label = f"Training loss of round {view.number}"
    finite = [loss for _, loss in view.losses if math.isfinite(loss)]
    if finite:
        label += f", from {finite[0]:.2f} to {finite[-1]:.2f} nats a token"
    return Training(
        view=view,
        decided=DECIDED[view.outcome],
        rule=RULES.get(view.verdict["rule"], view.verdict["rule"]),
        mix=tuple(mix),
        samples=tuple((row, tail(str(row["prompt"]), 240), head(str(row["completion"]), (), 240)) for row in chosen),
        chart=loss_chart(view.losses, NARROW, label),
        bad_losses=len(view.losses) - len(finite),
        shortages=tuple(str(line) for line in view.curation.get("shortages", ())),
        seconds=tuple((phase, float((view.entry.get("seconds") or {}).get(phase, 0.0))) for phase in PHASES),
    )


def _times(rounds: Sequence[RoundView]) -> tuple[tuple[str, tuple[float, ...], float], ...]:
    rows = []
    for view in rounds:
        seconds = view.entry.get("seconds") or {}
        phases = tuple(float(seconds.get(phase, 0.0)) for phase in PHASES)
        rows.append((str(view.number), phases, math.fsum(phases)))
    return tuple(rows)


def _time_charts(times: Sequence[tuple[str, tuple[float, ...], float]]) -> tuple[Markup, ...]:
    if not times:
        return ()
    label = "Seconds by phase: " + ", ".join(f"round {name} {total:.0f} s" for name, _, total in times)
    return tuple(time_bars([(name, phases) for name, phases, _ in times], width, label) for width in (WIDE, NARROW))


def _flat(value: Any, path: str = "") -> list[tuple[str, str]]:
    """A nested mapping as ``(dotted path, text)`` rows, in its own order."""
    if isinstance(value, (list, tuple)) and any(isinstance(part, (Mapping, list, tuple)) for part in value):
        value = {str(index): part for index, part in enumerate(value)}
    if isinstance(value, Mapping) and value:
        return [row for key, inner in value.items() for row in _flat(inner, f"{path}.{key}" if path else str(key))]
    if isinstance(value, (list, tuple)) and value:
        words = [str(part) for part in value]
        return [(path, shlex.join(words) if path.endswith(("command", "argv")) else ", ".join(words))]
    return [(path, "none" if value is None or value in ({}, [], ()) else str(value))]
