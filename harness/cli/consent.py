"""``--allow-task-code``, and the question in its place where somebody sits at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.evaluation.trust import Outside

_SHOWN = 12


def _enter(context: click.Context, _: click.Parameter, given: bool) -> None:
    if context.resilient_parsing:  # completing, not running
        return
    from harness.evaluation.trust import Consent, consenting

    ask = _ask if sys.stdin.isatty() and sys.stderr.isatty() else None
    context.with_resource(consenting(Consent.of_environment(given, ask)))


allow_task_code = click.option(
    "--allow-task-code",
    is_flag=True,
    expose_value=False,
    callback=_enter,
    help="Let tasks from outside run their code with your rights; remembered until it changes, see docs/plugins.md.",
)
"""For every verb that loads tasks; the function gets no argument."""


def _ask(strange: Sequence[Outside]) -> bool:
    """Show what would run and ask, in whole lines: a live display may hold back what does not end a line."""
    from harness.cli.main import one_line

    for each in strange:
        code = [path.relative_to(each.folder) if path.is_relative_to(each.folder) else path for path in each.code]
        shown = ", ".join(map(str, code[:_SHOWN])) + (f" and {len(code) - _SHOWN} more" if len(code) > _SHOWN else "")
        held = f"Python in {shown}" if code else f"templates in {len(each.files)} YAML files"
        click.echo(one_line(f"{each.folder}: tasks from outside, with {held}"), err=True)
    click.echo("They run with your rights. Read them first. Run them from now on, until they change? [y/N]", err=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
