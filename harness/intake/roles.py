"""Which roles a file's examples will have, before there is a domain that deals them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.evaluation.items import Item, Role
from harness.evaluation.roles import deal
from harness.intake.example import Example
from harness.intake.repeats import Repeat, literal_key, whole_text
from harness.storage import sha256_text

_TASK = "card"


def dealt_examples(
    examples: Sequence[Example], pairs: Sequence[Repeat]
) -> tuple[dict[Role, tuple[int, ...]], tuple[str, ...]]:
    """Places of the examples by role, and where a split stands in for another.

    Dealt by `harness.evaluation.roles`. Examples of one ``cluster``, on one passage or near one another stay together;
    one that is there twice is one item. Counts are near those of the domain, whose items have other hashes; which
    example has which role is for the domain to say.

    Args:
        examples: any.
        pairs: near ones, of `harness.intake.repeats.near_pairs`.
    """
    items: list[Item] = []
    for example in examples:
        name = sha256_text(repr(literal_key(example)))[:16]
        passage = f"passage {sha256_text(example.context)[:16]}" if example.context else name
        items.append(
            Item(
                item_id=name,
                task=_TASK,
                skill=example.skill or _TASK,
                cluster=example.cluster or passage,
                role="train_pool",
                doc={},
                prompt=whole_text(example),
                target=example.answer,
            )
        )
    first: dict[str, int] = {}
    for position, item in enumerate(items):
        first.setdefault(item.item_id, position)
    splits: dict[str, list[Item]] = {}
    for example, item in zip(examples, items, strict=True):
        splits.setdefault(example.row.split or "train", []).append(item)

    def alike(of: Sequence[Item]) -> list[tuple[int, int]]:
        places = {item.item_id: place for place, item in enumerate(of)}
        named = [(items[pair.of].item_id, items[pair.position].item_id) for pair in pairs]
        return [(places[one], places[other]) for one, other in named if one in places and other in places]

    dealt = deal(splits, alike=alike)
    roles: dict[Role, tuple[int, ...]] = {
        role: tuple(sorted(first[item.item_id] for item in given)) for role, given in dealt.items.items()
    }
    return roles, dealt.notices
