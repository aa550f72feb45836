"""A metric with its standard error: means of per-item values, and figures of a whole corpus."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from harness.evaluation.items import clustered_stderr

if TYPE_CHECKING:
    import numpy as np

RESAMPLES, SEED = 1000, 0
"""Of every bootstrap: how often the clusters are drawn anew, and the seed of the draws."""
_CHUNK = 100  # draws at a time: as many rows of one number a cluster are held

Unit = Literal["share", "points", "perplexity", "bits", "words", "tokens", "seconds", "tokens/s"]
Better = Literal["higher", "lower", "neither"]
StderrMethod = Literal["clustered", "bootstrap", "none"]


@dataclass(frozen=True)
class MetricValue:
    """One figure.

    Attributes:
        name: as the field names it, e.g. ``macro_f1``, ``bleu``, ``word_perplexity``.
        value: in ``unit``: a share is 0 to 1, points are 0 to 100 (BLEU and chrF as sacrebleu gives them).
        stderr: in the same unit; ``None`` where nothing is known of it (one cluster, one measurement).
        n: items it was computed from.
        clusters: of those items; items of one cluster may err together.
        method: how ``stderr`` was found: cluster-robust (Miller 2024, arXiv:2411.00640, eq. 4), or a bootstrap over
            clusters (`RESAMPLES` draws, seed `SEED`).
        better: whether a higher or a lower value is better, where either is.
    """

    name: str
    value: float
    stderr: float | None
    n: int
    clusters: int
    method: StderrMethod
    unit: Unit = "share"
    better: Better = "higher"


def clustered_mean(
    name: str, values: Sequence[float], clusters: Sequence[str], unit: Unit = "share", better: Better = "higher"
) -> MetricValue:
    """The mean of per-item ``values``, shape (n,), with its cluster-robust standard error."""
    groups = len(set(clusters))
    known = groups > 1
    return MetricValue(
        name=name,
        value=math.fsum(values) / len(values),
        stderr=clustered_stderr(values, clusters) if known else None,
        n=len(values),
        clusters=groups,
        method="clustered" if known else "none",
        unit=unit,
        better=better,
    )


def corpus_figure(
    name: str,
    counts: Sequence[Sequence[float]],
    clusters: Sequence[str],
    figure: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]],
    unit: Unit = "share",
    better: Better = "higher",
) -> MetricValue:
    """The one figure of `corpus_figures` called ``name``; ``figure`` gives it alone, shape (m,)."""
    return corpus_figures([name], counts, clusters, lambda sums: (figure(sums),), unit, better)[0]


def corpus_figures(
    names: Sequence[str],
    counts: Sequence[Sequence[float]],
    clusters: Sequence[str],
    figures: Callable[[np.ndarray[Any, Any]], Sequence[np.ndarray[Any, Any]]],
    unit: Unit = "share",
    better: Better = "higher",
) -> list[MetricValue]:
    """Figures that are functions of summed counts, with standard errors from a bootstrap over clusters.

    Args:
        names: of the figures, in the order in which ``figures`` gives them.
        counts: shape (n, k): what each item adds to the k sums that the figures are computed from.
        clusters: shape (n,), the cluster of each item; clusters are drawn whole, with replacement.
        figures: from sums of shape (m, k) to m values of each; where one is not defined (NaN) its draw is left out.
    """
    import numpy as np

    places = {cluster: place for place, cluster in enumerate(dict.fromkeys(clusters))}
    items = np.asarray(counts, dtype=np.float64).reshape(len(counts), -1)
    groups = len(places)
    sums = np.zeros((groups, items.shape[1]))
    np.add.at(sums, [places[cluster] for cluster in clusters], items)
    drawn = []
    rng = np.random.default_rng(SEED)
    for _ in range(RESAMPLES // _CHUNK if groups > 1 else 0):
        times = rng.multinomial(groups, np.full(groups, 1 / groups), size=_CHUNK)
        drawn.append(figures(times @ sums))
    found = []
    for place, (name, whole) in enumerate(zip(names, figures(sums.sum(axis=0, keepdims=True)), strict=True)):
        own = np.concatenate([draw[place] for draw in drawn]) if drawn else np.empty(0)
        own = own[np.isfinite(own)]
        stderr = float(own.std(ddof=1)) if len(own) > 1 else None
        method: StderrMethod = "none" if stderr is None else "bootstrap"
        found.append(MetricValue(name, float(whole[0]), stderr, len(items), groups, method, unit, better))
    return found
