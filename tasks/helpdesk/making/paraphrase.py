"""Paraphrase: two messages that say the same thing, for the same choice of desks; the answer must be the same."""

from __future__ import annotations

from making.common import Doc, slots
from wording import paraphrase_heldout, paraphrase_train, shared
from wording.draw import Draw, fill
from wording.shared import Ids

NEEDS = {"train": paraphrase_train.NEEDS, **paraphrase_heldout.NEEDS}
GROUP = 2  # items a group
OTHER_DESKS = 2  # at least; half of the groups have one more


def paraphrase_docs(split: str, index: int, draw: Draw, ids: Ids) -> list[Doc]:
    """A group: desks with their duties, and two ways to ask for what one of them does.

    Validation and test have as many needs as groups, so that there no two groups share their wording.
    """
    needs, order = NEEDS[split], index // GROUP
    family, duty, messages = needs[order % len(needs)]
    values = {**slots(split, draw), "fault": draw.pick(shared.FAULTS[split])}
    cities = draw.shuffled(shared.CITIES[split])
    others: dict[str, str] = {}  # by family
    for other, other_duty, _ in draw.shuffled(needs):
        if other not in (family, *others) and len(others) < OTHER_DESKS + order % 2:
            others[other] = other_duty
    duties = list(others.values())
    place = order // 2 % (len(duties) + 1)  # each place equally often
    duties.insert(place, duty)
    desks = list(zip(cities, duties, strict=False))
    target = desks[place][0]
    group = f"paraphrase-{split}-{order:03d}"
    told = "; ".join(f"{city}: {task}" for city, task in desks)
    return [
        {
            "kind": f"{len(desks)} desks", "cluster": group,
            "input": f"Desks: {told}\nMessage: {fill(text, values, draw)}",
            "target": target, "accepted": [],
            "expects": {"format": "label", "labels": [city for city, _ in desks], "group": group},
        }
        for text in draw.some(messages, GROUP)
    ]  # fmt: skip
