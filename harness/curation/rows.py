"""A training row, and where it came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Origin = Literal["failing", "broken", "replay", "uniform", "general"]


@dataclass(frozen=True)
class TrainRow:
    """One supervised example.

    Attributes:
        row_id: the train-pool item's id.
        skill: the item's skill (``general`` for general rows).
        prompt: the user's turn, before the chat template.
        completion: the gold answer.
        origin: ``failing`` (the champion failed it just now), ``broken`` (of a cell the last candidate broke),
            ``replay`` (the champion gets it right), ``uniform`` (drawn without regard to cells), ``general``.
        cell: ``skill/category`` for failing and broken rows.
    """

    row_id: str
    skill: str
    prompt: str
    completion: str
    origin: Origin
    cell: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The row as it stands in ``train.jsonl``."""
        return asdict(self)
