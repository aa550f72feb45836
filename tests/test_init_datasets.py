"""Real data sets, each made a domain with one line and no hand edit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from init_files import harness
from tiny import make_tiny_model

from harness.evaluation.domain import load_domain
from harness.loop.prepare import dealt_roles

# name: what is given to --from, what is recognised, how answers are scored
SETS = {
    "banking77": ("banking77", "text and label", {"label"}),
    "snips": ("snips", "text and label", {"label"}),
    "squad_xquad_en": ("squad_xquad_en", "question, context and answer", {"short"}),
    "glaive_toolcall": ("glaive_toolcall", "conversation", {"call", "long"}),
    "instruction_rasbt": (
        "instruction_rasbt/instruction_data_1100.jsonl",
        "instruction, input and output",
        {"long"},
    ),
    "movie_reviews": ("movie_reviews", "text and label", {"label"}),
    "wikisql_small": ("wikisql_small", "question and SQL", {"sql"}),
    "gsm8k": ("gsm8k", "prompt and answer", {"number"}),
    "dolly15k": ("dolly15k", "question, context and answer", {"long"}),
    "toolalpaca": ("toolalpaca", "lists of prompts and answers", {"call"}),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("name", SETS)
def test_a_data_set_becomes_a_domain_whose_right_answers_are_right(
    name: str, model: Path, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, kind, scorings = SETS[name]
    code = harness("init", tmp_path / name, "--from", shared_data / source, "--model", model)
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    assert out.startswith(f"recognised {kind}: ")
    domain = load_domain(name, [tmp_path / name / "tasks"])
    task = domain.tasks[name].task
    items = [item for split in ("train", "validation", "test") for item in domain.items(split, "dev")]
    assert len(items) >= 100
    if len(items) < 3000:  # of more, finding near-duplicates takes a minute
        roles = dealt_roles(domain, None).items
        assert all(roles[role] for role in ("train_pool", "dev", "gate", "test"))
        assert len(roles["train_pool"]) >= 0.4 * len(items)
    assert {item.doc["scoring"] for item in items} == scorings
    for item in items:
        assert item.prompt.strip()
        assert task.process_results(dict(item.doc), [item.target])["acc"] == 1.0
        assert task.process_results(dict(item.doc), ["\u2620\u2620"])["acc"] == 0.0


@pytest.mark.model
@pytest.mark.parametrize("name", SETS)
def test_a_baseline_runs_on_forty_items(name: str, shared_data: Path, tmp_path: Path) -> None:
    def run(folder: Path, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "import sys; from harness.cli.main import main; sys.exit(main())", *arguments],
            cwd=folder,
            env={**os.environ, "HARNESS_STATE": str(tmp_path / "state")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(tmp_path, "init", name, "--from", str(shared_data / SETS[name][0]))
    summary = json.loads(run(tmp_path / name, "baseline", "--limit", "40", "--json"))
    dev = summary["baseline"]["dev"]
    dealt = dealt_roles(load_domain(name, [tmp_path / name / "tasks"]), None).items
    held, every = len(dealt["dev"]), sum(map(len, dealt.values()))
    assert dev["n"] == min(40, held)
    assert held >= min(40, every // 10)  # toolalpaca: of 214 questions 143 take one call, 16 of these are of dev
    assert 0.0 <= dev["value"] <= 1.0
