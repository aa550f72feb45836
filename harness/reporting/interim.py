"""Reports while a run goes on: cheap enough to stand between two rounds, and never a reason for the run to end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.loop.run import Run
from harness.reporting.data import ReportData
from harness.reporting.load import RunReader, write_page, write_summaries

PAGE_GROWTH = 1.25
"""The page shows every round, so it is written anew when there are a quarter more of them, not after each one.

Up to five rounds that is each round; over a whole run the pages written add up to a multiple of the last one.
"""


class Reports:
    """Writes the reports of a run in progress, and its last one.

    Args:
        run: in progress; what it has in memory is not read again.

    Attributes:
        seconds: that reports have taken so far.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._reader = RunReader(run.run_dir, run.load, loaded=run.loaded)
        self._page_of: int | None = None
        self.seconds = 0.0
        self._failed = False

    def interim(self) -> None:
        """Write ``summary.json`` and ``summary.md``, and the page when it is due.

        Whatever fails is said once and holds nothing up. When the run has stopped nothing is done: `final` follows.
        """
        if self._run.ledger.ending is not None:
            return
        done = self._run.state.done
        due = self._page_of is None or done >= max(self._page_of + 1, PAGE_GROWTH * self._page_of)
        try:
            with self._timed():
                data = self._reader.read(self._run.ledger, rows=due)
                write_summaries(data, self._run.run_dir)
                if due:
                    write_page(data, self._run.run_dir)
                    self._page_of = done
        except Exception as error:  # whatever it is, the rounds are worth more than a report of them
            if not self._failed:
                self._run.listener.notice(
                    f"no report after round {done} ({type(error).__name__}: {error}); the run goes on, "
                    f"'harness report {self._run.run_dir}' tries again"
                )
            self._failed = True

    def final(self) -> tuple[Path, ReportData]:
        """Write everything, complete; return the page and what it shows.

        Raises:
            InputError: no baseline yet, or a damaged file; names it.
            EnvironmentFault: the folder cannot be written.
        """
        with self._timed():
            data = self._reader.read(self._run.ledger)
            write_summaries(data, self._run.run_dir)
            return write_page(data, self._run.run_dir), data

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begun = self._run.clock()
        try:
            yield
        finally:
            self.seconds += self._run.clock() - begun
