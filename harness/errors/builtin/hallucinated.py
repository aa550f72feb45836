"""hallucinated: numbers, dates, ids, addresses and names that stand in neither context, prompt nor reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from harness.errors.contract import ErrorLabel, not_assessed
from harness.errors.facts import Fact, Source, facts
from harness.errors.jsontext import JsonFault, find_json, json_scalars
from harness.errors.text import quote
from harness.evaluation.items import ItemResult

HEAD = 20_000  # characters of a response that are looked at
MOST_LABELS = 10
SLIP = 0.4  # a name one letter off a word of the source is spelled wrong rather than made up: recorded, never primary
TAKEN_SHARE = 0.5  # of the target's words must stand in the prompt, where no context says what it is taken from


class Hallucinated:
    """Sees facts that come from nowhere; needs a context, or a target that is taken from the prompt."""

    name = "hallucinated"
    version = "2"
    categories: tuple[str, ...] = ("hallucinated",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label a fact. A kind of fact that the target itself does not take from the source is not judged."""
        stated = list(stated_facts(item.response[:HEAD]))
        if not stated:
            return []
        expected = item.expectation
        given = _source(expected.context or "", item.prompt, expected.refusal_sentence or "")
        reference = _source(item.target)
        target = list(stated_facts(item.target))
        made = {fact.kind for fact in target if not given.supports(fact)}  # such as a sum that is worked out
        if expected.format == "label":
            made.add("name")  # a label that does not exist is a fault of form
        if not expected.context and not _taken_from(given, reference, target):
            return [not_assessed("hallucinated", "no context, and the target is not taken from the prompt")]
        cut = len(item.response) if item.finish_reason == "length" else -1
        # Half a number, cut at the token limit, is not another number.
        new = [f for f in stated if f.end != cut and not given.supports(f) and not reference.supports(f)]
        if new and all(fact.kind in made for fact in new):
            kinds = ", ".join(sorted({fact.kind for fact in new}))
            return [not_assessed("hallucinated", f"the target's own are not taken from the source: {kinds}")]
        labels = []
        for fact in [fact for fact in new if fact.kind not in made][:MOST_LABELS]:
            slip = fact.kind == "name" and any(each.has_nearly(fact.readings[0]) for each in (given, reference))
            text = quote(item.response[fact.start : fact.end])
            reason = f"{fact.kind} {text} stands in neither context, prompt nor reference"
            labels.append(ErrorLabel("hallucinated", SLIP if slip else fact.confidence, (fact.start, fact.end), reason))
        return labels


@lru_cache(maxsize=2048)
def _source(*texts: str) -> Source:
    return Source(texts)


def _taken_from(given: Source, reference: Source, target: list[Fact]) -> bool:
    """Whether the target is taken from the prompt: all its facts, or half of its words where it states none."""
    if target:
        return all(given.supports(fact) for fact in target)
    words = reference.words
    return bool(words) and len(words & given.words) >= TAKEN_SHARE * len(words)


def stated_facts(text: str) -> Iterator[Fact]:
    """Facts of a text; of a JSON object inside it, those of its values, each read for itself."""
    found = find_json(text) if "{" in text else None
    if found is None or isinstance(found, JsonFault):
        yield from facts(text)
        return
    yield from facts(text[: found.start])
    for value, start, end in json_scalars(text, found):
        exact = len(value) == end - start
        for fact in facts(value):
            where = (start + fact.start, start + fact.end) if exact else (start, end)
            yield replace(fact, start=where[0], end=where[1])
    for fact in facts(text[found.end :]):
        yield replace(fact, start=found.end + fact.start, end=found.end + fact.end)
