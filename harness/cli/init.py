"""``harness init``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import epoch_options

if TYPE_CHECKING:
    from harness.evaluation.domain import Domain, Split
    from harness.evaluation.items import Item
    from harness.intake.card import Card
    from harness.intake.model import ModelText
    from harness.intake.write import Plan

SHOWN = 3


@click.command(short_help="Make a domain of a file of prompts and answers.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--from", "source", metavar="SOURCE", required=True,
    help="JSONL, JSON, CSV, TSV or Parquet file, a folder of them, or a Hugging Face data set id.",
)  # fmt: skip
@click.option("--prompt", metavar="COLUMN", help="What the model is asked.")
@click.option("--answer", metavar="COLUMN", help="The right answer.")
@click.option("--label", metavar="COLUMN", help="The right answer, one of few labels.")
@click.option("--context", metavar="COLUMN", help="Passage that the answer must stand on.")
@click.option("--skill", metavar="COLUMN", help="What an item asks for; figures and targets are by skill.")
@click.option("--cluster", metavar="COLUMN", help="What items share that must not be parted [default: the passage].")
@click.option("--template", metavar="NAME|FILE", help="Prompt template: plain, chat, alpaca, dolly or a Jinja file.")
@click.option("--off-topic", metavar="SENTENCE", help="Add questions of other subjects, answered with this sentence.")
@epoch_options
@click.option("--name", help="Name of the domain [default: that of DIR].")
@click.option("--model", help="Embedded model, local folder or Hugging Face id [default: smollm2-135m-instruct].")
@click.option("--dry-run", is_flag=True, help="Show the first three items as the model would get them; write nothing.")
def init(
    folder: Path, source: str, template: str | None, off_topic: str | None, name: str | None, model: str | None,
    tokens_per_second: float | None, price_per_hour: float | None, dry_run: bool, **columns: str | None,
) -> None:  # fmt: skip
    """Turn SOURCE, a file of prompts and answers, into a domain in the new folder DIR.

    It says what it recognises; the options name columns where it is wrong. DIR is written whole or not at all. Then:
    cd DIR && harness baseline && harness iterate --rounds 5 (docs/your-domain.md).
    """
    from harness.cli.card_tables import print_card
    from harness.cli.main import one_line
    from harness.cli.options import say_what_an_epoch_lacks
    from harness.cli.session import quiet_libraries
    from harness.config import Settings
    from harness.evaluation.trust import Consent, allow, consenting
    from harness.exceptions import InputError
    from harness.intake.card import data_card
    from harness.intake.columns import Columns
    from harness.intake.model import model_text
    from harness.intake.read import read_rows
    from harness.intake.shapes import recognise
    from harness.intake.write import Choices, check_folder, domain_name, plan, prompts_of, redirections, write_plan

    quiet_libraries()
    check_folder(folder)
    chosen = domain_name(name, folder)
    if off_topic is not None and not off_topic.strip():
        raise InputError("--off-topic: the sentence is empty; give what the model shall answer")
    if off_topic is not None and any("\ud800" <= char <= "\udfff" for char in off_topic):
        raise InputError("--off-topic: the sentence is not UTF-8; type it in a UTF-8 terminal")
    say_what_an_epoch_lacks(True, tokens_per_second, price_per_hour)
    rows = read_rows(source)
    shape = recognise(rows, Columns(**columns))
    for line in (shape.describe(), *shape.notices):
        click.echo(one_line(line))
    examples = shape.examples(rows)
    if left_out := shape.left_out(rows, examples):
        click.echo(left_out)
    text = model_text(model or Settings().model)
    if text.notice:
        click.echo(one_line(text.notice))
    choices = Choices(chosen, text.name, template, off_topic.strip() if off_topic else None)
    added = redirections(shape, examples, choices.sentence) if choices.sentence is not None and examples else []
    card = data_card(
        examples, rows, text.tokenizer, price_per_hour,
        source=source, model=text.name, context=text.context_length, tokens_per_second=tokens_per_second,
        cluster=shape.cluster, added=added, prompts=prompts_of(shape, examples, choices, added),
    )  # fmt: skip
    print_card(card)
    if card.stops:  # the first thing; all of them are shown
        raise InputError(card.stops[0].line)
    made = plan(shape, examples, choices, text.count_tokens, text.context_length, added)
    for line in (made.form.describe(), *made.notices):
        click.echo(one_line(line))
    with consenting(Consent(everything=True)):  # all of it is the package's own code
        if dry_run:
            _show(chosen, made, text, card)
            return
        write_plan(folder, made.files, lambda temporary: _check(temporary, chosen, card))
    allow(folder / "tasks", why="harness init")
    counts = ", ".join(f"{number:,} {split} items" for split, number in made.counts.items())
    if len(made.counts) == 1:  # whatever its file is called
        counts = f"{sum(made.counts.values()):,} items, dealt into training, dev, gate and test by a run"
    click.echo(f"wrote {one_line(str(folder))}: domain {chosen}, {counts}")
    click.echo(f"next: cd {one_line(str(folder))} && harness baseline && harness iterate --rounds 5")


def _check(folder: Path, name: str, card: Card) -> None:
    """Load the written domain as the harness will, render each of its items once, and put the card beside it."""
    from harness.evaluation.domain import load_domain
    from harness.intake.card_page import write_card

    domain = load_domain(name, [folder / "tasks"])
    _items(domain)
    write_card(card, folder)


def _items(domain: Domain) -> list[Item]:
    splits: tuple[Split, ...] = ("train", "validation", "test")
    return [item for split in splits for item in domain.items(split, "train_pool")]


def _show(name: str, made: Plan, text: ModelText, card: Card) -> None:
    """The first items as the model would get them, and what would be written."""
    import tempfile

    from harness.evaluation.domain import load_domain
    from harness.intake.card_page import write_card
    from harness.intake.write import write_plan
    from harness.reporting.escape import shorten, visible

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / name
        write_plan(folder, made.files, lambda temporary: write_card(card, temporary))
        domain = load_domain(name, [folder / "tasks"])
        items = _items(domain)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
        sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
        for number, doc in enumerate(made.first[:SHOWN], start=1):
            item = next(
                each for each in items if all(each.doc.get(key) == doc[key] for key in ("input", "target", "cluster"))
            )
            click.echo(f"--- item {number}, as {text.name} gets it")
            click.echo(visible(shorten(domain.context(item, text.chat_template), 20_000)))
            click.echo(f"--- its right answer\n{visible(shorten(item.target))}")
    click.echo("--- would write")
    for file, size in sizes.items():
        click.echo(f"{size:>10,} bytes  {file}")
