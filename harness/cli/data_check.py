"""``harness data check`` and ``harness data clean``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from harness.cli.options import epoch_options
from harness.exceptions import InputError

if TYPE_CHECKING:
    from harness.intake.card import Card
    from harness.intake.columns import Columns

_F = TypeVar("_F", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)


def _columns(command: _F) -> _F:
    """Options that say which column is what; their names are the fields of `Columns`."""
    for name, meaning in (
        ("cluster", "Column of what belongs together and is never parted over roles."),
        ("skill", "Column of what a row asks for."),
        ("context", "Column of the passage that the answer stands on."),
        ("label", "Column of the answer, one of few labels."),
        ("answer", "Column of the answer."),
        ("prompt", "Column of the question [default for all: by their names]."),
    ):
        command = click.option(f"--{name}", help=meaning)(command)
    return command


@click.command()
@click.argument("file")
@_columns
@click.option("--model", help="Count tokens as this model does: embedded model, local folder or Hugging Face id.")
@epoch_options
@click.option("--html", type=_PATH, help="Write the data card as a page, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def check(
    file: str,
    model: str | None,
    tokens_per_second: float | None,
    price_per_hour: float | None,
    html: Path | None,
    as_json: bool,
    **columns: str | None,
) -> int:
    """Show what FILE is: rows, repeats, conflicts, leakage, lengths, labels, languages, private data.

    FILE is a JSONL, JSON, CSV, TSV or Parquet file, a folder of them (train, validation, test) or a data set id.
    Exit code 2 if something would spoil the work, with the rows; 0 otherwise, whatever there is to warn of
    (docs/data-card.md).
    """
    from harness.intake.card_page import card_json, write_page
    from harness.intake.columns import Columns

    card, recognised = _card(file, Columns(**columns), model, tokens_per_second, price_per_hour)
    if as_json:
        import json

        click.echo(json.dumps(card_json(card), indent=2, ensure_ascii=False))
    else:
        from harness.cli.card_tables import print_card
        from harness.cli.main import one_line

        for line in recognised:
            click.echo(one_line(line))
        print_card(card)
    if html is not None:
        write_page(card, html)
        if not as_json:
            click.echo(f"page: {html}")
    for problem in card.stops:
        click.echo(f"error: {problem.line}", err=True)
    return InputError.exit_code if card.stops else 0


def _card(
    source: str, columns: Columns, model: str | None, tokens_per_second: float | None, price_per_hour: float | None
) -> tuple[Card, list[str]]:
    """The card, and what was recognised, line by line."""
    from harness.cli.main import one_line
    from harness.cli.options import say_what_an_epoch_lacks
    from harness.cli.session import quiet_libraries
    from harness.intake.card import data_card
    from harness.intake.check import take
    from harness.intake.model import model_text
    from harness.intake.read import read_rows
    from harness.intake.write import prompts_of

    quiet_libraries()
    say_what_an_epoch_lacks(model is not None, tokens_per_second, price_per_hour)
    text = model_text(model) if model else None
    if text is not None and text.notice:
        click.echo(one_line(text.notice), err=True)
    rows = read_rows(source)
    taken = take(rows, columns)
    card = data_card(
        taken.examples,
        rows,
        text.tokenizer if text else None,
        price_per_hour,
        source=source,
        model=text.name if text else "",
        context=text.context_length if text else None,
        tokens_per_second=tokens_per_second,
        refused=taken.refused,
        cluster=columns.cluster,
        prompts=prompts_of(taken.shape, taken.examples) if text else None,
    )
    return card, [taken.shape.describe(), *taken.shape.notices]


@click.command()
@click.argument("file", type=_PATH)
@click.option("-o", "--out", type=_PATH, required=True, help="Clean file, in the format of FILE; never FILE itself.")
@_columns
@click.option("--near", is_flag=True, help="Leave out near-duplicates, too.")
@click.option(
    "--keep",
    type=click.Choice(["none", "majority"]),
    default="none",
    show_default=True,
    help="Of rows in conflict keep none, or those with the answer that more than half of them give.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
def clean(
    file: Path,
    out: Path,
    near: bool,
    keep: Literal["none", "majority"],
    as_json: bool,
    **columns: str | None,
) -> int:
    """Write FILE without duplicates, conflicting answers, private data and labels in several spellings.

    Format, columns and the order of the rows stay. Each change is listed in OUT.changes.jsonl. A clean file stays as
    it is.
    """
    from harness.cli.session import quiet_libraries
    from harness.intake.check import take
    from harness.intake.clean import changes_file, check_output, clean_rows, write_cleaned
    from harness.intake.columns import Columns
    from harness.intake.read import read_rows

    quiet_libraries()
    check_output(file, out)
    rows = read_rows(str(file))
    named = Columns(**columns)
    cleaned = clean_rows(rows, lambda some: take(some, named), near=near, keep=keep)
    write_cleaned(file, out, rows, cleaned)
    counts = dict(sorted(Counter(note.what for note in cleaned.notes).items()))
    summary = {"rows": len(rows), "kept": len(cleaned.kept), "changes": counts}
    if as_json:
        import json

        click.echo(json.dumps({**summary, "out": str(out), "listed_in": str(changes_file(out))}, indent=2))
        return 0
    for what, count in counts.items():
        click.echo(f"{what}: {count:,}")
    click.echo(f"{len(cleaned.kept):,} of {len(rows):,} rows kept: {out}")
    click.echo(f"changes: {changes_file(out)}")
    return 0
