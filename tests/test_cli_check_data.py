"""``harness check-data`` and ``harness data extend``: exit codes, what is listed, the overlaps of real data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toy import toy_docs, write_toy_tasks

from harness.cli.main import main
from harness.storage import read_jsonl

STORY = "the blue kettle that my aunt sent from Porto last week boils over whenever the lid is closed too tightly"


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def report(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_files_without_a_common_text_are_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = write(tmp_path / "a.jsonl", [{"text": "one thing"}, {"text": "another"}])
    test = write(tmp_path / "b.jsonl", [{"text": "a third"}])
    assert main(["check-data", "--train", str(train), "--test", str(test)]) == 0
    assert capsys.readouterr().out == "0 of 2 training texts repeat 0 of 1 protected texts\n"


def test_hits_are_listed_with_both_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = write(tmp_path / "a.jsonl", [{"q": "new"}, {"q": "Where is\nit?"}, {"q": STORY.replace("blue", "red")}])
    test = write(tmp_path / "b.jsonl", [{"q": STORY}, {"q": "where is it"}])
    assert main(["check-data", "--train", str(train), "--test", str(test), "--field", "q"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "same text  a.jsonl:2 = b.jsonl:2",
        "  Where is it?",
        "  where is it",
        "13-gram 0.85  a.jsonl:3 = b.jsonl:1",
        f"  {STORY.replace('blue', 'red')}",
        f"  {STORY}",
        "2 of 3 training texts repeat 2 of 2 protected texts",
    ]


def test_a_planted_canary_anywhere_in_a_row_is_a_hit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = write(tmp_path / "a.jsonl", [{"text": "new", "source": "from MY-OWN-CANARY-0123456789 data"}])
    test = write(tmp_path / "b.jsonl", [{"text": "old", "canary": "my-own-canary-0123456789"}])
    assert main(["check-data", "--train", str(train), "--test", str(test), "--json"]) == 1
    assert report(capsys)["hits"] == [
        {"rule": "canary", "score": 1.0, "train": {"name": "a.jsonl:1", "text": "new"}, "protected": None}
    ]


def test_control_characters_of_the_data_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = write(tmp_path / "a.jsonl", [{"text": "\x1b[31mred text"}])
    assert main(["check-data", "--train", str(rows), "--test", str(rows)]) == 1
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--train", "a.jsonl"], "--train and --test go together"),
        (["--train", "none.jsonl", "--test", "a.jsonl"], "none.jsonl: no such file"),
        (["--train", "empty.jsonl", "--test", "a.jsonl"], "empty.jsonl: holds no rows"),
        (
            ["--train", "a.jsonl", "--test", "a.jsonl", "--field", "txet"],
            "a.jsonl:1: has no text 'txet'. Did you mean 'text'?",
        ),
        (["--train", "a.txt", "--test", "a.jsonl"], "a.txt: rows are read from .jsonl"),
        (["--train", "bad.jsonl", "--test", "a.jsonl"], "bad.jsonl:2: not valid JSON"),
    ],
)
def test_bad_input_is_two(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.jsonl", [{"text": "one"}])
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "a.txt").write_text("one\n")
    (tmp_path / "bad.jsonl").write_text('{"text": "one"}\n{"text": \n')
    assert main(["check-data", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folder", "train", "test", "field", "known"),
    [
        ("banking77", "train", "test", "text", 6),
        ("arc_easy", "train", "test", "question", 7),
        ("snips", "train", "validate", "text", 1),
    ],
)
def test_every_known_overlap_of_real_data_is_found(
    shared_data: Path, capsys: pytest.CaptureFixture[str], folder: str, train: str, test: str, field: str, known: int
) -> None:
    """The texts of the evaluation split that stand, letter for letter, in the train split too."""
    paths = [shared_data / folder / f"{split}.jsonl" for split in (train, test)]
    rows, protected = (read_jsonl(path) for path in paths)
    texts = {row[field] for row in rows}
    expected = {f"{test}.jsonl:{line}" for line, row in enumerate(protected, 1) if row[field] in texts}
    assert len(expected) == known
    assert main(["check-data", "--train", str(paths[0]), "--test", str(paths[1]), "--field", field, "--json"]) == 1
    hits = report(capsys)["hits"]
    same = [hit for hit in hits if hit["rule"] == "same text"]
    assert expected <= {hit["protected"]["name"] for hit in same}
    pairs = {(hit["train"]["text"], hit["protected"]["text"]) for hit in hits}
    assert {(row[field], row[field]) for row in protected if row[field] in texts} <= pairs


@pytest.fixture
def toy_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy as real tasks, the configured domain of the current folder."""
    write_toy_tasks(tmp_path / "tasks")
    (tmp_path / "harness.yaml").write_text("domain: toy\nguard: toy_guard\ninclude_path: [tasks]\nstate: kept\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_STATE")
    return tmp_path


def test_a_clean_domain_is_zero_and_leaves_no_record(toy_config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data"]) == 0
    assert capsys.readouterr().out == "0 of 88 training texts repeat 0 of 132 protected texts\n"
    assert not (toy_config / "kept").exists()


def test_a_train_item_that_is_protected_is_one(toy_config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doc = toy_docs("add", "test")[3]
    with (toy_config / "tasks" / "add_train.jsonl").open("a") as stream:
        stream.write(json.dumps({**doc, "input": doc["input"].upper(), "cluster": "new"}) + "\n")
    assert main(["check-data", "--json"]) == 1
    found = report(capsys)
    assert (found["train"], found["train_hit"], found["protected_hit"]) == (89, 1, 1)
    (hit,) = found["hits"]
    assert (hit["train"]["text"], hit["protected"]["text"]) == (doc["input"].upper(), doc["input"])
    assert hit["protected"]["name"].startswith("test ")


def test_the_shipped_domain_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-data"]) == 0
    assert capsys.readouterr().out.startswith("0 of 4,")


def test_new_items_are_brought_into_their_roles(toy_config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = [
        {
            "skill": "add",
            "tag": "extraction",
            "cluster": f"n{n // 4}",
            "input": f"What is {n} + 1?",
            "target": str(n + 1),
        }
        for n in range(5000, 5020)
    ]
    file = write(toy_config / "new.jsonl", new)
    assert main(["data", "extend", str(file)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "added 20 items: 12 dev, 8 gate" or shown[0] == "added 20 items: 8 dev, 12 gate"
    assert shown[1].startswith("gate group 1: ")
    assert shown[1].endswith("no look made yet, the next at 0.00625")
    assert (toy_config / "kept" / "toy.jsonl").is_file()
    assert main(["check-data"]) == 0
    assert capsys.readouterr().out == "0 of 88 training texts repeat 0 of 152 protected texts\n"
    # The same items again are no new ones.
    assert main(["data", "extend", str(file)]) == 1
    captured = capsys.readouterr()
    assert captured.err == "nothing added: 20 of 20 items repeat one that is there; remove them\n"


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_items_that_repeat_one_of_any_role_are_not_added(
    toy_config: Path, capsys: pytest.CaptureFixture[str], split: str
) -> None:
    doc = toy_docs("reverse", split)[0]
    file = write(toy_config / "new.jsonl", [{**doc, "cluster": "new"}])
    assert main(["data", "extend", str(file)]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("same text  ")
    assert "new.jsonl:1 = " in captured.out
    assert "nothing added: 1 of 1 items" in captured.err
    assert main(["check-data", "--json"]) == 0
    assert report(capsys)["protected"] == 132


def test_a_file_of_new_items_that_cannot_be_read_is_two(toy_config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "extend", "none.jsonl"]) == 2
    assert "none.jsonl: cannot be read" in capsys.readouterr().err
    assert not (toy_config / "kept").exists()
