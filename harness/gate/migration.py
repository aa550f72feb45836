"""How errors change: from which primary category to which, and which change is a cure.

"Too long", cured by answering nothing, is no cure: of the items that leave a category, only those that become right
count as cured; the others moved on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from harness.exceptions import InputError

RIGHT = "right"
"""The state of an item that is right; every other state is its primary error category."""


@dataclass(frozen=True)
class Migration:
    """The items of a skill by what they were and what they became.

    Attributes:
        skill: whose items.
        states: `RIGHT`, then the categories in alphabetical order.
        counts: shape (states, states): ``counts[i][j]`` items were ``states[i]`` and are ``states[j]``.
    """

    skill: str
    states: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def items(self, before: str, after: str) -> int:
        """How many went from one state to another; 0 where the skill has no such state."""
        if before not in self.states or after not in self.states:
            return 0
        return self.counts[self.states.index(before)][self.states.index(after)]

    def cured(self, category: str) -> int:
        """Items of the category that became right."""
        return self.items(category, RIGHT)

    def moved(self, category: str) -> int:
        """Items of the category that are now wrong in another way: no cure."""
        return sum(self.items(category, state) for state in self.states if state not in (RIGHT, category))

    def broken(self, category: str) -> int:
        """Items that were right and now fail in the category."""
        return self.items(RIGHT, category)

    def improved(self, category: str) -> bool:
        """Whether more of the category's items became right than right ones fell into it."""
        return self.cured(category) > self.broken(category)


def migrations(before: Mapping[str, str], after: Mapping[str, str], skills: Mapping[str, str]) -> list[Migration]:
    """One matrix a skill, in alphabetical order.

    Args:
        before: item to its state: `RIGHT`, or the primary category of its error.
        after: the same items' states under the other model.
        skills: item to skill.

    Raises:
        InputError: the three do not hold the same items.
    """
    if not before.keys() == after.keys() == skills.keys():
        odd = min((before.keys() ^ after.keys()) | (before.keys() ^ skills.keys()))
        raise InputError(f"error migration: item {odd} is not in both evaluations; evaluate both on the same items")
    pairs: dict[str, Counter[tuple[str, str]]] = {}
    for item, skill in skills.items():
        pairs.setdefault(skill, Counter())[before[item], after[item]] += 1
    found = []
    for skill, counts in sorted(pairs.items()):
        states = (RIGHT, *sorted({state for pair in counts for state in pair} - {RIGHT}))
        rows = tuple(tuple(counts[was, now] for now in states) for was in states)
        found.append(Migration(skill, states, rows))
    return found
