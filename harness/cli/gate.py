"""``harness gate``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.consent import allow_task_code

if TYPE_CHECKING:
    from harness.regression.gating import Gating
    from harness.regression.results import GateResult

STYLES = ("text", "markdown", "junit", "github", "json")


@click.command(short_help="Judge a model or saved answers by the gates of harness.yaml.")
@click.argument("target", required=False)
@click.option("--config", type=click.Path(path_type=Path), help="Settings file [default: harness.yaml].")
@click.option("--update-baseline", is_flag=True, help="Write the baseline anew, and judge against it.")
@click.option("--baseline", type=click.Path(path_type=Path), help="Baseline file [default: baselines/DOMAIN.json].")
@click.option("--domain", help="lm-eval task, group or tag [default: that of harness.yaml].")
@click.option("--limit", type=int, help="Most items of dev and of the guards each, for a trial.")
@click.option("--device", help="cpu, cuda, cuda:N or mps [default: the best there is].")
@click.option("--cache/--no-cache", default=None, help="Reuse kept answers, see docs/cache.md [default: yes].")
@click.option("--format", "style", type=click.Choice(STYLES), default="text", show_default=True, help="How it is said.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--out", type=click.Path(path_type=Path), help="Write it to this file in place of the terminal.")
@allow_task_code
@click.pass_context
def gate(
    context: click.Context,
    /,
    target: str | None,
    config: Path | None,
    update_baseline: bool,
    baseline: Path | None,
    style: str,
    as_json: bool,
    out: Path | None,
    **options: Any,
) -> int:
    """Judge by the gates of harness.yaml: the configured model, or TARGET.

    TARGET is a run, one of its rounds, an adapter's folder, a model (folder or name), or a folder of lm-eval output
    with samples. Saved answers are judged without a model. Exit code 0: all gates pass; 1: one does not.
    """
    from harness.cli.progress import TerminalListener
    from harness.config import load_settings
    from harness.regression.gating import Gating, target_of
    from harness.regression.results import exit_code

    settings = load_settings(config, options)
    style = "json" if as_json else style
    found = target_of(target)
    if found.saved is not None and options["limit"] is not None:
        raise click.UsageError("--limit is for models; saved answers are judged as they are", context)
    listener = TerminalListener(-1 if style != "text" else context.find_root().obj.verbosity)
    gating = Gating(settings, found, baseline, fresh=options["cache"] is False, listener=listener)
    if not gating.declared.gates and not update_baseline:
        from harness.exceptions import InputError

        if settings.file is None:
            raise InputError(
                "harness.yaml: not in this folder; go to a domain's folder, or name the file with --config"
            )
        raise InputError(f"{settings.file.path}: declares no gates; add some under 'gates:', see docs/gates.md")
    with listener:
        gating.prepare()
    if update_baseline:
        click.echo(_one_line(gating.update_baseline()), err=True)
    results = gating.results
    _say(_rendered(gating, results, style), out)
    if results:
        _record(gating, results)
    return exit_code(results)


def _rendered(gating: Gating, results: list[GateResult], style: str) -> str:
    from harness.regression import render

    if style == "markdown":
        return render.markdown(results, f"Gates of {gating.settings.domain}", gating.answers)
    if style == "junit":
        return render.junit(results)
    if style == "github":
        file = gating.settings.file
        return render.github(results, os.path.relpath(file.path) if file else "harness.yaml")
    if style == "json":
        answers = gating.answers
        whole = {
            "passed": all(result.passed for result in results),
            "domain": gating.settings.domain,
            "source": answers.source,
            "model": answers.identity.model,
            "items": len(answers.answers),
            "seconds": answers.seconds,
            "baseline": str(gating.baseline_path) if gating.baseline[0] is not None else None,
            "why_no_baseline": gating.baseline[1],
            "gates": [result.as_dict() for result in results],
        }
        return json.dumps(whole, indent=2) + "\n"
    return render.terminal(results)


def _say(text: str, out: Path | None) -> None:
    if out is None:
        data = text.encode(sys.stdout.encoding or "utf-8", "backslashreplace").decode(sys.stdout.encoding or "utf-8")
        click.echo(data, nl=False)
        return
    from harness.storage import write_text

    write_text(out, text)
    click.echo(f"written: {_one_line(str(out))}", err=True)


def _record(gating: Gating, results: list[GateResult]) -> None:
    """For ``harness history``; where nothing can be written, the verdict still stands."""
    import datetime

    from harness.exceptions import EnvironmentFault
    from harness.locate import RUNS
    from harness.regression.history import commit_of, record_gates

    now = datetime.datetime.now(datetime.UTC)
    try:
        record_gates(Path(RUNS), results, gating.answers, now, gating.settings.domain, commit_of(os.environ))
    except EnvironmentFault as fault:
        click.echo(f"note: not recorded for 'harness history': {_one_line(str(fault))}", err=True)


def _one_line(text: str) -> str:
    from harness.cli.main import one_line

    return one_line(text)
