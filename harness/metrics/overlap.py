"""BLEU and chrF of a corpus, as sacrebleu computes them, from counts that add up over items.

Adding up is what a bootstrap needs: a draw is a sum of counts, not a corpus to be read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness.metrics.values import MetricValue, corpus_figure

if TYPE_CHECKING:
    import numpy as np

ORDER, BETA = 6, 2
"""chrF's defaults: characters of the longest n-gram, weight of recall."""


def bleu(responses: Sequence[str], references: Sequence[Sequence[str]], clusters: Sequence[str]) -> MetricValue:
    """Corpus BLEU, 0 to 100: sacrebleu's defaults (13a tokens, order 4, exponential smoothing).

    Source: Papineni et al. 2002; Post 2018, arXiv:1804.08771. Short answers have few 4-grams: read it beside chrF.

    Args:
        responses: shape (n,).
        references: shape (n,), one or more for each response.
        clusters: shape (n,).
    """
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU()
    counts = []
    for response, own in zip(responses, references, strict=True):
        score = metric.corpus_score([response], [[reference] for reference in own])
        counts.append([*score.counts, *score.totals, score.sys_len, score.ref_len])

    def figure(sums: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        import numpy as np

        return np.array(
            [
                BLEU.compute_bleu(row[:4], row[4:8], row[8], row[9], smooth_method="exp").score
                for row in sums.astype(np.int64).tolist()
            ]
        )

    return corpus_figure("bleu", counts, clusters, figure, "points")


def chrf(responses: Sequence[str], references: Sequence[Sequence[str]], clusters: Sequence[str]) -> MetricValue:
    """Corpus chrF, 0 to 100, with sacrebleu's defaults; arguments as for `bleu`.

    Source: Popović 2015, "chrF: character n-gram F-score"; of several references the one that suits a response best.
    """
    counts = []
    for response, own in zip(responses, references, strict=True):
        grams = _character_grams(response)
        rows = [_chrf_counts(grams, _reference_grams(reference)) for reference in own]
        counts.append(rows[0] if len(rows) == 1 else max(rows, key=lambda row: float(_chrf([row])[0])))
    return corpus_figure("chrf", counts, clusters, _chrf, "points")


def _character_grams(text: str) -> list[Counter[str]]:
    letters = "".join(text.split())
    return [
        Counter(letters[start : start + order] for start in range(len(letters) - order + 1))
        for order in range(1, ORDER + 1)
    ]


_reference_grams = lru_cache(1024)(_character_grams)  # the same before and after, zero-shot and few-shot


def _chrf_counts(response: list[Counter[str]], reference: list[Counter[str]]) -> list[int]:
    """n-grams of the response, of the reference and of both, for each order."""
    row = []
    for ours, theirs in zip(response, reference, strict=True):
        # sacrebleu does not count a response's n-grams where the reference has none of that order
        row += [ours.total() if theirs else 0, theirs.total(), (ours & theirs).total()]
    return row


def _chrf(sums: Any) -> np.ndarray[Any, Any]:
    """chrF from sums of shape (m, 3 orders): mean precision and recall over the orders that both sides have."""
    import numpy as np

    response, reference, shared = np.moveaxis(np.asarray(sums, dtype=np.float64).reshape(len(sums), ORDER, 3), 2, 0)
    both = (response > 0) & (reference > 0)
    orders = np.maximum(both.sum(axis=1), 1)
    precision = (both * shared / np.maximum(response, 1)).sum(axis=1) / orders
    recall = (both * shared / np.maximum(reference, 1)).sum(axis=1) / orders
    weighted = BETA**2 * precision + recall
    figures: np.ndarray[Any, Any] = 100 * (1 + BETA**2) * precision * recall / np.where(weighted > 0, weighted, 1)
    return figures
