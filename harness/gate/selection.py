"""Choosing the best of several on the items that are to judge it: the choice, and what it brings, honestly.

The best of many on the same items looks better than it is. Items are dealt into two halves by cluster; each half
chooses, the other half says what that choice is worth, and all items together give the interval. Nothing is estimated
on the items that chose it. The choice itself is made on all of them, so the estimate is of a choice made with half
the items: if anything a little too low.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.gate.paired import pair
from harness.gate.verdict import Paired
from harness.storage import sha256_text

SALT = "lm-eval-ratchet/selection/1"


@dataclass(frozen=True)
class Selection:
    """What was chosen for each group, and what it brings over the reference.

    Attributes:
        chosen: group -> name of the best candidate on all of its items.
        naive: reference against the chosen ones on the items that chose them: optimistic.
        honest: reference against, for each item, what the other half chose: what to quote.
    """

    chosen: Mapping[str, str]
    naive: Paired
    honest: Paired

    @property
    def optimism(self) -> float:
        """How much better the naive figure is, 0 to 1; below 0 where chance went the other way."""
        return self.naive.delta - self.honest.delta


def select(
    scores: Mapping[str, Mapping[str, float]],
    groups: Mapping[str, str],
    clusters: Mapping[str, str],
    reference: Mapping[str, float] | None = None,
) -> Selection:
    """Choose the best candidate for each group.

    Args:
        scores: candidate -> item -> score, 0 to 1. A candidate need not cover every group, but all of each it covers.
            The first one covers all; of equally good ones the earlier is chosen, so that chance alone changes nothing.
        groups: item -> group that chooses for itself (a task).
        clusters: item -> cluster; no cluster is in both halves.
        reference: what the choice is compared with; the first candidate where left out.

    Raises:
        InputError: the scores do not cover the items that they should (from `pair`).
    """
    names = list(scores)
    base = dict(reference if reference is not None else scores[names[0]])
    members: dict[str, list[str]] = {}
    for item in sorted(base):
        members.setdefault(groups[item], []).append(item)
    naive: dict[str, float] = {}
    honest: dict[str, float] = {}
    chosen: dict[str, str] = {}
    for group in sorted(members):
        items = members[group]
        candidates = [name for name in names if items[0] in scores[name]]
        chosen[group] = _best(candidates, scores, items)
        halves = _halves(items, clusters)
        for judged, choosing in (halves, halves[::-1]):
            # A half without an item of the group cannot choose: what would be taken unasked is the first.
            name = _best(candidates, scores, choosing) if choosing else candidates[0]
            honest |= {item: scores[name][item] for item in judged}
        naive |= {item: scores[chosen[group]][item] for item in items}
    return Selection(chosen, pair(base, naive, clusters), pair(base, honest, clusters))


def _best(candidates: Sequence[str], scores: Mapping[str, Mapping[str, float]], items: Sequence[str]) -> str:
    """The first of the candidates with the highest sum over ``items``."""
    return max(candidates, key=lambda name: math.fsum(scores[name][item] for item in items))


def _halves(items: Sequence[str], clusters: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """``items`` in two parts, cluster by cluster in the order of their hashes, each to the smaller part so far."""
    members: dict[str, list[str]] = {}
    for item in items:
        members.setdefault(clusters[item], []).append(item)
    first: list[str] = []
    second: list[str] = []
    for cluster in sorted(members, key=lambda name: sha256_text(f"{SALT}\0{name}")):
        (first if len(first) <= len(second) else second).extend(members[cluster])
    return first, second
