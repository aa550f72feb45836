"""Routing: messages for one of 24 queues, often with a remark on a closed matter of another one."""

from __future__ import annotations

from making.common import Doc, after_opening, slots
from wording import routing_heldout, routing_train
from wording.draw import Draw, fill
from wording.shared import Ids, person

SITUATIONS = {"train": routing_train.SITUATIONS, **routing_heldout.SITUATIONS}
OPENINGS = {"train": routing_train.OPENINGS, **routing_heldout.OPENINGS}
CLOSINGS = {"train": routing_train.CLOSINGS, **routing_heldout.CLOSINGS}
SETTLED = {"train": routing_train.SETTLED, **routing_heldout.SETTLED}


def routing_doc(split: str, index: int, draw: Draw, ids: Ids) -> Doc:
    """A message for one queue, often with a remark on a matter of another queue that is closed."""
    queues = list(SITUATIONS[split])
    queue = queues[index % len(queues)]
    number = draw.below(len(SITUATIONS[split][queue]))
    values = {**slots(split, draw), "order": ids.order(draw)}
    sentences = [fill(SITUATIONS[split][queue][number], values, draw)]
    if draw.chance(40):
        remark = draw.pick([text for other, text in SETTLED[split].items() if other != queue])
        sentences.insert(draw.below(2), fill(remark, values, draw))
    # Names are the writer's; the one in a situation is somebody else's.
    writer = {**values, "name": person(split, draw), "city": values["city2"]}
    opening, closing = draw.pick(OPENINGS[split]), draw.pick(CLOSINGS[split])
    if "{name}" in opening:
        closing = ""
    text = after_opening(fill(opening, writer, draw), " ".join(sentences)) + " " + fill(closing, writer, draw)
    if draw.chance(12):
        text = text.lower().rstrip(" .")
    return {
        "kind": queue, "cluster": f"routing-{split}-{queue}-{number}", "input": "Message: " + text.strip(),
        "target": queue, "accepted": [], "expects": {"format": "label"},
    }  # fmt: skip
