"""Multiple choice: lm-eval's HFLM against the engine of this project, log-probability by log-probability.

    python benchmarks/choice.py [--adapter runs/helpdesk/rounds/003/adapter]

The items are those of the guard ``general_choice`` and, where ``HARNESS_SHARED_DATA`` names a folder that has it,
``arc_easy/test.jsonl`` in the wording of lm-eval's own ``arc_easy``. Both contenders score the same pairs of context
and ending on the same merged weights; picks are by the highest log-probability, unnormalised.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import Contender, best_of, numbers, parser, race, ratio, report, say, table
from subjects import choice_instances, data_folder, load_model, merged_model, open_workbench, quiet

HFLM, OURS = "HFLM", "harness"


def arc_pairs(doc: dict[str, Any]) -> list[tuple[str, str]]:
    """Context and ending of each choice of an ARC document, as lm-eval's ``arc_easy`` has them."""
    return [(f"Question: {doc['question']}\nAnswer:", f" {text}") for text in doc["choices"]["text"]]


def arc_items(folder: Path, limit: int | None) -> list[list[tuple[str, str]]]:
    """The first ``limit`` items of the test file."""
    lines = (folder / "arc_easy" / "test.jsonl").read_text(encoding="utf-8").splitlines()[:limit]
    return [arc_pairs(json.loads(line)) for line in lines]


def general_items(wb: Any, limit: int | None) -> list[list[tuple[str, str]]]:
    """Items of the guard's multiple choice, rendered by lm-eval."""
    from harness.evaluation.domain import load_domain
    from harness.evaluation.roles import subset

    domain = load_domain("general_choice", [data_folder()])
    items = subset(domain.items("test", "guard"), limit)
    return [[instance.args for instance in choice_instances(domain, [item], wb.chat_template)] for item in items]


def hflm_scores(model: Any, tokenizer: Any, items: Sequence[Sequence[tuple[str, str]]], batch: int) -> list[float]:
    """Log-probabilities of all endings by ``HFLM.loglikelihood``."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch, device="cpu")
    pairs = [pair for item in items for pair in item]
    instances = [Instance("loglikelihood", {}, pair, index) for index, pair in enumerate(pairs)]
    return [float(logprob) for logprob, _ in lm.loglikelihood(instances, disable_tqdm=True)]


def our_scores(wb: Any, adapter: Path | None, items: Sequence[Sequence[tuple[str, str]]], group: str) -> list[float]:
    """The same by the engine that ``harness iterate`` evaluates with."""
    from harness.evaluation.engine import ScoringRequest

    wb.activate(adapter)
    requests = [ScoringRequest(context, ending, group) for item in items for context, ending in item]
    with wb.asking() as engine:
        return [scoring.logprob for scoring in engine.loglikelihood(requests, None)]


def picks(items: Sequence[Sequence[Any]], scores: Sequence[float]) -> list[int]:
    """The ending with the highest score of each item; the first of equals."""
    chosen, start = [], 0
    for item in items:
        own = scores[start : start + len(item)]
        chosen.append(max(range(len(own)), key=lambda place: own[place]))
        start += len(item)
    return chosen


def main(argv: Sequence[str] | None = None) -> int:
    options = parser(__doc__, items=100)
    options.add_argument("--adapter", type=Path, help="a trained LoRA adapter [default: the base]")
    options.add_argument("--batches", type=numbers, default=[8, 16, 32, 64], help="batch sizes tried for HFLM")
    asked = options.parse_args(argv)
    quiet()
    from harness.training.recipe import load_recipe

    adapter = asked.adapter.resolve() if asked.adapter else None
    wb = open_workbench(load_model(asked.model), load_recipe("lora"))
    other = load_model(asked.model)
    model, tokenizer = merged_model(other, adapter), other.tokenizer
    sets = {"general_choice": general_items(wb, asked.items)}
    shared = os.environ.get("HARNESS_SHARED_DATA")
    if shared and (Path(shared) / "arc_easy" / "test.jsonl").is_file():
        sets["arc_easy"] = arc_items(Path(shared), asked.items)
    else:
        say("arc_easy is left out: HARNESS_SHARED_DATA names no folder that has it")

    rows: list[list[Any]] = []
    data: dict[str, Any] = {}
    for name, items in sets.items():
        our_scores(wb, adapter, items[:2], name)
        hflm_scores(model, tokenizer, items[:2], 8)

        def by_hflm(batch: int, items: Any = items) -> Contender:
            return Contender(HFLM, lambda: hflm_scores(model, tokenizer, items, batch))

        batch = best_of(f"HFLM on {name}", asked.batches, by_hflm)
        ours = Contender(OURS, lambda items=items, name=name: our_scores(wb, adapter, items, name))
        times = race([by_hflm(batch), ours], asked.repeats)
        theirs, own = times[HFLM].result, times[OURS].result
        same = sum(a == b for a, b in zip(picks(items, theirs), picks(items, own), strict=True))
        largest = max(abs(a - b) for a, b in zip(theirs, own, strict=True))
        data[name] = {
            "items": len(items),
            "endings": len(own),
            "batch": batch,
            "seconds": {contender: timed.seconds for contender, timed in times.items()},
            "median": {contender: timed.median for contender, timed in times.items()},
            "over_harness": times[HFLM].median / times[OURS].median,
            "same_picks": same,
            "largest_difference": largest,
        }
        rows.append(
            [
                f"{name}, {len(items)} items, {len(own)} endings",
                batch,
                times[HFLM].median,
                times[OURS].median,
                ratio(times[HFLM].median, times[OURS].median),
                f"{same} of {len(items)}",
                f"{largest:.1e}",
            ]
        )
    headers = ["", "batch of HFLM", "HFLM, s", "harness, s", "ratio", "same picks", "largest difference, nats"]
    report("choice", table(headers, rows), {"sets": data, "adapter": str(asked.adapter)}, asked.results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
