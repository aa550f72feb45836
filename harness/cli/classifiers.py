"""``harness classifiers``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.consent import allow_task_code

if TYPE_CHECKING:
    from harness.config import Settings
    from harness.errors.proof import Case, Measured
    from harness.errors.setup import Taxonomy

ITEMS = 200
"""Items of the train pool that faults are injected into unless told otherwise, an even share a skill."""


@click.command(short_help="List the error classifiers, and measure how well they see.")
@click.option("--evaluate", is_flag=True, help="Measure recall, precision and confusion on injected faults.")
@click.option(
    "--labelled", type=click.Path(path_type=Path), metavar="FILE", help="Measure on responses labelled by hand instead."
)
@click.option("--domain", help="lm-eval task, group or tag whose gold answers are broken [default: helpdesk].")
@click.option("--limit", type=click.IntRange(min=1), help=f"Most items to inject faults into [default: {ITEMS}].")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the faults.")
@click.option(
    "--write",
    "write_to",
    is_flag=False,
    flag_value="",
    type=str,
    metavar="[FILE]",
    help="Write the figures of --labelled, by which categories may trigger training [default FILE: the packaged one].",
)
@click.option("--config", type=click.Path(path_type=Path), help="Settings file [default: harness.yaml, if there].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@allow_task_code
def classifiers(
    evaluate: bool, labelled: Path | None, domain: str | None, limit: int | None, seed: int, write_to: str | None,
    config: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """List the error classifiers: versions, categories, what each needs, whether it may trigger training.

    With --evaluate, measure how well they see, on gold answers with known faults put into them or on responses
    labelled by hand (docs/labelling.md). Needs no model.
    """
    if not evaluate and (labelled or domain or limit or write_to is not None):
        raise click.UsageError("--labelled, --domain, --limit and --write go with --evaluate")
    if labelled and (domain or limit):
        raise click.UsageError(
            "--domain and --limit choose items to inject faults into; they do not go with --labelled"
        )
    if write_to is not None and not labelled:
        raise click.UsageError("--write goes with --labelled: faults that we inject ourselves prove nothing")
    from harness.config import load_settings

    settings = load_settings(config, {"domain": domain})
    if not evaluate:
        _list(settings, as_json)
    elif labelled:
        _on_labelled(settings, labelled, write_to, as_json)
    else:
        _on_injected(settings, limit, seed, as_json)


def _taxonomy(settings: Settings, folders: Iterable[Path] = ()) -> Taxonomy:
    """All that there is, those that otherwise run on request only included: they are measured to be chosen by it."""
    from dataclasses import replace

    from harness.errors.registry import ON_REQUEST
    from harness.errors.setup import load_taxonomy

    own = settings.classifiers
    also = [*own.also, *sorted(ON_REQUEST - {*own.also, *own.disable})] if not own.only else own.also
    return load_taxonomy(replace(own, also=also), folders)


def _list(settings: Settings, as_json: bool) -> None:
    from harness.errors.needs import needs
    from harness.errors.proven import load_proven, standings
    from harness.errors.registry import ON_REQUEST

    chosen = _taxonomy(settings).classifiers
    proven = load_proven()
    verdicts = standings(chosen, proven, settings.classifiers.trigger)
    rows = [
        {
            "name": each.name,
            "version": each.version,
            "categories": list(each.categories),
            "needs": getattr(each, "reason", "") or needs(each),
            "on_request": each.name in ON_REQUEST - set(settings.classifiers.also),
            "triggers": {category: asdict(verdicts[category]) for category in each.categories},
        }
        for each in chosen
    ]
    if as_json:
        click.echo(json.dumps({"schema": 1, "measured_on": proven.measured_on, "classifiers": rows}, indent=2))
        return
    from harness.cli.classifier_tables import print_list

    print_list(rows)


def _on_injected(settings: Settings, limit: int | None, seed: int, as_json: bool) -> None:
    from harness.cli.session import quiet_libraries
    from harness.errors.proof import inject, make_pool
    from harness.evaluation.domain import load_domain
    from harness.evaluation.respond import scored
    from harness.evaluation.roles import subset
    from harness.exceptions import InputError
    from harness.locate import data_folder

    quiet_libraries()
    domain = load_domain(settings.domain, [*map(Path, settings.include_path), data_folder("tasks")])
    items = [item for item in domain.items("train", "train_pool") if domain.tasks[item.task].kind == "generate"]
    if not items:
        raise InputError(f"domain '{settings.domain}' has no training items with gold answers to inject faults into")
    broken = subset(items, limit or ITEMS)
    cases = inject(broken, lambda item, text, finish: scored(domain, item, text, finish), make_pool(items), seed=seed)
    source = {"kind": "injected", "domain": settings.domain, "items": len(broken), "seed": seed}
    _show(_taxonomy(settings, domain.folders), cases, source, as_json, grouped=False)


def _on_labelled(settings: Settings, path: Path, write_to: str | None, as_json: bool) -> None:
    from harness.errors.proof import load_labelled
    from harness.errors.proven import PACKAGED, write_proven
    from harness.storage import sha256_file

    taxonomy = _taxonomy(settings)
    cases = load_labelled(path, [category for each in taxonomy.classifiers for category in each.categories])
    source = {"kind": "labelled", "file": path.name, "sha256": sha256_file(path), "responses": len(cases)}
    measured = _show(taxonomy, cases, source, as_json, grouped=True)
    if write_to is not None:
        target = Path(write_to) if write_to else PACKAGED
        kept = {key: source[key] for key in ("file", "sha256", "responses")}
        write_proven(target, measured, taxonomy.classifiers, kept)
        click.echo(f"written: {target}", err=True)


def _show(taxonomy: Taxonomy, cases: list[Case], source: dict[str, Any], as_json: bool, *, grouped: bool) -> Measured:
    """Classify, measure and print. ``grouped``: paraphrase groups span several cases, so they go together."""
    from harness.errors.proof import measure, records_of
    from harness.errors.registry import Unavailable

    usable = [each for each in taxonomy.classifiers if not isinstance(each, Unavailable)]
    categories = list(dict.fromkeys(category for each in usable for category in each.categories))
    with _progress(len(cases)) as progress:
        records = records_of(cases, taxonomy.classify_all, None if grouped else progress)
    measured = measure(cases, records, categories)
    skipped: dict[str, int] = {}
    for case in cases:
        for category in case.due - set(categories):
            skipped[category] = skipped.get(category, 0) + 1
    if as_json:
        body = {"schema": 1, "source": source, "no_classifier": dict(sorted(skipped.items())), **measured.as_dict()}
        click.echo(json.dumps(body, indent=2))
    else:
        from harness.cli.classifier_tables import print_measured

        print_measured(measured, source, skipped)
    return measured


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("classify"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("classify", total=total)
        yield lambda done, _: bar.update(task, completed=done)
