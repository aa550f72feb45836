"""How much memory a model takes in this harness: for inference, LoRA, QLoRA and training of all weights.

Pure functions over dimensions. Every term is something that the harness holds at its peak, named where it comes from;
none is fitted. Measured peaks stand beside the estimates in ``docs/doctor.md`` (``benchmarks/fit.py``).

The kinds of terms are those of Rajbhandari et al. 2020 (ZeRO, arXiv:1910.02054, section 3): weights, gradients and
optimiser's state; activations, counted layer by layer as Korthikanti et al. 2022 do (arXiv:2205.05198, section 4.1),
but for the layers that run here, which keep other tensors; keys and values (Pope et al. 2022, arXiv:2211.05102,
section 3.3). NF4 takes half a byte and a float32 scale for every 64 weights (Dettmers et al. 2023, arXiv:2305.14314).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.models.shapes import Shape

# Bytes a parameter takes as a weight.
BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
BYTES_QUANTISED = {"nf4": 0.5 + 4 / 64, "int8": 1.0 + 4 / 576}
LIBRARIES = 670_000_000
"""Bytes of Python and the libraries after a run on a model of almost no weight (measured, docs/doctor.md)."""
CUDA_CONTEXT = 600_000_000
"""Bytes that a CUDA context and cuBLAS workspaces take on a GPU; NVIDIA gives no figure, so a round one."""


@dataclass(frozen=True)
class Setup:
    """How a model is loaded.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        dtype: of weights that are not quantised.
        quantisation: ``none``, ``nf4`` or ``int8``.
        half: whether the CPU multiplies frozen weights in bfloat16 while LoRA trains (`harness.models.linear`).
        rank: of LoRA adapters on all linear layers.
    """

    device: str = "cpu"
    dtype: str = "float32"
    quantisation: str = "none"
    half: bool = False
    rank: int = 16

    @property
    def lays_out(self) -> bool:
        """Whether float32 weights are laid out anew for the processor."""
        return self.device == "cpu" and self.dtype == "float32"


@dataclass(frozen=True)
class Work:
    """How much is run at a time. The defaults are the harness's own, with items as long as those of ``helpdesk``.

    Attributes:
        rows: decoded together (``batch_size``).
        row_tokens: room for keys and values of each: the longest own part of a prompt and longest answer allowed.
        trunk_tokens: keys and values of beginnings that rows share, all together.
        chunk: tokens of prompts run together (`harness.evaluation.pooled_engine.CHUNK`).
        piece: tokens trained at a time (`harness.training.sft.PIECE_TOKENS`).
        learned: of them those that bear loss.
        seen: keys that a trained token's attention lays out, for each of the piece's: parts of a tree copy what is
            above them (`harness.evaluation.prefix.parts`).
        later: whether pieces of the same step were run before, so that gradients are held from the beginning.
    """

    rows: int = 64
    row_tokens: int = 256
    trunk_tokens: int = 1_024
    chunk: int = 2_048
    piece: int = 1_024
    learned: int = 160
    seen: float = 1.5
    later: bool = True


@dataclass(frozen=True)
class Need:
    """Bytes at the peak, by what holds them; the libraries' are not in it."""

    parts: Mapping[str, float]

    @property
    def total(self) -> float:
        """Their sum."""
        return sum(self.parts.values())


def weights(shape: Shape, setup: Setup) -> float:
    """Bytes of the model's weights; embeddings, head and norms are never quantised."""
    if setup.quantisation == "none":
        return shape.parameters * BYTES[setup.dtype]
    rest = max(0, shape.parameters - shape.linear)
    return rest * BYTES[setup.dtype] + shape.linear * BYTES_QUANTISED[setup.quantisation]


def laid_out(shape: Shape, method: str | None, setup: Setup, training: bool) -> float:
    """Bytes of copies of frozen weights in the processor's layout (`harness.models.session`).

    For inference one of every linear layer that is not quantised, adapter merged in, and of the head. For training two,
    forward and transposed for the gradient, of those that do not learn; the layers' in bfloat16 where ``half``.
    """
    if not setup.lays_out:
        return 0.0
    head = 4.0 * shape.vocabulary * shape.hidden
    layers = 4.0 * shape.linear if setup.quantisation == "none" else 0.0
    if not training:
        return layers + head
    if method == "sft":
        return 0.0
    return 2 * (layers * (0.5 if setup.half else 1.0) + head)


def trained(shape: Shape, method: str | None, setup: Setup, training: bool, gradients: bool = True) -> float:
    """Bytes beside `weights` of what is trained, float32 each.

    Always: the untouched copy to which `ModelSession.activate` goes back. In training: AdamW's two moments, the running
    mean of the weights; and the gradients, where there are any yet.
    """
    copies = (4 + gradients) if training else 1
    if method == "sft":
        return 4.0 * shape.parameters * copies
    if method is None:
        return 0.0
    return 4.0 * shape.adapter(setup.rank) * (1 + copies)  # the adapter itself


def kept(shape: Shape, method: str, setup: Setup, work: Work) -> float:
    """Bytes that one trained token keeps for the backward pass, over all layers.

    Attention, in any case: copies of its queries, and of the keys and values it sees; its answer, and all answers side
    by side, which the output's product keeps.
    """
    attention = 3 * shape.query + work.seen * 2 * shape.keyed
    if method == "lora" and setup.lays_out and setup.quantisation == "none" and shape.fused:
        # harness.models.trained_block: two norms' results, queries, keys and values as one, gate and up; seven inner
        # values of adapters.
        rest = 2 * shape.hidden + shape.query + 2 * shape.keyed + 2 * shape.feed + 7 * setup.rank
        return 4.0 * shape.layers * (attention + rest)
    # transformers' own layers. Norms: what goes in and what comes out, and what is multiplied by a weight that learns.
    norms = (6 if method == "sft" else 4) * shape.hidden
    # Feed-forward: gate, its activation, up, and their product, which the last matrix or its adapter keeps.
    feed = (4 if shape.gated else 2) * shape.feed
    inner = 0 if method == "sft" else len(shape.linears) * setup.rank
    size = 2.0 if setup.device.startswith("cuda") and method != "sft" and setup.dtype != "float32" else 4.0
    return size * shape.layers * (attention + 2 * shape.keyed + norms + feed + inner)


def inference(shape: Shape, setup: Setup, work: Work = Work(), method: str | None = "lora") -> Need:
    """Peak of an evaluation (`harness.evaluation.pooled_engine`), with room for the weights that ``method`` trains."""
    size = BYTES[setup.dtype]
    tokens = work.rows * work.row_tokens + work.trunk_tokens
    # One layer at a time: the residual stream four times, queries four times, gate and up.
    layer = work.chunk * size * (4 * shape.hidden + 4 * shape.query + 2 * shape.feed)
    return Need(
        {
            "weights": weights(shape, setup),
            "laid out": laid_out(shape, method, setup, training=False),
            "adapters": trained(shape, method, setup, training=False),
            "keys and values": size * tokens * shape.layers * 2 * shape.keyed,
            "activations": layer,
            "logits": 2 * 4.0 * work.rows * shape.vocabulary,
        }
    )


def training(shape: Shape, method: str, setup: Setup, work: Work = Work()) -> Need:
    """Peak of a training step (`harness.training.sft`).

    Either a piece's backward pass is about to begin; or, where all weights are trained, it has ended, and the gradients
    of embedding and head stand beside the sums that they are added to.
    """
    common = {"weights": weights(shape, setup), "laid out": laid_out(shape, method, setup, training=True)}
    begins = Need(
        {
            **common,
            "gradients and optimiser": trained(shape, method, setup, training=True, gradients=work.later),
            "activations": work.piece * kept(shape, method, setup, work),
            # Logits, their log-softmax and its gradient, float32 each.
            "logits": 3 * 4.0 * work.learned * shape.vocabulary,
        }
    )
    if method != "sft":
        return begins
    apart = 2 * 4.0 * shape.vocabulary * shape.hidden
    ends = {**common, "gradients and optimiser": trained(shape, method, setup, training=True) + apart}
    return max(begins, Need(ends), key=lambda each: each.total)


def need(shape: Shape, method: str | None, setup: Setup, work: Work = Work()) -> Need:
    """Peak of a run that trains by ``method`` (``lora``, ``qlora``, ``sft``), or only evaluates (``None``): the larger
    of its two phases, since what one holds is handed back before the other."""
    asked = inference(shape, setup, work, method)
    if method is None:
        return asked
    return max(asked, training(shape, method, setup, work), key=lambda each: each.total)


def overhead(device: str) -> float:
    """Bytes beside the model on ``device``: the libraries, or a GPU's context."""
    return CUDA_CONTEXT if device.startswith("cuda") else LIBRARIES
