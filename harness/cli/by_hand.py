"""``harness promote`` and ``harness rollback``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

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


def _say(run: Path, entry: Entry) -> None:
    from harness.reporting.load import write_reports

    def named(number: int) -> str:
        return f"round {number}" if number else "the untouched model"

    page = write_reports(run)
    click.echo(f"champion by hand: {named(entry.data['champion'])} instead of {named(entry.data['instead_of'])}")
    click.echo(f"report: {page}")
