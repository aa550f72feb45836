"""``harness baseline``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.options import run_options


@click.command(short_help="Score the model zero-shot and few-shot, by error category.")
@run_options
@click.pass_context
def baseline(context: click.Context, /, config: Path | None, out: Path | None, as_json: bool, **options: Any) -> None:
    """Score the model on the domain's dev items, zero-shot and few-shot, and on the guard.

    Saved as round 0 of the run; 'harness iterate' with the same options goes on from it.
    """
    from harness.cli.progress import TerminalListener
    from harness.cli.session import opened, settings_from

    settings = settings_from(config, options)
    listener = TerminalListener(-1 if as_json else context.find_root().obj.verbosity)
    from harness.cli.tables import print_baseline

    with listener, opened(settings, out, listener) as run:
        from harness.loop.run import baseline as score_baseline
        from harness.reporting.interim import Reports

        score_baseline(run)
        page, data = Reports(run).final()
    print_baseline(data, page, as_json)
