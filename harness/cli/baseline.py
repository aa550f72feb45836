"""``harness baseline``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.options import run_options


@click.command(short_help="Score the model zero-shot and few-shot, by error category.")
@click.option("--prompts", help="Score the domain's other prompts, too: all, or A,B; see docs/prompts.md.")
@click.option("--text", type=click.Path(path_type=Path), help="Take the perplexity of this .txt, .jsonl or folder.")
@run_options
@click.pass_context
def baseline(
    context: click.Context,
    /,
    prompts: str | None,
    text: Path | None,
    config: Path | None,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Score the model on the domain's dev items, zero-shot and few-shot, and on the guards.

    Saved as round 0 of the run; 'harness iterate' with the same options goes on from it. Few-shot examples and
    prompts come before training: --prompts says which prompt to start from, and what it cures alone.
    """
    from harness.cli.progress import TerminalListener
    from harness.cli.session import opened, settings_from

    settings = settings_from(config, options)
    listener = TerminalListener(-1 if as_json else context.find_root().obj.verbosity)
    from harness.cli.tables import print_baseline

    with listener, opened(settings, out, listener) as run:
        from harness.loop.perplexity import read_texts, score_golds, score_text
        from harness.loop.prompts import chosen_names, score_prompts
        from harness.loop.run import baseline as score_baseline
        from harness.reporting.interim import Reports

        # What can be refused is refused before anything is asked.
        names = chosen_names(run, prompts) if prompts else []
        if text:
            read_texts(text)
        score_baseline(run)
        score_golds(run)
        if text:
            score_text(run, text, settings.limit)
        if prompts:
            score_prompts(run, names)
        page, data = Reports(run).final()
    print_baseline(data, page, as_json)
