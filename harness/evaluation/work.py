"""How much a model was asked and how much of it was computed, counted where the model is called.

Counting is a few additions a forward pass, and none outside `counting`; ``harness iterate --profile`` shows the sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, fields


@dataclass
class Work:
    """Tokens; additive.

    Attributes:
        prompt_tokens: of all requests, or of all training rows, each counted whole.
        new_tokens: generated, end tokens included.
        prefill_tokens: of prompts, as computed: a beginning that prompts share once, a cached answer not at all.
        decode_tokens: generated tokens that were run through the model in their turn.
        train_tokens: run forward and backward.
        logits: positions of the two kinds before to which the head was applied.
        train_logits: positions of training to which the head was applied.
    """

    prompt_tokens: int = 0
    new_tokens: int = 0
    prefill_tokens: int = 0
    decode_tokens: int = 0
    train_tokens: int = 0
    logits: int = 0
    train_logits: int = 0

    @property
    def computed_tokens(self) -> int:
        """Tokens that went through the model, in whatever way."""
        return self.prefill_tokens + self.decode_tokens + self.train_tokens

    def __add__(self, other: Work) -> Work:
        return Work(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))

    def as_dict(self) -> dict[str, int]:
        """The counts that are not 0, as they stand in a phase's manifest."""
        return {name: count for name, count in asdict(self).items() if count}

    @classmethod
    def from_dict(cls, counts: Mapping[str, int]) -> Work:
        """Read `as_dict` back; counts of a later version are passed over."""
        return cls(**{item.name: int(counts.get(item.name, 0)) for item in fields(cls)})


_ACTIVE: ContextVar[Work | None] = ContextVar("harness_work", default=None)


@contextmanager
def counting() -> Iterator[Work]:
    """Count what is done within the block; a block within another counts for both.

    Example::

        with counting() as work:
            engine.generate(requests, None)
        work.computed_tokens
    """
    outer, inner = _ACTIVE.get(), Work()
    reset = _ACTIVE.set(inner)
    try:
        yield inner
    finally:
        _ACTIVE.reset(reset)
        if outer is not None:
            for name, count in inner.as_dict().items():
                setattr(outer, name, getattr(outer, name) + count)


def asked(prompt_tokens: int, new_tokens: int = 0) -> None:
    """Note what was asked and answered, whatever it took."""
    work = _ACTIVE.get()
    if work is not None:
        work.prompt_tokens += prompt_tokens
        work.new_tokens += new_tokens


def computed(tokens: int, logits: int, *, decoding: bool, training: bool) -> None:
    """Note one forward pass: its tokens, and the positions to which the head was applied."""
    work = _ACTIVE.get()
    if work is None:
        return
    if training:
        work.train_tokens += tokens
        work.train_logits += logits
        return
    work.logits += logits
    if decoding:
        work.decode_tokens += tokens
    else:
        work.prefill_tokens += tokens
