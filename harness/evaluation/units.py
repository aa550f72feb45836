"""Which items belong together: what shares a cluster, or is a paraphrase of one another, is one unit.

Roles are dealt by units and paired tests count them, so both go by this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.evaluation.items import Item, ItemResult


def units(items: Sequence[Item | ItemResult], pairs: Iterable[tuple[int, int]] = ()) -> list[int]:
    """For each item the place of the first one of its unit, shape (items,).

    Args:
        items: of one or several tasks; clusters and groups of different tasks never meet.
        pairs: places of items that belong together for another reason.
    """
    parent = list(range(len(items)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = place = parent[parent[place]]
        return place

    def join(one: int, other: int) -> None:
        low, high = sorted((root(one), root(other)))
        parent[high] = low

    first: dict[str, int] = {}
    for place, item in enumerate(items):
        other = first.setdefault(f"{item.task}\0{item.cluster}", place)
        if other != place:
            join(place, other)
        if group := paraphrases(item):
            join(place, first.setdefault(group, place))
    for one, other in pairs:
        join(one, other)
    return [root(place) for place in range(len(items))]


def paraphrases(item: Item | ItemResult) -> str:
    """Names the item's group of paraphrases (``expects.group``); empty for none."""
    expects = item.doc.get("expects")
    group = expects.get("group") if isinstance(expects, Mapping) else None
    return f"group\0{item.task}\0{group}" if group is not None else ""
