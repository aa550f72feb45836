"""Each ``harness`` command of pages about data, tasks and plugins, run as it stands there, on a tiny model."""

from __future__ import annotations

import csv
import shlex
import shutil
from pathlib import Path

import pytest
from init_files import harness, mails, write_rows
from lm_eval_rows import arc_rows, gsm_rows, write_lm_eval_task
from tiny import make_tiny_model

# What the pages leave to the defaults and a test cannot: the embedded model, general tasks, minutes.
ADDED = {"show": ["--model", "{model}"], "baseline": ["--model", "{model}", "--guard", "", "--limit", "8"]}
COUNTS = {"data-card.md": 5, "tasks.md": 6, "plugins.md": 2}


def commands(page: Path) -> list[list[str]]:
    """Indented lines that a user would type, comments apart."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("    harness ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages name, and lm-eval's tasks over a few rows of ours."""
    with (tmp_path / "mails.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["text", "label"])
        writer.writeheader()
        writer.writerows(mails())
    write_rows(tmp_path / "mails.jsonl", mails())
    write_rows(tmp_path / "mails/train.jsonl", mails(60))
    write_rows(tmp_path / "mails/test.jsonl", mails(30, 60))
    write_rows(tmp_path / "rows.jsonl", gsm_rows(24, 300))
    for name, rows in (("arc_easy", arc_rows), ("gsm8k", gsm_rows)):
        write_rows(tmp_path / name / "train.jsonl", rows(24))
        write_rows(tmp_path / name / "test.jsonl", rows(32, 100))
        write_lm_eval_task(tmp_path / "tasks", name, tmp_path / name)
    (tmp_path / "harness.yaml").write_text("include_path: [tasks]\nfewshot: 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", COUNTS)
def test_every_command_of_the_page_works(
    project_root: Path,
    folder: Path,
    page: str,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = make_tiny_model(tmp_path_factory.mktemp("model"))
    found = commands(project_root / "docs" / page)
    assert len(found) == COUNTS[page]
    for command in found:
        words = [str(model) if word == "smollm2-135m-instruct" else word for word in command]
        added = next((more for verb, more in ADDED.items() if verb in words[:2]), [])
        shutil.rmtree("runs", ignore_errors=True)  # each stands for itself: another choice of data is another run
        code = harness(*words, *(word.format(model=model) for word in added))
        assert code == 0, f"{command}: {capsys.readouterr()}"
