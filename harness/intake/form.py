"""What right answers look like, and so how they are scored, what is asked for and how long they may be."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.exceptions import InputError
from harness.intake.example import Example
from harness.intake.schema import infer_schema, says_more_than_keys
from harness.intake.scoring import F1_RIGHT, score
from harness.intake.shapes import UNANSWERABLE, Shape
from harness.intake.tools import read_call

Scoring = Literal["label", "short", "long", "number", "json", "sql", "call"]
MEANINGS: dict[Scoring, str] = {
    "label": "the label itself (case and a closing full stop apart)",
    "short": "SQuAD's normalised exact match with one of the right answers",
    "long": f"token F1 of {F1_RIGHT:g} or more with the right answer",
    "number": "the same final number, behind #### where there is one",
    "json": "the same JSON value and nothing around it",
    "sql": "the same query text but for case, spacing and quotes (it is not executed)",
    "call": "the same tool with the same arguments",
}
SHORT_WORDS = 8
_MOST = 0.9
"""Share of the answers above which the rest are taken for mistakes (JSON, numbers), or too few to matter (short)."""
_FINAL = re.compile(r"####\s*-?[$€£]?\s*(?:\d[\d,]*(?:\.\d+)?|\.\d+)\s*\S{0,3}\s*$")
_SQL = re.compile(r"\s*(?:select|insert|update|delete|with)\b", re.IGNORECASE)
TOKENS_AT_MOST = {"long": 256}
"""Of one answer, by scoring; where it is not here, 512."""
_TOKENS_AT_LEAST = 16


@dataclass(frozen=True)
class Form:
    """What the right answers of a file look like.

    Attributes:
        scoring: of the answers that are no calls of tools.
        calls: how many are calls.
        keys: that every JSON answer has, no others; empty for none such.
        schema: what JSON answers meet, where it says more than ``keys``; ``None`` for none.
        instruction: what stands before every question, labels apart; empty for nothing.
        stop: whether a blank line ends an answer: no right one has any.
    """

    scoring: Scoring
    calls: int
    keys: tuple[str, ...]
    schema: dict[str, Any] | None
    instruction: str
    stop: bool

    def scoring_of(self, example: Example) -> Scoring:
        """How the answer to one example is scored."""
        return "call" if is_call(example) else self.scoring

    def describe(self) -> str:
        """What counts as right, in one line."""
        whole = f"an answer is right if it is {MEANINGS[self.scoring]}"
        if self.calls and self.scoring != "call":
            return f"{whole}; a call ({self.calls:,} of them), if it is {MEANINGS['call']}"
        return whole


def is_call(example: Example) -> bool:
    """Whether the right answer calls one of the tools that the example offers."""
    return bool(example.tools) and read_call(example.answer) is not None


def infer_form(shape: Shape, examples: Sequence[Example]) -> Form:
    """Say what the right answers look like.

    Raises:
        InputError: nearly all answers have one form (JSON, a final number) and one has not, or is empty; names its row.
    """
    for example in examples:
        if not example.answer.strip() or not example.prompt.strip():
            what = "answer" if example.prompt.strip() else "prompt"
            raise InputError(f"{example.place}: its {what} is empty; fill it in, or drop the row")
    plain = [example for example in examples if not is_call(example)]
    scoring: Scoring = _scoring(shape, plain) if plain else "call"
    values = [json.loads(example.answer) for example in plain] if scoring == "json" else []
    schema = infer_schema(values) if values else None
    same = schema is not None and schema["type"] == "object" and len(schema["required"]) == len(schema["properties"])
    return Form(
        scoring=scoring,
        calls=len(examples) - len(plain),
        keys=tuple(schema["properties"]) if schema and same else (),
        schema=schema if schema and says_more_than_keys(schema) else None,
        instruction=_instruction(shape, scoring, plain, tuple(schema["properties"]) if schema and same else ()),
        stop=not any("\n\n" in example.answer.replace("\r", "") for example in examples),
    )


def _scoring(shape: Shape, examples: Sequence[Example]) -> Scoring:
    if shape.labels:
        return "label"
    if shape.kind == "question and SQL" or _nearly_all(examples, lambda text: bool(_SQL.match(text)), "no SQL query"):
        return "sql"
    if _nearly_all(examples, _is_json, "no JSON object or list"):
        return "json"
    if _nearly_all(examples, lambda text: bool(_FINAL.search(text)), "no final number behind ####"):
        return "number"
    short = sum(len(example.answer.split()) <= SHORT_WORDS and "\n" not in example.answer for example in examples)
    return "short" if short >= _MOST * len(examples) else "long"


def _nearly_all(examples: Sequence[Example], has: Callable[[str], bool], problem: str) -> bool:
    without = [example for example in examples if not has(example.answer)]
    if len(without) > (1 - _MOST) * len(examples):
        return False
    if without:
        raise InputError(
            f"{without[0].place}: its answer is {problem}, as {len(examples) - len(without):,} of the "
            f"{len(examples):,} others are; correct it, or drop the row"
        )
    return True


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _instruction(shape: Shape, scoring: Scoring, examples: Sequence[Example], keys: tuple[str, ...]) -> str:
    """What the rows leave unsaid: nothing where they bring instructions of their own."""
    if shape.labels:
        return "Sort the text into one of the labels below. Answer with the label alone."
    if scoring == "call" or all(example.instruction for example in examples):
        return ""
    if scoring == "json":
        which = f"one JSON object and nothing else. Its keys: {', '.join(keys)}." if keys else "JSON and nothing else."
        return f"Answer with {which}"
    if scoring == "sql":
        return "Write the SQL query that answers the question. Answer with the query alone, on one line."
    if scoring == "number":
        return "Work it out step by step. End with a line that has #### and the result as a number."
    if any(example.instruction for example in examples) or scoring == "long":
        return ""
    silent = any(example.answerable is False for example in examples)
    if shape.context:
        if_silent = f" If the text does not say, answer exactly: {UNANSWERABLE}" if silent else ""
        return f"Answer the question from the text alone, in a few words taken from it.{if_silent}"
    return "Answer in a few words and nothing else."


def new_tokens(lengths: Sequence[int], scoring: Scoring) -> int:
    """Most tokens of an answer: a quarter more than the longest right one, of long texts than nineteen in twenty.

    Args:
        lengths: tokens of each right answer.

    Returns:
        A multiple of 8, from 16 to 512; of long texts to 256.
    """
    ordered = sorted(lengths)
    longest = ordered[math.ceil(0.95 * len(ordered)) - 1] if scoring == "long" else ordered[-1]
    return min(TOKENS_AT_MOST.get(scoring, 512), max(_TOKENS_AT_LEAST, 8 * math.ceil((1.25 * longest + 1) / 8)))


def check_golds(docs: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Refuse a document whose own answer its scoring calls wrong: no model could ever be right.

    Args:
        docs: place and document.

    Raises:
        InputError: names the row.
    """
    for place, doc in docs:
        if score(doc, doc["target"])["acc"] < 1.0:
            raise InputError(f"{place}: its own answer would be scored as wrong ({doc['scoring']}); correct or drop it")
