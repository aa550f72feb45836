"""A comparison in the terminal. Task names and model output are shown with everything that could act made visible."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.cli.main import one_line
from harness.regression.compare import CategoryRow, Comparison, Row
from harness.regression.compare_render import View, p_words, view
from harness.reporting.escape import Excerpt, shorten, visible
from harness.reporting.formatting import integer, interval, percent, plural, points

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

SHOWN = 5
"""Changed documents that are shown."""
WIDTH = 160
"""Characters of a text that are shown of each."""
LINE = 118
"""Characters of a line where there is no terminal; in a narrower one a table has fewer columns."""
NAME = 18
"""Characters that a name gets before it is folded."""


def as_text(comparison: Comparison) -> str:
    """Tables for a terminal or a log, in plain text."""
    from rich.console import Console

    own = Console()
    console = Console(
        file=io.StringIO(),
        width=own.width if own.is_terminal else LINE,
        highlight=False,
        force_terminal=own.is_terminal,
        no_color=own.no_color,
    )
    _print(console, view(comparison, SHOWN))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def _print(console: Console, shown: View) -> None:
    from rich.text import Text

    for name, side in (("A", shown.a), ("B", shown.b)):
        model = f" ({side.identity.model})" if side.identity.model else ""
        console.print(_plain(f"{name}  {side.source}{model}, {plural(len(side.answers), 'answer')}"), soft_wrap=True)
    for note in shown.comparison.notes:
        console.print(_plain(f"note: {note}"), soft_wrap=True)
    for title, _ in shown.sections:
        _rows(console, title.lower(), shown.lines(title), shown.totals)
        if title in shown.left_out:
            console.print(f"and {plural(shown.left_out[title], 'row')} without a confirmed change")
    if shown.categories:
        _categories(console, shown.categories)
    word = {"better": "bold green", "worse": "bold red", "mixed": "bold yellow"}.get(shown.word, "bold")
    console.print(Text(f"{shown.word.capitalize()}. ", style=word).append(_plain(shown.sentence)), soft_wrap=True)
    _changed(console, shown)


def _rows(console: Console, title: str, rows: Sequence[tuple[str, Row]], totals: Sequence[Row]) -> None:
    from rich.table import Table

    narrow = console.width < LINE
    moved = any(row.new or row.missing for _, row in rows)
    table = Table(title="% right, paired by document", title_justify="left")
    _name_column(table, title, [name for name, _ in rows])
    counts = () if narrow else ("fixed", "broken", *(("new", "missing") if moved else ()))
    for name in ("n", "A", "B"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("difference (95%)", justify="right", min_width=12)
    for name in counts:
        table.add_column(name, justify="right", no_wrap=True)
    if not narrow:
        table.add_column("one-sided p")
    table.add_column("reading", min_width=11)
    for name, row in rows:
        if row is totals[0]:
            table.add_section()
        paired = row.paired
        table.add_row(
            _plain(name),
            integer(row.n),
            *("-" if share is None else percent(share) for share in (row.before, row.after)),
            f"{points(paired.delta)} ({interval(paired.ci95)})" if paired else "-",
            *_counted(row, moved, narrow),
            _state(row),
        )
    console.print(table)


def _counted(row: Row, moved: bool, narrow: bool) -> list[str]:
    """The cells that a narrow terminal leaves to the other formats."""
    if narrow:
        return []
    paired = row.paired
    changed = [integer(paired.fixed), integer(paired.broken)] if paired else ["-", "-"]
    return [*changed, *([integer(row.new), integer(row.missing)] if moved else []), p_words(row).removeprefix("p ")]


def _name_column(table: Table, title: str, names: Sequence[str]) -> None:
    """A column of names that other columns leave room for."""
    longest = max((len(name) for name in (title, *names)), default=0)
    table.add_column(title, overflow="fold", min_width=min(longest, NAME))


def _categories(console: Console, rows: Sequence[CategoryRow]) -> None:
    from rich.table import Table

    table = Table(title="answers with each kind of error, of those judged in both", title_justify="left")
    _name_column(table, "category", [row.name for row in rows])
    for name in ("judged", "A", "B"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("one-sided p")
    table.add_column("reading", min_width=11)
    for row in rows:
        counts = [integer(value) for value in (row.paired.n, row.before, row.after)]
        table.add_row(_plain(row.name.replace("_", " ")), *counts, p_words(row).removeprefix("p "), _state(row))
    console.print(table)


def _changed(console: Console, shown: View) -> None:
    from rich.text import Text

    for case in shown.cases:
        console.print(_plain(f"{case.change}: {case.item} ({case.skill})"), soft_wrap=True)
        lines = [("asked", case.prompt, ""), ("right", case.target, "")]
        lines += [("A", case.before, case.before_category), ("B", case.after, case.after_category)]
        for name, text, category in lines:
            shortened = _brief(text)
            if shortened or name in ("A", "B"):
                label = f"[{category}] " if category else ""
                console.print(Text(f"  {name:<6} ").append(_plain(f"{label}{shortened or '(empty)'}")), soft_wrap=True)
    more = shown.flips - len(shown.cases)
    if more > 0:
        console.print(f"and {more:,} more changed answers, in --format json or html")


def _brief(excerpt: Excerpt) -> str:
    """An excerpt on one line: of a prompt its end, of others the beginning."""
    text = " ".join("".join(piece for piece, _ in excerpt.segments).split())
    return f"... {text}" if excerpt.before else shorten(text, WIDTH)


def _plain(text: str) -> Text:
    from rich.text import Text

    return Text(one_line(visible(text)))


def _state(row: Row | CategoryRow) -> Text:
    from rich.text import Text

    return Text(row.said, style={"improvement": "green", "regression": "red"}.get(row.state, ""))
