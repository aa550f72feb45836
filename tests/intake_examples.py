"""Rows and examples made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.intake.card import Card, data_card
from harness.intake.example import Example, FileSplit, Row

WORDS = [
    "kettle",
    "lantern",
    "harbour",
    "pepper",
    "violin",
    "glacier",
    "mango",
    "tunnel",
    "feather",
    "compass",
    "orchard",
    "saddle",
    "ribbon",
    "anchor",
    "walnut",
    "candle",
    "meadow",
    "piston",
    "quarry",
    "thistle",
]


def example(
    prompt: str, answer: str, place: str = "a.jsonl:1", *, split: FileSplit | None = None, **more: Any
) -> Example:
    column = "label" if more.get("label") else "answer"
    return Example(prompt, answer, Row({"prompt": prompt, column: answer}, place, split), **more)


def plain(count: int, *, split: FileSplit | None = None, start: int = 0, name: str = "a.jsonl") -> list[Example]:
    """Examples that have nothing in common, one in three of each label ``red``, ``blue`` and ``green``."""
    made = []
    for number in range(start, start + count):
        first, second = WORDS[number % 20], WORDS[number // 20 % 20]
        prompt = f"What does the {first} number {number} say about the {second}?"
        label = ("red", "blue", "green")[number % 3]
        made.append(example(prompt, label, f"{name}:{number - start + 1}", split=split, label=True))
    return made


def card_of(examples: Sequence[Example], **more: Any) -> Card:
    rows = list({id(one.row): one.row for one in examples}.values())
    return data_card(examples, more.pop("rows", rows), **more)


def checks(card: Card) -> dict[str, bool]:
    """Name of each problem and whether it stops."""
    return {problem.check: problem.stops for problem in card.problems}
