"""What a gate and a comparison look at: a model's answers to documents, wherever they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from harness.evaluated import Evaluation
from harness.exceptions import InputError
from harness.gate.pairing import Outcome, first
from harness.storage import sha256_text

Role = Literal["domain", "guard"]
CONFIDENT = 0.5
"""Confidence from which an error label counts, 0 to 1; below it a label is recorded and nothing follows from it."""
MAIN = "acc"
"""What gates call the task's own main metric (`Answer.correct`), beside its own name."""


@dataclass(frozen=True)
class Answer:
    """What a model made of one document.

    Attributes:
        item: 16 hex digits, the hash of task and document (`harness.evaluation.items.item_id`).
        role: ``guard`` for general tasks that must not suffer, else ``domain``.
        correct: the task's own main metric, 0 to 1 (1 is right).
        metrics: every number per item, by name; any range.
        primary: the primary error category; ``None`` where there is none, or nobody looked (`AnswerSet.classified`).
        categories: all error categories with a confidence of at least `CONFIDENT`.
        not_assessed: categories that could not be judged here.
        prompt_sha256: 16 hex digits of the SHA-256 of what was asked; empty where that is not known.
        prompt, target, response: texts for people; empty where they were not kept, ``response`` possibly cut.
        new_tokens: generated tokens; ``None`` where that is not known.
    """

    item: str
    task: str
    skill: str
    cluster: str
    correct: float
    role: Role = "domain"
    metrics: Mapping[str, float] = field(default_factory=dict, repr=False)
    primary: str | None = None
    categories: tuple[str, ...] = ()
    not_assessed: tuple[str, ...] = ()
    prompt_sha256: str = ""
    prompt: str = field(default="", repr=False)
    target: str = field(default="", repr=False)
    response: str = field(default="", repr=False)
    new_tokens: int | None = None

    @property
    def outcome(self) -> Outcome:
        """For `harness.gate.pairing.pair_outcomes`."""
        return Outcome(self.item, self.correct, f"{self.task}\0{self.cluster}")


@dataclass(frozen=True)
class Identity:
    """What answers hang on; an empty value means "not known".

    Attributes:
        model: as it was named.
        weights: hash of base and adapter weights.
        tasks: task name to the hash of its configuration, or to its version where answers come from plain lm-eval.
        classifiers: error classifier to version; empty where nothing was classified.
        categories: error category to the classifier that looked for it; empty where that is not known.
        settings: few-shot count, engine, batch size, limit and their like.
        environment: versions of what answers depend on.
    """

    model: str = ""
    weights: str = ""
    tasks: Mapping[str, str] = field(default_factory=dict)
    classifiers: Mapping[str, str] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AnswerSet:
    """The answers of one model, each document once.

    Attributes:
        source: where they come from, for messages: a path, a model's name.
        seconds: wall time of making them; ``None`` where that is not known or where kept answers were reused.
        classified: whether error classifiers looked at them.

    Raises:
        InputError: there are no answers, or a document is there twice; names it.
    """

    source: str
    answers: tuple[Answer, ...]
    identity: Identity = field(default_factory=Identity)
    seconds: float | None = None
    classified: bool = True

    def __post_init__(self) -> None:
        if not self.answers:
            raise InputError(f"{self.source}: there are no answers in it")
        if len(self.by_item) < len(self.answers):
            counts = Counter(answer.item for answer in self.answers)
            twice = [item for item, count in counts.items() if count > 1]
            raise InputError(f"{self.source}: {len(twice)} documents are there twice ({first(twice)})")

    @cached_property
    def by_item(self) -> dict[str, Answer]:
        """Answer by item id."""
        return {answer.item: answer for answer in self.answers}

    def of(self, role: Role) -> tuple[Answer, ...]:
        """The answers to the domain's own items, or to the guards'."""
        return tuple(answer for answer in self.answers if answer.role == role)


def from_evaluation(evaluation: Evaluation, role: Role = "domain") -> Iterable[Answer]:
    """The answers of an evaluation on disk or in memory."""
    clusters = evaluation.clusters()
    records = {record.item_id: record for record in evaluation.errors}
    for result in evaluation.results:
        record = records.get(result.item_id)
        labels = record.labels if record else ()
        yield Answer(
            item=result.item_id,
            task=result.task,
            skill=result.skill,
            cluster=clusters[result.item_id].partition("\0")[2],
            correct=result.correct,
            role=role,
            metrics=dict(result.metrics),
            primary=record.primary if record else None,
            categories=tuple(dict.fromkeys(label.category for label in labels if label.confidence >= CONFIDENT)),
            not_assessed=record.not_assessed if record else (),
            prompt_sha256=prompt_hash(result.prompt),
            prompt=result.prompt,
            target=result.target,
            response=result.response,
            new_tokens=result.new_tokens,
        )


def prompt_hash(prompt: str) -> str:
    """16 hex digits of what was asked: the user's turn, before few-shot examples and chat template."""
    return sha256_text(prompt)[:16]
