"""``harness verify``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.verify.findings import Findings

TRUST = (
    "Run the classifiers that the run's settings and its tasks' utils.py bring as Python code or as a model, with your "
    "rights: only where you trust whoever made the run. Without it they are left out, which is said."
)
_MAIN = (
    "files", "ledger entries", "evaluations", "responses", "records of errors", "sets of training rows", "targets",
    "paired tests", "verdicts", "test results",
)  # fmt: skip
"""Counts that are shown without ``-v``."""


@click.command(short_help="Recompute a run's decisions from what is on disk, without a model.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@click.option("--trust-code", is_flag=True, help=TRUST)
@click.pass_context
def verify(context: click.Context, /, run: Path, as_json: bool, trust_code: bool) -> int:
    """Recompute scores, errors, tests, verdicts and hashes of the run directory RUN; name the first that is wrong.

    Needs no model and writes nothing. Ends with 1 where something does not match; -v lists all of it.
    """
    begun = time.monotonic()
    from harness.verify.verify import verify_run

    findings = verify_run(run, trust_code)
    seconds = time.monotonic() - begun
    if as_json:
        import json
        from dataclasses import asdict

        body = {
            "schema": 1, "run": str(run), "matches": not findings.mismatches,
            "mismatches": [asdict(each) for each in findings.mismatches], "notes": findings.notes,
            "checked": dict(findings.checked), "seconds": seconds,
        }  # fmt: skip
        click.echo(json.dumps(body, indent=2))
    else:
        _print(run, findings, seconds, context.find_root().obj.verbosity)
    return 1 if findings.mismatches else 0


def _print(run: Path, findings: Findings, seconds: float, verbosity: int) -> None:
    from harness.cli.main import one_line

    found = findings.mismatches
    shown = found if verbosity > 0 else found[:1]
    for mismatch in shown:
        click.echo(one_line(f"does not match: {mismatch}"))
    if len(found) > len(shown):
        click.echo(f"and {len(found) - len(shown)} more; -v lists them")
    if not found:
        click.echo(one_line(f"{run}: everything that was checked matches"))
    if verbosity < 0:
        return
    for note in findings.notes:
        click.echo(one_line(note))
    counts = {kind: findings.checked[kind] for kind in (findings.checked if verbosity > 0 else _MAIN)}
    said = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    click.echo(f"checked in {seconds:.1f} s: {said}")
