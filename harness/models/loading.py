"""From a model reference to a model in memory, with every way it can fail said in one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.exceptions import EnvironmentFault, HarnessError, InputError, is_out_of_memory
from harness.models.allocator import keep_freed_memory
from harness.models.devices import DevicePolicy, choose_device, choose_policy, probe
from harness.models.embedded import ensure_embedded, first_line, quiet_transformers
from harness.models.reference import ModelReference
from harness.models.shapes import Shape, shape_of_folder
from harness.models.weights import Layout, check_adapter, model_size, read_header, weight_files, weights_digest

if TYPE_CHECKING:
    from torch import nn

    from harness.models.devices import Dtype, Quantisation

# What a model folder needs; subfolders hold other formats (onnx/, original/) of the same weights.
HUB_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "LICENSE*")
HUB_IGNORED = ("*/*", "consolidated*")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory.

    Args:
        model: a ``PreTrainedModel`` in evaluation mode, on ``policy.device``.
        tokenizer: pads on the left, has a pad token.
        weights_sha256: of the weights on disk; see :func:`harness.models.weights.weights_digest`.
        reference: what the user named.
        policy: how it was loaded.
        folder: where its files lie.
        chat_template: whether the tokenizer has one. Where it has none, prompts are the plain text followed by one line
            break, and no role markers: what a base model without a template was trained to continue.
    """

    model: Any
    tokenizer: Any
    weights_sha256: str
    reference: ModelReference
    policy: DevicePolicy
    folder: Path
    chat_template: bool


def offline() -> bool:
    """Whether the environment forbids asking the hub (``HF_HUB_OFFLINE`` or ``TRANSFORMERS_OFFLINE``)."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").strip().upper() in ("1", "ON", "YES", "TRUE") for name in names)


def materialise(reference: ModelReference, progress: bool = True) -> Path:
    """Bring a model to this disk and return its folder; at once where it is there already.

    Raises:
        InputError: the hub knows no such model, or the folder holds no usable weights.
        EnvironmentFault: no network and no cached copy, or no access.
    """
    if reference.kind == "embedded":
        return ensure_embedded(progress)
    if reference.kind == "folder":
        if reference.path is None:
            raise InputError(f"model {reference.name!r}: a folder reference without a path")
        return reference.path
    return _from_hub(reference.name, progress)


def _from_hub(name: str, progress: bool) -> Path:
    """Download a model's safetensors and tokenizer into the hub's own cache."""
    import huggingface_hub.utils as library
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    bars: Any = library  # the switches are public by documentation, not by __all__
    hide = not (progress and sys.stderr.isatty()) and not bars.are_progress_bars_disabled()
    if hide:
        bars.disable_progress_bars()
    try:
        folder = snapshot_download(
            name, allow_patterns=list(HUB_FILES), ignore_patterns=list(HUB_IGNORED), local_files_only=offline()
        )
    except GatedRepoError as error:
        raise EnvironmentFault(
            f"model {name!r}: gated; accept its terms at https://huggingface.co/{name}, then `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise InputError(
            f"model {name!r}: no such model on the hub; check the name (for a private one: `hf auth login`)"
        ) from error
    except LocalEntryNotFoundError as error:
        reason = "HF_HUB_OFFLINE is set" if offline() else "the hub cannot be reached"
        raise EnvironmentFault(
            f"model {name!r}: not in the local cache and {reason}; fetch it with `hf download {name}` where there is a"
            " network, or give a local folder"
        ) from error
    except Exception as error:  # whatever a network client can raise: surroundings, never the user's input
        raise EnvironmentFault(f"model {name!r}: cannot be fetched from the hub: {first_line(error)}") from error
    finally:
        if hide:
            bars.enable_progress_bars()
    return Path(folder)


def plan(
    reference: ModelReference,
    recipe_method: Any = None,
    device: str | None = None,
    *,
    dtype: Dtype | None = None,
    quantisation: Quantisation | None = None,
    progress: bool = True,
) -> DevicePolicy:
    """Gather the facts and choose the policy for a model on this machine: fetches it, reads headers only.

    Raises:
        InputError, EnvironmentFault: as :func:`materialise`, :func:`choose_device` and :func:`choose_policy`.
    """
    facts = probe(choose_device(device))
    folder = materialise(reference, progress)
    size = model_size(folder)
    return choose_policy(
        facts.device,
        recipe_method,
        size.parameters,
        facts.memory_bytes,
        bf16=facts.bf16,
        bitsandbytes=facts.bitsandbytes,
        embeddings=size.embeddings,
        shape=_shape(folder),
        half=facts.device == "cpu" and facts.bf16,
        dtype=dtype,
        quantisation=quantisation,
    )


def _shape(folder: Path) -> Shape | None:
    try:
        return shape_of_folder(folder)
    except InputError:  # an encoder-decoder, say: its parameters tell enough
        return None


def load(reference: ModelReference, policy: DevicePolicy, progress: bool = True) -> LoadedModel:
    """Load a language model and its tokenizer: safetensors only, and no code from the model's repository.

    Causal models, and encoder-decoders such as T5, which can be evaluated only.

    Raises:
        InputError: no or damaged safetensors, no tokenizer, weights that do not fill the architecture, an architecture
            that transformers does not know or that is no language model.
        EnvironmentFault: out of memory, no network, or a quantisation that does not work here.
    """
    folder = materialise(reference, progress)
    files = weight_files(folder)
    for file in files:
        read_header(file)  # a file cut short is named here; the loader's own message is about an offset
    _check_tokenizer(folder)
    with quiet_transformers(), _quiet_bitsandbytes(), _one_line(reference, policy):
        tokenizer = _load_tokenizer(folder)
        model = _load_model(folder, policy)
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise InputError(
            f"{folder}: the tokenizer has {len(tokenizer)} tokens, the model {rows}: they do not belong together"
        )
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.eval()
    chat_template = bool(getattr(tokenizer, "chat_template", None))
    return LoadedModel(model, tokenizer, weights_digest(files), reference, policy, folder, chat_template)


def load_tokenizer(reference: ModelReference, progress: bool = True) -> Any:
    """A model's tokenizer without its weights; fetched like them where it is not on this disk.

    Raises:
        InputError, EnvironmentFault: as `materialise`; the folder holds no tokenizer.
    """
    folder = materialise(reference, progress)
    _check_tokenizer(folder)
    try:
        with quiet_transformers():
            return _load_tokenizer(folder)
    except HarnessError:
        raise
    except Exception as error:  # whatever a damaged file makes the library raise
        raise InputError(f"{folder}: its tokenizer cannot be loaded: {first_line(error)}") from error


def _check_tokenizer(folder: Path) -> None:
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise InputError(f"{folder}: no tokenizer (none of {', '.join(TOKENIZER_FILES)}); save it beside the model")


def _load_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if tokenizer.eos_token_id is None:
        raise InputError(f"{folder}: the tokenizer has no end-of-sequence token, so no answer could end; set eos_token")
    if tokenizer.pad_token_id is None:
        # Padding is masked everywhere, so any token will do; eos exists already, and a new one would resize the model.
        tokenizer.pad_token = tokenizer.eos_token
    # Generation goes on from the last position: with padding on the right it would go on from padding.
    tokenizer.padding_side = "left"
    return tokenizer


def _load_model(folder: Path, policy: DevicePolicy) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    options: dict[str, Any] = {}
    if policy.quantisation != "none":
        options = {"quantization_config": _quantisation(policy), "device_map": {"": policy.device}}
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    # Their return types do not know output_loading_info.
    loader: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    # Attention stays at the library's default, which is sdpa for every architecture that has it.
    model, info = loader.from_pretrained(
        folder,
        dtype=getattr(torch, policy.dtype),
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        output_loading_info=True,
        **options,
    )
    absent = sorted(info["missing_keys"]) + sorted(str(entry[0]) for entry in info["mismatched_keys"])
    if absent:  # transformers would fill them with random numbers and say so in a warning
        raise InputError(
            f"{folder}: the weights lack {len(absent)} tensor(s) of {type(model).__name__}, first {absent[0]!r};"
            " not a causal language model, or saved incompletely"
        )
    for module in model.modules():
        # bitsandbytes 0.50 repacks a layer for good at its first call in eval mode on a CPU that multiplies bfloat16;
        # from then on training gets wrong gradients without an error (its product for that layout has none).
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    if policy.device == "cpu":
        keep_freed_memory()
    return model if options else model.to(policy.device)


def _quantisation(policy: DevicePolicy) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    configuration: Any = BitsAndBytesConfig
    if policy.quantisation == "int8":
        return configuration(load_in_8bit=True)
    # Arithmetic in the policy's dtype, which on a CPU is float32 unless its user asked for another that it has.
    return configuration(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=getattr(torch, policy.dtype)
    )


@contextmanager
def _quiet_bitsandbytes() -> Iterator[None]:
    """Silence a library that warns once for every layer about what it does (and for an optional package)."""
    import logging

    logger = logging.getLogger("bitsandbytes")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _one_line(reference: ModelReference, policy: DevicePolicy) -> Iterator[None]:
    """Turn what the libraries raise into one line with the right exit code."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        text = str(error)
        if is_out_of_memory(error):
            raise EnvironmentFault(
                f"model {reference.name!r}: out of memory on {policy.device} ({policy.quantisation} quantisation,"
                f" {policy.dtype}); use the recipe qlora, a smaller model, or free some"
            ) from error
        if "trust_remote_code" in text or "custom code" in text:
            raise InputError(
                f"model {reference.name!r}: needs code from its own repository, which is never run; take an"
                " architecture that transformers ships"
            ) from error
        if isinstance(error, ImportError) or "bitsandbytes" in text:
            raise EnvironmentFault(f"model {reference.name!r}: cannot be loaded here: {first_line(error)}") from error
        raise InputError(f"model {reference.name!r}: cannot be loaded: {first_line(error)}") from error


def expected_adapter(model: nn.Module, adapter_name: str = "default") -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and dtype of every tensor that ``save_pretrained`` of a peft model writes, by its name in the file."""
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(model, adapter_name=adapter_name, save_embedding_layers=False)
    return {name: (tuple(value.shape), str(value.dtype).removeprefix("torch.")) for name, value in state.items()}


def verify_adapter(folder: Path, model: nn.Module, adapter_name: str = "default") -> None:
    """Refuse adapter weights on disk that are not exactly what ``adapter_name`` of a peft model takes.

    Raises:
        InputError: as :func:`harness.models.weights.check_adapter`.
    """
    check_adapter(folder, expected_adapter(model, adapter_name))


__all__ = [
    "Layout",
    "LoadedModel",
    "check_adapter",
    "expected_adapter",
    "is_out_of_memory",
    "load",
    "materialise",
    "offline",
    "plan",
    "verify_adapter",
]
