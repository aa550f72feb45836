"""``harness rescore``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from harness.cli.verify import TRUST

MOST_MOVES = 20
"""Moves shown in the terminal; all of them are in the file."""


@click.command(short_help="Classify a run's saved responses anew and show what moved.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write into [default: RUN/rescored].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@click.option("--trust-code", is_flag=True, help=TRUST)
def rescore(run: Path, out: Path | None, as_json: bool, trust_code: bool) -> None:
    """Classify the saved responses of the run directory RUN with the classifiers of now; show what moved.

    Needs no model. Scores and verdicts stay: nothing of the run's own is written to.
    """
    from harness.verify.rescore import FILE, FOLDER
    from harness.verify.rescore import rescore as classify_anew

    with _progress(quiet=as_json) as progress:
        result = classify_anew(run, out, progress, trust_code)
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    _print(result)
    click.echo(f"written: {(out or run / FOLDER) / FILE}")


def _print(result: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from harness.cli.main import one_line
    from harness.verify.rescore import changed_versions

    console = Console(highlight=False)
    total = result["total"]
    for line in changed_versions(result["classifiers"]) or ["classifiers: all in the version of the run"]:
        console.print(Text(one_line(line)), soft_wrap=True)
    table = Table(title=f"{total['n']:,} responses by primary category", title_justify="left")
    table.add_column("category")
    for name in ("before", "now", "change"):
        table.add_column(name, justify="right")
    for row in total["categories"]:
        change = row["now"] - row["before"]
        category = Text(one_line(row["category"].replace("_", " ")))
        table.add_row(category, f"{row['before']:,}", f"{row['now']:,}", f"{change:+,}" if change else "")
    console.print(table)
    moves = total["moves"]
    for move in moves[:MOST_MOVES]:
        line = f"{move['items']:,} from {move['from'] or 'right'} to {move['to'] or 'right'}".replace("_", " ")
        console.print(Text(one_line(line)), soft_wrap=True)
    if len(moves) > MOST_MOVES:
        console.print(f"and {len(moves) - MOST_MOVES} more kinds of moves, in the file")
    if not moves:
        console.print("no response has another primary category")


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("evaluations"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("classify")
        yield lambda done, total: bar.update(task, completed=done, total=total)
