"""Attention over keys and values that this package keeps itself, as an attention function of transformers.

One forward pass runs many rows without padding: their tokens stand behind one another in a batch of one, and this
function gives each of them the keys it may see. Two kinds of pass exist:

- `Prefill`: segments (trees of tokens, `harness.evaluation.prefix`) below their trunks; keys and values are written to
  trunks or to the slots of rows that will be decoded;
- `Decode`: one token for each row in a slot; a row sees its trunk, shared by reference, and its own slot.

In a `Decode` the scores of trunk and slot stand side by side for the softmax, and the products with the trunk are made
for all of its rows at once, so that its keys and values are read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from harness.evaluation.prefix import parts
from harness.evaluation.work import computed

NAME = "harness_pooled"
PART = 96
"""Tokens of a branching tree that attend to one another in one product, at most: on a CPU, where arithmetic counts."""
_PART_ELSEWHERE = 1_024  # on a GPU, where the number of launches does


class Unsupported(Exception):
    """The model asks of attention what this module does not know."""


@dataclass
class TrunkCache:
    """Keys and values of a beginning that rows share.

    Attributes:
        length: tokens in it.
        keys, values: by layer, (key-value heads, length, head size).
    """

    length: int = 0
    keys: dict[int, torch.Tensor] = field(default_factory=dict)
    values: dict[int, torch.Tensor] = field(default_factory=dict)

    def extend(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> None:
        """Append (heads, tokens, size) to a layer."""
        if layer in self.keys:
            key = torch.cat([self.keys[layer], key], dim=1)
            value = torch.cat([self.values[layer], value], dim=1)
        self.keys[layer], self.values[layer] = key.contiguous(), value.contiguous()


class Slots:
    """Preallocated keys and values of the rows being decoded, written in place.

    Args:
        count: rows.
        capacity: tokens a row may have below its trunk.
    """

    def __init__(self, count: int, capacity: int) -> None:
        self.count, self.capacity = count, capacity
        self.keys: dict[int, torch.Tensor] = {}  # by layer, (count, key-value heads, capacity, head size)
        self.values: dict[int, torch.Tensor] = {}

    def layer(self, layer: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A layer's keys and values; made at first use in the shape and dtype of ``like`` (1, heads, tokens, size)."""
        if layer not in self.keys:
            shape = (self.count, like.shape[1], self.capacity, like.shape[3])
            self.keys[layer], self.values[layer] = like.new_zeros(shape), like.new_zeros(shape)
        return self.keys[layer], self.values[layer]

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first ``length`` tokens of one slot to another."""
        for layer in self.keys:
            self.keys[layer][target, :, :length] = self.keys[layer][source, :, :length]
            self.values[layer][target, :, :length] = self.values[layer][source, :, :length]


@dataclass(frozen=True)
class Block:
    """One segment within a `Prefill`.

    Attributes:
        start, stop: its tokens in the packed sequence.
        trunk: what all of them see; may be empty.
        parents: place of each token's predecessor within the block, -1 directly below the trunk.
        depths: distance of each token from the trunk.
        writes: (slot, places within the block) of the rows to be decoded.
    """

    start: int
    stop: int
    trunk: TrunkCache
    parents: Sequence[int]
    depths: Sequence[int]
    writes: Sequence[tuple[int, torch.Tensor]] = ()


@dataclass(frozen=True)
class _Part:
    """A `harness.evaluation.prefix.Part` within a pass: ``above`` are numbers of parts of the pass."""

    size: int
    above: Sequence[int]
    trunk: TrunkCache
    parents: Sequence[int]
    depths: Sequence[int]  # of its own tokens
    depths_above: Sequence[int]


class Prefill:
    """Tokens of several segments, none of which sees another.

    Args:
        blocks: in the order of the packed sequence.
        slots: where rows to be decoded are written.
        grow: the trunk that the only block extends, if that is what the pass is for.
        part: tokens that attend to one another in one product at most, where a segment branches; by default what
            suits the device.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        slots: Slots | None = None,
        grow: TrunkCache | None = None,
        part: int | None = None,
    ) -> None:
        self.slots, self.grow = slots, grow
        self._blocks, self._part = blocks, part
        self.windows: set[int] = set()  # sliding windows that layers asked for
        self._parts: list[_Part] = []
        written = [(slot, block.start, places) for block in blocks for slot, places in block.writes]
        self._written = (
            (
                torch.cat([torch.full_like(places, slot) for slot, _, places in written]),
                torch.cat([torch.arange(len(places), device=places.device) for _, _, places in written]),
                torch.cat([places + start for _, start, places in written]),
            )
            if written
            else None
        )
        self._masks: dict[tuple[int, int | None, int], torch.Tensor] = {}

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        window: int | None,
        dropout: float,
    ) -> torch.Tensor:
        """Attention of (1, heads, tokens, size) queries; returns (1, tokens, heads, size)."""
        if not self._parts:
            self._lay_out(self._part or (PART if query.device.type == "cpu" else _PART_ELSEWHERE))
        if window is not None:
            self.windows.add(window)
        if self.slots is not None and self._written is not None:
            keys, values = self.slots.layer(layer, key)
            slot, at, place = self._written
            keys[slot, :, at] = key[0, :, place].transpose(0, 1)
            values[slot, :, at] = value[0, :, place].transpose(0, 1)
        group = query.shape[1] // key.shape[1]
        sizes = [part.size for part in self._parts]
        queries, keyed, valued = (torch.split(tensor[0], sizes, dim=1) for tensor in (query, key, value))
        answers = []
        for number, part in enumerate(self._parts):
            ks, vs = ([tensors[above] for above in (*part.above, number)] for tensors in (keyed, valued))
            if part.trunk.length:
                ks, vs = [part.trunk.keys[layer], *ks], [part.trunk.values[layer], *vs]
            k, v = (torch.cat(tensors, dim=1) if len(tensors) > 1 else tensors[0] for tensors in (ks, vs))
            # The query heads of one key head stand behind one another, as if they were more queries of it.
            q = queries[number].reshape(k.shape[0], -1, query.shape[3])  # (key heads, group x tokens, size)
            mask = self._mask(number, part, window, group, query)
            answer = scaled_dot_product_attention(
                q[None], k[None], v[None], attn_mask=mask, dropout_p=dropout, scale=scale
            )[0]
            answers.append(answer.reshape(query.shape[1], -1, value.shape[3]).transpose(0, 1))
        if self.grow is not None:
            self.grow.extend(layer, key[0], value[0])
        return torch.cat(answers)[None]

    def _lay_out(self, most: int) -> None:
        for block in self._blocks:
            first = len(self._parts)
            for own in parts(block.parents, most):
                seen = [first + number for number in own.above]
                depths = block.depths[own.start : own.stop]
                above = [depth for number in seen for depth in self._parts[number].depths]
                self._parts.append(_Part(own.stop - own.start, seen, block.trunk, own.parents, depths, above))

    def _mask(self, number: int, part: _Part, window: int | None, group: int, like: torch.Tensor) -> torch.Tensor:
        """(group x tokens, trunk + above + tokens): 0 where a token may look, -inf elsewhere."""
        found = self._masks.get((number, window, group))
        if found is None:
            sees = torch.zeros(part.size, part.size, dtype=torch.bool)
            for place, parent in enumerate(part.parents):
                if parent >= 0:
                    sees[place] = sees[parent]
                sees[place, place] = True
            before = part.trunk.length + len(part.depths_above)
            whole = torch.cat([torch.ones(part.size, before, dtype=torch.bool), sees], dim=1)
            if window is not None and part.trunk.length + max(part.depths) >= window:
                own = torch.tensor(part.depths) + part.trunk.length
                above = torch.tensor(part.depths_above, dtype=torch.long) + part.trunk.length
                positions = torch.cat([torch.arange(part.trunk.length), above, own])
                whole &= own[:, None] - positions[None, :] < window
            mask = torch.zeros(whole.shape).masked_fill_(~whole, float("-inf"))
            found = mask.repeat(group, 1).to(like)
            self._masks[number, window, group] = found
        return found


class Decode:
    """One new token for each of the first ``len(lengths)`` slots.

    Args:
        slots: their keys and values; the new token's are written behind the ``lengths`` tokens already there.
        lengths: tokens in each slot before this pass.
        trunks: the trunk of each slot.
        device: where the model is.
    """

    def __init__(self, slots: Slots, lengths: Sequence[int], trunks: Sequence[TrunkCache], device: Any) -> None:
        self.slots = slots
        self.rows = len(lengths)
        self._own = max(lengths) + 1
        self._above = max(trunk.length for trunk in trunks)
        self._places = torch.arange(self.rows, device=device)
        self._lengths = torch.tensor(lengths, device=device)
        # (rows, trunk and own tokens): positions within the row, and which of them are not its own
        starts = torch.tensor([trunk.length for trunk in trunks], device=device)[:, None]
        above, own = torch.arange(self._above, device=device)[None], torch.arange(self._own, device=device)[None]
        self._hidden = torch.cat([above >= starts, own > self._lengths[:, None]], dim=1)
        self._distance = (starts + self._lengths[:, None]) - torch.cat(
            [above.expand(self.rows, -1), starts + own], dim=1
        )
        places: dict[int, list[int]] = {}
        by_id = {id(trunk): trunk for trunk in trunks}
        for place, trunk in enumerate(trunks):
            places.setdefault(id(trunk), []).append(place)
        self._trunks = [
            (by_id[name], None if len(rows) == self.rows else torch.tensor(rows, device=device))
            for name, rows in places.items()
            if by_id[name].length
        ]

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        window: int | None,
        dropout: float,
    ) -> torch.Tensor:
        """Attention of (1, heads, rows, size) queries; returns (1, rows, heads, size)."""
        keys, values = self.slots.layer(layer, key)
        keys[self._places, :, self._lengths] = key[0].transpose(0, 1)
        values[self._places, :, self._lengths] = value[0].transpose(0, 1)
        keys, values = keys[: self.rows, :, : self._own], values[: self.rows, :, : self._own]
        heads = key.shape[1]
        q = (
            (query[0] * scale).transpose(0, 1).reshape(self.rows, heads, -1, query.shape[3])
        )  # (rows, heads, group, size)
        scores = q.new_empty(*q.shape[:3], self._above + self._own)
        scores[..., self._above :] = q @ keys.transpose(2, 3)
        for trunk, rows in self._trunks:
            mine = q if rows is None else q[rows]
            # (key heads, rows x group, size): one product reads the trunk once for all of its rows
            flat = mine.transpose(0, 1).reshape(heads, -1, mine.shape[3])
            seen = (flat @ trunk.keys[layer].transpose(1, 2)).view(heads, len(mine), -1, trunk.length).transpose(0, 1)
            if rows is None:
                scores[..., : trunk.length] = seen
            else:
                scores[rows, :, :, : trunk.length] = seen
        hidden = self._hidden if window is None else self._hidden | (self._distance >= window)
        scores.masked_fill_(hidden[:, None, None], float("-inf"))
        weights = scores.softmax(-1, dtype=torch.float32).to(values.dtype)
        out = weights[..., self._above :] @ values
        for trunk, rows in self._trunks:
            mine = (weights if rows is None else weights[rows])[..., : trunk.length]
            flat = mine.transpose(0, 1).reshape(heads, -1, trunk.length)
            part = (flat @ trunk.values[layer]).view(heads, len(mine), -1, out.shape[3]).transpose(0, 1)
            if rows is None:
                out += part
            else:
                out[rows] += part
        return out.reshape(1, self.rows, query.shape[1], value.shape[3]).to(query.dtype)


_ACTIVE: ContextVar[Prefill | Decode | None] = ContextVar("harness_pooled_pass", default=None)


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """The attention function that transformers calls in each layer."""
    active = _ACTIVE.get()
    if active is None or softcap is not None or s_aux is not None:
        raise Unsupported("attention with soft capping or sinks")
    scale = query.shape[3] ** -0.5 if scaling is None else scaling
    return active.attend(module.layer_idx, query, key, value, scale, sliding_window, dropout), None


@contextmanager
def _attending(model: Any) -> Iterator[None]:
    """``model`` uses this module's attention within the block, and its own again afterwards."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attention)
    configs = [model.config, *(getattr(model.config, name, None) for name in model.config.sub_configs)]
    before = [(config, config._attn_implementation) for config in configs if config is not None]
    try:
        model.config._attn_implementation = NAME  # reaches the configurations within it
        yield
    finally:
        for config, own in before:
            config._attn_implementation = own


def forward(
    model: Any, run: Prefill | Decode, tokens: Sequence[int], positions: Sequence[int], keep: Sequence[int]
) -> torch.Tensor:
    """One pass over packed tokens; float32 logits (len(keep), vocabulary) at the places ``keep``."""
    computed(len(tokens), len(keep), decoding=isinstance(run, Decode), training=torch.is_grad_enabled())
    device = model.device
    reset = _ACTIVE.set(run)
    try:
        with _attending(model):
            output = model(
                input_ids=torch.tensor([list(tokens)], device=device),
                position_ids=torch.tensor([list(positions)], device=device),
                use_cache=False,
                logits_to_keep=torch.tensor(list(keep), device=device),
            )
    finally:
        _ACTIVE.reset(reset)
    logits: torch.Tensor = output.logits[0].float()
    return logits
