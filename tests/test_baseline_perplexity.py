"""Perplexity of gold answers and of plain text, as ``harness baseline`` takes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import FakeWorkbench, at_the_command_line
from toy import write_toy_tasks

from harness.cli.main import main
from harness.storage import read_json


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[FakeWorkbench]:
    return at_the_command_line(tmp_path, write_toy_tasks(tmp_path / "tasks"), monkeypatch, FakeWorkbench)


def test_the_baseline_takes_the_golds_perplexity(
    bench: list[FakeWorkbench], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["baseline", "--json"]) == 0
    rows = [row for row in json.loads(capsys.readouterr().out)["metrics"] if row["metric"] == "perplexity"]
    assert [(row["items"], row["skill"]) for row in rows] == [("dev", "add"), ("dev", "reverse"), ("dev", "all")]
    # The scripted model gives a gold answer -1 nat if it knows it and -3 if not, one token each.
    values = read_json(Path("runs/toy/baseline/perplexity.json")).values()
    mean = sum(logprob for logprob, _ in values) / len(values)
    assert rows[-1]["before"]["value"] == pytest.approx(2.718281828**-mean)
    assert rows[-1]["before"]["stderr"] > 0
    assert (rows[-1]["method"], rows[-1]["after"]) == ("bootstrap", None)
    capsys.readouterr()
    main(["baseline", "-q"])
    assert bench[-1].asked("loglikelihood") == []  # done phases are not done again


def test_the_baseline_takes_a_texts_perplexity(
    bench: list[FakeWorkbench], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("texts").mkdir()
    Path("texts/a.txt").write_text("one two three")
    Path("texts/b.jsonl").write_text('{"text": "four five"}\n{"text": " "}\n')
    asked: list[list[str]] = []

    def rolling(self: FakeWorkbench, texts: Sequence[str], progress: Any) -> list[float]:
        asked.append(list(texts))
        return [-2.0 * len(text.split()) for text in texts]

    assert main(["baseline", "--text", "texts"]) == 2
    assert "cannot score plain text; use auto, harness or hf" in capsys.readouterr().err
    monkeypatch.setattr(FakeWorkbench, "loglikelihood_rolling", rolling, raising=False)
    for _ in range(2):
        assert main(["baseline", "--text", "texts", "-q"]) == 0
    assert asked == [["one two three", "four five"]]
    capsys.readouterr()
    assert main(["baseline", "--text", "texts/a.txt", "--json"]) == 0
    rows = {
        (r["skill"], r["metric"]): r for r in json.loads(capsys.readouterr().out)["metrics"] if r["items"] == "text"
    }
    assert {skill for skill, _ in rows} == {"texts", "a.txt"}
    assert rows["texts", "word_perplexity"]["before"]["value"] == pytest.approx(7.389, abs=1e-3)
    assert rows["texts", "bits_per_byte"]["n"] == 2
    assert rows["a.txt", "word_perplexity"]["before"]["stderr"] is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.txt", None, "gone.txt: no such file or folder with text"),
        ("a.pdf", "x", "a.pdf: text is read from .txt and .jsonl files; convert it"),
        ("a.jsonl", '{"words": "x"}\n', "a.jsonl: row 1 has no field 'text' with a text; add it"),
        ("a.txt", " \n", "a.txt: holds no text; name a .txt or .jsonl file, or a folder of them"),
    ],
)
def test_text_that_cannot_be_read_is_refused_before_anything_is_asked(
    bench: list[FakeWorkbench], capsys: pytest.CaptureFixture[str], name: str, content: str | None, message: str
) -> None:
    if content is not None:
        Path(name).write_text(content)
    assert main(["baseline", "--text", name]) == 2
    assert message in capsys.readouterr().err
    assert bench[-1].history == []
