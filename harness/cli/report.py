"""``harness report``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Write a run's report anew: HTML, Markdown and JSON.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print summary.json, and nothing else.")
def report(run: Path, as_json: bool) -> None:
    """Write report/index.html, summary.md and summary.json of the run directory RUN anew. Needs no model."""
    from harness.reporting.load import write_reports
    from harness.storage import read_json

    page = write_reports(run)
    if as_json:
        import json

        click.echo(json.dumps(read_json(run / "summary.json"), indent=2))
        return
    click.echo(f"{page}\n{run / 'summary.md'}\n{run / 'summary.json'}")
