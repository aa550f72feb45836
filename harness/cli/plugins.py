"""``harness plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.plugins import Plugin


@click.command(short_help="List what other packages bring, and what of it is broken.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, built-in ones too, and nothing else.")
def plugins(as_json: bool) -> None:
    """Load every classifier, trainer, reporter and folder of domains, and say where each is from and what failed.

    What is broken stops nothing here, nor anywhere that it is not asked for by name (docs/plugins.md).
    """
    found = survey()
    if as_json:
        import json
        from dataclasses import asdict

        click.echo(json.dumps({"schema": 1, "plugins": [asdict(each) for each in found]}, indent=2))
        return
    _print(found)


def survey() -> list[Plugin]:
    """All that is installed, tried."""
    from harness.errors.registry import CLASSIFIERS
    from harness.evaluation.folders import DOMAINS
    from harness.reporting.registry import REPORTERS
    from harness.training.registry import TRAINERS

    return [*DOMAINS.survey(), *CLASSIFIERS.survey(), *TRAINERS.survey(), *REPORTERS.survey()]


def _print(found: list[Plugin]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from harness.cli.main import one_line

    counts: dict[str, int] = {}
    table = Table("kind", "name", "package", "from", "state", title_justify="left")
    for each in found:
        if each.builtin and not each.error:
            counts[each.kind] = counts.get(each.kind, 0) + 1
            continue
        package = f"{each.package} {each.version}".strip() or ("built in" if each.builtin else "unknown")
        state = f"failed: {each.error}" if each.error else "loaded"
        table.add_row(*(Text(one_line(cell)) for cell in (each.kind, each.name, package, each.value, state)))
    if table.row_count:
        Console(highlight=False).print(table)
    else:
        click.echo("no plugins are installed")
    words = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items())
    click.echo(f"built in: {words}")
