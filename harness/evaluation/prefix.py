"""Which tokens of a set of prompts need computing once only: a radix tree over token ids, cut into work.

Nothing here knows of a model. A *trunk* is a long beginning that many rows share (a skill's instruction, few-shot
examples): its keys and values are held once and referred to. Below it rows are packed into *segments*, trees whose
branches share what a few rows have in common (a passage, a question and its four endings): one forward pass computes
each token of the tree once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One token sequence to run.

    Attributes:
        index: position in the caller's list.
        tokens: all of its token ids.
        shareable: how many leading tokens may lie in a trunk; what follows needs logits of its own.
    """

    index: int
    tokens: tuple[int, ...]
    shareable: int


@dataclass(frozen=True)
class Trunk:
    """A beginning and the rows that have it.

    Attributes:
        tokens: the beginning, from the first token on; may be empty.
        rows: the rows directly below it, in the order to run them; none where all are below longer trunks.
        parent: the trunk that this one goes on from, if any.
    """

    tokens: tuple[int, ...] = ()
    rows: tuple[Row, ...] = ()
    parent: Trunk | None = None


@dataclass(frozen=True)
class Segment:
    """Rows below one trunk, packed into a tree.

    Attributes:
        tokens: token ids; a token stands behind its parent.
        parents: place of each token's predecessor in ``tokens``, -1 directly below the trunk.
        depths: number of tokens between each token and the trunk, 0 directly below it.
        rows: the rows packed here.
        paths: for each row, the places of its tokens below the trunk, first to last.
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    depths: tuple[int, ...]
    rows: tuple[Row, ...]
    paths: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Part:
    """Neighbouring tokens of a segment that attend together.

    Attributes:
        start, stop: their places in the segment.
        above: numbers of the earlier parts whose tokens all of them see.
        parents: place of each token's predecessor within the part, -1 directly below ``above``.
    """

    start: int
    stop: int
    above: tuple[int, ...]
    parents: tuple[int, ...]


def common(first: Sequence[int], second: Sequence[int], limit: int) -> int:
    """Number of tokens, ``limit`` at most, with which both begin."""
    count, limit = 0, min(limit, len(first), len(second))
    while count < limit and first[count] == second[count]:
        count += 1
    return count


def trunks(rows: Sequence[Row], gain: int = 1_000, least: int = 16) -> list[Trunk]:
    """Group rows under the beginnings worth holding.

    A beginning ``extra`` tokens longer than the one above it becomes a trunk if it has at least ``least`` of them and
    saves at least ``gain`` tokens of computation (``extra`` times the rows less one).

    Args:
        rows: in any order.
        gain: fewest tokens that a trunk must save.
        least: fewest tokens that a trunk adds to the one above it.

    Returns:
        trunks that have rows directly below them; each row is in exactly one.
    """
    found: list[Trunk] = []
    root = Trunk()
    pending = [(sorted(rows, key=lambda row: (row.tokens, row.index)), root)] if rows else []
    while pending:
        group, above = pending.pop()
        depth = len(above.tokens)
        group, stay, shared = _shared(group)
        extra = shared - depth
        if extra >= least and extra * (len(group) - 1) >= gain:
            if stay:  # their part of the beginning is shorter
                found.append(Trunk(above.tokens, tuple(stay), above.parent))
                stay = []
            above = Trunk(group[0].tokens[:shared], (), above if above.tokens else above.parent)
            depth = shared
        for child in _children(group, max(shared, depth)):
            if len(child) < len(group) + len(stay) and _pays(child, depth, gain, least):
                pending.append((child, above))
            else:
                stay.extend(child)
        if stay:
            found.append(Trunk(above.tokens, tuple(stay), above.parent))
    return found


def _shared(group: list[Row]) -> tuple[list[Row], list[Row], int]:
    """Sorted rows that share a beginning, rows set aside since they would cut it short, and its length."""
    aside: list[Row] = []
    while True:
        whole = common(group[0].tokens, group[-1].tokens, len(group[0].tokens))
        shared = min(whole, max(row.shareable for row in group))
        short = [row for row in group if row.shareable < shared]
        if not short:
            return group, aside, shared
        aside += short
        group = [row for row in group if row.shareable >= shared]


def _children(rows: list[Row], depth: int) -> list[list[Row]]:
    """Sorted ``rows`` split where their token at ``depth`` changes."""
    groups: list[list[Row]] = []
    last: int | None = None
    for row in rows:
        token = row.tokens[depth] if depth < len(row.tokens) else None
        if not groups or token != last:
            groups.append([])
        groups[-1].append(row)
        last = token
    return groups


def _pays(rows: list[Row], depth: int, gain: int, least: int) -> bool:
    """Whether some beginning within ``rows`` may deserve a trunk below ``depth``."""
    longest = max(row.shareable for row in rows) - depth
    return longest >= least and longest * (len(rows) - 1) >= gain


def segments(trunk: Trunk, size: int, most: int | None = None) -> list[Segment]:
    """Pack a trunk's rows into trees of about ``size`` tokens; a row longer than that has one of its own.

    Families of rows that go on alike below the trunk stand together, the one with the longest row first; within a
    family rows are in the order of their tokens.

    Args:
        size: most tokens of a tree.
        most: most rows of a tree; no limit by default.
    """
    depth = len(trunk.tokens)
    families: list[list[Row]] = []
    for row in sorted(trunk.rows, key=lambda row: (row.tokens, row.index)):
        if families and common(families[-1][0].tokens, row.tokens, depth + 1) > depth:
            families[-1].append(row)
        else:
            families.append([row])
    families.sort(key=lambda family: (-max(len(row.tokens) for row in family), family[0].index))
    packed: list[Segment] = []
    open_rows: list[Row] = []
    used = 0
    for row in (row for family in families for row in family):
        cost = len(row.tokens) - (common(open_rows[-1].tokens, row.tokens, len(row.tokens)) if open_rows else depth)
        if open_rows and (used + cost > size or len(open_rows) == most):
            packed.append(pack(open_rows, depth))
            open_rows, used = [], 0
            cost = len(row.tokens) - depth
        open_rows.append(row)
        used += cost
    if open_rows:
        packed.append(pack(open_rows, depth))
    return packed


def pack(rows: Sequence[Row], depth: int) -> Segment:
    """The tree of ``rows`` below their first ``depth`` tokens, which all share."""
    tokens: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    paths: list[tuple[int, ...]] = []
    nodes: dict[tuple[int, int], int] = {}  # (parent, token) -> place
    for row in rows:
        place, path = -1, []
        for level, token in enumerate(row.tokens[depth:]):
            child = nodes.get((place, token))
            if child is None:
                child = nodes[place, token] = len(tokens)
                tokens.append(token)
                parents.append(place)
                depths.append(level)
            place = child
            path.append(place)
        paths.append(tuple(path))
    return Segment(tuple(tokens), tuple(parents), tuple(depths), tuple(rows), tuple(paths))


def parts(parents: Sequence[int], size: int) -> list[Part]:
    """Cut a segment where its tree branches, so that attention computes little that a token may not see.

    Neighbouring subtrees of ``size`` tokens together stay whole; what is larger becomes the run of tokens before it
    branches, and the parts of its branches, which see that run.

    Args:
        parents: as in `Segment`. Subtrees that do not stand together (rows out of order) make the segment one part.
        size: most tokens of a part that branches.
    """
    count = len(parents)
    sizes, children = [1] * count, [0] * count
    for place in range(count - 1, -1, -1):
        if parents[place] >= 0:
            sizes[parents[place]] += sizes[place]
            children[parents[place]] += 1
    if not _in_order(parents):
        return [Part(0, count, (), tuple(parents))]
    made: list[Part] = []

    def add(start: int, stop: int, above: tuple[int, ...]) -> None:
        made.append(Part(start, stop, above, tuple(max(-1, parent - start) for parent in parents[start:stop])))

    pending: list[tuple[int, int, tuple[int, ...]]] = [(0, count, ())]  # neighbouring subtrees and what they see
    while pending:
        start, stop, above = pending.pop()
        place = start
        while place < stop and place + sizes[place] - start <= size:
            place += sizes[place]
        if place > start:
            add(start, place, above)
        if place == stop:
            continue
        after = place + sizes[place]
        end = place + 1
        while end < after and children[end - 1] == 1:
            end += 1
        if after < stop:
            pending.append((after, stop, above))
        add(place, end, above)
        if end < after:
            pending.append((end, after, (*above, len(made) - 1)))
    return made


def _in_order(parents: Sequence[int]) -> bool:
    """Whether each token follows its parent's subtree so far, as in a walk through the tree."""
    path: list[int] = []
    for place, parent in enumerate(parents):
        while path and path[-1] != parent:
            path.pop()
        if not path and parent >= 0:
            return False
        path.append(place)
    return True
