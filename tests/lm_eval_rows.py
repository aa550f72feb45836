"""lm-eval's own tasks on local rows, in a folder for ``include_path``: prompts, choices and scoring are lm-eval's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDERS = {"arc_easy": "arc", "gsm8k": "gsm8k", "lambada_openai": "lambada"}


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def arc_rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Rows of arc_easy; the right ending stands at each place in turn."""
    words = ("heron", "cedar", "basalt", "comet")
    rows = []
    for number in range(start, start + count):
        texts = [f"{word} number {number}" for word in words]
        choices = {"text": texts, "label": ["A", "B", "C", "D"]}
        rows.append({"question": f"Which one bears the mark {number * 7919 % 10007}?", "choices": choices,
                     "answerKey": "ABCD"[number % 4]})  # fmt: skip
    return rows


def gsm_rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Rows of gsm8k."""
    return [
        {"question": f"Ada has {n} plums and buys {n * n} more. How many has she?",
         "answer": f"She has {n} + {n * n} = {n + n * n}.\n#### {n + n * n}"}
        for n in range(start, start + count)
    ]  # fmt: skip


def write_lm_eval_task(folder: Path, name: str, rows: Path, training: bool = True) -> Path:
    """lm-eval's task ``name`` over the files ``train.jsonl`` and ``test.jsonl`` in ``rows``. Returns ``folder``."""
    import lm_eval.tasks

    own = Path(lm_eval.tasks.__file__).parent / FOLDERS[name] / f"{name}.yaml"
    splits = ["test", *(["train"] if training else [])]
    lines = [
        f"include: {own}",
        f"task: {name}",
        "custom_dataset: !function harness.evaluation.local_rows.load",
        f"dataset_kwargs: {json.dumps({'task': name, 'path': str(rows), 'splits': splits})}",
        f"training_split: {'train' if training else 'null'}",
        "validation_split: null",
        f"fewshot_split: {'train' if training else 'null'}",
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text("\n".join(lines) + "\n")
    return folder
