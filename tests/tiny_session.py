"""What trains on the tiny model: a recipe, rows, a probe, and the model as it is loaded for them."""

from __future__ import annotations

from pathlib import Path

import torch

from harness.models.loading import LoadedModel, load, plan
from harness.models.reference import resolve
from harness.training.contract import Example
from harness.training.recipe import Lora, Optimiser, Recipe

RECIPE = Recipe(
    name="tiny",
    method="lora",
    lora=Lora(rank=4, alpha=8),
    optimiser=Optimiser(learning_rate=1e-2, batch_size=4, warmup=0.0, schedule="constant"),
)
EXAMPLES = tuple(Example(f"What is {number}? ", f"It is {number * 7}.") for number in range(8))
PROBE = torch.tensor([[5, 9, 17, 30, 41, 7]])


def load_tiny(folder: Path) -> LoadedModel:
    """The model of ``folder`` on the CPU, to be trained by ``lora``."""
    reference = resolve(str(folder))
    return load(reference, plan(reference, "lora", "cpu"), progress=False)
