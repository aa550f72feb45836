"""A decoder layer of the Llama kind in few operations, for inference on a CPU.

Beside its seven products such a layer makes about fifty passes over memory in transformers, a quarter of the time of a
prompt and a third of that of a decoding step. Here the norms' weights are multiplied into the products behind them,
queries, keys and values are one product, and the gate and both residual sums are done by the products themselves.
Results differ by rounding only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch

from harness.exceptions import is_out_of_memory
from harness.models.linear import combined, product

Weights = Callable[[Any], tuple[torch.Tensor, torch.Tensor | None]]
"""A linear layer's (out, in) weight and its bias, adapters included."""

_LAYERS = ("LlamaDecoderLayer", "MistralDecoderLayer", "Qwen2DecoderLayer")


def linears(layer: Any) -> tuple[Any, ...] | None:
    """The linear layers of a decoder layer that `fused` knows: queries, keys, values, output, gate, up, down."""
    if type(layer).__name__ not in _LAYERS:
        return None
    attention, feed = layer.self_attn, layer.mlp
    if type(feed.act_fn).__name__ not in ("SiLU", "SiLUActivation"):
        return None
    return (
        *(attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj),
        *(feed.gate_proj, feed.up_proj, feed.down_proj),
    )


def fused(layer: Any, weights: Weights) -> Callable[..., torch.Tensor]:
    """A forward function for ``layer``, whose `linears` have float32 ``weights`` that `packs` accepts."""
    attention, before, after = layer.self_attn, layer.input_layernorm, layer.post_attention_layernorm
    query, key, value, output, gate, up, down = linears(layer) or ()
    size = attention.head_dim
    heads = query.out_features // size
    turned = heads + key.out_features // size  # heads of queries and keys, which have positions
    into = [weights(part) for part in (query, key, value)]
    biases = [bias for _, bias in into]
    attend = product(
        torch.cat([weight for weight, _ in into]) * before.weight,
        torch.cat([bias for bias in biases if bias is not None]) if biases[0] is not None else None,
    )
    gated = product(*_scaled(weights(gate), after.weight), "swish")
    times_up = combined(*_scaled(weights(up), after.weight), "mul")
    add_output, add_down = combined(*weights(output), "add"), combined(*weights(down), "add")
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
        shape = hidden_states.shape[:-1]  # (batch, tokens)
        states = attend(normed(hidden_states, before.variance_epsilon)[0]).view(*shape, -1, size)
        positioned = rotated(states[..., :turned, :], cos[..., None, :], sin[..., None, :]).transpose(1, 2)
        queries, keys = positioned[:, :heads], positioned[:, heads:]
        values = states[..., turned:, :].transpose(1, 2)
        if past_key_values is not None:
            keys, values = past_key_values.update(keys, values, attention.layer_idx)
        answers = attention_of(
            own, attention, queries, keys, values, attention_mask, position_ids=position_ids, **others
        )
        middle = add_output(answers.reshape(*shape, -1), hidden_states)
        x, _ = normed(middle, after.variance_epsilon)
        return add_down(times_up(x, gated(x)), middle)

    return forward


def attention_of(
    own: Any,
    attention: Any,
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
    **others: Any,
) -> torch.Tensor:
    """Call the attention function that the model is set to, as transformers' own layer does.

    Args:
        own: the module in which transformers defines the layer.
        queries, keys, values: (batch, heads, tokens, size).

    Returns:
        (batch, tokens, heads, size).
    """
    interface = own.ALL_ATTENTION_FUNCTIONS.get_interface(
        attention.config._attn_implementation, own.eager_attention_forward
    )
    kind = type(attention).__name__
    if kind != "LlamaAttention":
        others["sliding_window"] = (attention if kind == "Qwen2Attention" else attention.config).sliding_window
    dropout = attention.attention_dropout if attention.training else 0.0
    answers: torch.Tensor = interface(
        attention, queries, keys, values, mask, dropout=dropout, scaling=attention.scaling, **others
    )[0]
    return answers


def _scaled(
    weight: tuple[torch.Tensor, torch.Tensor | None], norm: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    return weight[0] * norm, weight[1]


def normed(x: torch.Tensor, epsilon: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Root mean square norm (Zhang and Sennrich 2019, arXiv:1910.07467) without its weight, and its factors."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    factor = length.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
    return x * factor, factor


def rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions (Su et al. 2021, arXiv:2104.09864) on (batch, tokens, heads, size), halves as pairs."""
    half = x.shape[-1] // 2
    turned = x * cos
    turned[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1)
    turned[..., half:].addcmul_(x[..., :half], sin[..., half:])
    return turned


def same(layer: Any, other: Callable[..., torch.Tensor], rotary: Any, tolerance: float = 1e-3) -> bool:
    """Whether ``other`` answers as ``layer`` does, by trying it.

    Args:
        rotary: the model's rotary embedding.
        tolerance: largest difference, as a share of the largest number.
    """
    weight = layer.input_layernorm.weight
    x = torch.linspace(-1, 1, 3 * weight.shape[0]).sin().view(1, 3, -1)
    positions = torch.arange(3)[None] * 7
    attention = layer.self_attn.config._attn_implementation
    try:
        embedded = rotary(x, positions)
        layer.self_attn.config._attn_implementation = "eager"
        mask = torch.full((1, 1, 3, 3), float("-inf")).triu(1)
        with torch.no_grad():
            answers = [
                run(x, attention_mask=mask, position_ids=positions, position_embeddings=embedded)
                for run in (layer, other)
            ]
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError) as error:
        if is_out_of_memory(error):
            raise
        return False
    finally:
        layer.self_attn.config._attn_implementation = attention
    expected, given = answers
    if not isinstance(given, torch.Tensor) or given.shape != expected.shape:
        return False
    return bool((given - expected).abs().max() <= tolerance * expected.abs().max())
