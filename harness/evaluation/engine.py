"""What the loop asks of an engine: text for prompts, log-probabilities for continuations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.evaluation.items import FinishReason
from harness.exceptions import InputError

ENGINE_VERSION = 1
"""Part of the key of every kept answer (`harness.evaluation.cached_engine`). Raise it whenever a change to an engine,
to `harness.evaluation.decoding` or to how models are loaded may give another answer or score for the same weights and
tokens, ties within rounding apart: answers of the old version are then not found any more."""
ANSWERS_DEPEND_ON = ("torch", "transformers", "peft", "bitsandbytes", "lm_eval", "vllm")
"""Libraries whose version may change an answer: evaluations made under unlike ones are not compared, nor reused."""
Progress = Callable[[int, int], None]
"""``progress(done, total)``, called as requests finish."""


@dataclass(frozen=True)
class GenerationRequest:
    """One prompt to answer, greedily unless a temperature is given.

    Attributes:
        prompt: the whole text, chat template applied.
        until: stop strings; the text ends before the first that occurs.
        max_new_tokens: limit on generated tokens, end token included.
        group: requests of one group (a task's items) begin alike; a hint that changes speed, never answers.
        temperature: 0 takes the likeliest token; above 0, tokens are drawn from the softmax of logits / temperature.
        top_k: draws are from this many of the likeliest tokens; 0 for all.
        top_p: draws are from the fewest likeliest tokens that have this probability together, above 0 to 1 (all).
        seed, sample: seed of the draws, and which of several answers to one prompt this is. Equal prompt, seed and
            sample give equal text, whatever else is asked with it.
        draft: what the answer may be (an earlier model's, the gold one); a hint that changes speed, never answers.

    Raises:
        InputError: a number is out of its range.
    """

    prompt: str
    until: tuple[str, ...] = ()
    max_new_tokens: int = 64
    group: str = ""
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0
    sample: int = 0
    draft: str = ""

    def __post_init__(self) -> None:
        for name, fits, wanted in (
            ("max_new_tokens", self.max_new_tokens >= 1, "1 or more"),
            ("temperature", 0 <= self.temperature < float("inf"), "0 or more"),
            ("top_k", self.top_k >= 0, "0 or more"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
        ):
            if not fits:
                raise InputError(f"generation argument '{name}' is {getattr(self, name)}; it must be {wanted}")


@dataclass(frozen=True)
class Generation:
    """An answer.

    Attributes:
        text: the answer without end token and stop string.
        finish_reason: ``stop`` or ``length``.
        prompt_tokens, new_tokens: token counts; ``new_tokens`` includes the end token.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    new_tokens: int


@dataclass(frozen=True)
class ScoringRequest:
    """A continuation whose log-probability after ``context`` is asked; ``group`` as in `GenerationRequest`."""

    context: str
    continuation: str
    group: str = ""


@dataclass(frozen=True)
class Scoring:
    """The log-probability of a continuation.

    Attributes:
        logprob: sum over its tokens, nats.
        is_greedy: whether greedy decoding would have produced it.
        tokens: tokens of the continuation.
        context_tokens: tokens of the context.
    """

    logprob: float
    is_greedy: bool
    tokens: int
    context_tokens: int = 0


class Engine(Protocol):
    """Answers requests with the weights that are active at the moment.

    Example::

        engine.generate([GenerationRequest("2 + 2 =", until=("\\n",), max_new_tokens=4)], None)
    """

    @property
    def context_length(self) -> int:
        """Longest prompt plus answer in tokens."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` as a prompt, special tokens included."""
        ...

    def encode(self, request: GenerationRequest | ScoringRequest) -> tuple[list[int], int]:
        """The token ids that the model gets for ``request``, and how many of them, the last ones, are scored."""
        ...

    def generate(self, requests: Sequence[GenerationRequest], progress: Progress | None) -> list[Generation]:
        """Answers, in the order of ``requests``."""
        ...

    def loglikelihood(self, requests: Sequence[ScoringRequest], progress: Progress | None) -> list[Scoring]:
        """Log-probabilities, in the order of ``requests``."""
        ...
