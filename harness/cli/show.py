"""``harness show``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from harness.reporting.data import ReportData

POLL = 1.0
"""Seconds between two looks at a run that goes on."""
LINE = 118
"""Columns where there is no terminal and ``COLUMNS`` says nothing."""


@click.command(short_help="Show a run in the terminal, live while it goes on.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--follow", is_flag=True, help="In a terminal, stay and show each round until the run ends or Ctrl-C.")
@click.option("--worn", is_flag=True, help="Show a test result that has been chosen by (from the fourth opening on).")
def show(run: Path, follow: bool, worn: bool) -> None:
    """Show the run directory RUN: verdict, rounds, error categories, the last decision, time. Needs no model."""
    import os

    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(highlight=False, width=LINE)
    view = RunView(run, worn)
    if follow and console.is_terminal:
        view.follow(console, time.sleep)
    view.print(console)


class RunView:
    """Reads a run as often as it grows, what does not change only once.

    Raises:
        InputError: ``run_dir`` is no run directory.
    """

    def __init__(self, run_dir: Path, worn: bool = False) -> None:
        from harness.exceptions import InputError
        from harness.reporting.load import RunReader

        if not (run_dir / "manifest.json").is_file():
            raise InputError(f"{run_dir}: not a run directory (no manifest.json)")
        self._run_dir, self._worn = run_dir, worn
        self._reader = RunReader(run_dir)

    def read(self) -> ReportData:
        """The run as it stands.

        Raises:
            InputError: no baseline yet, or a damaged file; names it.
        """
        from harness.ledger import Ledger

        ledger = Ledger(self._run_dir / "ledger.jsonl", writable=False)
        return self._reader.read(ledger, rows=False, worn=self._worn)

    def print(self, console: Console) -> None:
        """Everything, once."""
        from harness.cli.show_tables import screen

        data = self.read()
        console.print(screen(data, console.width, now=self._now(data)))

    def follow(self, console: Console, sleep: Callable[[float], None]) -> None:
        """Show what fits the terminal, anew whenever the ledger grew, until the run has stopped.

        Args:
            sleep: waits so many seconds.
        """
        from rich.live import Live
        from rich.text import Text

        from harness.cli.show_tables import screen

        data, seen = None, (-1, -1)
        # On a screen of its own: lines that a narrower terminal has wrapped could not be taken back.
        with Live(console=console, auto_refresh=False, screen=True) as live:
            while True:
                ledger = (self._run_dir / "ledger.jsonl").stat()
                stamp = (ledger.st_size, ledger.st_mtime_ns)
                if stamp != seen:
                    data, seen = (self.read() if self._has_baseline() else None), stamp
                if data is not None and data.summary["status"] != "running":
                    return
                if data is None:
                    live.update(Text("no baseline yet: " + self._doing(0)), refresh=True)
                else:
                    live.update(screen(data, console.width, console.height, self._now(data)), refresh=True)
                sleep(POLL)

    def _has_baseline(self) -> bool:
        from harness.ledger import Ledger

        return bool(Ledger(self._run_dir / "ledger.jsonl", writable=False).of_kind("baseline"))

    def _now(self, data: ReportData) -> str:
        """What goes on, in words; empty where the run has stopped."""
        return self._doing(len(data.rounds) + 1) if data.summary["status"] == "running" else ""

    def _doing(self, number: int) -> str:
        from harness.loop.lock import held_by

        if not held_by(self._run_dir):
            return "no process works on it now; the command that began it goes on with it"
        folder = self._run_dir / ("baseline" if number == 0 else f"rounds/{number:03d}")
        finished = sorted(folder.glob("*.done.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        done = ", ".join(path.name.removesuffix(".done.json") for path in finished) or "nothing"
        return f"{'baseline' if number == 0 else f'round {number}'} goes on; done of it: {done}"
