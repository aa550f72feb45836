"""Who may see which item: the roles of GATE, dealt by a hash so that they never depend on order or on a run's seed.

What an item once was it stays (`harness.state`): a deal is given the roles that are known and adds to them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.evaluation.items import Item, Role
from harness.evaluation.units import paraphrases, units
from harness.storage import sha256_text

SALT = "lm-eval-ratchet/roles/1"
SHARES: Mapping[Role, float] = {"train_pool": 0.5, "dev": 0.15, "gate": 0.15, "test": 0.2}
"""Of a domain that has one split alone. A split that stands in for some of the others is cut in these proportions."""
SEALED: Sequence[Role] = ("train_pool", "dev", "gate", "test", "guard")
"""From what the trainer sees whole to what it never sees."""
SPLITS = ("train", "validation", "test")
EXTENSION: Literal["extension"] = "extension"
"""Items that were added later (`harness data extend`): cut into dev and gate, whatever splits there are."""
TRAIN_FILE: Literal["train_file"] = "train_file"
"""Rows from a file, for training alone (`harness.evaluation.train_from`)."""
USUAL: Mapping[str, tuple[Role, ...]] = {
    "train": ("train_pool",),
    "validation": ("dev", "gate"),
    "test": ("test",),
    EXTENSION: ("dev", "gate"),
    TRAIN_FILE: ("train_pool",),
}

Pairs = Iterable[tuple[int, int]]


@dataclass(frozen=True)
class Dealt:
    """Items by role.

    Attributes:
        items: each role's, in the order of splits and items, each once, roles filled in.
        new: ids that had no role before.
        kin: new ids that got their role from an item of their cluster that had it, and that item's id.
        notices: what is not as the splits say, one line each.
    """

    items: Mapping[Role, tuple[Item, ...]]
    new: Mapping[str, Role] = field(default_factory=dict)
    kin: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def roles_of_splits(present: Collection[str]) -> dict[str, tuple[Role, ...]]:
    """Which roles each split gives.

    A missing validation split is cut from train, or else from test; a missing test split from validation, or else
    from train; a missing train split from validation, or else from test.

    Args:
        present: the splits that have items.
    """
    there = [split for split in SPLITS if split in present]
    beside: dict[str, tuple[Role, ...]] = {split: USUAL[split] for split in (EXTENSION, TRAIN_FILE) if split in present}
    if not there:
        return {}

    def donor(*wanted: str) -> str:
        return next(split for split in wanted if split in there)

    roles: dict[str, set[Role]] = {split: set() for split in there}
    if "train" in there or TRAIN_FILE not in present:
        roles[donor("train", "validation", "test")].add("train_pool")
    roles[donor("validation", "train", "test")] |= {"dev", "gate"}
    roles[donor("test", "validation", "train")].add("test")
    given = {split: tuple(role for role in SHARES if role in roles[split]) for split in there}
    return {**given, **beside}


def deal(
    splits: Mapping[str, Sequence[Item]],
    known: Mapping[str, Role] | None = None,
    alike: Callable[[Sequence[Item]], Pairs] = lambda _: (),
    salt: str = SALT,
    given: Mapping[str, Sequence[Role]] | None = None,
) -> Dealt:
    """Give every item a role.

    Within each skill whole clusters are dealt in the order of ``sha256(salt, cluster)``, each to the role that is
    furthest behind its share; one with a must-pass item (``pin: true``) goes to dev. Items of one ``cluster``,
    paraphrases (``expects.group``) and, where a split stands in for others, near-duplicates are one cluster.

    Args:
        splits: items by split (``train``, ``validation``, ``test``, `EXTENSION`).
        known: roles by item id that stay as they are; a new item of such an item's cluster gets its role.
        alike: finds near-duplicates, as pairs of positions.
        given: which roles each split gives, where it is not `roles_of_splits` of those that have items.
    """
    known = known or {}
    given = given or roles_of_splits({split for split, items in splits.items() if items})
    every = _distinct([item for split in given for item in splits[split]])
    role_of: dict[str, Role] = {}
    kin: dict[str, str] = {}
    notices = []
    for split, roles in given.items():
        items = own = _distinct(splits[split])
        settled = known
        if stands_in := tuple(roles) != USUAL[split]:
            notices.append(_stand_in(split, roles, given))
        if split == EXTENSION:  # beside the items that they may share a cluster with
            items = _distinct([*own, *(item for item in every if role_of.get(item.item_id) in roles)])
            settled = {**role_of, **known}
        cut, cut_kin = _cut(items, roles, settled, alike(items) if stands_in or split == EXTENSION else (), salt)
        kin |= cut_kin
        twice: Counter[Role] = Counter()
        kept: Counter[Role] = Counter()
        for item_id in (item.item_id for item in own):
            role = cut[item_id]
            if item_id in known and role not in roles:
                kept[role] += 1
            elif item_id in role_of and role_of[item_id] != role:
                twice[max(role, role_of[item_id], key=SEALED.index)] += 1
            role_of[item_id] = max(role, role_of.get(item_id, role), key=SEALED.index)
        notices += [f"{n} {split} items were {_named(role)} in an earlier run and stay so" for role, n in kept.items()]
        notices += [f"{n} {split} items stand in an earlier split too: {_named(role)}" for role, n in twice.items()]
    return Dealt(
        {role: tuple(replace(i, role=role) for i in every if role_of[i.item_id] == role) for role in SHARES},
        {item_id: role for item_id, role in role_of.items() if item_id not in known},
        {item_id: other for item_id, other in kin.items() if role_of[item_id] == known.get(other)},
        tuple(notices),
    )


def _cut(
    items: Sequence[Item], roles: Sequence[Role], known: Mapping[str, Role], pairs: Pairs, salt: str
) -> tuple[dict[str, Role], dict[str, str]]:
    """Role of each item by id, and of which known item a new one of its cluster got it."""
    found: dict[str, Role] = {item.item_id: known[item.item_id] for item in items if item.item_id in known}
    kin: dict[str, str] = {}
    filled: Counter[tuple[str, Role]] = Counter((i.skill, found[i.item_id]) for i in items if i.item_id in found)
    free: dict[str, list[Item]] = {}
    for name, members in _clusters(items, pairs).items():
        seen = [item.item_id for item in members if found.get(item.item_id) in roles]
        if not seen:
            free[name] = members
            continue
        first = max(sorted(seen), key=lambda item_id: SEALED.index(found[item_id]))
        for item in members:
            if item.item_id not in found:
                found[item.item_id] = found[first]
                kin[item.item_id] = first
                filled[item.skill, found[first]] += 1
    for name in sorted(free, key=lambda name: sha256_text(f"{salt}\0{name}")):
        new = [item for item in free[name] if item.item_id not in found]
        sizes = Counter(item.skill for item in new)
        if not sizes:
            continue
        skill = min(sizes, key=lambda skill: (-sizes[skill], skill))
        role = min(roles, key=lambda role: (filled[skill, role] + sizes[skill]) / SHARES[role])
        if "dev" in roles and any(item.doc.get("pin") is True for item in free[name]):
            role = "dev"  # what no candidate may break has to be asked each round
        for item in new:
            found[item.item_id] = role
        for skill, size in sizes.items():
            filled[skill, role] += size
    return found, kin


def _clusters(items: Sequence[Item], pairs: Pairs) -> dict[str, list[Item]]:
    """Items that must not be parted, under a name that does not depend on their order."""
    names = [f"{item.skill}\0{item.task}\0{item.cluster}" for item in items]
    members: dict[int, list[int]] = {}
    for place, unit in enumerate(units(items, pairs)):
        members.setdefault(unit, []).append(place)
    return {min(names[place] for place in places): [items[place] for place in places] for places in members.values()}


def _stand_in(split: str, roles: Sequence[Role], given: Collection[str]) -> str:
    missing = " or ".join(name for name in SPLITS if name not in given)
    total = sum(SHARES[role] for role in roles)
    shares = ", ".join(f"{_named(role)} {SHARES[role] / total:.0%}" for role in roles)
    return f"there is no {missing} split: the {split} items are cut into {shares}"


def _named(role: Role) -> str:
    return role.replace("_", " ")


def _distinct(items: Iterable[Item]) -> list[Item]:
    """The first of each id: the same document twice is one item."""
    return list({item.item_id: item for item in reversed(list(items))}.values())[::-1]


def subset(items: Sequence[Item], limit: int | None, salt: str = SALT) -> list[Item]:
    """At most ``limit`` items, an even share a skill, chosen by hash and kept in order; ``None`` keeps all.

    Paraphrases (``expects.group``) and clusters of two stay together, so there may be fewer than ``limit`` (and more
    where the very first such group is larger). A smaller subset is part of a larger one.
    """
    if limit is None or limit >= len(items):
        return list(items)
    queues: dict[str, list[list[Item]]] = {}
    # By one member alone: the least of several hashes would favour large units.
    units = sorted(_units(items), key=lambda unit: sha256_text(f"{salt}\0subset\0{min(i.item_id for i in unit)}"))
    for unit in units:
        queues.setdefault(min(item.skill for item in unit), []).append(unit)
    taken = dict.fromkeys(sorted(queues), 0)
    chosen: set[str] = set()
    while len(chosen) < limit and any(queues.values()):
        skill = min((skill for skill in taken if queues[skill]), key=lambda skill: taken[skill])
        unit = queues[skill].pop(0)
        if chosen and len(chosen) + len(unit) > limit:
            break
        taken[skill] += len(unit)
        chosen |= {item.item_id for item in unit}
    return [item for item in items if item.item_id in chosen]


def _units(items: Sequence[Item]) -> list[list[Item]]:
    """Items that a subset takes or leaves together."""
    units: dict[str, list[Item]] = {}
    rest: dict[str, list[Item]] = {}
    for item in items:
        group = paraphrases(item)
        (units if group else rest).setdefault(group or f"{item.skill}\0{item.task}\0{item.cluster}", []).append(item)
    whole = [members for members in rest.values() if len(members) == 2]
    single = [[item] for members in rest.values() if len(members) != 2 for item in members]
    return [*units.values(), *whole, *single]
