"""Results as tables in the terminal. Names are hostile: no markup of rich, no control character, no CI command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from harness.cli.metric_tables import plain, print_metrics, print_prompts
from harness.reporting.data import ReportData
from harness.reporting.standing import champion_words, worn_label, worn_sentence
from harness.reporting.unknowns import certificates


def _percent(score: Mapping[str, Any] | None) -> str:
    return "-" if score is None else f"{100 * score['value']:.1f} ± {196 * score['stderr']:.1f}"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def print_baseline(data: ReportData, page: Path, as_json: bool) -> None:
    """Scores by skill and errors by category of round 0."""
    if as_json:
        click.echo(json.dumps(data.summary, indent=2))
        return
    console = Console(highlight=False)
    few = data.baseline_dev_fewshot
    title = f"{data.summary['model']} on {data.summary['domain']}, dev, % right ± 95%"
    table = Table(title=plain(title), title_justify="left")
    table.add_column("skill")
    for name in ("items", "zero-shot", "few-shot"):
        table.add_column(name, justify="right")
    fewshot = few.by_skill() if few else {}
    for skill, value in data.baseline_dev.by_skill().items():
        row = fewshot.get(skill)
        table.add_row(plain(skill), str(value.n), _percent(value.as_dict()), _percent(row.as_dict() if row else None))
    base = data.summary["baseline"]
    table.add_section()
    table.add_row("all", str(base["dev"]["n"]), _percent(base["dev"]), _percent(base["dev_fewshot"]))
    if data.guard_before:
        table.add_row("guard", str(data.guard_before.score.n), _percent(data.guard_before.score.as_dict()), "-")
    console.print(table)
    _print_categories(console, data)
    print_metrics(console, data)
    print_prompts(console, data)
    console.print(plain(f"report: {page}"), soft_wrap=True)


def _print_categories(console: Console, data: ReportData) -> None:
    skills = sorted({row["skill"] for row in data.summary["categories"]})
    names = sorted({row["category"] for row in data.summary["categories"]})
    moved = data.summary["champion"]["round"] > 0
    title = "failing dev items by primary category" + (" (before -> now)" if moved else "")
    table = Table(title=title, title_justify="left")
    table.add_column("category")
    for skill in skills:
        table.add_column(plain(skill), justify="right")
    counts = {(row["skill"], row["category"]): (row["before"], row["after"]) for row in data.summary["categories"]}
    for name in names:
        cells = [counts.get((skill, name), (0, 0)) for skill in skills]
        shown = [f"{b} -> {a}" if moved and (b or a) else str(b or "") for b, a in cells]
        table.add_row(plain(name.replace("_", " ")), *shown)
    if names:
        console.print(table)
    unjudged = [row for row in data.summary["not_assessed"] if row["after"]]
    if unjudged:
        shown_counts = ", ".join(f"{row['category'].replace('_', ' ')} {row['after']}" for row in unjudged)
        console.print(plain(f"not assessed, of {unjudged[0]['n']} dev items: {shown_counts}"), soft_wrap=True)


def print_result(data: ReportData, page: Path, as_json: bool) -> None:
    """The end of a run: before and after on test, the guard, what is certified, why it ended."""
    if as_json:
        click.echo(json.dumps(data.summary, indent=2))
        return
    console = Console(highlight=False)
    summary = data.summary
    _print_categories(console, data)
    test, guard = summary["test"], summary["guard"]
    if test or guard:
        table = Table(title=plain(f"{_tested(summary)}: % right ± 95%"), title_justify="left")
        for name in ("", "before", "few-shot", "after", "difference (95% interval)"):
            table.add_column(name, justify="left" if not name else "right")
        again = summary["test_certified"]
        rows = {f"test ({test['before']['n']} items)": test} if test else {}
        rows |= {f"the same, certified round {again['round']}": again} if again else {}
        rows |= {f"guard ({guard['before']['n']} items)": guard} if guard else {}
        for name, row in rows.items():
            low, high = row["ci95"]
            seen = f", detectable {100 * row['mde']:.1f}" if "mde" in row else ""
            table.add_row(
                name,
                _percent(row["before"]),
                _percent(row.get("before_fewshot")),
                _percent(row["after"]),
                f"{_points(row['delta'])} ({_points(low)} to {_points(high)}){seen}",
            )
        console.print(table)
    for sentence in (worn_sentence(summary), *certificates(data)):
        if sentence:
            console.print(plain(sentence), soft_wrap=True)
    console.print(plain(f"{summary['status']}: {data.stopped}"), soft_wrap=True)
    console.print(plain(f"report: {page}"), soft_wrap=True)


def _tested(summary: Mapping[str, Any]) -> str:
    """What the last table is of."""
    test = summary["test"]
    if not test:
        return "guard"
    model = f"{champion_words(test['model'] == 'certified')} of round {test['round']}"
    return ", ".join(["test", *filter(None, [worn_label(summary)]), model if test["round"] else "untouched model"])
