"""What one forward pass of the pooled engine runs: trunks that are held, segments that fit, their places in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from harness.evaluation.pooled_attention import Block, Prefill, TrunkCache, forward
from harness.evaluation.prefix import Segment, Trunk


class HeldTrunks:
    """The trunks' keys and values, computed when they are first asked for."""

    def __init__(self, model: Any, chunk: int) -> None:
        self._model = model
        self._chunk = chunk
        self._held: dict[tuple[int, ...], TrunkCache] = {}

    def __call__(self, trunk: Trunk) -> TrunkCache:
        """A trunk's cache; one that a single row has belongs to that row and is not held."""
        if trunk.tokens in self._held:
            return self._held[trunk.tokens]
        cache = TrunkCache()
        if trunk.parent is not None:
            above = self(trunk.parent)
            cache.length, cache.keys, cache.values = above.length, dict(above.keys), dict(above.values)
        for start in range(cache.length, len(trunk.tokens), self._chunk):
            part = trunk.tokens[start : start + self._chunk]
            block = Block(0, len(part), cache, range(-1, len(part) - 1), range(len(part)))
            positions = range(start, start + len(part))
            forward(self._model, Prefill([block], grow=cache), part, positions, [len(part) - 1])
            cache.length += len(part)
        if len(trunk.rows) != 1:
            self._held[trunk.tokens] = cache
        return cache


def admit(
    queue: list[tuple[Trunk, Segment]], tokens: int, room: int, cost: Callable[[Segment], int]
) -> list[tuple[Trunk, Segment]]:
    """Take segments from the end of ``queue`` while they keep within ``tokens`` and, by ``cost``, within ``room``.

    The first one may have any number of tokens.
    """
    chosen: list[tuple[Trunk, Segment]] = []
    while queue:
        segment = queue[-1][1]
        tokens -= len(segment.tokens)
        room -= cost(segment)
        if room < 0 or (chosen and tokens < 0):
            break
        chosen.append(queue.pop())
    return chosen


def lay_out(
    chosen: Sequence[tuple[Trunk, Segment]], caches: HeldTrunks, slot: int | None
) -> tuple[list[Block], list[int], list[int]]:
    """Blocks, tokens and positions of the ``chosen`` segments; rows get the slots from ``slot`` on."""
    blocks: list[Block] = []
    tokens: list[int] = []
    positions: list[int] = []
    for trunk, segment in chosen:
        cache = caches(trunk)
        writes = []
        if slot is not None:
            writes = [(slot + number, torch.tensor(path)) for number, path in enumerate(segment.paths)]
            slot += len(writes)
        blocks.append(
            Block(len(tokens), len(tokens) + len(segment.tokens), cache, segment.parents, segment.depths, writes)
        )
        tokens.extend(segment.tokens)
        positions.extend(cache.length + depth for depth in segment.depths)
    return blocks, tokens, positions
