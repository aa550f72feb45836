"""``harness doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from harness.doctor import Check

_WORDS = {"pass": "ok", "warn": "warn", "fail": "FAIL"}


@click.command(short_help="Check what works on this machine, and which models fit it.")
@click.option("--fit", is_flag=True, help="Show which models fit, for inference, LoRA, QLoRA and full training.")
@click.option("--model", help="Look at this model: embedded, local folder or Hugging Face id.")
@click.option("--device", help="cpu, cuda, cuda:N or mps [default: the best there is].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@click.pass_context
def doctor(context: click.Context, /, fit: bool, model: str | None, device: str | None, as_json: bool) -> int:
    """Check versions, lm-eval, device, memory, quantisation, model, folders and plugins; asks no network.

    Each line is ok, a warning or a failure, with the remedy. Ends with 3 where something fails (docs/doctor.md).
    """
    from harness.cli.plugins import survey
    from harness.cli.session import quiet_libraries
    from harness.doctor import examine, failed
    from harness.exceptions import EnvironmentFault
    from harness.models.reference import EMBEDDED

    quiet_libraries()
    checks = examine(model or EMBEDDED, survey(), device)
    rows = _fit(model, device) if fit else None
    if as_json:
        import json
        from dataclasses import asdict

        body: dict[str, Any] = {"schema": 1, "checks": [asdict(check) for check in checks]}
        click.echo(json.dumps(body if rows is None else {**body, "fit": rows}, indent=2))
    else:
        _print(checks, context.find_root().obj.verbosity)
        if rows is not None:
            _print_fit(rows)
    return EnvironmentFault.exit_code if failed(checks) else 0


def _fit(model: str | None, device: str | None) -> dict[str, Any]:
    """The rows of the table, and what is free.

    Raises:
        InputError: the model's dimensions cannot be told.
        EnvironmentFault: no such device; the model is not on this disk.
    """
    from harness.doctor import check_model, fit_table
    from harness.exceptions import EnvironmentFault
    from harness.models.devices import choose_device, probe
    from harness.models.linear import multiplies_bfloat16
    from harness.models.reference import resolve
    from harness.models.shapes import KNOWN, shape_of_folder

    facts = probe(choose_device(device))
    shapes = dict(KNOWN)
    if model is not None:
        check, folder = check_model(resolve(model))
        if folder is None:
            raise EnvironmentFault(f"{check.name}: {check.found}; {check.remedy}")
        shapes = {model: shape_of_folder(folder)}
    rows = fit_table(shapes, facts, multiplies_bfloat16())
    return {"device": facts.device, "free_bytes": facts.memory_bytes, "models": rows}


def _print(checks: list[Check], verbosity: int) -> None:
    """A line for each check, the remedy below it."""
    from harness.cli.main import one_line

    for check in checks:
        if verbosity < 0 and check.state == "pass":
            continue
        click.echo(one_line(f"{_WORDS[check.state]:<5}{check.name}: {check.found}"))
        if check.remedy:
            click.echo(f"     {one_line(check.remedy)}")
    counts = {state: sum(check.state == state for check in checks) for state in _WORDS}
    click.echo(f"{counts['pass']} ok, {counts['warn']} warnings, {counts['fail']} failures")


def _print_fit(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from harness.cli.main import one_line

    free = f"{found['free_bytes'] / 1e9:.1f} GB free on {found['device']}"
    title = f"memory at the peak in GB, and whether it fits the {free}"
    table = Table(title=title, title_justify="left")
    for name in ("model", "parameters", "inference", "lora", "qlora", "full"):
        # Names stay whole; where the terminal is narrower than 80 columns, figures go on two lines.
        table.add_column(name, justify="left" if name == "model" else "right", no_wrap=name == "model", overflow="fold")
    for row in found["models"]:
        cells = [f"{need['bytes'] / 1e9:,.1f} {need['fits']}" for need in row["needs"].values()]
        table.add_row(Text(one_line(row["model"])), f"{row['parameters'] / 1e6:,.0f} M", *cells)
    Console(highlight=False).print(table)
    click.echo("yes: at most 70% of what is free; tight: less than what is free; libraries are in it (docs/doctor.md)")
