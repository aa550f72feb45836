"""A data card in the terminal. Texts of the file come masked and are made visible."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.intake.card import Card
from harness.intake.card_page import LABELS, Rows, card_view
from harness.reporting.escape import visible
from harness.reporting.formatting import percent, plural

_LABELS = 12


def print_card(card: Card, console: Console | None = None) -> None:
    """Print a card's findings, what stops first."""
    console = console or Console(highlight=False)
    view = card_view(card)
    more = f", {card.off_topic:,} of them added questions of other subjects" if card.off_topic else ""
    counts = f"{plural(card.rows, 'row')}, {plural(card.examples, 'example')}{more}"
    console.print(_line(f"{card.source}: {counts}"), soft_wrap=True)
    _counts(console, "split", view.splits, card.rows)
    _counts(console, "role", view.roles, view.dealt)
    for note in card.role_notes:
        console.print(_line(note), soft_wrap=True)
    _counts(console, "found", [row for row in view.repeats if row[1]], None)
    if card.classes:
        _counts(console, "label", view.labels[:_LABELS], card.classes.examples)
        if left := len(view.labels[_LABELS:]) + view.labels_left:
            console.print(f"and {left:,} more labels{' (data_card.json has all)' if left > LABELS else ''}")
    if card.tokens:
        _lengths(console, card)
    _counts(console, "language", view.languages, card.languages_of)
    if card.languages_of < card.examples:
        console.print(f"languages of a sample of {card.languages_of:,} examples")
    _private(console, card)
    _counts(console, "chat format error", view.chat, card.rows)
    for problem in card.problems:
        console.print(_line(f"{'stops' if problem.stops else 'warning'}: {problem.line}"), soft_wrap=True)
    console.print(view.verdict)


def _line(text: str) -> Text:
    return Text(visible(text).replace("\n", " ").replace("\t", " "))


def _counts(console: Console, name: str, rows: Rows, of: int | None) -> None:
    if not rows:
        return
    table = Table()
    table.add_column(name, overflow="fold")
    table.add_column("rows", justify="right")
    if of:
        table.add_column("share", justify="right")
    for value, count in rows:
        table.add_row(_line(value), f"{count:,}", *([percent(count / of)] if of else []))
    console.print(table)


def _lengths(console: Console, card: Card) -> None:
    view = card_view(card)
    name = card.tokens.model if card.tokens else ""
    table = Table(title=_line(f"tokens with the tokenizer of {name or 'the model'}"), title_justify="left")
    for column in ("part", "mean", *(f"{share}%" for share in view.percentiles), "longest"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for part, lengths in view.lengths:
        shares = (f"{lengths.percentiles[share]:,}" for share in view.percentiles)
        table.add_row(part, f"{lengths.mean:,.0f}", *shares, f"{lengths.longest:,}")
    console.print(table)
    for sentence in view.token_sentences:
        console.print(_line(sentence), soft_wrap=True)


def _private(console: Console, card: Card) -> None:
    if not card.private:
        return
    table = Table()
    table.add_column("looks private")
    for name in ("found", "rows"):
        table.add_column(name, justify="right")
    for private in card.private:
        table.add_row(private.kind.replace("_", " "), f"{private.found:,}", f"{private.rows:,}")
    console.print(table)
