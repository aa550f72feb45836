"""The figures that people know: exact match, F1, BLEU, perplexity and the like, each with its standard error."""

from harness.metrics.suite import ALL, evaluation_metrics, skill_confusion, skill_metrics
from harness.metrics.values import MetricValue

__all__ = ["ALL", "MetricValue", "evaluation_metrics", "skill_confusion", "skill_metrics"]
