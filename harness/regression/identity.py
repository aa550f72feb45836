"""A name for weights."""

from __future__ import annotations

from harness.storage import sha256_text


def weights_id(base: str, adapter: str = "") -> str:
    """16 hex digits that name the weights of a model, for `harness.regression.answers.Identity`.

    Args:
        base: hash of the base model's weights; empty where it is not known, and so is the result.
        adapter: hash of the adapter's weights; empty for the base alone.
    """
    return sha256_text(f"{base}\0{adapter}")[:16] if base else ""
