"""Perplexities from log-probabilities: of gold answers by token, of plain text by word and byte as lm-eval has them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.metrics.values import MetricValue, Unit, corpus_figure

if TYPE_CHECKING:
    import numpy as np


def gold_perplexity(logprobs: Sequence[float], tokens: Sequence[int], clusters: Sequence[str]) -> MetricValue:
    """``exp(-sum of log-probabilities / tokens)`` of the gold answers, teacher-forced.

    By token, as the word is commonly used; lm-eval's metric of this name divides by items (LAMBADA has one word each).
    It compares models of one tokenizer only.

    Args:
        logprobs: shape (n,), nats, of whole answers.
        tokens: shape (n,), of the same answers; 1 or more.
        clusters: shape (n,).
    """
    return _rate("perplexity", logprobs, tokens, clusters, "perplexity", bits=False)


def text_perplexities(texts: Sequence[str], logprobs: Sequence[float]) -> list[MetricValue]:
    """``word_perplexity``, ``byte_perplexity`` and ``bits_per_byte`` of whole documents.

    Words are what stands between white space and bytes are of UTF-8, counted as ``count_words`` and ``count_bytes`` of
    lm-eval do, so the figures are those of its rolling tasks. Each document is its own cluster.

    Args:
        texts: shape (n,), not empty.
        logprobs: shape (n,), nats, of whole documents.
    """
    words = [len(re.split(r"\s+", text)) for text in texts]
    size = [len(text.encode("utf-8", "surrogatepass")) for text in texts]
    own = [str(place) for place in range(len(texts))]
    return [
        _rate("word_perplexity", logprobs, words, own, "perplexity", bits=False),
        _rate("byte_perplexity", logprobs, size, own, "perplexity", bits=False),
        _rate("bits_per_byte", logprobs, size, own, "bits", bits=True),
    ]


def _rate(
    name: str, logprobs: Sequence[float], sizes: Sequence[int], clusters: Sequence[str], unit: Unit, *, bits: bool
) -> MetricValue:
    def figure(sums: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        import numpy as np

        nats: np.ndarray[Any, Any] = -sums[:, 0] / sums[:, 1]
        # Beyond this a figure says nothing but "no idea", and infinity is no JSON.
        return nats / math.log(2) if bits else np.exp(np.minimum(nats, 100.0))

    counts = list(zip(logprobs, sizes, strict=True))
    return corpus_figure(name, counts, clusters, figure, unit, "lower")
