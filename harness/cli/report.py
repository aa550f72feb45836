"""``harness report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.reporting.data import Verified


@click.command(short_help="Write a run's report anew, or the index of a folder of runs.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--worn", is_flag=True, help="Show a test result that has been chosen by (from the fourth opening on).")
@click.option("--json", "as_json", is_flag=True, help="Print what summary.json would hold; write nothing.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="NAME",
    help="Write this format only: html, md, json, csv, junit or a plugin's, see 'harness plugins'; may be repeated.",
)
@click.option("--compare", "other", metavar="OTHER", help="Also write report/compare.*: RUN beside OTHER.")
@click.option("--verify", "check", is_flag=True, help="Recompute the run first; the page tells what was found.")
@click.option("--open", "show", is_flag=True, help="Open the page in the default browser.")
@click.option(
    "--templates",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Templates of your own for the page and the Markdown, block by block, see docs/reports.md.",
)
def report(
    run: Path,
    worn: bool,
    as_json: bool,
    formats: tuple[str, ...],
    other: str | None,
    check: bool,
    show: bool,
    templates: Path | None,
) -> int:
    """Write report/index.html, summary.md and summary.json of the run directory RUN anew. Needs no model.

    Where RUN is a folder of runs, write its index.html: a line a run, and how scores went over them.

    OTHER is whatever 'harness compare' takes: another run, a round, a baseline file, a folder of lm-eval's output.
    Ends with 1 where --verify finds something that does not match.
    """
    beside = {"--format": formats, "--compare": other, "--verify": check, "--open": show, "--templates": templates}
    for name, given in beside.items():
        if as_json and given:
            raise click.UsageError(f"{name} and --json do not go together", click.get_current_context())
    if show and formats and "html" not in formats:
        raise click.UsageError("--open shows the page: add --format html", click.get_current_context())
    from harness.regression.index_page import holds_runs

    failed = False
    if holds_runs(run):
        if worn or as_json or formats or other or check:
            raise click.UsageError(
                f"{run} is a folder of runs, whose index has no options but --open and --templates; name one run, "
                "or see 'harness history --json'",
                click.get_current_context(),
            )
        from harness.regression.index_page import write_index

        page = write_index(run, templates)
        click.echo(page)
    elif as_json:
        _print_summary(run, worn)
        return 0
    else:
        verified = _verified(run) if check else None
        page = _report(run, worn, formats, other, templates, verified)
        failed = verified is not None and bool(verified.mismatches)
    if show:
        _open(page)
    return int(failed)


def _print_summary(run: Path, worn: bool) -> None:
    from harness.reporting.json_summary import JsonReporter
    from harness.reporting.load import load_report_data

    click.echo(JsonReporter().text(load_report_data(run, worn)), nl=False)


def _verified(run: Path) -> Verified:
    """Recompute the run and say on standard error what does not match first."""
    from harness.cli.main import one_line
    from harness.reporting.data import Verified
    from harness.verify.verify import verify_run

    found = verify_run(run)
    for mismatch in found.mismatches[:1]:
        click.echo(one_line(f"does not match: {mismatch}"), err=True)
    return Verified(tuple(str(mismatch) for mismatch in found.mismatches), dict(found.checked))


def _report(
    run: Path,
    worn: bool,
    formats: tuple[str, ...],
    other: str | None,
    templates: Path | None,
    verified: Verified | None,
) -> Path:
    """Write what is asked for, say where, and return the page to look at: the comparison where there is one."""
    from harness.reporting.load import write_formats
    from harness.reporting.standing import worn_sentence
    from harness.storage import read_json

    written = write_formats(run, formats or ("json", "md", "html"), worn, templates, verified)
    page = written[-1] if not formats else run / "report" / "index.html"
    compared = []
    if other is not None:
        from harness.regression.beside import write_comparison

        compared = write_comparison(run, other, formats or ("html", "md", "json"), templates)
    for path in [*(written if formats else reversed(written)), *compared]:
        click.echo(path)
    sentence = "" if formats else worn_sentence(read_json(run / "summary.json"))
    if sentence:
        click.echo(sentence)
    return next((path for path in compared if path.suffix == ".html"), page)


def _open(page: Path) -> None:
    """Hand ``page`` to the browser; where there is none, that is said and nothing is wrong."""
    import webbrowser

    try:
        opened = webbrowser.open(page.resolve().as_uri())
    except (webbrowser.Error, OSError):
        opened = False
    if not opened:
        click.echo(f"no browser could be opened; open {page} yourself", err=True)
