"""``harness report``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Write a run's report anew: HTML, Markdown and JSON.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--worn", is_flag=True, help="Show a test result that has been chosen by (from the fourth opening on).")
@click.option("--json", "as_json", is_flag=True, help="Print summary.json, and nothing else.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="NAME",
    help="Write this format only: html, md, json or a plugin's, see 'harness plugins'; may be repeated.",
)
@click.option(
    "--templates",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Templates of your own for the page and the Markdown, block by block, see docs/reports.md.",
)
def report(run: Path, worn: bool, as_json: bool, formats: tuple[str, ...], templates: Path | None) -> None:
    """Write report/index.html, summary.md and summary.json of the run directory RUN anew. Needs no model."""
    if formats:
        if as_json:
            raise click.UsageError("--format and --json do not go together", click.get_current_context())
        from harness.reporting.load import write_formats

        for path in write_formats(run, formats, worn, templates):
            click.echo(path)
        return
    from harness.reporting.load import write_reports
    from harness.reporting.standing import worn_sentence
    from harness.storage import read_json

    page = write_reports(run, worn, templates)
    if as_json:
        import json

        click.echo(json.dumps(read_json(run / "summary.json"), indent=2))
        return
    click.echo(f"{page}\n{run / 'summary.md'}\n{run / 'summary.json'}")
    sentence = worn_sentence(read_json(run / "summary.json"))
    if sentence:
        click.echo(sentence)
