"""Rewrite: a customer's message with typos; the answer is the message as it was before they were put in."""

from __future__ import annotations

import re

from making.common import Doc, slots
from making.typos import with_typos
from wording.draw import Draw, fill
from wording.rewrite import MESSAGES
from wording.shared import Ids

TYPOS = (2, 4)  # fewest and most a message
MAX_WORDS = 30
KEPT = ("p", "order", "name", "city", "day", "month1", "n", "e")  # slots whose values a rewriting must not touch


def rewrite_doc(split: str, index: int, draw: Draw, ids: Ids) -> Doc:
    """A clean message and the same one misspelt."""
    number = draw.below(len(MESSAGES[split]))
    template = MESSAGES[split][number]
    values = {**slots(split, draw), "order": ids.order(draw)}
    clean = fill(template, values, draw)
    few, most = TYPOS
    count = few + index % (most - few + 1)
    kept = [values[slot] for slot in KEPT if re.search(rf"\{{{slot}\}}", template)]
    return {
        "kind": f"{count} typos", "cluster": f"rewrite-{split}-{number:02d}",
        "input": f"Message: {with_typos(clean, count, draw)}", "target": clean, "accepted": [],
        "expects": {
            "format": "text", "refusal": False, "max_words": MAX_WORDS, "language": "en",
            **({"constraints": {"must_contain": kept}} if kept else {}),
        },
    }  # fmt: skip
