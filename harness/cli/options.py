"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.cli.consent import allow_task_code

_F = TypeVar("_F", bound=Callable[..., Any])

_RUN_OPTIONS = (
    click.option("--config", type=click.Path(path_type=Path), help="Settings file [default: harness.yaml, if there]."),
    click.option("--model", help="Embedded model, local folder or Hugging Face id [default: smollm2-135m-instruct]."),
    click.option("--domain", help="lm-eval task, group or tag to improve on; several: A,B [default: helpdesk]."),
    click.option("--train-from", help="File of rows to train on, for tasks without a training split."),
    click.option("--prompt", help="The domain's prompt, a name or TASK=NAME,TASK=NAME [default: default]."),
    click.option("--guard", help="General tasks that must not suffer: A,B=ROWS.jsonl; '' for none [default: general]."),
    click.option("--guard-limit", type=int, help="Most items of each guard [default: 300]."),
    click.option("--recipe", help="Recipe name or YAML file [default: auto]."),
    click.option("--out", type=click.Path(path_type=Path), help="Run directory [default: runs/DOMAIN]."),
    click.option("--seed", type=int, help="Seed of mining and training [default: 0]."),
    click.option("--device", help="cpu, cuda, cuda:N or mps [default: the best there is]."),
    click.option("--engine", help="auto, harness, or a model name of lm-eval such as hf or vllm [default: auto]."),
    click.option("--fewshot", type=int, help="Solved examples of the few-shot arm; 0 leaves it out [default: 4]."),
    click.option("--batch-size", type=int, help="Items evaluated together [default: 64]."),
    click.option(
        "--limit", type=int, help="Most items of dev, test and guard each, for a trial run (nothing is certified)."
    ),
    click.option(
        "--cache/--no-cache", default=None, help="Reuse answers kept on disk, see docs/cache.md [default: yes]."
    ),
    click.option("--json", "as_json", is_flag=True, help="Print summary.json at the end, and nothing else."),
    allow_task_code,
)


def epoch_options(command: _F) -> _F:
    """Add the options that say what an epoch takes: ``tokens_per_second`` and ``price_per_hour``."""
    speed, price = click.FloatRange(min=0, min_open=True), click.FloatRange(min=0)
    command = click.option("--price-per-hour", type=price, help="Of the machine, in any currency.")(command)
    return click.option("--tokens-per-second", type=speed, help="Measured speed of training.")(command)


def say_what_an_epoch_lacks(model: bool, tokens_per_second: float | None, price_per_hour: float | None) -> None:
    """One line on standard error where speed or price were given, but not all that time or cost of an epoch take.

    Args:
        model: whether its tokenizer is known.
    """
    if tokens_per_second is None and price_per_hour is None:
        return
    lacking = [] if model else ["--model"]
    lacking += ["--tokens-per-second"] if tokens_per_second is None else []
    if lacking:
        what = "time" if price_per_hour is None else "cost"
        click.echo(f"note: no {what} of an epoch is told; give {' and '.join(lacking)} too", err=True)


def run_options(command: _F) -> _F:
    """Add the options that define a run; the function gets them as keyword arguments."""
    for option in reversed(_RUN_OPTIONS):
        command = option(command)
    return command
