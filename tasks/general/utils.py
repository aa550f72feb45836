"""Data and scoring of the domain ``general``; lm-eval loads this file by its path."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

DATA = Path(__file__).resolve().parent / "data"
SPLITS = {
    "choice": {"test": "choice_test.jsonl"},
    "short": {"train": "train.jsonl", "test": "short_test.jsonl"},
}

_APOSTROPHES = re.compile("['\u2018\u2019\u02bc`]")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
# A number keeps its decimals and its sign (so 4.5 or -4 is not 4); a word is letters and digits only.
_WORD = re.compile(r"(?<![^\W_])-\d+(?:\.\d+)?|\d+(?:\.\d+)?(?![^\W_])|[^\W_]+")
_ARTICLES = frozenset({"a", "an", "the"})
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def load(part: str, **_: Any) -> dict[str, Dataset]:
    """The splits of one part, read from the folder beside this file.

    Args:
        part: ``choice`` or ``short``, from the task's ``dataset_kwargs``.
        _: what lm-eval adds from a task's or a run's metadata; not used.
    """
    return {split: Dataset.from_list(_read(DATA / name)) for split, name in SPLITS[part].items()}


def _read(path: Path) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}:{number}: not JSON ({error.msg}); restore the file") from error
    return rows


def normalise(text: str) -> str:
    """Lower-case words with single spaces: no punctuation, no articles, no thousands separators."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = _THOUSANDS.sub("", _APOSTROPHES.sub("", text))
    return " ".join(word for word in _WORD.findall(text) if word not in _ARTICLES)


def first_sentence(text: str) -> str:
    """The first sentence of the first line that is not blank; empty where there is none."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return _SENTENCE_END.split(line, maxsplit=1)[0]


def is_right(response: str, golds: Sequence[str]) -> bool:
    """Whether ``response`` is one of ``golds`` or says one as whole words in its first sentence."""
    whole = normalise(response)
    said = f" {normalise(first_sentence(response))} "
    return any(whole == gold or f" {gold} " in said for gold in map(normalise, golds))


def score_short(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """lm-eval's ``process_results`` of ``general_short``.

    Args:
        doc: a row of ``short_test.jsonl``.
        results: the response, one string after lm-eval's filters.

    Returns:
        ``exact_match``, 0 or 1, and the same number as ``acc``, by which the group averages its two tasks.
    """
    right = float(is_right(results[0], [doc["answer"], *doc["accepted"]]))
    return {"exact_match": right, "acc": right}
