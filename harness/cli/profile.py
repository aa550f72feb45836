"""The table of ``harness iterate --profile``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.loop.profile import Row
from harness.models.arithmetic import Arithmetic

_COLUMNS = ("seconds", "share", "prompt tokens", "computed", "new", "computed/s", "floor s", "floor share")


def print_profile(console: Console, rows: Sequence[Row], arithmetic: Arithmetic | None) -> None:
    """Print where the time went and, where it is known, the floor that arithmetic sets to it."""
    table = Table(title="where the time went", title_justify="left")
    table.add_column("phase")
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    for row in rows:
        if row.name == "all":
            table.add_section()
        table.add_row(row.name, *_cells(row))
    console.print(table)
    if arithmetic is None:
        return
    console.print(
        Text(
            f"floor: {arithmetic.forward / 1e6:,.0f} MFLOP a token evaluated, {arithmetic.train / 1e6:,.0f} trained, "
            f"{arithmetic.head / 1e6:,.0f} for its logits, at {arithmetic.peak / 1e9:,.0f} GFLOP/s, this machine's "
            f"{arithmetic.dtype} matrix product as measured now"
        ),
        soft_wrap=True,
    )


def _cells(row: Row) -> list[str]:
    seconds, work = row.cost.seconds, row.cost.work
    speed = work.computed_tokens / seconds if seconds > 0 else 0.0
    return [
        f"{seconds:,.1f}",
        f"{100 * row.share:.1f}%",
        *(f"{count:,}" if count else "-" for count in (work.prompt_tokens, work.computed_tokens, work.new_tokens)),
        f"{speed:,.0f}" if speed else "-",
        "-" if row.floor is None else f"{row.floor:,.1f}",
        "-" if row.floor is None or seconds <= 0 else f"{100 * row.floor / seconds:.0f}%",
    ]
