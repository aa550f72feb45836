"""Tools: a function call for a message, chosen from several tools whose documentation stands in the item."""

from __future__ import annotations

import json
from typing import Any

from making.common import Doc, slots, spread
from wording import shared, tools_heldout, tools_train
from wording.draw import Draw, fill
from wording.shared import Ids
from wording.tools_heldout import INTEGERS, RELATED

NONE_FITS = 15  # per cent
REMARK = 40  # per cent of the messages with a remark that names another value of the same kind
TOOLS = {"train": tools_train.TOOLS, **tools_heldout.TOOLS}
REMARKS = {"train": tools_train.REMARKS, **tools_heldout.REMARKS}


def documentation() -> list[dict[str, Any]]:
    """Every tool as a function-calling interface describes it: name, description, parameters as a JSON schema."""
    return [
        {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {key: {"type": kind(slot)} for key, slot in parameters.items()},
                "required": list(parameters),
            },
        }
        for tools in TOOLS.values()
        for name, (description, parameters, _) in tools.items()
    ]


def kind(slot: str) -> str:
    """JSON type of the parameter that takes a slot's value."""
    return "integer" if slot in INTEGERS else "string"


def line(split: str, name: str) -> str:
    """A tool's documentation as it stands in the item."""
    description, parameters, _ = TOOLS[split][name]
    return f"- {name}({', '.join(f'{key}: {kind(slot)}' for key, slot in parameters.items())}): {description}"


def tools_doc(split: str, index: int, draw: Draw, ids: Ids) -> Doc:
    """Three or four tools and a message that asks for one of them, or for none."""
    wanted = draw.pick(list(TOOLS[split]))
    _, parameters, messages = TOOLS[split][wanted]
    number = draw.below(len(messages))
    values = slots(split, draw)
    values.update(
        order=ids.order(draw), order2=ids.order(draw), serial=ids.serial(draw), serial2=ids.serial(draw),
        phone=ids.phone(draw), fault=draw.pick(shared.FAULTS[split]),
    )  # fmt: skip
    sentences = [fill(messages[number], values, draw)]
    with_twin = [slot for slot in parameters.values() if slot in REMARKS[split]]
    if with_twin and draw.chance(REMARK):
        sentences.insert(draw.below(2), fill(draw.pick(REMARKS[split][draw.pick(with_twin)]), values, draw))

    none_fits = spread(index, NONE_FITS)
    near = {wanted}.union(*(group for group in RELATED if none_fits and wanted in group))
    shown = draw.some([name for name in TOOLS[split] if name not in near], 2 + draw.below(2) + none_fits)
    if none_fits:
        call = None
    else:
        shown = draw.shuffled([*shown, wanted])
        arguments = {key: int(values[slot]) if slot in INTEGERS else values[slot] for key, slot in parameters.items()}
        call = {"name": wanted, "arguments": arguments}
    documents = "\n".join(line(split, name) for name in shown)
    return {
        "kind": f"{len(parameters)} arguments" if call else "none fits",
        "cluster": f"tools-{split}-{wanted}-{number}", "input": f"Tools:\n{documents}\nMessage: {' '.join(sentences)}",
        "target": json.dumps(call or {"name": "none", "arguments": {}}), "accepted": [],
        "expects": {"format": "json", "keys": ["name", "arguments"], "tools": shown, "call": call},
    }  # fmt: skip
