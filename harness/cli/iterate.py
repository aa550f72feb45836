"""``harness iterate``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import run_options

if TYPE_CHECKING:
    from rich.console import Console

    from harness.loop.profile import Session
    from harness.loop.run import Run
    from harness.reporting.data import ReportData
    from harness.reporting.interim import Reports


@click.command(short_help="Retrain on the failing categories, round after round; resumes.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=10, show_default=True, help="Rounds in all.")
@click.option("--budget", help="Stop in time, final evaluation included: 90s, 30m, 1h30m.")
@click.option("--stop-after", type=int, help="Rounds in a row without a promotion that end the run [default: 8].")
@click.option("--profile", is_flag=True, help="Show where the time went, and the share of the arithmetic floor.")
@run_options
@click.pass_context
def iterate(
    context: click.Context,
    /,
    rounds: int,
    budget: str | None,
    profile: bool,
    config: Path | None,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Diagnose, retrain on what fails, keep a candidate only when it is better; round after round.

    What is kept is provisional; where it is clearly better on dev, one of eight looks at sealed items may certify it.

    The same command resumes after an interruption of any kind. Ctrl-C is safe.
    """
    begun = time.monotonic()
    from harness.cli.progress import TerminalListener
    from harness.cli.session import opened, settings_from
    from harness.config import parse_duration

    settings = settings_from(config, options)
    seconds = parse_duration(budget) if budget else None
    listener = TerminalListener(-1 if as_json else context.find_root().obj.verbosity)
    from harness.cli.tables import print_result

    with listener, opened(settings, out, listener) as run:
        from harness.loop.profile import Session
        from harness.reporting.interim import Reports

        reports = Reports(run)
        session = Session(run.run_dir, begun, time.monotonic) if profile else None
        try:
            page, data = _loop(run, reports, rounds, seconds)
        finally:
            if session is not None:
                _show_profile(run, reports, session, listener.console)
    print_result(data, page, as_json)


def _show_profile(run: Run, reports: Reports, session: Session, console: Console) -> None:
    """Print the profile to standard error; it must not hide the fault that may have ended the run."""
    from harness.cli.profile import print_profile
    from harness.loop.profile import rows
    from harness.models.embedded import first_line

    try:
        costs = session.costs(reports.seconds)
        arithmetic = run.workbench.arithmetic() if hasattr(run.workbench, "arithmetic") else None
        print_profile(console, rows(costs, arithmetic.floor if arithmetic else None), arithmetic)
    except Exception as error:  # measuring may run out of memory, and a manifest may be damaged
        run.listener.notice(f"no profile: {first_line(error)}")


def _loop(run: Run, reports: Reports, rounds: int, budget: float | None) -> tuple[Path, ReportData]:
    """Iterate and report; on an interruption or a fault record it, render what there is, and let it through."""
    from harness.exceptions import HarnessError
    from harness.loop.iterate import check_open, interrupted
    from harness.loop.iterate import iterate as loop

    check_open(run, rounds, budget)  # a command that is refused leaves no trace in a closed run
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
    from harness.loop.iterate import interrupted

    try:
        interrupted(run, reason, status="failed")
        reports.final()
    except Exception:
        return
