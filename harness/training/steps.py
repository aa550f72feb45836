"""Which rows make up an optimiser step, and how a step's rows are packed; pure, knows of no model.

Rows of a round mostly begin alike (a skill's instruction), so those of a step are packed into trees
(`harness.evaluation.prefix`): a shared token is computed, forward and backward, once. Losses and gradients are those
of the rows run one by one, since a row sees nothing but its own path (tests/test_training_packing.py).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.evaluation.prefix import Row, Segment, Trunk, pack, segments, trunks


@dataclass(frozen=True)
class Piece:
    """What is run at a time: a packed tree and what is to be learned on it.

    Attributes:
        segment: the rows' tokens.
        places: places in the segment whose next token bears loss, shape (n,).
        targets: that next token, shape (n,).
        weights: its share of the step's loss, shape (n,); a step's weights sum to 1.
    """

    segment: Segment
    places: tuple[int, ...]
    targets: tuple[int, ...]
    weights: tuple[float, ...]


def arrange(rows: Sequence[Row], rows_a_step: int, epochs: float, seed: int) -> list[list[Row]]:
    """Steps of about ``rows_a_step`` rows, each with its share of every kind of row.

    Rows that begin alike are of a kind (a skill). A step of one skill makes skills swing, so each kind is shuffled and
    spread evenly over the epoch.

    Args:
        rows: ``shareable`` is the length of the prompt.
        rows_a_step: rows of a step; steps differ by one row at most.
        epochs: passes over the rows, a last one may be partial.
        seed: of the shuffles.
    """
    rng = random.Random(seed)
    wanted = max(1, round(len(rows) * epochs))
    kinds = [list(trunk.rows) for trunk in trunks(rows, gain=64)]
    kinds.sort(key=lambda kind: min(row.index for row in kind))
    order: list[Row] = []
    while len(order) < wanted:
        spread = []
        for kind in kinds:
            kind.sort(key=lambda row: row.index)
            rng.shuffle(kind)
            first = rng.random()
            spread += [((place + first) / len(kind), row.index, row) for place, row in enumerate(kind)]
        order += [row for _, _, row in sorted(spread, key=lambda entry: entry[:2])]
    del order[wanted:]
    count = -(-len(order) // rows_a_step)
    cuts = [len(order) * step // count for step in range(count + 1)]
    return [order[start:stop] for start, stop in itertools.pairwise(cuts)]


def pieces(rows: Sequence[Row], weigh: Literal["row", "token"], tokens: int, packed: bool = True) -> list[Piece]:
    """Cut a step's rows into pieces of about ``tokens`` tokens.

    Args:
        rows: ``shareable`` is the length of the prompt; what follows is learned.
        weigh: whether each row has the same weight in the loss, or each learned token.
        tokens: most tokens of a piece, unless a row alone has more.
        packed: count what rows share once; else a piece is run as a padded batch and counted as such.
    """
    learned = sum(len(row.tokens) - row.shareable for row in rows)
    made = []
    for segment in segments(Trunk((), tuple(rows)), tokens) if packed else _padded(rows, tokens):
        places: list[int] = []
        targets: list[int] = []
        weights: list[float] = []
        for row, path in zip(segment.rows, segment.paths, strict=True):
            answer = len(row.tokens) - row.shareable
            places += path[row.shareable - 1 : -1]
            targets += row.tokens[row.shareable :]
            weights += [1 / (answer * len(rows)) if weigh == "row" else 1 / learned] * answer
        made.append(Piece(segment, tuple(places), tuple(targets), tuple(weights)))
    return made


def _padded(rows: Sequence[Row], tokens: int) -> list[Segment]:
    """Rows of like length together, so many that a batch as wide as the longest has ``tokens`` places at most."""
    groups: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: (-len(row.tokens), row.index)):
        if groups and (len(groups[-1]) + 1) * len(groups[-1][0].tokens) <= tokens:
            groups[-1].append(row)
        else:
            groups.append([row])
    return [pack(group, 0) for group in groups]
