"""``harness iterate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import run_options

if TYPE_CHECKING:
    from harness.loop.run import Run
    from harness.reporting.data import ReportData
    from harness.reporting.interim import Reports


@click.command(short_help="Retrain on the failing categories, round after round; resumes.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=10, show_default=True, help="Rounds in all.")
@click.option("--budget", help="Stop in time, final evaluation included: 90s, 30m, 1h30m.")
@click.option("--stop-after", type=int, help="Rounds in a row without a promotion that end the run [default: 8].")
@run_options
@click.pass_context
def iterate(
    context: click.Context,
    /,
    rounds: int,
    budget: str | None,
    config: Path | None,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Diagnose, retrain on what fails, keep a candidate only when it is better; round after round.

    The same command resumes after an interruption of any kind. Ctrl-C is safe.
    """
    from harness.cli.progress import TerminalListener
    from harness.cli.session import opened, settings_from
    from harness.config import parse_duration

    settings = settings_from(config, options)
    seconds = parse_duration(budget) if budget else None
    listener = TerminalListener(-1 if as_json else context.find_root().obj.verbosity)
    from harness.cli.tables import print_result

    with listener, opened(settings, out, listener) as run:
        page, data = _loop(run, rounds, seconds)
    print_result(data, page, as_json)


def _loop(run: Run, rounds: int, budget: float | None) -> tuple[Path, ReportData]:
    """Iterate and report; on an interruption or a fault record it, render what there is, and let it through."""
    from harness.exceptions import HarnessError
    from harness.loop.iterate import interrupted
    from harness.loop.iterate import iterate as loop
    from harness.reporting.interim import Reports

    reports = Reports(run)
    try:
        loop(run, rounds, budget, reports.interim)
    except KeyboardInterrupt:
        interrupted(run, "interrupted; the same command goes on from here")
        if run.ledger.of_kind("baseline"):
            reports.final()
        run.listener.notice(f"stopped; everything done is in {run.run_dir}, the same command goes on from here")
        raise
    except HarnessError as error:
        if run.ledger.of_kind("baseline"):
            _try_to_record(run, str(error), reports)
        raise
    return reports.final()


def _try_to_record(run: Run, reason: str, reports: Reports) -> None:
    """Note the fault in ledger and report if the disk still takes it; the fault itself is what the user must see."""
    from harness.exceptions import HarnessError
    from harness.loop.iterate import interrupted

    try:
        interrupted(run, reason, status="failed")
        reports.final()
    except HarnessError:
        return
