"""What the loop asks of a model: to answer, to be swapped, to be trained. The real one and a scripted one fit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from harness.evaluation.domain import ChatTemplate
from harness.evaluation.engine import Engine
from harness.training.contract import Example, Start, TrainProgress, TrainResult
from harness.training.recipe import Recipe


class Workbench(Protocol):
    """A model in memory with one adapter active.

    Example::

        workbench.activate(None)                      # the base
        with workbench.asking() as engine:
            engine.generate(requests, None)
    """

    @property
    def identity(self) -> Mapping[str, Any]:
        """What tells this model from another, for the manifest: reference, weights, dtype, quantisation, method."""
        ...

    @property
    def chat_template(self) -> ChatTemplate | None:
        """Renders messages; ``None`` for a model without a chat template."""
        ...

    def activate(self, adapter: Path | None) -> None:
        """Swap the trained weights in ``adapter`` in; ``None`` restores the base."""
        ...

    def asking(self) -> AbstractContextManager[Engine]:
        """The engine over the active weights."""
        ...

    def train(
        self,
        examples: Sequence[Example],
        recipe: Recipe,
        start: Start,
        out_dir: Path,
        seed: int,
        progress: TrainProgress | None,
    ) -> TrainResult:
        """Train, write the candidate (see `harness.training.contract.Trainer`) and leave it active."""
        ...
