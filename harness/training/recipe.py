"""A recipe: how a round trains. One YAML a recipe in ``trainers/``, validated field by field."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.exceptions import InputError, at, did_you_mean
from harness.locate import data_folder
from harness.yamlfile import YamlFile, read_yaml

Method = Literal["auto", "lora", "qlora", "sft"]
SUPERVISED = "supervised"
"""The built-in trainer."""


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters (Hu et al. 2021, arXiv:2106.09685).

    Attributes:
        rank: inner dimension of each adapter, at least 1.
        alpha: the update is scaled by ``alpha / rank``.
        dropout: 0 to 1, on the adapter's input.
        targets: module names, or ``all-linear``: every linear layer but the head.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: str | list[str] = "all-linear"


@dataclass(frozen=True)
class Optimiser:
    """AdamW and its schedule.

    Attributes:
        learning_rate: peak rate, above 0.
        schedule: within a round: ``constant``, ``linear`` or ``cosine`` decay to 0.
        warmup: share of a round's steps over which the rate rises, 0 to 1; only in a round that starts afresh.
        weight_decay: decoupled decay, 0 or more.
        max_grad_norm: gradients are clipped to this norm.
        epochs: passes over a round's rows.
        batch_size: rows a step.
        weigh: what counts alike in the loss: ``row`` (each row's mean over its answer) or ``token``. By token an answer
            of 40 tokens weighs as much as thirteen of three, and short answers are hardly learned beside long ones.
        average: decay of the running mean of the weights over steps (0 keeps the last weights): the candidate is the
            mean, the learner goes on from the last weights (Polyak and Juditsky 1992). The mean is carried from round
            to round with the learner, since what one round's few steps teach of a skill swings.
        products: what ``lora`` multiplies its frozen weights in on a CPU: ``float32``, ``bfloat16``, or ``auto``:
            bfloat16 where the processor has units for it. Adapters, sums and the head stay in float32.
    """

    learning_rate: float = 1e-3
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup: float = 0.1
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    epochs: float = 1.0
    batch_size: int = 16
    weigh: Literal["row", "token"] = "row"
    average: float = 0.9
    products: Literal["auto", "float32", "bfloat16"] = "auto"


@dataclass(frozen=True)
class Data:
    """What a round trains on.

    Attributes:
        mine: train-pool items that the champion answers each round, to find its failures.
        rows: training rows a round.
        first_rows: rows of the first round, which has the answers' forms to learn.
        replay: share of rows that the champion already gets right, 0 to 1.
        general: share of general instruction rows, 0 to 1, against forgetting.
        select: ``failing`` (targeted cells first) or ``uniform`` (without regard to errors).
        targets: most cells that a round aims at.
    """

    mine: int = 224
    rows: int = 224
    first_rows: int = 224
    replay: float = 0.2
    general: float = 0.15
    select: Literal["failing", "uniform"] = "failing"
    targets: int = 4


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        name: file name without suffix.
        trainer: name of the trainer, built in or another package's (``docs/plugins.md``).
        method: ``lora``, ``qlora`` (NF4 base, Dettmers et al. 2023, arXiv:2305.14314), ``sft`` (all weights) or
            ``auto`` (lora where the model fits comfortably, qlora where it does not or on a CUDA GPU).
        start: what a round goes on from: ``latest`` (the learner's own last state and optimiser), ``champion``
            or ``base`` (afresh, on the rows of all rounds so far).
        patience: rejections in a row after which the learner returns to the champion, with ``cooling`` times the
            rate and more replay.
    """

    name: str = "auto"
    trainer: str = SUPERVISED
    method: Method = "auto"
    start: Literal["latest", "champion", "base"] = "latest"
    patience: int = 3
    cooling: float = 0.5
    lora: Lora = field(default_factory=Lora)
    optimiser: Optimiser = field(default_factory=Optimiser)
    data: Data = field(default_factory=Data)

    def as_dict(self) -> dict[str, Any]:
        """Plain mapping for the manifest and the ledger; the built-in trainer is not named, as in older runs."""
        values = dataclasses.asdict(self)
        if self.trainer == SUPERVISED:
            del values["trainer"]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """What `as_dict` gave; a field that another version's mapping lacks has its default.

        Raises:
            TypeError: a field that is not known here.
        """
        parts: dict[str, Any] = {"lora": Lora, "optimiser": Optimiser, "data": Data}
        return cls(**{name: parts[name](**value) if name in parts else value for name, value in values.items()})


_RANGES: dict[str, tuple[float, float]] = {
    "patience": (1, 1000),
    "cooling": (0.01, 1),
    "lora.rank": (1, 4096),
    "lora.alpha": (1, 8192),
    "lora.dropout": (0, 0.9),
    "optimiser.learning_rate": (1e-9, 1),
    "optimiser.warmup": (0, 1),
    "optimiser.weight_decay": (0, 1),
    "optimiser.max_grad_norm": (1e-6, 1e6),
    "optimiser.epochs": (0.01, 1000),
    "optimiser.batch_size": (1, 4096),
    "optimiser.average": (0, 0.9999),
    "data.mine": (1, 1_000_000),
    "data.rows": (1, 1_000_000),
    "data.first_rows": (1, 1_000_000),
    "data.replay": (0, 0.9),
    "data.general": (0, 0.9),
    "data.targets": (1, 100),
}


def recipe_names() -> list[str]:
    """Names of the recipes that ship with the package."""
    return sorted(path.stem for path in data_folder("trainers").glob("*.yaml"))


def load_recipe(reference: str) -> Recipe:
    """Load a recipe by name (``trainers/NAME.yaml``) or by the path of a YAML file.

    Raises:
        InputError: unknown name (the nearest is named), malformed YAML, unknown field, value out of range; names
            file and line.
    """
    path = Path(reference)
    if path.suffix not in (".yaml", ".yml"):
        path = data_folder("trainers") / f"{reference}.yaml"
        if not path.is_file():
            raise InputError(f"unknown recipe '{reference}'.{did_you_mean(reference, recipe_names())}")
    elif not path.is_file():
        raise InputError(f"{path}: no such recipe file")
    return build_recipe(read_yaml(path), path.stem)


def build_recipe(document: YamlFile, name: str) -> Recipe:
    """Validate a parsed recipe.

    Raises:
        InputError: as `load_recipe`.
    """
    recipe: Recipe = document.build(Recipe, ranges=_RANGES, given={"name": name})
    if recipe.trainer != SUPERVISED:
        from harness.training.registry import TRAINERS

        if recipe.trainer not in (known := TRAINERS.names()):
            place = at(document.path, document.line("trainer"))
            raise InputError(f"{place}: unknown trainer '{recipe.trainer}'.{did_you_mean(recipe.trainer, known)}")
    if recipe.data.select == "uniform" and recipe.data.mine < recipe.data.rows:
        raise InputError(
            f"{at(document.path, document.line('data.mine'))}: data.mine is {recipe.data.mine}, fewer than the "
            f"{recipe.data.rows} rows to choose from it; raise it to data.rows"
        )
    if recipe.data.replay + recipe.data.general >= 1:
        raise InputError(
            f"{at(document.path, document.line('data'))}: replay and general together take every row; "
            "let them add up to less than 1"
        )
    return recipe
