"""Pick training rows from what ``lm_eval run`` logged; `scripted_loop.sh` calls it once a round.

    python benchmarks/scripted_pick.py --samples OUT --general general.jsonl --rows 224 --out rows.jsonl

Failing rows of the mined sample first, then rows that were right, and a share of general rows against forgetting: the
mixture that such scripts use. Standard library only, so that it starts at once.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def row_of(sample: Mapping[str, Any]) -> dict[str, str]:
    """A logged sample as a training row: the prompt that the model got, and the gold answer."""
    return {"prompt": sample["arguments"]["gen_args_0"]["arg_0"], "completion": sample["target"]}


def pick(
    samples: Sequence[Mapping[str, Any]], general: Sequence[Mapping[str, str]], rows: int, share: float, seed: int
) -> list[dict[str, str]]:
    """``rows`` rows, ``share`` of them general, the rest failing ones first; shuffled."""
    rng = random.Random(seed)
    others = min(len(general), round(rows * share))
    failing = [row_of(sample) for sample in samples if sample["exact_match"] < 1]
    right = [row_of(sample) for sample in samples if sample["exact_match"] >= 1]
    rng.shuffle(failing)
    rng.shuffle(right)
    chosen = [*failing, *right][: rows - others] + [dict(row) for row in rng.sample(list(general), others)]
    rng.shuffle(chosen)
    return chosen


def read(folder: Path, pattern: str) -> list[dict[str, Any]]:
    """All samples below ``folder`` whose file name holds ``pattern``."""
    return [
        json.loads(line)
        for path in sorted(folder.rglob("samples_*.jsonl"))
        if pattern in path.name
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def accuracy(samples: Sequence[Mapping[str, Any]]) -> float:
    """Share of samples that are right; 0 of none."""
    return sum(sample.get("exact_match", sample.get("acc", 0.0)) for sample in samples) / max(1, len(samples))


def main(argv: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--samples", type=Path, required=True, help="output folder of lm_eval run")
    options.add_argument("--tasks", default="__mine", help="what the names of the mined tasks hold")
    options.add_argument("--general", type=Path, help="JSONL of general rows: prompt and completion")
    options.add_argument("--share", type=float, default=0.15, help="share of general rows")
    options.add_argument("--rows", type=int, default=224)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, help="JSONL to write")
    options.add_argument("--accuracy", action="store_true", help="print the share of right samples and pick nothing")
    asked = options.parse_args(argv)
    samples = read(asked.samples, asked.tasks)
    if asked.accuracy:
        print(accuracy(samples))
        return 0
    if not samples or asked.out is None:
        options.error(f"no samples of '{asked.tasks}' in {asked.samples}, or no --out")
    general = []
    if asked.general:
        general = [json.loads(line) for line in asked.general.read_text(encoding="utf-8").splitlines()]
    rows = pick(samples, general, asked.rows, asked.share, asked.seed)
    asked.out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
