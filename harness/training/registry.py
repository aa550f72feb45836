"""Which trainers there are: the built-in one, and those that other packages bring as entry points.

A recipe names its trainer (``trainer: NAME``). An entry point of the group ``harness.trainers`` is a callable that
takes a `Workplace` and gives a `Trainer`; a class with one argument is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.exceptions import HarnessError, InputError, is_out_of_memory
from harness.plugins import Registry
from harness.training.contract import CANDIDATE, Example, Start, Trainer, TrainProgress, TrainResult, Workplace

if TYPE_CHECKING:
    from harness.training.recipe import Optimiser, Recipe
    from harness.training.sft import SftTrainer

GROUP = "harness.trainers"
BUILTIN = {"supervised": "harness.training.sft:supervised"}


def _as_maker(loaded: object, name: str) -> Callable[[Workplace], Any]:
    if not callable(loaded):
        raise TypeError("it is no callable that takes a Workplace and gives a Trainer")
    return loaded


TRAINERS = Registry("trainer", GROUP, BUILTIN, _as_maker)


class ForeignTrainer:
    """A trainer of another package, held to the contract: what it raises and what it leaves undone is said in one line.

    Args:
        name: in the recipe.
        trainer: what the entry point made.
        workplace: where it works.
    """

    def __init__(self, name: str, trainer: Trainer, workplace: Workplace) -> None:
        self._trainer, self._workplace = trainer, workplace
        self._place = TRAINERS.describe(TRAINERS.point(name))

    @property
    def identity(self) -> str:
        """Name, entry point, package and version: another one trains otherwise."""
        return self._place

    def products(self, options: Optimiser) -> str:
        """Dtype of the base's weights; how they are multiplied is the trainer's own affair."""
        return str(next(self._workplace.session.base.parameters()).dtype).removeprefix("torch.")

    def train(
        self,
        examples: Sequence[Example],
        recipe: Recipe,
        start: Start,
        out_dir: Path,
        seed: int,
        progress: TrainProgress | None,
    ) -> TrainResult:
        """Train, see that a candidate is there and fits the model, and leave it active.

        Raises:
            InputError: the trainer failed, or wrote no candidate that fits.
        """
        try:
            result = self._trainer.train(examples, recipe, start, out_dir, seed, progress)
        except HarnessError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise
            raise InputError(f"{self._place} failed: {type(error).__name__}: {error}; report it there") from error
        if not isinstance(result, TrainResult):
            raise InputError(f"{self._place} returned {type(result).__name__} and no TrainResult; report it there")
        if not (out_dir / CANDIDATE).is_dir():
            raise InputError(f"{self._place} wrote no candidate into {out_dir / CANDIDATE}; report it there")
        self._workplace.session.activate(out_dir / CANDIDATE)
        return result


def make_trainer(name: str, workplace: Workplace) -> SftTrainer | ForeignTrainer:
    """The trainer that a recipe names.

    Raises:
        InputError: unknown, brought by two packages, or broken; says from where it comes.
    """
    from harness.training.sft import SftTrainer

    maker = TRAINERS.load(name)
    try:
        trainer = maker(workplace)
        if not callable(getattr(trainer, "train", None)):
            raise TypeError(f"it gave a {type(trainer).__name__}, which has no method train")
    except HarnessError:
        raise
    except Exception as error:
        place = TRAINERS.describe(TRAINERS.point(name))
        raise InputError(f"{place} cannot be used: {type(error).__name__}: {error}") from error
    return trainer if isinstance(trainer, SftTrainer) else ForeignTrainer(name, trainer, workplace)
