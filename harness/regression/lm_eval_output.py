"""Output of plain lm-eval, by any backend: ``results_*.json`` and the ``samples_*.jsonl`` beside it."""
