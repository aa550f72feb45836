"""Who may see which item: the roles of GATE, dealt by a hash so that they never depend on order or on a run's seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.evaluation.items import Item
from harness.storage import sha256_text

SALT = "lm-eval-ratchet/roles/1"


def split_validation(items: Sequence[Item], salt: str = SALT) -> tuple[list[Item], list[Item]]:
    """Deal validation items into ``dev`` and ``gate``, half each, cluster by cluster within each skill.

    Clusters are taken in the order of ``sha256(salt, cluster)`` and each goes to the half that has fewer items of
    its skill so far, so the halves are even even where clusters are few and large.

    Returns:
        ``(dev, gate)``, each in the order of ``items``, roles filled in.
    """
    sizes: dict[tuple[str, str], int] = {}
    for item in items:
        key = (item.skill, f"{item.task}\0{item.cluster}")
        sizes[key] = sizes.get(key, 0) + 1
    filled: dict[tuple[str, str], int] = {}
    role_of: dict[tuple[str, str], str] = {}
    for skill, cluster in sorted(sizes, key=lambda key: sha256_text(f"{salt}\0{key[0]}\0{key[1]}")):
        dev, gate = filled.get((skill, "dev"), 0), filled.get((skill, "gate"), 0)
        role = "dev" if dev <= gate else "gate"
        role_of[skill, cluster] = role
        filled[skill, role] = filled.get((skill, role), 0) + sizes[skill, cluster]
    dev_items, gate_items = [], []
    for item in items:
        if role_of[item.skill, f"{item.task}\0{item.cluster}"] == "dev":
            dev_items.append(replace(item, role="dev"))
        else:
            gate_items.append(replace(item, role="gate"))
    return dev_items, gate_items


def subset(items: Sequence[Item], limit: int | None, salt: str = SALT) -> list[Item]:
    """At most ``limit`` items, an even share a skill, chosen by hash and kept in order; ``None`` keeps all."""
    if limit is None or limit >= len(items):
        return list(items)
    queues: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: sha256_text(f"{salt}\0subset\0{item.item_id}")):
        queues.setdefault(item.skill, []).append(item)
    chosen: set[str] = set()
    while len(chosen) < limit:
        for skill in sorted(queues):
            if queues[skill] and len(chosen) < limit:
                chosen.add(queues[skill].pop(0).item_id)
    return [item for item in items if item.item_id in chosen]
