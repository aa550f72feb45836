"""Reply: a polite reply under a limit of words, made from facts; any reply that keeps to the constraints is right."""

from __future__ import annotations

import re

from making.common import Doc, after_opening, slots, spread
from wording import reply as wording
from wording.draw import Draw, fill
from wording.shared import Ids, person

COURTESIES = ("thank you for writing to us.", "thank you for your message.", "many thanks for your message.")
CLOSING = "Kind regards, Norrvale"
INTERNAL = 30  # per cent of the items with something that must not be told
SLACK = 4  # words that the limit may lie above the gold answer


def words(text: str) -> int:
    """Number of words as the limit counts them; no slot value of this skill has punctuation inside."""
    return len(re.findall(r"\w+(?:['.-]\w+)*", text))


def reply_doc(split: str, index: int, draw: Draw, ids: Ids) -> Doc:
    """The facts of a reply and its limit: half of the time it leaves no room for a courtesy."""
    number = draw.below(len(wording.SITUATIONS[split]))
    about, facts, body = wording.SITUATIONS[split][number]
    values = {**slots(split, draw), "order": ids.order(draw)}
    customer = values["name"]
    while customer.split()[0] == values["person1"].split()[0]:
        customer = person(split, draw)
    about, body = fill(about, values, draw), fill(body, values, draw)
    facts = tuple(fill(fact, values, draw) for fact in facts)
    greeting = f"Dear {customer}, "
    short = f"{after_opening(greeting, body)} {CLOSING}"
    long = f"{greeting}{draw.pick(COURTESIES)} {body} {CLOSING}"
    roomy = spread(index, 50)
    target = long if roomy else short
    limit = words(target) + draw.below(SLACK + 1 if roomy else min(SLACK + 1, words(long) - words(short)))
    internal = draw.pick(wording.INTERNAL[split]) if spread(index * 7, INTERNAL) else None
    lines = [f"To: {customer}", f"About: {about}", f"Facts: {'; '.join(facts)}"]
    if internal:
        lines.append(f"Internal: {internal}")
    lines.append(f"Limit: {limit} words")
    return {
        "kind": f"{'roomy' if roomy else 'tight'}{', internal' if internal else ''}",
        "cluster": f"reply-{split}-{number:02d}", "input": "\n".join(lines), "target": target, "accepted": [],
        "expects": {
            "format": "text", "refusal": False, "language": "en",
            "constraints": {
                "max_words": limit,
                "must_contain": [greeting.strip(" ,"), *facts, *CLOSING.split(", ")],
                "must_not_contain": [*([internal] if internal else []), "["],
            },
        },
    }  # fmt: skip
