"""``harness history``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.regression.history import History

WHOLE = ("by round", "figure", "verdict", "now")
"""Columns that are not wrapped: a sparkline in two lines is none."""


@click.command(short_help="Scores and gates over all runs of a project.")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
    help="How it is written.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--last", type=click.IntRange(min=1), default=30, show_default=True, help="Most evaluations of a domain's gates."
)
def history(folder: Path, style: str, as_json: bool, last: int) -> None:
    """Show scores and gates over all runs in FOLDER [default: runs], or of the one run that it is. Needs no model."""
    from harness.regression import trend
    from harness.regression.history import read_history

    found = read_history(folder)
    if as_json or style == "json":
        import json

        click.echo(json.dumps(trend.as_json(found, last), indent=2))
    elif style == "markdown":
        click.echo(trend.as_markdown(found, last), nl=False)
    else:
        _print(found, last)


def _print(found: History, last: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from harness.cli.main import one_line
    from harness.regression.trend import LEGEND, sheets

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)  # a log has no width
    for sheet in sheets(found, last):
        table = Table(title=one_line(sheet.title), title_justify="left", box=box.SIMPLE_HEAD)
        for name in sheet.columns:
            table.add_column(name, overflow="fold", no_wrap=name in WHOLE)
        for row in sheet.rows:
            table.add_row(*(Text(one_line(cell)) for cell in row))
        console.print(table)
    if found.records:
        console.print(Text(LEGEND), soft_wrap=True)
    for note in found.notes:
        console.print(Text(f"not shown: {one_line(note)}"), soft_wrap=True)
