"""A decoder layer of the Llama kind with LoRA adapters, in few operations, forward and backward, on a CPU.

The layer is two steps of autograd around the attention, with gradients written out: what stands before it (norm,
queries, keys, values, positions) and what stands behind it (output, norm, feed-forward). Beside the products that
leaves about a third of the passes over memory that transformers' and PEFT's layers make, and about half of what they
keep for the backward pass. Norms' weights are multiplied into the products behind them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from harness.models.block import attention_of, linears, normed, rotated
from harness.models.linear import Product, learns_beside, product


@dataclass(frozen=True)
class _Frozen:
    """The frozen products of some linear layers with the same input, side by side.

    Attributes:
        ahead: (tokens, in) -> (tokens, all outputs).
        behind: (tokens, all outputs) -> (tokens, in).
        bias: (all outputs,).
        norm: (in,), multiplied into the input by the weights.
        sizes: outputs of each layer.
        scale: of the adapters' updates.
    """

    ahead: Product
    behind: Product
    bias: torch.Tensor | None
    norm: torch.Tensor | None
    sizes: tuple[int, ...]
    scale: float

    def forward(
        self, x: torch.Tensor, a: torch.Tensor, bs: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Outputs (tokens, all outputs), and the adapters' inner values (tokens, all ranks)."""
        inner = x @ a.T
        out = self.ahead(x)
        if self.bias is not None:
            out += self.bias
        for part, narrow, b in zip(_columns(out, self.sizes), self._ranks(inner, bs), bs, strict=True):
            part.addmm_(narrow, b.T, alpha=self.scale)
        return out, inner

    def backward(
        self, gradient: torch.Tensor, x: torch.Tensor, inner: torch.Tensor, a: torch.Tensor, bs: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Gradients of the input, and of the adapters' weights: all As, then all Bs."""
        parts = _columns(gradient, self.sizes)
        down = torch.cat([part @ b for part, b in zip(parts, bs, strict=True)], dim=1).mul_(self.scale)
        narrow = self._ranks(inner, bs)
        grown = [(part.T @ own).mul_(self.scale) for part, own in zip(parts, narrow, strict=True)]
        shrunk = down.T @ x
        if self.norm is not None:
            shrunk *= self.norm
        return self.behind(gradient).addmm_(down, a), (
            *torch.split_with_sizes(shrunk, [b.shape[1] for b in bs]),
            *grown,
        )

    def joined(self, adapters: Sequence[torch.Tensor]) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
        """All As as one (ranks, in) matrix, the norm in it, and the Bs."""
        half = len(adapters) // 2
        a = torch.cat(list(adapters[:half])) if half > 1 else adapters[0]
        return (a if self.norm is None else a * self.norm), adapters[half:]

    @staticmethod
    def _ranks(inner: torch.Tensor, bs: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        return _columns(inner, [b.shape[1] for b in bs])


def trained_block(layer: Any, half: bool = False) -> Callable[..., torch.Tensor] | None:
    """A faster forward function, with gradients, of a decoder layer whose seven linear layers have adapters.

    ``None`` where the layer is of another kind, or not all of its linear layers `learns_beside` (see `trained_product`,
    which takes single ones).

    Args:
        half: multiply with frozen weights in bfloat16 (see `multiplies_bfloat16`).
    """
    found = linears(layer)
    if found is None or not all(learns_beside(module) for module in found):
        return None
    attention, before, after = layer.self_attn, layer.input_layernorm, layer.post_attention_layernorm
    if before.weight.requires_grad or after.weight.requires_grad:
        return None
    query, key, value, output, gate, up, down = found
    size = attention.head_dim
    heads, keyed = query.out_features // size, key.out_features // size
    into = _frozen((query, key, value), before.weight, half)
    back = _frozen((output,), None, half), _frozen((gate, up), after.weight, half), _frozen((down,), None, half)
    if into is None or None in back:
        return None
    first = _adapters((query, key, value))
    second = [_adapters(modules) for modules in ((output,), (gate, up), (down,))]
    own = sys.modules[type(attention).__module__]

    def forward(
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = False,
        position_embeddings: Any = None,
        **others: Any,
    ) -> torch.Tensor:
        cos, sin = position_embeddings
        shape = hidden_states.shape
        states = _Before.apply(  # type: ignore[no-untyped-call]
            hidden_states, cos, sin, before.variance_epsilon, (heads + keyed, size), into, *first
        )  # (batch, tokens, heads, size)
        queries, keys, values = states.transpose(1, 2).split([heads, keyed, keyed], 1)
        answers = attention_of(
            own, attention, queries, keys, values, attention_mask, position_ids=position_ids, **others
        )
        result: torch.Tensor = _Behind.apply(  # type: ignore[no-untyped-call]
            answers.reshape(-1, heads * size), hidden_states.reshape(-1, shape[-1]), after.variance_epsilon, back,
            *(weight for group in second for weight in group),
        )  # fmt: skip
        return result.view(shape)

    return forward


def _frozen(modules: Sequence[Any], norm: torch.Tensor | None, half: bool) -> _Frozen | None:
    bases = [module.get_base_layer() for module in modules]
    scales = {module.scaling["default"] for module in modules}
    with_bias = {base.bias is not None for base in bases}
    if len(scales) > 1 or len(with_bias) > 1:
        return None
    weight = torch.cat([base.weight.detach() for base in bases])
    if norm is not None:
        weight = weight * norm.detach()
    return _Frozen(
        ahead=product(weight, half=half),
        behind=product(weight.T.contiguous(), half=half),
        bias=torch.cat([base.bias.detach() for base in bases]) if True in with_bias else None,
        norm=None if norm is None else norm.detach(),
        sizes=tuple(base.out_features for base in bases),
        scale=scales.pop(),
    )


def _adapters(modules: Sequence[Any]) -> list[torch.Tensor]:
    return [getattr(module, name)["default"].weight for name in ("lora_A", "lora_B") for module in modules]


class _Before(torch.autograd.Function):
    """Norm, queries, keys and values, positions: (batch, tokens, hidden) -> (batch, tokens, heads, size)."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        epsilon: float,
        turned: tuple[int, int],
        frozen: _Frozen,
        *adapters: torch.Tensor,
    ) -> torch.Tensor:
        x, factor = normed(hidden.reshape(-1, hidden.shape[-1]), epsilon)
        a, bs = frozen.joined(adapters)
        out, inner = frozen.forward(x, a, bs)
        count, size = turned
        states = out.view(*hidden.shape[:-1], -1, size)
        states[..., :count, :] = rotated(states[..., :count, :], cos[..., None, :], sin[..., None, :])
        ctx.save_for_backward(x, factor, inner, cos, sin, a, *bs)
        ctx.frozen, ctx.count, ctx.shape = frozen, count, hidden.shape
        return states

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        x, factor, inner, cos, sin, a, *bs = ctx.saved_tensors
        count = ctx.count
        own = torch.empty(gradient.shape)
        own[..., :count, :] = rotated(gradient[..., :count, :], cos[..., None, :], -sin[..., None, :])  # turned back
        own[..., count:, :] = gradient[..., count:, :]
        down, adapters = ctx.frozen.backward(own.view(x.shape[0], -1), x, inner, a, bs)
        return _through_norm(down, x, factor).view(ctx.shape), None, None, None, None, None, *adapters


class _Behind(torch.autograd.Function):
    """Output and its residual, norm, feed-forward layer and its residual, on (tokens, hidden)."""

    @staticmethod
    def forward(
        ctx: Any,
        answers: torch.Tensor,
        hidden: torch.Tensor,
        epsilon: float,
        frozen: tuple[_Frozen, _Frozen, _Frozen],
        *adapters: torch.Tensor,
    ) -> torch.Tensor:
        output, gates, down = frozen
        (a_out, b_out), (a_gate, b_gate), (a_down, b_down) = (
            one.joined(own) for one, own in zip(frozen, (adapters[:2], adapters[2:6], adapters[6:]), strict=True)
        )
        middle, inner_out = output.forward(answers, a_out, b_out)
        middle += hidden
        x, factor = normed(middle, epsilon)
        both, inner_gate = gates.forward(x, a_gate, b_gate)
        gate, up = _columns(both, gates.sizes)
        fed, inner_down = down.forward(torch.nn.functional.silu(gate).mul_(up), a_down, b_down)
        fed += middle
        ctx.save_for_backward(
            answers, inner_out, a_out, *b_out, x, factor, both, inner_gate, a_gate, *b_gate, inner_down, a_down, *b_down
        )
        ctx.frozen = frozen
        return fed

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        (answers, inner_out, a_out, b_out, x, factor, both, inner_gate, a_gate, b_gate, b_up, inner_down, a_down,
         b_down) = ctx.saved_tensors  # fmt: skip
        output, gates, down = ctx.frozen
        gradient = gradient.contiguous()
        gate, up = _columns(both, gates.sizes)
        silu = torch.nn.functional.silu(gate)
        to_product, adapters_down = down.backward(gradient, silu * up, inner_down, a_down, [b_down])
        to_both = torch.empty_like(both)
        to_gate, to_up = _columns(to_both, gates.sizes)
        torch.mul(to_product, silu, out=to_up)
        to_gate.copy_(torch.ops.aten.silu_backward(to_product.mul_(up), gate))
        to_x, adapters_gate = gates.backward(to_both, x, inner_gate, a_gate, [b_gate, b_up])
        to_middle = _through_norm(to_x, x, factor).add_(gradient)
        to_answers, adapters_out = output.backward(to_middle, answers, inner_out, a_out, [b_out])
        return to_answers, to_middle, None, None, *adapters_out, *adapters_gate, *adapters_down


def _columns(x: torch.Tensor, sizes: Sequence[int]) -> tuple[torch.Tensor, ...]:
    return torch.split_with_sizes(x, list(sizes), 1)


def _through_norm(gradient: torch.Tensor, x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Gradient of what was normed, from that of ``x``, its norm; ``gradient`` is overwritten."""
    along = torch.linalg.vecdot(gradient, x).div_(x.shape[-1])[:, None]
    return gradient.addcmul_(x, along, value=-1).mul_(factor)
