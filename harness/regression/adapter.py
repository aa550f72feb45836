"""How a trained candidate or anyone's adapter is put onto the model that is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.exceptions import InputError
from harness.models.weights import ADAPTER, WEIGHTS
from harness.storage import read_json
from harness.training.recipe import SUPERVISED, Lora, Recipe

CONFIG = "adapter_config.json"
_PLAIN = frozenset({
    "auto_mapping", "base_model_name_or_path", "bias", "inference_mode", "init_lora_weights", "loftq_config",
    "lora_alpha", "lora_dropout", "megatron_core", "peft_type", "peft_version", "qalora_group_size", "r", "revision",
    "target_modules", "task_type",
})  # fmt: skip
"""Fields of a LoRA configuration that a recipe has too, or that change no answer."""


def is_adapter(folder: Path) -> bool:
    """Whether ``folder`` holds an adapter, or a candidate whose all weights were trained, and no model of its own."""
    if (folder / CONFIG).is_file():
        return True
    return (folder / WEIGHTS).is_file() and _of_run(folder) is not None


def recipe_for(recipe: Recipe, adapter: Path | None) -> tuple[Recipe, bool]:
    """The recipe whose candidate ``adapter`` could be, and whether it is merged into the model instead.

    What a run trained is asked as the run asked it, by the recipe in its manifest. Another plain LoRA adapter becomes
    a recipe by its configuration; what is more than that is merged.

    Args:
        recipe: of the settings; it says how the base is loaded.
        adapter: folder; ``None`` for the base alone.

    Raises:
        InputError: the folder holds no adapter, or a malformed one.
    """
    recipe = replace(recipe, trainer=SUPERVISED)  # nothing is trained: another package's trainer need not be here
    if adapter is None:
        return recipe, False
    trained = _of_run(adapter)
    if trained is not None:
        return replace(trained, trainer=SUPERVISED), False
    if not (adapter / CONFIG).is_file() or not (adapter / ADAPTER).is_file():
        raise InputError(f"{adapter}: holds no adapter; give a folder with {CONFIG} and {ADAPTER}")
    config = read_json(adapter / CONFIG)
    if not isinstance(config, dict):
        raise InputError(f"{adapter / CONFIG}: expected a JSON object; save the adapter again")
    method: Any = "auto" if recipe.method == "sft" else recipe.method
    lora = _plain_lora(config, adapter)
    if lora is None:
        return replace(recipe, method=method), True
    return replace(recipe, method=method, lora=lora), False


def _plain_lora(config: dict[str, Any], adapter: Path) -> Lora | None:
    """The configuration as a recipe has it; ``None`` where a recipe cannot say it."""
    extra = any(value for name, value in config.items() if name not in _PLAIN)
    if extra or config.get("peft_type") != "LORA" or config.get("bias", "none") != "none":
        return None
    targets = config.get("target_modules")
    try:
        rank, alpha = int(config["r"]), int(config["lora_alpha"])
        if alpha != config["lora_alpha"]:
            return None
        return Lora(rank, alpha, 0.0, targets if isinstance(targets, str) else sorted(map(str, targets or ())))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{adapter / CONFIG}: is no LoRA configuration; save the adapter again") from error


def base_of(adapter: Path) -> str | None:
    """The model that the run trained ``adapter`` for, as the run names it; ``None`` where it lies in no run."""
    found = _run_of(adapter)
    return None if found is None else found[0]


def _of_run(adapter: Path) -> Recipe | None:
    found = _run_of(adapter)
    return None if found is None else found[1]


def _run_of(adapter: Path) -> tuple[str, Recipe] | None:
    """Model and recipe of the run that ``adapter`` lies in (``RUN/rounds/NNN/adapter``); ``None`` for no run."""
    parents = adapter.resolve().parents
    manifest = parents[2] / "manifest.json" if len(parents) > 2 and parents[1].name == "rounds" else None
    if manifest is None or not manifest.is_file() or not (manifest.parent / "ledger.jsonl").is_file():
        return None
    try:
        identity = read_json(manifest)["identity"]
        return str(identity["model"]["reference"]), Recipe.from_dict(identity["recipe"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{manifest}: damaged ({type(error).__name__}: {error})") from error
