"""Extraction: messages with distractors, and the five fields that they determine."""

from __future__ import annotations

import json

from making.common import SEED, Doc, slots
from wording import extraction, shared
from wording.draw import Draw, fill
from wording.shared import Ids

SKELETONS = {"train": 60, "validation": 20, "test": 20}  # message structures
MOST_NULLS = 3  # of the five fields of a message
MOST_TRAPS = 3  # fields of a message that are not told plainly
KEYS = ("name", "order", "product", "serial", "wants")


def weight(variant: str) -> int:
    """How often a variant comes up, against the rarest."""
    return 5 if variant in extraction.PLAIN else 2 if variant in extraction.FREQUENT else 1


def skeletons() -> dict[str, list[dict[str, str]]]:
    """The extraction templates: which variant of each part a message has; no combination is in two splits.

    Each split has the variants in the same proportions: mostly the plain one, and of the others those that take most
    care twice as often. A message has two traps on average: one in every field would leave a small model
    nothing to build on.
    """
    draw = Draw(f"{SEED}/skeletons")
    seen: set[tuple[str, ...]] = set()
    found: dict[str, list[dict[str, str]]] = {}
    for split, count in SKELETONS.items():
        columns = []
        for key in KEYS:
            names = extraction.PHRASES[split][key]
            weighted = [name for name in names for _ in range(weight(name))]
            columns.append(draw.shuffled(weighted[place * len(weighted) // count] for place in range(count)))
        while unfit := [
            row
            for row, variants in enumerate(zip(*columns, strict=True))
            if variants in seen
            or variants in list(zip(*columns, strict=True))[:row]
            or sum(name in extraction.NULLS for name in variants) > MOST_NULLS
            or sum(name not in extraction.PLAIN for name in variants[:-1]) > MOST_TRAPS
        ]:
            column, row, other = draw.pick(columns), draw.pick(unfit), draw.below(count)
            column[row], column[other] = column[other], column[row]
        rows = list(zip(*columns, strict=True))
        seen.update(rows)
        found[split] = [dict(zip(KEYS, row, strict=True)) for row in rows]
    return found


STRUCTURES = skeletons()


def extraction_doc(split: str, index: int, draw: Draw, ids: Ids) -> Doc:
    """A message with distractors, and the five fields that it determines."""
    number = index % len(STRUCTURES[split])
    variants = STRUCTURES[split][number]
    values = slots(split, draw)
    values.update(product=values["p1"], product2=values["p2"], other=values["person1"])
    values["fault"] = draw.pick(shared.FAULTS[split])
    values.update(order=ids.order(draw), order2=ids.order(draw), serial=ids.serial(draw), serial2=ids.serial(draw))
    values.update(phone=ids.phone(draw), zip=ids.order(draw))
    phrases = extraction.PHRASES[split]
    layout = draw.pick(extraction.LAYOUTS)
    if variants["name"] == "anonymous":  # a greeting stands first
        layout = "N" + layout.replace("N", "")
    parts = [extraction.PARTS[letter] for letter in layout]
    sentences = [fill(draw.pick(phrases[part][variants[part]]), values, draw) for part in parts]
    if draw.chance(40):
        place = parts.index("product") + 1 + draw.below(len(parts) - parts.index("product"))
        sentences.insert(place, fill(draw.pick(phrases["noise"]["any"]), values, draw))
    values["wants"] = variants["wants"]
    gold = {key: None if variants[key] in extraction.NULLS else values[key] for key in KEYS}
    return {
        "kind": f"{list(gold.values()).count(None)} nulls",
        "cluster": f"extraction-{split}-{number:02d}-{values['type'].replace(' ', '-')}",
        "input": "Message: " + " ".join(sentence for sentence in sentences if sentence),
        "target": json.dumps(gold), "accepted": [], "expects": {"format": "json", "keys": list(KEYS)},
    }  # fmt: skip
