"""What fault injection is made of: a kind of fault, what it does to one item, and the case that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from harness.errors.proof.consequences import expected
from harness.evaluation.items import FinishReason, Item, ItemResult

WRONG = "wrong_answer"


@dataclass(frozen=True)
class Case:
    """A response of which it is known how it fails.

    Attributes:
        item: the response, scored by its task.
        kind: which fault or harmless change made it, or who labelled it.
        due: categories that must be reported; empty where nothing but the score may be wrong.
        allowed: categories that may be reported and count neither way.
        primary: the category that should be primary; ``None`` for a harmless change or a right response.
        companions: results that are classified along with it, as a paraphrase group needs; they are not counted.
    """

    item: ItemResult
    kind: str
    due: frozenset[str]
    allowed: frozenset[str]
    primary: str | None
    companions: tuple[ItemResult, ...] = ()


@dataclass(frozen=True)
class Pool:
    """What a fault may draw on beside the item itself.

    Attributes:
        by_skill: all items of each skill, for answers that belong elsewhere.
        by_group: items of each paraphrase group.
        vocabulary: every word of the items' prompts and targets in lower case: no typo may be one of them.
    """

    by_skill: Mapping[str, tuple[Item, ...]]
    by_group: Mapping[str, tuple[Item, ...]]
    vocabulary: frozenset[str] = field(repr=False)


@dataclass(frozen=True)
class Faulty:
    """A response with its fault.

    Attributes:
        response: what the model is made to have said.
        finish_reason: why it stopped.
        companions: for a fault that shows in a group only, the group's other items with their responses.
    """

    response: str
    finish_reason: FinishReason = "stop"
    companions: tuple[tuple[Item, str], ...] = ()


Make = Callable[[Item, Random, Pool], Faulty | str | None]
"""The response for one item, a plain text where it merely stops; ``None`` where the fault makes no sense on it."""


@dataclass(frozen=True)
class Fault:
    """A kind of fault, or with ``category`` ``None`` a harmless change.

    Attributes:
        name: in a few words, for the table; unique.
        category: what it must be reported as.
        make: makes the response.
        also: categories that this kind brings about beside what follows from its category
            (`harness.errors.proof.consequences`): reporting them is no false alarm.
    """

    name: str
    category: str | None
    make: Make
    also: frozenset[str] = frozenset()


def make_pool(items: Sequence[Item]) -> Pool:
    """The pool of all ``items``."""
    from harness.errors.text import WORD

    skills: dict[str, list[Item]] = {}
    groups: dict[str, list[Item]] = {}
    words: set[str] = set()
    for item in items:
        skills.setdefault(item.skill, []).append(item)
        group = expects(item).get("group")
        if group is not None:
            groups.setdefault(str(group), []).append(item)
        for text in (item.prompt, item.target):
            words.update(match.group().casefold() for match in WORD.finditer(text))
    return Pool(
        {skill: tuple(members) for skill, members in skills.items()},
        {group: tuple(members) for group, members in groups.items()},
        frozenset(words),
    )


def expects(item: Item) -> Mapping[str, Any]:
    """The item's ``expects`` object; empty where it has none."""
    return expected(item.doc)


def form(item: Item) -> str:
    """``call`` where tools are offered, else the declared format, else ``text``."""
    declared = expects(item)
    return "call" if declared.get("tools") else str(declared.get("format") or "text")


def refusal_due(item: Item) -> bool:
    """Whether the right answer is a refusal."""
    return expects(item).get("refusal") is True


def is_prose(item: Item) -> bool:
    """Whether the answer is plain text, and no refusal."""
    return form(item) == "text" and not refusal_due(item)


def asked_part(item: Item) -> str:
    """The prompt without the instruction that the whole skill shares: what follows its first empty line."""
    head, _, rest = item.prompt.partition("\n\n")
    return rest.strip() or head


def keeps_declared(item: Item, text: str) -> bool:
    """Whether a change of the target still has the words and the length that the item's constraints ask for."""
    constraints = expects(item).get("constraints")
    if not isinstance(constraints, Mapping):
        return True
    limit = constraints.get("max_chars")
    return all(str(wanted) in text for wanted in constraints.get("must_contain") or ()) and (
        not isinstance(limit, int) or len(text) <= limit
    )
