"""A trained candidate put onto a loaded base for good, to be asked and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.exceptions import InputError
from harness.models.loading import verify_adapter
from harness.models.session import ADAPTER_WEIGHTS, FULL_WEIGHTS, ModelSession


def with_adapter(model: Any, folder: Path) -> Any:
    """``model`` with the weights of ``folder``: a LoRA adapter, or all weights as method ``sft`` writes them.

    A LoRA adapter is merged into float32 weights, which is faster and exact enough, and stays beside others.

    Raises:
        InputError: the folder holds neither, or weights that do not fit this model.
    """
    import torch
    from peft import PeftConfig, get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one that holds {ADAPTER_WEIGHTS}")
    if not (folder / "adapter_config.json").is_file():
        if not (folder / FULL_WEIGHTS).is_file():
            raise InputError(f"{folder}: holds no adapter; give a folder with {ADAPTER_WEIGHTS}, as peft writes it")
        ModelSession(model, "sft", {}).activate(folder)
        return model
    try:
        config = PeftConfig.from_pretrained(str(folder))
        config.inference_mode = True
        config.base_model_name_or_path = None  # where the base lay when it was trained; shapes are checked below
        wrapped: Any = get_peft_model(model, config)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{folder}: not an adapter of this model: {str(error).partition(chr(10))[0]}") from error
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:  # as it was trained
            parameter.data = parameter.data.to(torch.float32)
    verify_adapter(folder, wrapped)
    set_peft_model_state_dict(wrapped, load_file(folder / ADAPTER_WEIGHTS))
    wrapped.eval()
    if config.peft_type == "LORA" and model.dtype == torch.float32 and not getattr(model, "is_quantized", False):
        return wrapped.merge_and_unload()
    return wrapped
