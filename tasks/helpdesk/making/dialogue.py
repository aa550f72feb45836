"""Dialogue: three turns, of which the first alone tells which of the desk's statements answers the last."""

from __future__ import annotations

from making.common import MAX_WORDS, Doc, accepted_forms, slots
from wording import dialogue_heldout, dialogue_train, shared
from wording.draw import Draw, fill
from wording.shared import Ids

EXCHANGES = {"train": dialogue_train.EXCHANGES, **dialogue_heldout.EXCHANGES}


def dialogue_doc(split: str, index: int, draw: Draw, ids: Ids) -> Doc:
    """An exchange; what the customer's own case is decides the answer and nothing else."""
    number = draw.below(len(EXCHANGES[split]))
    first, second, third, options = EXCHANGES[split][number]
    values = {**slots(split, draw), "fault": draw.pick(shared.FAULTS[split])}
    values.update(order=ids.order(draw), order2=ids.order(draw), serial=ids.serial(draw), serial2=ids.serial(draw))
    own = draw.below(len(options))
    named = [fill(option[0], values, draw) for option in options]
    values.update(own=named[own], other=named[1 - own])
    answers = [fill(form, values, draw) for form in options[own][1:]]
    turns = (("Customer", first), ("Desk", second), ("Customer", third))
    lines = [f"{speaker}: {sentence_case(fill(text, values, draw))}" for speaker, text in turns]
    return {
        "kind": f"{number}", "cluster": f"dialogue-{split}-{number:02d}", "input": "\n".join(lines),
        "target": answers[0], "accepted": accepted_forms(answers[0], answers[1:]),
        "expects": {"format": "text", "refusal": False, "max_words": MAX_WORDS},
    }  # fmt: skip


def sentence_case(text: str) -> str:
    """``text`` with its first letter a capital: a turn may begin with a value."""
    return text[:1].upper() + text[1:]
