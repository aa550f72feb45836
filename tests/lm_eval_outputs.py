"""Output of the real ``lm_eval`` command on a tiny model, for tests that read it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tiny import make_tiny_model
from toy import write_toy_tasks

FILTERED = """\
task: toy_filtered
custom_dataset: !function utils.load
dataset_kwargs:
  skill: add
test_split: test
output_type: generate_until
doc_to_text: "Q: {{input}} A:"
doc_to_target: target
generation_kwargs:
  until: ["\\n"]
  max_gen_toks: 8
filter_list:
  - name: digits
    filter:
      - function: regex
        regex_pattern: "([0-9]+)"
      - function: take_first
  - name: raw
    filter:
      - function: take_first
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
metadata:
  version: 3.0
"""
PICK = """\
task: toy_pick
custom_dataset: !function utils.load
dataset_kwargs:
  skill: add
test_split: test
output_type: multiple_choice
doc_to_text: "Q: {{input}} A:"
doc_to_target: 0
doc_to_choice: "{{[target, (target | int + 3) | string, (target | int - 2) | string]}}"
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
"""
GROUP = "group: toy_all\ntask: [toy_add, toy_guard, toy_filtered, toy_pick]\n"


def write_tasks(folder: Path) -> Path:
    """The toy's tasks, one with two filters and one of three endings, as the group ``toy_all``."""
    write_toy_tasks(folder)
    (folder / "toy_filtered.yaml").write_text(FILTERED)
    (folder / "toy_pick.yaml").write_text(PICK)
    (folder / "toy_all.yaml").write_text(GROUP)
    return folder


def run_lm_eval(tasks: Path, model: Path, out: Path, *more: str) -> Path:
    """``lm_eval run --log_samples`` of ``toy_all``; returns the folder that it wrote into."""
    command = ("run", "--model", "hf", "--model_args", f"pretrained={model}", "--device", "cpu", "--batch_size", "8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lm_eval", *command, "--include_path", str(tasks), "--tasks", "toy_all"),
            *("--log_samples", "--output_path", str(out), *more),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    return out


def make_outputs(folder: Path) -> tuple[Path, Path, Path]:
    """The tasks, and the outputs of two models: one of the Llama kind and one of the Qwen2 kind."""
    tasks = write_tasks(folder / "tasks")
    first = make_tiny_model(folder / "one", "llama", seed=1)
    second = make_tiny_model(folder / "two", "qwen2", seed=5)
    return tasks, run_lm_eval(tasks, first, folder / "out_one"), run_lm_eval(tasks, second, folder / "out_two")


def only(folder: Path, pattern: str) -> Path:
    """The one file below ``folder`` of that name."""
    (found,) = folder.rglob(pattern)
    return found


def change_rows(path: Path, change: Any) -> None:
    """Write ``change(row)`` in place of each row of a JSON lines file; ``None`` leaves one out."""
    rows = [change(json.loads(line)) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows if row is not None))


def change_json(path: Path, change: Any) -> None:
    """Let ``change`` alter the object of a JSON file."""
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))
