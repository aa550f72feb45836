"""Evaluation-first fine-tuning: see how a model fails, retrain on exactly that, know if it got better."""

__version__ = "0.1.0"
