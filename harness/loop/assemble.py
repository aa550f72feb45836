"""What a run and a gate are made of, put together from settings: the domain, the record of its items, the model."""

from __future__ import annotations

import logging
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.config import Settings
from harness.exceptions import InputError
from harness.locate import data_folder

if TYPE_CHECKING:
    from harness.evaluation.domain import Domain
    from harness.loop.workbench import Workbench
    from harness.models.loading import LoadedModel
    from harness.state.domain import DomainState
    from harness.training.recipe import Recipe


class Told(Protocol):
    """Told of what goes on, in lines."""

    def line(self, text: str) -> None:
        """An ordinary line."""
        ...

    def notice(self, text: str) -> None:
        """A line that should not be missed."""
        ...


def quiet_libraries() -> None:
    """Leave the terminal to the harness: what the libraries would print is not for its users."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for name in ("lm_eval", "trl", "peft", "accelerate", "datasets", "bitsandbytes"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")


def make_workbench(
    settings: Settings, recipe: Recipe, listener: Told, merged: Path | None = None
) -> tuple[Workbench, Recipe]:
    """Load the model as the recipe and the device want it; ``auto`` is resolved in the recipe that is returned.

    Args:
        merged: folder of an adapter that is merged into the model for good, of whatever kind peft merges.
    """
    from harness.evaluation.cache import ResponseCache, default_path
    from harness.loop.local import LocalWorkbench
    from harness.models.loading import load, plan
    from harness.models.reference import resolve
    from harness.training.registry import TRAINERS

    TRAINERS.load(recipe.trainer)  # what is broken is said before the model is loaded
    reference = resolve(settings.model)
    device = settings.device
    if device.startswith("cuda:"):
        # One process trains on one device: the others are hidden before anything touches them.
        os.environ["CUDA_VISIBLE_DEVICES"] = device.removeprefix("cuda:")
        device = "cuda"
    policy = plan(reference, recipe.method, device or None)
    listener.line(f"model {settings.model}: {policy.why}")
    loaded = load(reference, policy)
    if merged is not None:
        loaded = _merged(loaded, merged)
    cache = ResponseCache(default_path(), on_notice=listener.notice) if settings.cache else None
    workbench = LocalWorkbench(
        loaded, recipe, settings.batch_size, settings.seed, listener.notice, settings.engine, cache
    )
    return workbench, replace(recipe, method=policy.method or recipe.method)


def _merged(loaded: LoadedModel, adapter: Path) -> LoadedModel:
    """``loaded`` with the weights of ``adapter`` in it, under a hash of its own.

    Raises:
        InputError: it does not fit the model, or cannot be merged into it.
    """
    from peft import PeftModel

    from harness.models.adapters import with_adapter
    from harness.models.fingerprint import adapter_hash
    from harness.storage import sha256_text

    model = with_adapter(loaded.model, adapter)
    if isinstance(model, PeftModel):
        raise InputError(
            f"{adapter}: an adapter of this kind cannot be merged into a model in {loaded.policy.dtype} "
            f"({loaded.policy.quantisation} quantisation); merge it yourself and name the folder of the merged model"
        )
    if hasattr(model, "peft_config"):  # left behind by merging; another adapter would be taken for a second one
        del model.peft_config
    return replace(loaded, model=model, weights_sha256=sha256_text(f"{loaded.weights_sha256}\0{adapter_hash(adapter)}"))


def configured_domain(settings: Settings) -> tuple[Domain, Domain | None, DomainState]:
    """The domain with the items that were added to it, its guards, and the record of its items.

    Raises:
        InputError: anything about tasks, prompts, guards or the record that cannot be read.
    """
    from harness.evaluation.domain import load_domain
    from harness.evaluation.guards import load_guards
    from harness.evaluation.prompts import with_prompt
    from harness.evaluation.train_from import with_train_file
    from harness.loop.run import utc_now
    from harness.state.domain import DomainState, state_folder
    from harness.state.extension import with_extension

    paths = [Path(path) for path in settings.include_path] + [data_folder("tasks")]
    domain = with_prompt(load_domain(settings.domain, paths), settings.prompt)
    if settings.train_from:
        domain = with_train_file(domain, Path(settings.train_from))
    state = DomainState.open(state_folder(settings.state), settings.domain, utc_now)
    return with_extension(domain, state.documents()), load_guards(settings.guard, paths), state
