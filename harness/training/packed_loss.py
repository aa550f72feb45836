"""The loss of a piece; on a packed one the head is applied to learned positions only."""

from __future__ import annotations

from typing import Any

import torch

from harness.evaluation.pooled_attention import Block, Prefill, TrunkCache, forward
from harness.training.steps import Piece


def piece_loss(model: Any, piece: Piece, packed: bool = True) -> torch.Tensor:
    """Weighted negative log-likelihood of a piece's targets: a scalar in nats, with its graph.

    Args:
        packed: run the piece as one tree; else (for models that `answers_alike` refuses) its rows as a padded batch.
    """
    logits = _tree_logits(model, piece) if packed else _padded_logits(model, piece)  # (n, vocabulary)
    targets = torch.tensor(piece.targets, device=logits.device)
    weights = torch.tensor(piece.weights, device=logits.device)
    return torch.nn.functional.cross_entropy(logits, targets, reduction="none") @ weights


def _tree_logits(model: Any, piece: Piece) -> torch.Tensor:
    segment = piece.segment
    block = Block(0, len(segment.tokens), TrunkCache(), segment.parents, segment.depths)
    return forward(model, Prefill([block]), segment.tokens, segment.depths, piece.places)


def _padded_logits(model: Any, piece: Piece) -> torch.Tensor:
    rows = piece.segment.rows
    width = max(len(row.tokens) for row in rows)
    padding = [width - len(row.tokens) for row in rows]
    ids = torch.tensor([[*row.tokens, *[0] * pad] for row, pad in zip(rows, padding, strict=True)])
    mask = torch.tensor([[1] * len(row.tokens) + [0] * pad for row, pad in zip(rows, padding, strict=True)])
    logits = model(
        input_ids=ids.to(model.device), attention_mask=mask.to(model.device), use_cache=False
    ).logits  # (rows, width, vocabulary)
    learned = [logits[place, row.shareable - 1 : len(row.tokens) - 1] for place, row in enumerate(rows)]
    return torch.cat(learned).float()
