"""``harness cache``."""

from __future__ import annotations

import click


@click.group(invoke_without_command=True, short_help="Show or clear the answers that are kept for reuse.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@click.pass_context
def cache(context: click.Context, /, as_json: bool) -> None:
    """Show where answers are kept for reuse, how much room they take and which models gave them.

    'harness baseline' and 'harness iterate' keep and reuse them unless told --no-cache.
    """
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError("--json goes with 'harness cache' alone", context)
        return
    from harness.evaluation.cache import MAX_BYTES, ResponseCache, default_path

    use = ResponseCache(default_path(), on_notice=_notice).use()
    if as_json:
        import json

        models = [{"weights_sha256": m.weights, "name": m.name, "answers": m.answers} for m in use.models]
        head = {"path": str(use.path), "bytes": use.bytes, "max_bytes": MAX_BYTES, "answers": use.answers}
        click.echo(json.dumps({**head, "models": models}, indent=2))
        return
    click.echo(f"{use.path}\n{use.answers:,} answers, {use.bytes / 1e6:.1f} MB of at most {MAX_BYTES / 1e6:,.0f} MB")
    if use.models:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        from harness.cli.main import one_line

        table = Table("model", "weights", title_justify="left")
        table.add_column("answers", justify="right")
        for model in use.models:
            table.add_row(Text(one_line(model.name)), Text(one_line(str(model.weights)[:12])), f"{model.answers:,}")
        Console(highlight=False).print(table)


@cache.command()
@click.option("--older-than", metavar="AGE", help="Only answers not used for that long: 30d, 12h.")
def clear(older_than: str | None) -> None:
    """Forget all kept answers and give their room back. Takes no model and no run with it."""
    import time

    from harness.config import parse_duration
    from harness.evaluation.cache import ResponseCache, default_path
    from harness.regression import memo

    age = None if older_than is None else parse_duration(older_than)
    gone = ResponseCache(default_path(), on_notice=_notice).clear(age)
    memo.clear(memo.default_folder(), None if age is None else time.time() - age)  # the same answers, scored
    click.echo(f"{gone:,} {'answer' if gone == 1 else 'answers'} forgotten")


@cache.command()
def path() -> None:
    """Print the path of the file."""
    from harness.evaluation.cache import default_path

    click.echo(default_path())


def _notice(text: str) -> None:
    click.echo(f"note: {text}", err=True)
