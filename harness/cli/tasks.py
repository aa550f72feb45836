"""``harness tasks``."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.consent import allow_task_code

_CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), help="Settings file [default: harness.yaml, if there]."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")


@click.group(invoke_without_command=True, short_help="List, show, check and locate the domains.")
@_CONFIG
@click.pass_context
def tasks(context: click.Context, config: Path | None) -> None:
    """List the domains that ship with the package, those in the include_path of harness.yaml and those of plugins."""
    if context.invoked_subcommand is not None:
        return
    from harness.cli.main import one_line
    from harness.config import load_settings
    from harness.evaluation.folders import plugin_folders
    from harness.evaluation.task_files import listed
    from harness.locate import data_folder

    folders = [*map(Path, load_settings(config, {}).include_path), data_folder("tasks")]
    known: set[str] = set()
    brought = [(f" (plugin {plugin})", [folder]) for plugin, folder in plugin_folders().items()]
    for origin, found in [("", folders), *brought]:
        for name, holds in listed(found).items():
            if name not in known:  # as it is found by its name: what comes first wins
                click.echo(one_line(f"{name}: {holds if isinstance(holds, str) else ', '.join(holds)}{origin}"))
            known.add(name)


@tasks.command()
def path() -> None:
    """Print the folder to give to lm_eval's --include_path."""
    from harness.locate import data_folder

    click.echo(data_folder("tasks"))


@tasks.command()
@click.argument("name", required=False)
@click.option("--item", default="1", show_default=True, help="Which one: its number in the split, from 1, or its id.")
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default="train", show_default=True)
@click.option("--fewshot", type=click.IntRange(0, 64), default=0, show_default=True, help="Solved examples before it.")
@click.option("--model", help="Whose chat template is applied [default: that of harness.yaml].")
@allow_task_code
@_CONFIG
@_JSON
def show(
    name: str | None, item: str, split: str, fewshot: int, model: str | None, config: Path | None, as_json: bool
) -> None:
    """Print an item of the task or domain NAME exactly as the model gets it, and its gold answer.

    Items of gate are never shown, and counted over in the numbers. Those of test are shown only with --split test:
    what is learnt from them must not go into prompts or training.
    """
    from harness.cli.tasks_show import shown

    shown(name, item, split, fewshot, model, config, as_json)


@tasks.command()
@click.argument("name", required=False)
@allow_task_code
@_CONFIG
@_JSON
def validate(name: str | None, config: Path | None, as_json: bool) -> int:
    """Check the task or domain NAME, or the task files in the folder or file NAME.

    Every field against what lm-eval knows, the splits, one item of each task rendered, gold answers scored by the
    task's own process_results. One line for each finding, and exit code 2 if there are any.
    """
    from harness.cli.tasks_validate import validated

    return validated(name, config, as_json)
