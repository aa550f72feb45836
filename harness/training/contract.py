"""What a trainer is: from rows to a candidate on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.exceptions import HarnessError
from harness.training.recipe import Recipe

if TYPE_CHECKING:
    from harness.models.session import ModelSession

TrainProgress = Callable[[int, int, float], None]
"""``progress(step, steps, loss)``, called after each optimiser step."""

CANDIDATE, LEARNER = "adapter", "learner"
"""Folders of a round: the snapshot that is judged, and the state that training goes on from."""


class TrainingCrash(HarnessError):
    """Training came to nothing, by a non-finite loss say: the round is recorded as a crash, the champion stands."""


class NonFiniteWeights(TrainingCrash):
    """A trained weight is a NaN or an infinity: the round is recorded as invalid, the champion stands."""


@dataclass(frozen=True)
class Example:
    """One supervised example as text: loss on ``completion`` only.

    Attributes:
        prompt: the whole prompt as the model gets it in evaluation, chat template applied.
        completion: the gold answer; the trainer adds the end token.
    """

    prompt: str
    completion: str


@dataclass(frozen=True)
class Start:
    """What training goes on from.

    Attributes:
        weights: folder of the adapter to start from; ``None`` for fresh weights.
        state: folder with the learner's optimiser state that belongs to ``weights``; ``None`` for a fresh optimiser.
        rate: factor on the recipe's learning rate.
    """

    weights: Path | None = None
    state: Path | None = None
    rate: float = 1.0


@dataclass(frozen=True)
class TrainResult:
    """What training did.

    Attributes:
        tokens: tokens trained on, prompts included, padding not.
        steps: optimiser steps.
        losses: ``(step, loss in nats)``, the mean over rows or over answer tokens, as the recipe weighs.
        skipped: examples left out because they do not fit the context, by index.
        details: whatever else explains the result (learning rate, trainable parameters).
    """

    tokens: int
    steps: int
    losses: tuple[tuple[int, float], ...]
    skipped: tuple[int, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Workplace:
    """What a trainer works with; an entry point of ``harness.trainers`` is called with it.

    Attributes:
        session: the model in memory. Its `trainable` parameters are what a candidate holds, `activate` puts a start's
            weights in place, `save` writes a candidate.
        tokenizer: of the model.
        context_length: tokens of the longest example that the model takes.
        on_notice: told what the user should know, in one line.
        packed: whether rows of a step may be run as one packed tree (`harness.training.packed_loss`).
    """

    session: ModelSession
    tokenizer: Any
    context_length: int
    on_notice: Callable[[str], None] = lambda _: None
    packed: bool = True


class Trainer(Protocol):
    """Turns examples into a candidate.

    Writes ``out_dir/adapter`` (the candidate: safetensors and its config) and ``out_dir/learner`` (what the next
    round goes on from). Deterministic for a seed on a CPU.
    """

    def train(
        self,
        examples: Sequence[Example],
        recipe: Recipe,
        start: Start,
        out_dir: Path,
        seed: int,
        progress: TrainProgress | None,
    ) -> TrainResult:
        """Train and write the candidate.

        Raises:
            TrainingCrash: a loss or weight is not finite.
            EnvironmentFault: out of memory or disk.
        """
        ...
