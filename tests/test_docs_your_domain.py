"""Each command of docs/your-domain.md, run as it stands there, on a tiny model."""

from __future__ import annotations

import csv
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from init_files import PYTEST, mails, write_rows
from tiny import make_tiny_model

HARNESS = "import sys; sys.argv[0] = 'harness'; from harness.cli.main import main; sys.exit(main())"
# What the page leaves to the defaults and a test cannot: the embedded model, and minutes.
ADDED = {"init": ["--model", "{model}"], "baseline": ["--limit", "8"], "iterate": ["--limit", "8"], "gate": []}


def commands(page: Path) -> list[list[str]]:
    """Indented lines that a user would type."""
    lines = [line[4:] for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("    ")]
    return [shlex.split(line) for line in lines if line.split(" ")[0] in ("harness", "cd", "pytest")]


def run(command: list[str], folder: Path, model: Path) -> subprocess.CompletedProcess[str]:
    program, *arguments = command
    if program == "harness":
        added = [word.format(model=model) for word in ADDED[arguments[0]]]
        whole = [sys.executable, "-c", HARNESS, *arguments, *added]
    else:
        whole = [sys.executable, *PYTEST, "-q", *arguments]
    return subprocess.run(whole, cwd=folder, env=dict(os.environ), capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with (tmp_path / "mails.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["text", "label"])
        writer.writeheader()
        writer.writerows(mails())
    asked = [{"ask": f"What is {n}?", "say": f"It is {n * n}", "page": f"Number {n} is {n * n}."} for n in range(30)]
    write_rows(tmp_path / "faq.jsonl", asked)
    return tmp_path


def test_every_command_of_the_page_works(
    project_root: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = make_tiny_model(tmp_path_factory.mktemp("model"))
    page = project_root / "docs" / "your-domain.md"
    found = commands(page)
    assert {command[1] for command in found if command[0] == "harness"} == {"init", "baseline", "iterate", "gate"}
    place = folder
    for command in found:
        if command[0] == "cd":
            place = folder / command[1]
            continue
        if command[:2] == ["harness", "init"]:
            place = folder
        done = run(command, place, model)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        if "--dry-run" in command:
            shown = {line.strip() for line in page.read_text(encoding="utf-8").splitlines()}
            told = [line for line in done.stdout.splitlines() if line.startswith(("recognised", "an answer is right"))]
            assert len(told) == 2
            assert shown.issuperset(told)
    summary = json.loads((folder / "shop/runs/shop/summary.json").read_text())
    assert summary["rounds_done"] == 5


def test_the_page_shows_the_file_that_the_test_reads(project_root: Path, folder: Path) -> None:
    shown = [line.strip() for line in (project_root / "docs/your-domain.md").read_text(encoding="utf-8").splitlines()]
    first = [row["text"] for row in mails(2)]
    assert [line for line in shown if any(text in line for text in first)] == [
        f'"{row["text"]}",{row["label"]}' for row in mails(2)
    ]
