"""What is known of a user's file before it is a domain: rows as they stand there, and examples as they are meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

FileSplit = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Row:
    """One record of a file.

    Attributes:
        values: column to value, as JSON values.
        place: where it stands, for a message: ``train.jsonl:12``, ``mails.csv:7``, ``data.parquet row 3``.
        split: the split that its file is named for; ``None`` where there is but one file.
    """

    values: Mapping[str, Any]
    place: str
    split: FileSplit | None = None


@dataclass(frozen=True)
class Turn:
    """One message of a conversation; ``role`` is ``system``, ``user``, ``assistant`` or ``tool``."""

    role: str
    content: str


@dataclass(frozen=True)
class Example:
    """One question with its right answer.

    Attributes:
        prompt: what the model is asked; the last user turn of a conversation.
        answer: the right answer; of a classification the label as it is written most often.
        instruction: what stands before the prompt and says what to do; empty where the file has none.
        context: passage that the answer must stand on.
        label: whether ``answer`` is one of few labels.
        skill, cluster: as the user's columns say; ``None`` where none was named.
        turns: the conversation before ``prompt``, the system turn included.
        rejected: the worse answer of a preference pair.
        accepted: other right answers.
        answerable: whether the context answers the prompt; ``None`` where the file does not say.
        tools: the tools that may be called, each with ``name`` and ``parameters`` (a JSON schema).
        row: where it comes from; one row can bring several examples.
    """

    prompt: str
    answer: str
    row: Row = field(repr=False)
    instruction: str = ""
    context: str | None = None
    label: bool = False
    skill: str | None = None
    cluster: str | None = None
    turns: tuple[Turn, ...] = ()
    rejected: str | None = None
    accepted: tuple[str, ...] = ()
    answerable: bool | None = None
    tools: tuple[Mapping[str, Any], ...] = ()

    @property
    def place(self) -> str:
        """Where it stands in the user's file."""
        return self.row.place
