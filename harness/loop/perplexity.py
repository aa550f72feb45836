"""Perplexities of the base, which need the model: of dev's gold answers, and of plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.evaluation.items import Item, ItemResult
from harness.evaluation.respond import gold_scores
from harness.exceptions import InputError
from harness.loop.phases import marker, run_phase
from harness.loop.run import Run
from harness.metrics.perplexity import gold_perplexity, text_perplexities
from harness.metrics.suite import ALL
from harness.storage import read_json, read_jsonl, sha256_text, write_json

GOLD, TEXT = "perplexity", "text_"
Figures = dict[str, list[dict[str, Any]]]
"""`harness.metrics.MetricValue` as JSON, by skill (or by name of the text)."""


def score_golds(run: Run) -> Figures:
    """Perplexity of dev's gold answers after their zero-shot prompts, by skill and of all; one phase of round 0."""
    folder = run.round_dir(0)
    raw = folder / f"{GOLD}.json"

    def body() -> dict[str, Any]:
        run.workbench.activate(None)
        with run.workbench.asking() as engine:
            scores = gold_scores(
                run.prepared.domain, run.prepared.dev, engine, run.workbench.chat_template,
                lambda done, total: run.listener.step(done, total, GOLD),
            )  # fmt: skip
        golds = {i.item_id: (s.logprob, s.tokens) for i, s in zip(run.prepared.dev, scores, strict=True)}
        write_json(raw, golds)
        return {"figures": gold_figures(run.prepared.dev, golds)}

    run.listener.phase(0, run.rounds_asked, GOLD)
    result = run_phase(folder, GOLD, run.key(GOLD), [raw.name], body, run.clock)
    found: Figures = result["figures"]
    return found


def gold_figures(items: Sequence[Item | ItemResult], golds: Mapping[str, Sequence[Any]]) -> Figures:
    """Perplexity of gold answers by skill and of all.

    Args:
        golds: log-probability in nats and tokens of each item's gold answer, by item id.
    """
    skills: dict[str, list[Item | ItemResult]] = {}
    for item in items:
        if golds[item.item_id][1]:  # an empty gold answer has nothing to be surprised by
            skills.setdefault(item.skill, []).append(item)
    if len(skills) > 1:
        skills[ALL] = [item for item in items if golds[item.item_id][1]]
    figures: Figures = {}
    for skill in sorted(skills, key=lambda name: (name == ALL, name)):
        logprobs, tokens = zip(*(golds[item.item_id] for item in skills[skill]), strict=True)
        value = gold_perplexity(logprobs, tokens, [f"{item.task}\0{item.cluster}" for item in skills[skill]])
        figures[skill] = [asdict(value)]
    return figures


def score_text(run: Run, path: Path, limit: int | None = None) -> Figures:
    """Perplexities of the documents in ``path`` under the base; one phase of round 0 for each set of documents.

    Args:
        path: a ``.txt`` file (one document), a ``.jsonl`` file with a field ``text`` a line, or a folder of either.
        limit: most documents, the first ones by their hashes.

    Raises:
        InputError: nothing to read, or an engine that cannot score a text.
    """
    texts = read_texts(path)
    if limit is not None and limit < len(texts):
        texts = sorted(texts, key=sha256_text)[:limit]
    folder, name = run.round_dir(0), TEXT + sha256_text("\0".join(texts))[:12]

    def body() -> dict[str, Any]:
        run.workbench.activate(None)
        with run.workbench.asking() as engine:
            rolling = getattr(engine, "loglikelihood_rolling", None)
            if rolling is None:
                raise InputError(f"engine '{run.settings.engine}': cannot score plain text; use auto, harness or hf")
            logprobs = rolling(texts, lambda done, total: run.listener.step(done, total, "text"))
        return {"figures": {path.name: [asdict(value) for value in text_perplexities(texts, logprobs)]}}

    run.listener.phase(0, run.rounds_asked, "text")
    found: Figures = run_phase(folder, name, run.key(name), [], body, run.clock)["figures"]
    return found


def read_texts(path: Path) -> list[str]:
    """The documents in ``path`` that hold anything, in order; see `score_text`.

    Raises:
        InputError: nothing there, another kind of file, a line without text; names file and line.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder with text")
    if path.is_dir():
        files: Sequence[Path] = sorted(file for file in path.rglob("*") if file.suffix in (".txt", ".jsonl"))
    else:
        files = [path]
    texts: list[str] = []
    for file in files:
        if file.suffix == ".jsonl":
            for number, row in enumerate(read_jsonl(file), 1):
                if not isinstance(row.get("text"), str):
                    raise InputError(f"{file}: row {number} has no field 'text' with a text; add it")
                texts.append(row["text"])
        elif file.suffix == ".txt":
            try:
                texts.append(file.read_text(encoding="utf-8-sig"))
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{file}: cannot be read: {error}") from error
        else:
            raise InputError(f"{file}: text is read from .txt and .jsonl files; convert it")
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise InputError(f"{path}: holds no text; name a .txt or .jsonl file, or a folder of them")
    return texts


def saved_perplexities(base: Path) -> tuple[Figures, Figures]:
    """What finished phases left in round 0's folder: figures of golds by skill, and of texts by name."""
    golds: Figures = read_json(marker(base, GOLD))["result"]["figures"] if marker(base, GOLD).exists() else {}
    texts: Figures = {}
    for path in sorted(base.glob(f"{TEXT}*.done.json")):
        texts |= read_json(path)["result"]["figures"]
    return golds, texts
