"""``harness check-data``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.consent import allow_task_code

if TYPE_CHECKING:
    from harness.curation.overlap import Hit, Text

FOUND = 1
_PATH = click.Path(path_type=Path)


@click.command("check-data")
@click.option("--config", type=_PATH, help="Settings file [default: harness.yaml, if there].")
@click.option("--domain", help="lm-eval task, group or tag to check [default: helpdesk].")
@click.option("--guard", help="General tasks that are protected too: A,B=ROWS.jsonl; '' for none [default: general].")
@click.option("--train", type=_PATH, multiple=True, help="Check this file of training rows instead of a domain.")
@click.option("--test", type=_PATH, multiple=True, help="File of rows that --train must not repeat.")
@click.option("--field", default="text", show_default=True, help="Field of the rows' text in --train and --test.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and nothing else.")
@allow_task_code
def check_data(
    config: Path | None,
    domain: str | None,
    guard: str | None,
    train: tuple[Path, ...],
    test: tuple[Path, ...],
    field: str,
    as_json: bool,
) -> int:
    """List training texts that stand in evaluation data too, with both texts.

    Without --train and --test the configured domain is checked: its train pool (and the guard's) against dev, gate,
    test and guard. Found are the same text, common runs of 13 words, texts half contained in one another, near
    duplicates and planted canaries (docs/roles.md). Exit code 1 if there are any, 0 if not.
    """
    if bool(train) != bool(test):
        raise click.UsageError("--train and --test go together", click.get_current_context())
    if train:
        from harness.curation.files import texts_of_file

        training = [text for path in train for text in texts_of_file(path, field)]
        protected = [text for path in test for text in texts_of_file(path, field)]
    else:
        training, protected = _of_domain(config, domain, guard)
    from harness.curation.overlap import OverlapIndex

    hits = OverlapIndex(protected, training).find(training)
    if as_json:
        import json

        click.echo(json.dumps(_summary(training, protected, hits), indent=2, ensure_ascii=False))
    else:
        _print(training, protected, hits)
    return FOUND if hits else 0


def _of_domain(config: Path | None, domain: str | None, guard: str | None) -> tuple[list[Text], list[Text]]:
    from harness.cli.session import configured_domain, quiet_libraries, settings_from
    from harness.curation.overlap import Text
    from harness.evaluation.guards import general_rows, guard_items
    from harness.loop.prepare import dealt_roles

    quiet_libraries()
    settings = settings_from(config, {"domain": domain, "guard": guard})
    found, guards, state = configured_domain(settings)
    dealt = dealt_roles(found, state, record=False)
    training = list(dealt.items["train_pool"])
    protected = [item for role in ("dev", "gate", "test") for item in dealt.items[role]]
    if guards is not None:
        asked, means, _ = guard_items(guards, settings.guard_limit)
        protected += [*asked, *means]
        training += general_rows(guards)
    return [Text.of_item(item) for item in training], [Text.of_item(item) for item in protected]


def _summary(training: Sequence[Text], protected: Sequence[Text], hits: Sequence[Hit]) -> dict[str, Any]:
    def shown(text: Text) -> dict[str, str]:
        return {"name": text.name, "text": text.text}

    return {
        "train": len(training),
        "protected": len(protected),
        "train_hit": len({hit.row for hit in hits}),
        "protected_hit": len({hit.of for hit in hits if hit.of is not None}),
        "hits": [
            {
                "rule": hit.rule,
                "score": round(hit.score, 4),
                "train": shown(training[hit.row]),
                "protected": None if hit.of is None else shown(protected[hit.of]),
            }
            for hit in hits
        ],
    }


def print_hits(texts: Sequence[Text], others: Sequence[Text], hits: Sequence[Hit]) -> None:
    """Each hit with both texts, one line each."""
    from harness.cli.main import one_line

    for hit in hits:
        row = texts[hit.row]
        if hit.of is None:
            click.echo(f"canary  {one_line(row.name)}\n  {one_line(row.text)}")
            continue
        other = others[hit.of]
        score = "" if hit.rule == "same text" else f" {hit.score:.2f}"
        click.echo(f"{hit.rule}{score}  {one_line(row.name)} = {one_line(other.name)}")
        click.echo(f"  {one_line(row.text)}\n  {one_line(other.text)}")


def _print(training: Sequence[Text], protected: Sequence[Text], hits: Sequence[Hit]) -> None:
    print_hits(training, protected, hits)
    rows, of = len({hit.row for hit in hits}), len({hit.of for hit in hits if hit.of is not None})
    click.echo(f"{rows:,} of {len(training):,} training texts repeat {of:,} of {len(protected):,} protected texts")
