"""``harness promote``, ``harness rollback`` and ``harness close``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.exceptions import InputError

if TYPE_CHECKING:
    from harness.ledger import Entry

_REASON = click.option("--reason", default="", metavar="TEXT", help="Why; recorded and shown in the report.")


@click.command(short_help="Make a round the champion by hand.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("round", type=int)
@_REASON
def promote(run: Path, round: int, reason: str) -> None:
    """Make ROUND of the run directory RUN the champion, whatever the verdict was; certifies nothing.

    The ledger records it as done by hand. 'harness iterate' goes on from it; test is not opened again for it.
    """
    from harness.loop.hand import promote as choose

    _say(run, choose(run, round, reason))


@click.command(short_help="Go back to an earlier champion by hand.")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("round", type=int, required=False)
@_REASON
def rollback(run: Path, round: int | None, reason: str) -> None:
    """Make an earlier champion of the run directory RUN the champion again: ROUND, else the one before the present.

    ROUND 0 is the untouched model. Behind a certified round, the certified model before it counts again. The ledger
    records it as done by hand.
    """
    from harness.loop.hand import roll_back

    _say(run, roll_back(run, round, reason))


@click.command(short_help="Close a run: its report shows the sealed items, spent from then on.")
@click.argument("run", type=click.Path(path_type=Path))
@_REASON
@click.option("--yes", is_flag=True, help="Do not ask.")
def close(run: Path, reason: str, yes: bool) -> None:
    """Close the finished run directory RUN: its report shows the gate items that it looked at, with their answers.

    No run of the domain can look at these items again, and this one goes no further. It cannot be undone; new items
    ('harness data extend') bring new looks.
    """
    from harness.loop.close import close as shut
    from harness.reporting.load import write_reports

    entry = shut(run, reason, confirm=lambda: None if yes else _ask(run))
    page = write_reports(run)
    groups = ", ".join(map(str, entry.data["groups"]))
    click.echo(f"closed after round {entry.data['round']}: gate items of group {groups} are shown, none can look again")
    click.echo(f"report: {page}")


def _ask(run: Path) -> None:
    """Go on only where somebody who is told what it costs says so."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise InputError(f"{run}: closing a run spends its gate items for good; say so with --yes")
    click.echo("Its gate items can certify nothing any more, in no run of this domain. Show them? [y/N]", err=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise InputError(f"{run}: left as it was")


def _say(run: Path, entry: Entry) -> None:
    from harness.reporting.load import write_reports

    def named(number: int) -> str:
        return f"round {number}" if number else "the untouched model"

    page = write_reports(run)
    click.echo(f"champion by hand: {named(entry.data['champion'])} instead of {named(entry.data['instead_of'])}")
    click.echo(f"report: {page}")
