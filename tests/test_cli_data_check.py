"""``harness data check`` and ``harness data clean``: exit codes, what is printed where, bad files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from intake_examples import plain

from harness.cli.main import main
from harness.intake.model import ModelText
from harness.models.reference import ModelReference

GOOD: list[dict[str, Any]] = [{"text": one.prompt, "label": one.answer} for one in plain(90)]


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def stopped(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    assert main(["data", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


def test_a_good_file_passes_with_a_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "a.jsonl", GOOD)
    assert main(["data", "check", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "90 rows, 90 examples" in out
    assert "This can be evaluated; nothing was found." in out
    assert err == ""


def test_warnings_do_not_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "a.jsonl", [*GOOD, GOOD[0], {"text": "Mail jane@example.org", "label": "red"}])
    assert main(["data", "check", str(file)]) == 0
    out = capsys.readouterr().out
    assert "warning: 1 row is there twice" in out
    assert f"({file}:91)" in out
    assert "warning: 1 row with what looks private: email 1" in out
    assert "jane@" not in out


def test_json_is_one_object_and_the_page_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, page = write(tmp_path / "a.jsonl", GOOD), tmp_path / "out" / "card.html"
    assert main(["data", "check", str(file), "--json", "--html", str(page)]) == 0
    assert json.loads(capsys.readouterr().out)["examples"] == 90
    assert page.read_text().startswith("<!doctype html>")


def test_a_model_gives_lengths_and_what_is_given_gives_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from test_intake_fields import Tokenizer

    text = ModelText(ModelReference("tiny", "hub"), Tokenizer(), 8)
    monkeypatch.setattr("harness.intake.model.model_text", lambda name: text)
    file = write(tmp_path / "a.jsonl", GOOD)
    priced = ["--tokens-per-second", "10", "--price-per-hour", "36"]
    assert main(["data", "check", str(file), "--model", "tiny", *priced, "--json"]) == 0
    tokens = json.loads(capsys.readouterr().out)["tokens"]
    assert (tokens["model"], tokens["context"], tokens["over"]) == ("tiny", 8, 90)
    assert tokens["cost"] == pytest.approx(tokens["epoch"] / 1000)
    assert main(["data", "check", str(file), "--model", "tiny"]) == 0
    assert "it costs" not in capsys.readouterr().out
    for given, says in (
        (["--model", "tiny", "--price-per-hour", "36"], "no cost of an epoch is told; give --tokens-per-second too"),
        (["--price-per-hour", "36"], "no cost of an epoch is told; give --model and --tokens-per-second too"),
        (["--tokens-per-second", "10"], "no time of an epoch is told; give --model too"),
    ):
        assert main(["data", "check", str(file), *given]) == 0
        assert capsys.readouterr().err == f"note: {says}\n"


TEXTS = [{"text": row["text"], "label": "Yes" if n % 2 else "no"} for n, row in enumerate(GOOD)]
BAD: dict[str, tuple[list[dict[str, Any]], str]] = {
    "one row": (GOOD[:1], "1 usable row"),
    "label by case": ([*TEXTS, {"text": "Anything else?", "label": "yes"}], "one label is written in 2 ways"),
    "one id twice": ([{"id": n % 89, **row} for n, row in enumerate(GOOD)], "under a 'id' that another row has"),
    "a class of one row": (
        [{"text": row["text"], "label": "red" if n else "blue"} for n, row in enumerate(GOOD)],
        "the label 'blue' has a single row",
    ),
    "conflicts": ([*GOOD, *({"text": row["text"], "label": "pink"} for row in GOOD[:3])], "more than one label"),
    "mixed schema": ([*GOOD, {"txt": "Why?", "label": "red"}], "not of the others' form"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_spoils_the_work_stops_with_one_line_that_names_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    rows, expected = BAD[name]
    line = stopped(capsys, ["check", str(write(tmp_path / "a.jsonl", rows))])
    assert expected in line
    assert "a.jsonl:" in line


def test_train_and_test_alike_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "train.jsonl", GOOD)
    write(tmp_path / "test.jsonl", GOOD)
    assert "all test rows stand in another split" in stopped(capsys, ["check", str(tmp_path)])


def test_formulas_warn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["text,label", *(f"{row['text']},{row['label']}" for row in GOOD), "=HYPERLINK(A1),red", "@home,red"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert main(["data", "check", str(tmp_path / "a.csv")]) == 0
    assert "warning: 2 rows with a cell that a spreadsheet would run" in capsys.readouterr().out


def test_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in stopped(capsys, ["check", str(tmp_path / "none.jsonl")])
    assert "no such file" in stopped(capsys, ["clean", str(tmp_path / "none.jsonl"), "-o", str(tmp_path / "b.jsonl")])


def test_clean_says_what_it_did_and_the_result_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, _ = BAD["label by case"]
    file, out = write(tmp_path / "a.jsonl", [*rows, rows[0]]), tmp_path / "b.jsonl"
    assert main(["data", "clean", str(file), "-o", str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "duplicate: 1",
        "label: 1",
        f"91 of 92 rows kept: {out}",
        f"changes: {out}.changes.jsonl",
    ]
    assert main(["data", "check", str(out)]) == 0
    capsys.readouterr()
    assert main(["data", "clean", str(out), "-o", str(tmp_path / "c.jsonl"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"] == {}


def test_clean_never_writes_over_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "a.jsonl", GOOD)
    before = file.read_bytes()
    assert "is the file that is read" in stopped(capsys, ["clean", str(file), "-o", str(file)])
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_what_was_recognised_and_what_is_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.csv"
    lines = [f"{n},s{n},{row['text']},{row['label']}" for n, row in enumerate(GOOD)]
    file.write_text("\n".join([",subject,Body,queue", *lines]))
    assert main(["data", "check", str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "recognised text and label: prompt = Body, answer = queue; 3 labels, so a classification",
        "columns not used: the one without a name (the numbers of rows, as pandas writes them), 'subject'",
    ]


USER, BOT = {"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day"}


@pytest.mark.parametrize(
    ("messages", "error", "stops"),
    [
        (None, "missing_messages_list", True),
        ([], "missing_messages_list", True),
        ([USER, {**BOT, "role": "assistent"}], "unrecognized_role", True),
        ([{"content": "Hi"}, USER, BOT], "message_missing_key", True),
        ([USER, BOT, "Bye"], "message_data_type", True),
        ([{**USER, "role": "User"}, BOT], "unrecognized_role", False),
        ([{"role": "user"}, BOT], "message_missing_key", False),
        ([{**USER, "mood": "glad"}, BOT], "message_unrecognized_key", False),
        ([USER, {"role": "assistant", "content": None}], "message_with_null_content", False),
        ([USER, {"role": "assistant", "content": " "}], "missing_content", False),
        ([USER], "example_missing_assistant_message", False),
        ([BOT], "missing_user_message", False),
        ([USER, BOT, USER], "last_turn_not_assistant", False),
        ([USER, BOT, BOT], "roles_out_of_order", False),
    ],
)  # fmt: skip
def test_one_conversation_that_cannot_be_read_stops_and_other_errors_warn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], messages: Any, error: str, stops: bool
) -> None:
    """The table in docs/data-card.md."""
    talks = [[{**USER, "content": row["text"]}, {**BOT, "content": f"It is {row['label']}."}] for row in GOOD]
    file = write(tmp_path / "a.jsonl", [*({"messages": talk} for talk in talks), {"messages": messages}])
    code = main(["data", "check", str(file), "--json"])
    out, err = capsys.readouterr()
    card = json.loads(out)
    assert card["chat"][error] == 1
    assert "chat_format" in {problem["check"] for problem in card["warnings"]}
    assert (code, bool(err)) == ((2, True) if stops else (0, False))
    assert [problem["check"] for problem in card["stops"]] == (["refused_rows"] if stops else [])
