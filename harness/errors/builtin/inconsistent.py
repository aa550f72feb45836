"""inconsistent: the same question, asked in other words, is answered otherwise."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from harness.errors.contract import ErrorLabel, not_assessed
from harness.errors.facts import levelled_words
from harness.errors.jsontext import JsonFault, find_json, json_value
from harness.errors.text import quote, visible_span
from harness.evaluation.items import ItemResult

HEAD = 20_000  # characters of an answer that are compared


class Inconsistent:
    """Compares the answers within a paraphrase group (``expects.group``); needs two items of it at least."""

    name = "inconsistent"
    version = "1"
    categories: tuple[str, ...] = ("inconsistent",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """A single answer agrees with itself: not assessed."""
        return self.classify_group([item])[0]

    def classify_group(self, items: Sequence[ItemResult]) -> list[list[ErrorLabel]]:
        """A label on each answer that is not its group's majority (more than half); on all where there is none.

        Its confidence is the share of the group's other answers that differ.
        """
        groups: dict[tuple[str, str], list[int]] = {}
        for place, item in enumerate(items):
            group = item.expectation.group
            if group is not None:
                groups.setdefault((item.task, str(group)), []).append(place)
        labels = [[not_assessed("inconsistent", "the item declares no paraphrase group")] for _ in items]
        for places in groups.values():
            answers = {place: normalised(items[place].response) for place in places}
            counts = Counter(answers.values())
            for place, answer in answers.items():
                labels[place] = _judged(items[place].response, counts[answer], len(places), len(counts))
        return labels


def _judged(response: str, alike: int, size: int, different: int) -> list[ErrorLabel]:
    if size == 1:
        return [not_assessed("inconsistent", "no other item of its paraphrase group was asked")]
    if 2 * alike > size:
        return []
    reason = f"{different} different answers to {size} paraphrases, {alike} of them {quote(response.strip())}"
    return [ErrorLabel("inconsistent", (size - alike) / (size - 1), visible_span(response), reason)]


def normalised(response: str) -> str:
    """An answer without what does not count: case, accents, punctuation, articles, formats of numbers.

    JSON is compared as a value: order of keys and layout do not count.
    """
    text = response[:HEAD]
    found = find_json(text) if "{" in text else None
    if found is None or isinstance(found, JsonFault) or found.kind != "object":
        return levelled_words(text)
    around = levelled_words(text[: found.start] + " " + text[found.end :])
    return json.dumps([_levelled(json_value(text, found)), around], sort_keys=True)


def _levelled(value: Any) -> Any:
    if isinstance(value, str):
        return levelled_words(value)
    if isinstance(value, list):
        return [_levelled(each) for each in value]
    if isinstance(value, dict):
        return {key: _levelled(each) for key, each in value.items()}
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
