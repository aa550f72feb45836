"""What a domain's record says: a fold over its entries. Pure; `harness.state.domain` reads and writes the file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median_high

from harness.evaluation.items import Role
from harness.evaluation.roles import SEALED
from harness.gate.alpha import Look, next_alpha
from harness.ledger import Entry
from harness.storage import canonical_json, sha256_text

WORN = 4
"""Opening of test from which on its result is worn: it has been chosen by."""


@dataclass(frozen=True)
class GateLook:
    """A look at gate items, over all runs.

    Attributes:
        number: of the look, from 1, over all groups.
        group: the gate group that was looked at.
        alpha: level it was debited at.
        run, round, time: who looked, and when it was debited.
        compared: names the weights that were looked at and the model that they were compared with.
        certified: the verdict; ``None`` while there is none.
        late: the next look of the group was debited before the verdict came, so nothing could be handed on to it.
    """

    number: int
    group: int
    alpha: float
    run: str
    round: int
    time: str
    compared: str = ""
    certified: bool | None = None
    late: bool = False

    def spent(self) -> Look:
        """The look as the budget sees it: what came too late hands nothing on."""
        return Look(self.alpha, None if self.late else self.certified)


@dataclass(frozen=True)
class GateGroup:
    """Gate items that have one error budget.

    Attributes:
        number: from 1, in the order in which they came.
        items: ids of those that were asked for.
        looks: all that were made at any of the group's items, in order.
        opened: whether a run was closed and they were shown, so that nobody may look at them any more.
    """

    number: int
    items: tuple[str, ...]
    looks: tuple[GateLook, ...]
    opened: bool = False

    @property
    def alpha(self) -> float | None:
        """Level of the next look, ``None`` where all are spent or the items were opened."""
        return None if self.opened else next_alpha([look.spent() for look in self.looks])


@dataclass(frozen=True)
class Opening:
    """Test items that were asked, of the models named ``models``."""

    run: str
    round: int
    items: frozenset[str]
    models: str = ""


@dataclass
class Kept:
    """A domain's record so far.

    Attributes:
        roles: by item id.
        prompts: `prompt_mark` to the most sealed item that asks this: an item that was edited is known by its prompt.
        groups: gate item id to gate group.
        looks, openings: in order.
        shown: gate groups that were opened.
        extensions: files of items that were added, with their hashes.
    """

    roles: dict[str, Role] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    looks: list[GateLook] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)
    shown: set[int] = field(default_factory=set)
    extensions: list[Mapping[str, str]] = field(default_factory=list)

    def of_group(self, number: int) -> tuple[GateLook, ...]:
        """The looks at a group."""
        return tuple(look for look in self.looks if look.group == number)

    def gate_groups(self, items: Collection[str]) -> list[GateGroup]:
        """The groups of the gate items among ``items``; those that are not gate items are passed over."""
        members: dict[int, list[str]] = {}
        for item_id in items:
            if item_id in self.groups:
                members.setdefault(self.groups[item_id], []).append(item_id)
        return [
            GateGroup(number, tuple(ids), self.of_group(number), number in self.shown)
            for number, ids in sorted(members.items())
        ]

    def group_of_new(self, gate: Iterable[str], kin: Mapping[str, str]) -> dict[int, list[str]]:
        """Groups for new gate items: that of the item whose cluster they share; else the last one, if nobody has
        looked at it yet; else one of their own."""
        last = max(self.groups.values(), default=0)
        own = last if last and not self.of_group(last) else last + 1
        found: dict[int, list[str]] = {}
        for item_id in gate:
            found.setdefault(self.groups.get(kin.get(item_id, ""), own), []).append(item_id)
        return found

    def opened(self, items: Collection[str]) -> int:
        """How often at least half of ``items`` were opened; a trial on a few of them leaves the whole set as new."""
        counts = dict.fromkeys(items, 0)
        for opening in self.openings:
            for item_id in opening.items & counts.keys():
                counts[item_id] += 1
        return median_high(counts.values()) if counts else 0


def prompt_mark(key: str) -> str:
    """The part of a prompt's key that is recorded."""
    return key[:16]


def items_hash(items: Collection[str]) -> str:
    """Hex SHA-256 of a set of item ids."""
    return sha256_text(canonical_json(sorted(set(items))))


def fold(entries: Sequence[Entry]) -> Kept:
    """The record that ``entries`` make; unknown kinds change nothing."""
    kept = Kept()
    for entry in entries:
        _step(kept, entry)
    return kept


def _step(kept: Kept, entry: Entry) -> None:
    data = entry.data
    if entry.kind == "roles":
        for role in SEALED:
            for line in data["roles"].get(role, ()):
                item_id, mark = line.split()
                kept.roles[item_id] = role
                before = kept.prompts.setdefault(mark, item_id)
                if SEALED.index(kept.roles[before]) < SEALED.index(role):
                    kept.prompts[mark] = item_id
        for number, ids in data["groups"].items():
            kept.groups |= dict.fromkeys(ids, int(number))
    elif entry.kind == "look":
        kept.looks = [
            replace(look, late=look.late or look.certified is None) if look.group == data["group"] else look
            for look in kept.looks
        ]
        given = {name: data[name] for name in ("group", "alpha", "run", "round", "compared")}
        kept.looks.append(GateLook(len(kept.looks) + 1, time=entry.time, **given))
    elif entry.kind == "verdict":
        place = data["look"] - 1
        kept.looks[place] = replace(kept.looks[place], certified=data["certified"])
    elif entry.kind == "test_opened":
        kept.openings.append(Opening(data["run"], data["round"], frozenset(data["items"]), data["models"]))
    elif entry.kind == "gate_opened":
        kept.shown |= {int(number) for number in data["groups"]}
    elif entry.kind == "extension":
        kept.extensions.append(data)
