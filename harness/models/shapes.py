"""The dimensions of decoder models: of a few common ones, by ``config.json``, or guessed by their size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.exceptions import InputError
from harness.storage import read_json


@dataclass(frozen=True)
class Shape:
    """Dimensions of a decoder.

    Attributes:
        layers, hidden, feed: number of layers, width of the residual stream, inner width of the feed-forward layer.
        heads, kv_heads, head: query heads, key-value heads, size of one.
        vocabulary: tokens of the embedding.
        tied: whether the head is the embedding.
        gated: whether the feed-forward layer has three matrices, ``down(act(gate(x)) * up(x))``, and not two.
        fused: whether the harness runs its layers in few operations (`harness.models.block`).
        parameters: of the whole model, where its files tell; else they are computed, biases and norms' left out.
    """

    layers: int
    hidden: int
    feed: int
    heads: int
    kv_heads: int
    head: int
    vocabulary: int
    tied: bool
    gated: bool = True
    fused: bool = True
    parameters_known: int = 0

    @property
    def query(self) -> int:
        """Width of a token's queries."""
        return self.heads * self.head

    @property
    def keyed(self) -> int:
        """Width of a token's keys, and of its values."""
        return self.kv_heads * self.head

    @property
    def linears(self) -> tuple[tuple[int, int], ...]:
        """``(in, out)`` of the linear layers of one decoder layer, as LoRA's ``all-linear`` takes them."""
        attention = ((self.hidden, self.query), (self.hidden, self.keyed), (self.hidden, self.keyed))
        feed = ((self.hidden, self.feed),) * (2 if self.gated else 1)
        return (*attention, (self.query, self.hidden), *feed, (self.feed, self.hidden))

    @property
    def linear(self) -> int:
        """Weights of the linear layers of all decoder layers: what is quantised, and laid out anew on a CPU."""
        return self.layers * sum(ins * outs for ins, outs in self.linears)

    @property
    def embeddings(self) -> int:
        """Weights of the embedding, and of the head where it is another matrix."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """Weights of the model; norms (``2 x layers + 1`` vectors) in it, biases not."""
        return self.parameters_known or self.linear + self.embeddings + (2 * self.layers + 1) * self.hidden

    def adapter(self, rank: int) -> int:
        """Weights of LoRA adapters on all linear layers: ``rank x (in + out)`` each (Hu et al. 2021)."""
        return self.layers * sum(rank * (ins + outs) for ins, outs in self.linears)


# As their authors publish them: config.json of HuggingFaceTB/SmolLM2-*-Instruct (arXiv:2502.02737), Qwen/Qwen2.5-*
# (arXiv:2412.15115, table 1) and meta-llama/Llama-3.1-8B (arXiv:2407.21783, table 3).
KNOWN: dict[str, Shape] = {
    "SmolLM2-135M": Shape(30, 576, 1_536, 9, 3, 64, 49_152, True),
    "SmolLM2-360M": Shape(32, 960, 2_560, 15, 5, 64, 49_152, True),
    "Qwen2.5-0.5B": Shape(24, 896, 4_864, 14, 2, 64, 151_936, True),
    "Qwen2.5-1.5B": Shape(28, 1_536, 8_960, 12, 2, 128, 151_936, True),
    "SmolLM2-1.7B": Shape(24, 2_048, 8_192, 32, 32, 64, 49_152, True),
    "Qwen2.5-7B": Shape(28, 3_584, 18_944, 28, 4, 128, 152_064, False),
    "Llama-3.1-8B": Shape(32, 4_096, 14_336, 32, 8, 128, 128_256, False),
}

_FUSED = ("llama", "mistral", "qwen2")
_PLAIN = ("gpt2", "gpt_neox", "gptj", "opt", "phi", "bloom", "falcon", "gpt_bigcode")
"""Families whose feed-forward layer has two matrices."""


def shape_of_config(values: Mapping[str, Any], where: str, parameters: int = 0) -> Shape:
    """The shape that a ``config.json`` describes.

    Args:
        values: parsed; the text part of a multimodal model is found in it.
        where: for messages.
        parameters: of the model, where they were counted.

    Raises:
        InputError: no decoder of the usual kind (an encoder-decoder, a mixture of experts, a state-space model), or a
            dimension is missing or senseless.
    """
    if isinstance(inner := values.get("text_config"), Mapping):
        values = {**values, **inner}
    family = str(values.get("model_type", ""))
    experts = ("num_experts", "num_local_experts", "n_routed_experts")
    if values.get("is_encoder_decoder") or any(values.get(name) for name in experts):
        raise InputError(f"{where}: an encoder-decoder or a mixture of experts, whose memory is not estimated here")

    def number(names: tuple[str, ...], default: int | None = None) -> int:
        for name in names:
            found = values.get(name)
            if isinstance(found, int) and not isinstance(found, bool) and 0 < found < 10**8:
                return found
            if found is not None:
                raise InputError(f"{where}: '{name}' is {str(found)[:40]!r}, no number of a dimension")
        if default is None:
            raise InputError(f"{where}: no '{names[0]}', so no decoder whose memory is estimated here")
        return default

    hidden = number(("hidden_size", "n_embd", "d_model"))
    heads = number(("num_attention_heads", "n_head"))
    return Shape(
        layers=number(("num_hidden_layers", "n_layer")),
        hidden=hidden,
        feed=number(("intermediate_size", "n_inner", "ffn_dim"), 4 * hidden),
        heads=heads,
        kv_heads=number(("num_key_value_heads",), heads),
        head=number(("head_dim",), max(1, hidden // heads)),
        vocabulary=number(("vocab_size",)),
        tied=bool(values.get("tie_word_embeddings", family in _PLAIN)),
        gated=family not in _PLAIN,
        fused=family in _FUSED,
        parameters_known=parameters,
    )


def shape_of_folder(folder: Path) -> Shape:
    """The shape of a model on this disk; its parameters are counted where its weights are there.

    Raises:
        InputError: no ``config.json`` that can be read, or as `shape_of_config`.
    """
    from harness.models.weights import model_size

    path = folder / "config.json"
    values = read_json(path)
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected an object")
    try:
        parameters = model_size(folder).parameters
    except InputError:  # a config.json alone is enough
        parameters = 0
    return shape_of_config(values, str(path), parameters)


def typical_shape(parameters: int, embeddings: int = 0) -> Shape:
    """A shape with about this many parameters, where no better is known: that of the nearest of `KNOWN`, widened.

    Args:
        embeddings: how many of the parameters are in embedding and head.
    """
    near = min(KNOWN.values(), key=lambda shape: abs(shape.parameters - parameters))
    # All widths alike: weights grow with their square.
    of, wanted = (near.linear, max(1, parameters - embeddings)) if embeddings else (near.parameters, parameters)
    factor = (wanted / of) ** 0.5
    hidden = max(1, round(near.hidden * factor))
    return Shape(
        layers=near.layers,
        hidden=hidden,
        feed=max(1, round(near.feed * factor)),
        heads=near.heads,
        kv_heads=near.kv_heads,
        head=max(1, round(near.head * factor)),
        vocabulary=max(1, round(embeddings / hidden if embeddings else near.vocabulary * factor)),
        tied=True if embeddings else near.tied,
        parameters_known=parameters,
    )
