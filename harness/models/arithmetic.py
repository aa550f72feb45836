"""The arithmetic floor: how long a model's matrix products would take if the machine did nothing else, at its peak.

A floor and no estimate: attention's scores, norms, sampling and whatever moves memory are left out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.evaluation.work import Work


@dataclass(frozen=True)
class Arithmetic:
    """Floating-point operations of one model, and what the machine can do.

    Attributes:
        forward: of a token through all layers, 2 for each weight.
        head: of one position's logits.
        train, train_head: the same forward and backward.
        peak: of the machine in a second, in large matrix products of the model's dtype.
        dtype: that dtype.
    """

    forward: float
    head: float
    train: float
    train_head: float
    peak: float
    dtype: str

    def floor(self, work: Work) -> float:
        """Seconds below which ``work`` cannot be done."""
        operations = (
            self.forward * (work.prefill_tokens + work.decode_tokens)
            + self.head * work.logits
            + self.train * work.train_tokens
            + self.train_head * work.train_logits
        )
        return operations / self.peak


def operations(layers: int, head: int, adapter: int, full: bool) -> tuple[float, float, float, float]:
    """Operations ``(forward, head, train, train_head)`` of a token.

    A weight costs 2 forward, 2 for the gradient of its input and, where it is trained, 2 for its own (Kaplan et al.
    2020, arXiv:2001.08361, section 2.1). Evaluation is counted without the adapter: merged, it costs nothing.

    Args:
        layers: weights of the linear layers, embeddings and head left out.
        head: weights of the head.
        adapter: weights of the adapter beside the layers.
        full: whether layers and head are trained themselves.
    """
    factor = 6.0 if full else 4.0
    return 2.0 * layers, 2.0 * head, factor * layers + 6.0 * adapter, factor * head


def measured(model: Any, method: str, dtype: str) -> Arithmetic | None:
    """Count ``model``'s weights and measure the machine; half a second. ``None`` for a mixture of experts.

    Args:
        model: a causal language model of transformers, or a PEFT wrapper of one.
        method: ``lora``, ``qlora`` or ``sft``.
        dtype: that the model computes in, e.g. ``float32``.
    """
    config = model.config.get_text_config()
    if any(getattr(config, name, None) for name in ("num_experts", "num_local_experts", "n_routed_experts")):
        return None  # which experts a token passes is not known here
    head_module = model.get_output_embeddings()
    layers, adapter = 0, 0
    for name, module in model.named_modules():
        if module is head_module or next(iter(module.children()), None) is not None:
            continue
        if "lora_" in name:
            adapter += _weights(module)
        else:
            layers += _weights(module)
    counts = operations(layers, _weights(head_module), adapter, method == "sft")
    return Arithmetic(*counts, measured_peak(dtype, str(model.device)), dtype)


def _weights(module: Any) -> int:
    """Weights of a linear layer, also of one whose weights are packed; 0 for anything else."""
    if hasattr(module, "in_features") and hasattr(module, "out_features"):
        return int(module.in_features * module.out_features)
    return int(module.weight.numel()) if type(module).__name__ == "Conv1D" else 0  # GPT-2's linear layer


def measured_peak(dtype: str, device: str, seconds: float = 0.5) -> float:
    """Operations a second of the fastest square matrix product seen within about ``seconds``."""
    best, begun = 0.0, time.perf_counter()
    for size, took in _products(dtype, device):
        best = max(best, 2.0 * size**3 / took)
        if time.perf_counter() - begun > seconds:
            break
    return best


def _products(dtype: str, device: str) -> Iterator[tuple[int, float]]:
    """``(size, seconds)`` of one product after another; sizes double up to one that takes long enough to time."""
    import torch

    size, took = 256, 0.0
    while True:
        if took < 0.02 and size < 8_192:
            size *= 2
            left = torch.randn(size, size, device=device).to(getattr(torch, dtype))
            right = torch.randn(size, size, device=device).to(getattr(torch, dtype))
        begun = time.perf_counter()
        torch.mm(left, right)
        if left.is_cuda:
            torch.cuda.synchronize()
        took = time.perf_counter() - begun
        yield size, took
