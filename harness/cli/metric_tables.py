"""Metrics and prompts in the terminal. Names are hostile: see `harness.reporting.escape.line`."""

from __future__ import annotations

import re

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.reporting.data import ReportData
from harness.reporting.escape import line
from harness.reporting.formatting import score_range
from harness.reporting.metrics import metric_tables
from harness.reporting.prompting import prompt_rows, sentences


def plain(text: str) -> Text:
    """``text`` on one line as the characters it is, and no command to a CI runner wherever it is wrapped."""
    return Text(re.sub(":(?=:)", ": ", line(text)))


def print_metrics(console: Console, data: ReportData) -> None:
    """One table for each set of items: value and standard error."""
    for shown in metric_tables(data.metrics):
        title = plain(f"metrics: {shown.title}, value ± standard error")
        table = Table(title=title, title_justify="left")
        for name in ("skill", "metric"):
            table.add_column(name)
        for name in (*("now" if arm == "before" and len(shown.arms) == 1 else arm for arm in shown.arms), "items"):
            table.add_column(name, justify="right")
        table.add_column("unit")
        last = ""
        for row in shown.rows:
            if last and row.skill != last:
                table.add_section()
            skill, last = ("" if row.skill == last else row.skill), row.skill
            names = (plain(skill), plain(row.name))
            table.add_row(*names, *(cell or "-" for cell in row.cells), str(row.n), row.unit)
        console.print(table)


def print_prompts(console: Console, data: ReportData) -> None:
    """Each prompt's scores, and what to start from."""
    if data.prompts is None:
        return
    table = Table(title="prompts on dev, % right and 95% interval", title_justify="left")
    for name in ("skill", "prompt"):
        table.add_column(name)
    few = bool(data.prompts["fewshot"])
    for name in ("items", "zero-shot", *(["few-shot"] if few else [])):
        table.add_column(name, justify="right")
    last = ""
    for row in prompt_rows(data.prompts):
        if last and row.skill != last:
            table.add_section()
        skill, last = ("" if row.skill == last else row.skill), row.skill
        cells = [_score(row.zero_shot), *([_score(row.few_shot)] if few else [])]
        prompt = row.prompt + (", best" if row.chosen else "")
        table.add_row(plain(skill), plain(prompt), str(row.zero_shot["n"]), *cells)
    console.print(table)
    for sentence in sentences(data.prompts):
        console.print(plain(sentence), soft_wrap=True)


def _score(score: object) -> str:
    if not isinstance(score, dict):
        return "-"
    return f"{100 * score['value']:.1f} ({score_range(score)})"
