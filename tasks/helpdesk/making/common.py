"""What the makers of several skills need: slots, short answers, and the shape of an item."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from wording import shared
from wording.draw import Draw
from wording.shared import model_names, numbers, person

SEED = "helpdesk-1"
NOT_STATED = "The policy does not say."
REDIRECTION = "I can only help with Norrvale products and service."
MAX_WORDS = 12  # of a short answer; the fixed sentences have 5 and 9

Doc = dict[str, Any]


def slots(split: str, draw: Draw) -> dict[str, str]:
    """A value for each slot of the policies, notes and messages; slots of one kind never share one."""
    kind = draw.pick(shared.TYPES)
    found = {"type": kind, "rival": draw.pick(shared.RIVALS[split])}
    first, second, third = draw.some(model_names(split, kind), 3)
    found.update(p=first, p1=first, p2=second, p3=third)
    pools = {"city": shared.CITIES, "day": shared.DAYS, "month": shared.MONTHS, "colour": shared.COLOURS}
    for name, pool in pools.items():
        for place, value in enumerate(draw.some(pool[split], 3), start=1):
            found[f"{name}{place}"] = value
    earlier, later = sorted((found["month1"], found["month2"]), key=shared.YEAR.index)
    found.update(month1=earlier, month2=later, city=found["city1"], day=found["day1"])
    found["name"] = person(split, draw)
    while found.setdefault("person1", found["name"]).split()[0] == found["name"].split()[0]:
        found["person1"] = person(split, draw)
    used: set[int] = set()
    for name, low, high in (
        ("h1", 7, 11), ("y1", 2, 11), ("y2", 2, 11), ("h2", 13, 20), ("n1", 2, 30), ("n2", 2, 30), ("n3", 2, 30),
        ("d1", 10, 60), ("d2", 10, 60), ("m1", 5, 90), ("m2", 5, 90), ("e1", 4, 96), ("e2", 4, 96),
    ):  # fmt: skip
        free = [number for number in numbers(split, low, high) if number not in used]
        number = draw.pick(free)
        used.add(number)
        found[name] = str(number)
    found.update(
        y=str(draw.pick(numbers(split, 3, 12))), n=str(draw.pick(numbers(split, 2, 10))), e=found["e1"],
        date=f"{draw.pick(numbers(split, 2, 28))} {found['month2']}", month=found["month3"],
    )  # fmt: skip
    return found


def accepted_forms(target: str, others: Iterable[str]) -> list[str]:
    """The other right forms of an answer; a sum in euros may be written in the usual ways."""
    forms = list(others)
    for form in (target, *forms):
        sum_in_euros = re.fullmatch(r"(\d+) euros", form)
        if sum_in_euros:
            amount = sum_in_euros.group(1)
            forms += [f"€{amount}", f"€ {amount}", f"{amount} €", f"{amount} EUR"]
    return sorted(set(forms) - {target})


def text_doc(kind: str, cluster: str, text: str, answers: Sequence[str] | None, sentence: str) -> Doc:
    """An item whose answer is a few words, or, where ``answers`` is None, the skill's fixed sentence."""
    return {
        "kind": kind, "cluster": cluster, "input": text,
        "target": sentence if answers is None else answers[0],
        "accepted": [] if answers is None else accepted_forms(answers[0], answers[1:]),
        "expects": {"format": "text", "refusal": answers is None, "refusal_sentence": sentence, "max_words": MAX_WORDS},
    }  # fmt: skip


def after_opening(opening: str, text: str) -> str:
    """Join an opening and what follows; after a comma or colon a sentence goes on in lower case."""
    if opening.endswith((", ", ": ")) and not re.match(r"I\b", text):
        text = text[0].lower() + text[1:]
    return opening + text


def spread(index: int, percent: int) -> bool:
    """True for ``percent`` of 100 successive indices, evenly spread."""
    return (index * percent) % 100 < percent
