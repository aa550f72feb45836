"""``harness data``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.consent import allow_task_code
from harness.cli.data_check import check, clean


@click.group(short_help="Check and clean a file, add items to a domain.")
def data() -> None:
    """Check and clean a file, add items to a domain."""


data.add_command(check)
data.add_command(clean)


@data.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--config", type=click.Path(path_type=Path), help="Settings file [default: harness.yaml, if there].")
@click.option("--domain", help="lm-eval task, group or tag to extend [default: helpdesk].")
@click.option("--guard", help="General tasks that are protected too; '' for none [default: general].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@allow_task_code
def extend(file: Path, config: Path | None, domain: str | None, guard: str | None, as_json: bool) -> int:
    """Bring the new items in FILE into their roles, dev and gate.

    FILE has one document a line, in the form of the domain's own data. Nothing is added if one of them repeats an item
    of any role (exit code 1). New gate items bring looks of their own, where the present ones have been looked at.
    """
    from dataclasses import replace

    from harness.cli.check_data import FOUND, print_hits
    from harness.cli.session import configured_domain, quiet_libraries, settings_from
    from harness.curation.overlap import OverlapIndex, Text
    from harness.evaluation.guards import general_rows, guard_items
    from harness.exceptions import at
    from harness.loop.prepare import dealt_roles
    from harness.state.extension import read_extension, with_extension

    quiet_libraries()
    settings = settings_from(config, {"domain": domain, "guard": guard})
    found, guards, state = configured_domain(settings)
    added = read_extension(found, file)
    dealt = dealt_roles(found, state)
    present = [item for items in dealt.items.values() for item in items]
    if guards is not None:
        asked, means, _ = guard_items(guards, None)
        present += [*asked, *means, *general_rows(guards)]
    others = [Text.of_item(item) for item in present]
    new = [replace(Text.of_item(line.item), name=at(file, line.line), beside="") for line in added]
    if hits := OverlapIndex(others, new).find(new):
        print_hits(new, others, hits)
        lines = len({hit.row for hit in hits})
        click.echo(f"nothing added: {lines:,} of {len(new):,} items repeat one that is there; remove them", err=True)
        return FOUND
    state.extend([line.document for line in added], file.name)
    dealt = dealt_roles(with_extension(found, state.documents()), state)
    roles = {item.item_id: role for role, items in dealt.items.items() for item in items}
    ids = [line.item.item_id for line in added]
    gate = [item_id for item_id in ids if roles.get(item_id) == "gate"]
    summary = {
        "items": len(ids),
        "dev": sum(roles.get(item_id) == "dev" for item_id in ids),
        "gate": len(gate),
        "gate_groups": [
            {"group": group.number, "new": len(group.items), "looks": len(group.looks), "alpha": group.alpha}
            for group in state.groups(gate)
        ],
    }
    if as_json:
        import json

        click.echo(json.dumps(summary, indent=2))
    else:
        _print(summary)
    return 0


def _print(summary: dict[str, Any]) -> None:
    click.echo(f"added {summary['items']:,} items: {summary['dev']:,} dev, {summary['gate']:,} gate")
    for group in summary["gate_groups"]:
        looks = f"{group['looks']} looks made" if group["looks"] else "no look made yet"
        level = "all spent" if group["alpha"] is None else f"the next at {group['alpha']:.5f}"
        click.echo(f"gate group {group['group']}: {group['new']:,} of them; {looks}, {level}")
