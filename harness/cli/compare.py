"""``harness compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.regression.compare import Comparison

FORMATS = ("table", "markdown", "json", "html")
SUFFIXES = {".md": "markdown", ".json": "json", ".html": "html", ".htm": "html"}


@click.command(short_help="Compare two models' answers, document by document.")
@click.argument("a")
@click.argument("b")
@click.option("--format", "form", type=click.Choice(FORMATS), help="[default: by the suffix of --out, else table]")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write to [default: print].")
@click.option("--alpha", type=float, help="Level at which a change counts as confirmed [default: 0.05].")
@click.option("--classify", is_flag=True, help="Sort errors in lm-eval's output into categories, by the usual rules.")
@click.option(
    "--fail-on-regression", is_flag=True, help="End with 1 where B is confirmed worse, or lacks documents of A."
)
def compare(
    a: str,
    b: str,
    form: str | None,
    as_json: bool,
    out: Path | None,
    alpha: float | None,
    classify: bool,
    fail_on_regression: bool,
) -> int:
    """Compare the answers B with the answers A: what got better, what got worse, and what chance would do.

    A and B are each a run directory (its certified round, else its champion), a round (RUN/rounds/003, RUN/baseline),
    an evaluation's folder, a baseline file (baselines/DOMAIN.json), or a folder of 'lm_eval run --log_samples' by any
    backend. No model is needed.
    """
    from harness.errors.setup import load_taxonomy
    from harness.regression.compare import ALPHA
    from harness.regression.compare import compare as compare_answers
    from harness.regression.read import read_answers

    before, after = (read_answers(source, load_taxonomy if classify else None) for source in (a, b))
    comparison = compare_answers(before, after, ALPHA if alpha is None else alpha)
    text = _text(comparison, _format(form, as_json, out))
    if out is None:
        click.echo(text.rstrip("\n"))
    else:
        from harness.storage import write_text

        write_text(out, text)
        click.echo(f"written: {out}", err=True)
    if fail_on_regression and comparison.missing:
        click.echo(f"{len(comparison.missing):,} of A's documents are missing in B", err=True)
    return int(fail_on_regression and bool(comparison.regressions or comparison.missing))


def _format(form: str | None, as_json: bool, out: Path | None) -> str:
    """The format that is asked for.

    Raises:
        click.UsageError: two formats are.
    """
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form}: give one of them")
    if as_json:
        return "json"
    return form or (SUFFIXES.get(out.suffix.lower()) if out else None) or "table"


def _text(comparison: Comparison, form: str) -> str:
    import json

    from harness.regression import compare_render

    if form == "json":
        return json.dumps(compare_render.as_dict(comparison), indent=2, allow_nan=False) + "\n"
    if form == "markdown":
        return compare_render.as_markdown(comparison)
    if form == "html":
        return compare_render.as_html(comparison)
    from harness.cli.compare_tables import as_text

    return as_text(comparison)
