"""`harness init`: the card of what is written, groups by id, templates that ask nothing, what a dry run lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from init_files import harness, mails, write_rows
from intake_examples import plain
from tiny import make_tiny_model

from harness.config import load_settings
from harness.evaluation.domain import Domain, load_domain
from harness.evaluation.items import Item
from harness.intake.model import model_text
from harness.loop.prepare import dealt_roles

Init = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def init(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> Init:
    """Runs ``harness init`` on rows or a path; the folder is ``tmp_path / "shop"``."""

    def init(source: list[dict[str, Any]] | Path, *options: str) -> tuple[int, str, str]:
        file = source if isinstance(source, Path) else write_rows(tmp_path / "in" / "rows.jsonl", source)
        code = harness("init", tmp_path / "shop", "--from", file, "--model", model, *options)
        out, err = capsys.readouterr()
        return code, out, err

    return init


def domain_of(folder: Path, name: str = "shop") -> Domain:
    return load_domain(name, [folder / "tasks"])


def roles_of(domain: Domain) -> Mapping[Any, tuple[Item, ...]]:
    return dealt_roles(domain, None).items


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "in")


def test_the_card_counts_the_tokens_of_what_will_be_asked(init: Init, tmp_path: Path, model: Path) -> None:
    assert init(mails())[0] == 0
    text = model_text(str(model))
    domain = domain_of(tmp_path / "shop")
    asked = [domain.context(item, text.chat_template) for items in roles_of(domain).values() for item in items]
    lengths = text.count_tokens(asked)
    prompt = json.loads((tmp_path / "shop" / "data_card.json").read_text())["tokens"]["prompt"]
    assert prompt["longest"] == max(lengths)
    assert prompt["mean"] == pytest.approx(sum(lengths) / len(lengths))


def test_the_card_is_of_what_is_written_with_the_questions_of_other_subjects(init: Init, tmp_path: Path) -> None:
    code, out, _ = init(mails(), "--off-topic", "I can only sort mail of the shop.")
    assert code == 0
    assert "60 rows, 132 examples, 72 of them added questions of other subjects" in out
    domain = domain_of(tmp_path / "shop")
    items = domain.items("test", "dev")
    card = json.loads((tmp_path / "shop" / "data_card.json").read_text())
    assert (card["rows"], card["examples"], card["off_topic"]) == (60, len(items), 72)
    assert sum(card["roles"].values()) == len(items)
    text = model_text(str(load_settings(tmp_path / "shop/harness.yaml", {}).model))
    lengths = text.count_tokens([domain.context(item, text.chat_template) for item in items])
    assert card["tokens"]["prompt"]["longest"] == max(lengths)
    assert card["tokens"]["prompt"]["mean"] == pytest.approx(sum(lengths) / len(lengths))
    assert "72 of them added questions of other subjects" in (tmp_path / "shop" / "data_card.html").read_text()


def test_time_and_cost_of_an_epoch_are_told_where_speed_and_price_are_given(init: Init, tmp_path: Path) -> None:
    code, out, err = init(mails(), "--tokens-per-second", "10", "--price-per-hour", "36")
    assert (code, err) == (0, "")
    tokens = json.loads((tmp_path / "shop" / "data_card.json").read_text())["tokens"]
    assert tokens["cost"] == pytest.approx(tokens["epoch"] / 1000)
    assert f"At the price given, it costs {tokens['cost']:,.2f}." in out
    (tmp_path / "shop").rename(tmp_path / "in" / "before")
    code, _, err = init(mails(), "--price-per-hour", "36")
    assert (code, err) == (0, "note: no cost of an epoch is told; give --tokens-per-second too\n")


def test_a_file_without_one_example_is_refused_as_such_with_other_subjects_too(init: Init, tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": f"Where is parcel {n}?"}]} for n in range(30)]
    code, _, err = init(rows, "--off-topic", "No.")
    assert (code, left_behind(tmp_path)) == (2, [])
    assert "no row of 30 has both a question and an answer" in err


def test_groups_of_rows_by_their_id_become_a_domain(init: Init, tmp_path: Path) -> None:
    rows = [{"id": n // 3, "text": one.prompt, "label": one.answer} for n, one in enumerate(plain(60))]
    code, _, err = init(rows)
    assert (code, "where ids name groups, add --cluster id" in err) == (2, True)
    assert init(rows, "--cluster", "id")[0] == 0
    items = [item for dealt in roles_of(domain_of(tmp_path / "shop")).values() for item in dealt]
    assert (len({item.item_id for item in items}), len({item.cluster for item in items})) == (60, 20)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("Sort it: {{ labels | join(', ') }}", "never uses 'prompt', the question; put {{ prompt }} where it belongs"),
        ("{{ instruction }} {{ prompt | first }}", "whose answers differ; let it use 'prompt'"),
    ],
)
def test_a_template_that_does_not_ask_what_the_row_asks_is_refused(
    init: Init, tmp_path: Path, template: str, says: str
) -> None:
    own = tmp_path / "in" / "own.j2"
    own.parent.mkdir()
    own.write_text(template)
    code, _, err = init([{**row, "text": f"mail {row['text']}"} for row in mails()], "--template", str(own))
    assert (code, left_behind(tmp_path)) == (2, [])
    assert says in err


def test_a_template_that_leaves_out_the_passage_is_refused_where_the_answer_hangs_on_it(
    init: Init, tmp_path: Path
) -> None:
    own = tmp_path / "in" / "own.j2"
    own.parent.mkdir()
    own.write_text("{{ prompt }}")
    rows = [{"context": f"It weighs {n} kg.", "question": "How heavy is it?", "answer": f"{n} kg"} for n in range(30)]
    code, _, err = init(rows, "--template", str(own))
    assert (code, left_behind(tmp_path)) == (2, [])
    assert "rows.jsonl:1 and " in err
    assert err.endswith("rows.jsonl:2, whose answers differ; let it use 'context'\n")
    same = [{**row, "question": f"How heavy is machine {n}?"} for n, row in enumerate(rows)]
    assert init(same, "--template", str(own))[0] == 0


def test_a_dry_run_lists_every_file_that_would_be_written_with_its_size(init: Init, tmp_path: Path) -> None:
    _, out, _ = init(mails(), "--dry-run")
    listed = [line.split() for line in out.partition("--- would write\n")[2].splitlines()]
    assert init(mails())[0] == 0
    folder = tmp_path / "shop"
    written = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert {file: int(size.replace(",", "")) for size, _, file in listed} == {
        file: path.stat().st_size for file, path in written.items()
    }
