"""Documents of the domains that `harness init` writes, and how lm-eval gets them back.

A line of ``data/SPLIT.jsonl`` is one document. What all documents share (the labels, the sentence for what is off
topic) stands once, in the ``utils.py`` beside, and is added on loading.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.exceptions import InputError
from harness.intake.example import Example
from harness.intake.form import Form
from harness.intake.tools import read_call
from harness.storage import read_jsonl

SPLITS = ("train", "validation", "test")
OFF_TOPIC = "off_topic"
"""Skill of questions of other subjects."""
_NESTED = ("expects", "turns", "accepted")
Document = dict[str, Any]


def document(example: Example, form: Form, name: str, sentence: str | None = None) -> Document:
    """What a data file holds of ``example``.

    It says nothing of where the example comes from: a row that moves stays the same item.

    Args:
        name: of the domain; the skill of an example that has none.
        sentence: the answer to what is off topic, where the domain has one.
    """
    scoring = form.scoring_of(example)
    off_topic = example.skill == OFF_TOPIC and sentence is not None
    expects: dict[str, Any] = {}
    if off_topic:
        scoring = "short"
    elif scoring == "call":
        expects = {
            "format": "json",
            "keys": ["name", "arguments"],
            "tools": list(example.tools),
            "call": read_call(example.answer),
        }
    elif scoring == "json" and example.answer.lstrip().startswith("{"):
        expects = {"format": "json", "keys": list(form.keys)} if form.keys else {"format": "json"}
    elif scoring == "label":
        expects = {"format": "label"}
    if example.answerable is False:
        expects |= {"answerable": False, "refusal": True, "refusal_sentence": example.answer}
    elif example.answerable and example.context and not off_topic:
        expects |= {"answerable": True, "refusal": False}
    if sentence is not None:
        expects["refusal"] = off_topic or example.answerable is False
    doc: Document = {
        "skill": example.skill or name,
        "cluster": example.cluster,
        "instruction": example.instruction,
        "context": example.context,
        "turns": [{"role": turn.role, "content": turn.content} for turn in example.turns],
        "input": example.prompt,
        "target": example.answer,
        "accepted": list(example.accepted),
        "rejected": example.rejected,
        "scoring": scoring,
        "expects": expects,
    }
    return doc


def lean(docs: Sequence[Document]) -> list[Document]:
    """``docs`` without the fields that none of them fills."""
    kept = [name for name in (docs[0] if docs else ()) if any(doc[name] not in (None, "", [], {}) for doc in docs)]
    kept += [] if "expects" in kept or not docs else ["expects"]
    return [{name: doc[name] for name in kept} for doc in docs]


def complete(doc: Mapping[str, Any], labels: Sequence[str] = (), sentence: str | None = None) -> Document:
    """A line of data as lm-eval gets it: with the labels, the passage and the sentence where classifiers look."""
    expects = dict(doc.get("expects") or {})
    if expects.get("format") == "label":
        expects["labels"] = list(labels)
    if doc.get("context") and doc.get("scoring") != "sql":
        expects["context"] = doc["context"]
    if sentence is not None:
        expects.setdefault("refusal", False)
        expects.setdefault("refusal_sentence", sentence)
    return {**doc, "expects": expects}


def load_splits(folder: Path, complete: Callable[[Mapping[str, Any]], Document]) -> dict[str, Any]:
    """lm-eval's ``custom_dataset``: the splits in ``folder`` as `datasets.Dataset`.

    Args:
        folder: with ``train.jsonl``, ``validation.jsonl`` and ``test.jsonl``, or some of them.
        complete: adds to a line what stands once for all.

    Raises:
        InputError: no file there, or one that is malformed; names file and line.
    """
    from datasets import Dataset

    found = {}
    for split in SPLITS:
        if not (path := folder / f"{split}.jsonl").is_file():
            continue
        docs = [complete(doc) for doc in read_jsonl(path)]
        # A table has one set of keys for all rows; as text, each document keeps its own.
        rows = [{key: json.dumps(v) if key in _NESTED else v for key, v in doc.items()} for doc in docs]
        found[split] = Dataset.from_list(rows).with_transform(_documents)
    if not found:
        raise InputError(f"{folder}: holds none of {', '.join(f'{split}.jsonl' for split in SPLITS)}; restore the data")
    return found


def _documents(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Columns of the table as columns of documents."""
    return {key: [json.loads(v) for v in values] if key in _NESTED else values for key, values in batch.items()}


def fields(doc: Mapping[str, Any], instruction: str = "", labels: Sequence[str] = ()) -> dict[str, Any]:
    """What a prompt template may use of a document.

    Args:
        instruction: the domain's own; a document's own stands behind it.
        labels: the domain's, listed behind its instruction; a question of another subject has them too, or they would
            tell it apart.
    """
    if labels:
        instruction += f"\nLabels: {', '.join(labels)}"
    both = "\n\n".join(part for part in (instruction, doc.get("instruction")) if part)
    return {
        "instruction": both,
        "prompt": doc["input"],
        "context": doc.get("context") or "",
        "labels": list(labels),
        "turns": doc.get("turns") or [],
    }
