"""Whether a model may be asked through pooled attention: tried on a few tokens when it is loaded."""

from __future__ import annotations

from typing import Any

import torch

from harness.evaluation.pooled_attention import Block, Decode, Prefill, Slots, TrunkCache, Unsupported, forward
from harness.exceptions import is_out_of_memory


def answers_alike(model: Any) -> bool:
    """Whether ``model`` gives through our attention the logits that it gives through its own.

    Two rows that part in the middle are run packed, one is decoded a token further, and both are compared with plain
    forward passes. Models with another state than keys and values (Mamba), with position biases (ALiBi), with an
    encoder, or that keep their attention to themselves answer otherwise or fail, and are not for it. Nor are those
    whose configuration tells of what eight tokens cannot show: attention cut by a mask alone, and rotations that hang
    on the longest row of a pass.
    """
    config = model.config.get_text_config()
    if not getattr(model, "_supports_attention_backend", True) or getattr(model.config, "is_encoder_decoder", False):
        return False
    if "chunked_attention" in (getattr(config, "layer_types", None) or ()) or _moving_rotation(config):
        return False
    device = model.device
    parents = [-1, 0, 1, 2, 3, 4, 5, 6, 3, 8, 9, 10]
    depths = [0, 1, 2, 3, 4, 5, 6, 7, 4, 5, 6, 7]
    try:
        size = int(config.vocab_size)
        stem, one, two = ([(start + 7 * step) % size for step in range(4)] for start in (5, 50, 90))
        slots = Slots(1, 8)
        tree = Prefill([Block(0, 12, TrunkCache(), parents, depths, [(0, torch.arange(7, device=device))])], slots)
        with torch.inference_mode():
            alone = [model(torch.tensor([row], device=device), use_cache=False) for row in (stem + one, stem + two)]
            expected = torch.cat([output.logits[0, -2:].float() for output in alone])
            packed = forward(model, tree, stem + one + two, depths, [6, 7, 10, 11])
            last = forward(model, Decode(slots, [7], [TrunkCache()], device), one[3:], [7], [0])
    except (Unsupported, RuntimeError, TypeError, ValueError, AttributeError, LookupError) as error:
        if is_out_of_memory(error):
            raise
        return False
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True) and not tree.windows:
        return False
    difference = (torch.cat([packed, last]) - torch.cat([expected, expected[1:2]])).abs().max()
    exact = next(model.parameters()).dtype == torch.float32
    return bool(difference <= (1e-3 if exact else 5e-2) * expected.abs().max())


def _moving_rotation(config: Any) -> bool:
    """Whether rotary positions change with the longest position of a pass (dynamic NTK, LongRoPE)."""
    found = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    nested = [found, *(value for value in found.values() if isinstance(value, dict))]
    return any(entry.get("rope_type", entry.get("type")) in ("dynamic", "longrope") for entry in nested)
