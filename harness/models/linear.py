"""Products with frozen float32 weights on a CPU, through oneDNN with the weights laid out for it once.

PyTorch's ordinary product lays a weight out anew at each call, which at the 30 to 130 rows of a decoding step takes
about half of the time. Where oneDNN or these operators are missing (they are PyTorch's own, used by its compiler's
`freezing`), and on other devices and dtypes, the ordinary product does the work; results differ by rounding only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from harness.exceptions import is_out_of_memory

Product = Callable[[torch.Tensor], torch.Tensor]
_ROWS = 64  # the layout is chosen for so many rows; others run as fast with it


def product(
    weight: torch.Tensor, bias: torch.Tensor | None = None, activation: str = "none", half: bool = False
) -> Product:
    """``x -> activation(x @ weight.T + bias)`` for inference, float32 in and out.

    Args:
        weight: (out, in); may be freed or changed afterwards where `packs` says yes, else it is referred to.
        bias: (out,).
        activation: ``none`` or ``swish`` (x times its sigmoid).
        half: multiply in bfloat16 and add up in float32; only where `packs`, and without bias and activation.
    """
    if half and multiplies_bfloat16():
        rounded = torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(torch.bfloat16), _ROWS)
        multiply = torch.ops.mkldnn._linear_pointwise.default
        return lambda x: multiply(x.to(torch.bfloat16), rounded, None, "none", [], "").float()
    if not packs(weight):
        if activation == "none":
            return lambda x: torch.nn.functional.linear(x, weight, bias)
        return lambda x: torch.nn.functional.silu(torch.nn.functional.linear(x, weight, bias))
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _ROWS)
    run = torch.ops.mkldnn._linear_pointwise.default
    return lambda x: run(x, packed, bias, activation, [], "")


def combined(
    weight: torch.Tensor, bias: torch.Tensor | None, operation: str
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """``(x, other) -> x @ weight.T + bias`` and ``other`` added or multiplied, for inference, as `product`.

    Args:
        weight: (out, in), one that `packs`.
        bias: (out,).
        operation: ``add`` or ``mul``.
    """
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _ROWS)
    run = torch.ops.mkldnn._linear_pointwise.binary
    return lambda x, other: run(x, other, packed, bias, operation)


def packs(weight: torch.Tensor) -> bool:
    """Whether products with ``weight`` are made by oneDNN."""
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and _works()


def multiplies_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself (AVX-512 BF16, AMX): twice as fast as float32, or more.

    Without such units bfloat16 is many times slower than float32.
    """
    return _works() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and _has_bfloat16_units()


def _has_bfloat16_units() -> bool:
    found = torch.backends.cpu.get_cpu_capability()
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return found.startswith("AVX512") and any(getattr(torch.cpu, name, bool)() for name in names)


@functools.cache
def _works() -> bool:
    """Whether this PyTorch has the operators and they multiply as its own do."""
    try:
        weight, x = torch.arange(12.0).reshape(3, 4) / 7, torch.arange(20.0).reshape(1, 5, 4) / 5
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS)
        plain, swish = (torch.ops.mkldnn._linear_pointwise(x, packed, None, name, [], "") for name in ("none", "swish"))
        other = torch.arange(15.0).reshape(1, 5, 3) / 3
        plus, times = (
            torch.ops.mkldnn._linear_pointwise.binary(x, other, packed, None, name) for name in ("add", "mul")
        )
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):
        return False
    expected = torch.nn.functional.linear(x, weight)
    answers = {
        plain: expected,
        swish: torch.nn.functional.silu(expected),
        plus: expected + other,
        times: expected * other,
    }
    return all(torch.allclose(answer, wanted) for answer, wanted in answers.items())


def merged_weight(layer: Any) -> Callable[[], torch.Tensor] | None:
    """What makes the (out, in) weight of a LoRA layer with its update added; ``None`` if it is not one product."""
    from transformers.pytorch_utils import Conv1D

    base = layer.get_base_layer()
    if not simple_lora(layer) or type(base) not in (torch.nn.Linear, Conv1D):
        return None

    def merge() -> torch.Tensor:
        weight: torch.Tensor = base.weight + layer.get_delta_weight("default")
        return weight if isinstance(base, torch.nn.Linear) else weight.T.contiguous()

    return merge


def trained_product(module: Any, half: bool = False) -> Callable[..., torch.Tensor] | None:
    """A faster forward function, with gradients, of a frozen linear layer or of a LoRA layer beside one.

    The frozen weight is laid out for both directions, and a LoRA layer is one step of autograd instead of eight.
    ``None`` where that cannot be done: other kinds of layer, dropout, quantised weights, other devices and dtypes.

    Args:
        half: a LoRA layer multiplies with its frozen weight in bfloat16 (see `multiplies_bfloat16`); adapters, sums,
            and layers without an adapter (the head) stay in float32.
    """
    from peft.tuners.lora import Linear
    from transformers.pytorch_utils import Conv1D

    base: Any = module.get_base_layer() if type(module) is Linear else module
    if type(base) not in (torch.nn.Linear, Conv1D) or base.weight.requires_grad or not packs(base.weight):
        return None
    weight = base.weight.detach()
    forth, back = weight, weight.T.contiguous()
    if isinstance(base, Conv1D):
        forth, back = back, forth
    if module is base:
        ahead, behind = product(forth, base.bias), product(back)
        return lambda x: _Frozen.apply(x, ahead, behind)  # type: ignore[no-untyped-call]
    if type(module.lora_dropout["default"]) is not torch.nn.Identity or not simple_lora(module):
        return None
    a, b, scale = module.lora_A["default"].weight, module.lora_B["default"].weight, module.scaling["default"]
    if a.dtype != torch.float32:
        return None
    half = half and base.bias is None
    ahead, behind = product(forth, base.bias, half=half), product(back, half=half)
    return lambda x: _Lora.apply(x, a, b, scale, ahead, behind)  # type: ignore[no-untyped-call]


class _Frozen(torch.autograd.Function):
    """A frozen product: gradients flow to its input only."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, ahead: Product, behind: Product) -> torch.Tensor:
        ctx.behind = behind
        return ahead(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        return ctx.behind(gradient.contiguous()), None, None


class _Lora(torch.autograd.Function):
    """``x @ W.T + scale * (x @ a.T) @ b.T`` with a frozen W (Hu et al. 2021, arXiv:2106.09685)."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scale: float, ahead: Product, behind: Product
    ) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])  # (tokens, in)
        inner = flat @ a.T  # (tokens, rank)
        ctx.save_for_backward(flat, inner, a, b)
        ctx.scale, ctx.behind, ctx.shape = scale, behind, x.shape
        return ahead(flat).addmm_(inner, b.T, alpha=scale).view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        flat, inner, a, b = ctx.saved_tensors
        own = gradient.reshape(-1, gradient.shape[-1]).contiguous()  # (tokens, out)
        down = (own @ b).mul_(ctx.scale)  # (tokens, rank)
        x = ctx.behind(own).addmm_(down, a).view(ctx.shape) if ctx.needs_input_grad[0] else None
        return x, down.T @ flat, (own.T @ inner).mul_(ctx.scale), None, None, None


def simple_lora(layer: Any) -> bool:
    """Whether ``layer`` is a linear layer with one adapter ``default`` beside it and no variant (DoRA and the like)."""
    from peft.tuners.lora import Linear

    variants, biases = (getattr(layer, name, None) or {} for name in ("lora_variant", "lora_bias"))
    return (
        type(layer) is Linear
        and list(layer.active_adapters) == ["default"]
        and not (variants or any(biases.values()) or layer.disable_adapters or layer.merged)
    )


def learns_beside(layer: Any) -> bool:
    """Whether ``layer`` is a frozen float32 linear layer on a CPU with one float32 adapter, without dropout, beside it.

    That is what functions with gradients written out need.
    """
    if not simple_lora(layer) or type(layer.lora_dropout["default"]) is not torch.nn.Identity:
        return False
    base = layer.get_base_layer()
    adapter = layer.lora_A["default"].weight
    return (
        type(base) is torch.nn.Linear
        and not base.weight.requires_grad
        and packs(base.weight)
        and bool(adapter.dtype == torch.float32)
    )


def gates_by_silu(module: Any) -> bool:
    """Whether ``module`` is a feed-forward layer ``down(silu(gate(x)) * up(x))``, as Llama's: by trying it."""
    names = ("gate_proj", "up_proj", "down_proj", "act_fn")
    if not all(isinstance(getattr(module, name, None), torch.nn.Module) for name in names):
        return False
    if type(module.act_fn).__name__ not in ("SiLU", "SiLUActivation"):
        return False
    weight = getattr(module.gate_proj, "weight", None)
    if weight is None or weight.ndim != 2:
        return False
    x = torch.linspace(-1, 1, module.gate_proj.in_features, dtype=weight.dtype, device=weight.device)[None, None]
    try:
        for scale in (1, 1_000):  # large gates show a limit
            given = scale * x
            expected = module.down_proj(torch.nn.functional.silu(module.gate_proj(given)) * module.up_proj(given))
            if not torch.allclose(module(given), expected, rtol=1e-4, atol=1e-6 * scale**2):
                return False
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError) as error:
        if is_out_of_memory(error):
            raise
        return False
    return True


@contextmanager
def replaced(forwards: dict[Any, Callable[..., Any]]) -> Iterator[None]:
    """Modules answer by other functions within the block, and by their own again afterwards."""
    before = {module: module.__dict__.get("forward") for module in forwards}
    try:
        for module, forward in forwards.items():
            module.forward = forward
        yield
    finally:
        for module, own in before.items():
            module.__dict__.pop("forward", None)
            if own is not None:
                module.forward = own
