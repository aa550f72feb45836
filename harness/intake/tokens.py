"""How long examples are for a model: tokens of prompts and answers, what is cut or padding, what an epoch costs."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.intake.example import Example
from harness.intake.repeats import whole_text

PERCENTILES = (50, 90, 95, 99)
BATCH = 8
"""Rows of the batches whose padding is told."""
_UNBOUNDED = 1_000_000  # a tokenizer that knows no limit says 10^30


@dataclass(frozen=True)
class Lengths:
    """Tokens of each example in one part; percentiles by their number, by the nearest rank."""

    mean: float
    percentiles: Mapping[int, int]
    longest: int


@dataclass(frozen=True)
class TokenFinding:
    """Lengths with a model's own tokenizer.

    Attributes:
        model: whose tokenizer.
        chat_template: whether its frame around one user turn is counted in.
        prompt, answer, whole: tokens of the parts; ``whole`` is prompt, frame, answer and end token.
        context: tokens that the model takes, ``None`` where it does not say.
        over: examples longer than that.
        padding: share of the tokens of shuffled batches of `BATCH` that is padding to the longest row, 0 to 1.
        rows: examples of an epoch: those of the train pool, or all where the roles are not known.
        epoch: tokens of these.
        hours: of an epoch; ``None`` where no speed was given.
        cost: of an epoch, in the unit of the price; ``None`` where speed or price was not given.
    """

    model: str
    chat_template: bool
    prompt: Lengths
    answer: Lengths
    whole: Lengths
    context: int | None
    over: int
    padding: float
    rows: int
    epoch: int
    hours: float | None = None
    cost: float | None = None


@dataclass(frozen=True)
class Counted:
    """Tokens of each example: of its prompt with the frame, of its answer, and of both with the end token."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    whole: tuple[int, ...]
    framed: bool


def count_tokens(examples: Sequence[Example], tokenizer: Any, prompts: Sequence[str] | None = None) -> Counted:
    """Tokenise every example once.

    Args:
        examples: any.
        tokenizer: of the transformers kind.
        prompts: what is asked of each, shape (examples,); where left out, the texts of the file alone.
    """
    asked = [whole_text(example) for example in examples] if prompts is None else prompts
    lengths = _lengths(tokenizer, asked)
    answers = _lengths(tokenizer, [example.answer for example in examples])
    frame, framed = _frame(tokenizer)
    framed_lengths = tuple(length + frame for length in lengths)
    whole = tuple(prompt + answer + 1 for prompt, answer in zip(framed_lengths, answers, strict=True))
    return Counted(framed_lengths, tuple(answers), whole, framed)


def context_of(tokenizer: Any) -> int | None:
    """The limit that a tokenizer knows of, in tokens."""
    limit = getattr(tokenizer, "model_max_length", None)
    return int(limit) if isinstance(limit, int | float) and 0 < limit < _UNBOUNDED else None


def describe_tokens(
    counted: Counted,
    *,
    model: str,
    context: int | None,
    train: Collection[int] | None = None,
    tokens_per_second: float | None = None,
    price_per_hour: float | None = None,
) -> TokenFinding:
    """What the lengths mean.

    Args:
        counted: of `count_tokens`, of at least one example.
        model: its name.
        context: tokens that the model takes.
        train: places of the examples that are trained on; ``None`` for all.
        tokens_per_second: measured training speed; nothing is assumed in its place.
        price_per_hour: of the machine, in any currency.
    """
    chosen = range(len(counted.whole)) if train is None else sorted(train)
    epoch = sum(counted.whole[place] for place in chosen)
    hours = epoch / tokens_per_second / 3600 if tokens_per_second else None
    return TokenFinding(
        model=model,
        chat_template=counted.framed,
        prompt=_describe(counted.prompt),
        answer=_describe(counted.answer),
        whole=_describe(counted.whole),
        context=context,
        over=sum(length > context for length in counted.whole) if context else 0,
        padding=padding([counted.whole[place] for place in chosen]),
        rows=len(chosen),
        epoch=epoch,
        hours=hours,
        cost=hours * price_per_hour if hours is not None and price_per_hour is not None else None,
    )


def padding(lengths: Sequence[int], batch: int = BATCH) -> float:
    """The share of padding in batches of ``batch`` rows, shuffled (seed 0) and padded to their longest, 0 to 1."""
    shuffled = random.Random(0).sample(list(lengths), len(lengths))
    batches = [shuffled[start : start + batch] for start in range(0, len(shuffled), batch)]
    padded = sum(max(rows) * len(rows) for rows in batches)
    return 1 - sum(shuffled) / padded if padded else 0.0


def _describe(lengths: Sequence[int]) -> Lengths:
    ranked = sorted(lengths)
    at = {share: ranked[max(0, math.ceil(share * len(ranked) / 100) - 1)] for share in PERCENTILES}
    return Lengths(sum(ranked) / len(ranked), at, ranked[-1])


def _lengths(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    if not texts:
        return []
    ids = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return [len(tokens) for tokens in ids]


def _frame(tokenizer: Any) -> tuple[int, bool]:
    """Tokens that the chat template puts around one user turn, and whether there is a template."""
    if not getattr(tokenizer, "chat_template", None):
        return 0, False
    turn = [{"role": "user", "content": "x"}]
    framed = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    both = _lengths(tokenizer, [framed, "x"])
    return both[0] - both[1], True
