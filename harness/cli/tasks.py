"""``harness tasks``."""

from __future__ import annotations

import click


@click.group(invoke_without_command=True, short_help="List the domains and their folder.")
@click.pass_context
def tasks(context: click.Context) -> None:
    """List the domains that ship with the package."""
    if context.invoked_subcommand is not None:
        return
    from harness.locate import data_folder
    from harness.yamlfile import read_yaml

    for folder in sorted(path for path in data_folder("tasks").iterdir() if path.is_dir()):
        group = folder / f"_{folder.name}.yaml"
        if group.is_file():
            values = read_yaml(group).values
            click.echo(f"{values['group']}: {', '.join(map(str, values.get('task') or []))}")


@tasks.command()
def path() -> None:
    """Print the folder to give to lm_eval's --include_path."""
    from harness.locate import data_folder

    click.echo(data_folder("tasks"))
