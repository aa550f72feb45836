"""The nouns of an evaluation: an item that is asked, the response to it, the scored result.

An item's document may declare what its answer must look like under the key ``expects`` (see `Expectation`);
classifiers read that and nothing else of a domain's own fields.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from harness.storage import canonical_json, sha256_text

FinishReason = Literal["stop", "length", "unknown"]
Role = Literal["train_pool", "dev", "gate", "test", "guard"]


@dataclass(frozen=True)
class Expectation:
    """What the document says about a right answer's form; ``None`` and empty mean "not said".

    Attributes:
        format: ``json`` (one JSON object), ``label`` (one of ``labels``) or ``text``.
        keys: for ``json``, the keys the object must have, no others.
        labels: for ``label``, the allowed answers.
        refusal: whether the right answer *is* the refusal (or redirection) sentence.
        refusal_sentence: that sentence, for items of a skill that has one.
        constraints: what an answer must keep to, by name (see `harness.errors.builtin.ignored_constraint`).
        language: ISO 639-1 code of the language of the answer.
        system: text that must not be shown.
        max_words: length above which an answer is too long.
        context: the passage that an answer must stand on.
        answerable: whether the context answers the question.
        group: id of the paraphrases of one question, whose answers should agree.
        tools: the tools that may be called, each with ``name`` and ``parameters`` (a JSON schema), as the document
            has them or as JSON text (see `harness.errors.calls`).
        call: the right call, ``{"name": ..., "arguments": {...}}`` or that as JSON text; ``None`` beside ``tools``
            means that none of them fits.
    """

    format: Literal["json", "label", "text"] | None = None
    keys: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    refusal: bool | None = None
    refusal_sentence: str | None = None
    constraints: Mapping[str, Any] | None = None
    language: str | None = None
    system: str | None = None
    max_words: int | None = None
    context: str | None = None
    answerable: bool | None = None
    group: str | None = None
    tools: Any = None
    call: Any = None

    @classmethod
    def from_doc(cls, doc: Mapping[str, Any]) -> Expectation:
        """Read ``doc["expects"]``; a document without it expects nothing in particular."""
        raw = doc.get("expects") or {}
        return cls(
            format=raw.get("format"),
            keys=tuple(raw.get("keys") or ()),
            labels=tuple(raw.get("labels") or ()),
            refusal=raw.get("refusal"),
            refusal_sentence=raw.get("refusal_sentence"),
            constraints=raw.get("constraints"),
            language=raw.get("language"),
            system=raw.get("system"),
            max_words=raw.get("max_words"),
            context=raw.get("context"),
            answerable=raw.get("answerable"),
            group=raw.get("group"),
            tools=raw.get("tools"),
            call=raw.get("call"),
        )


@dataclass(frozen=True)
class Item:
    """One question to the model.

    Attributes:
        item_id: 16 hex digits, the hash of task name and document: the same in every run.
        task: lm-eval task name.
        skill: what the item asks for; the document's ``skill``, else the task name.
        cluster: items that share a template, passage or paraphrase; the document's ``cluster``, else ``item_id``.
        role: who may see it (GATE roles).
        doc: the document as lm-eval yields it.
        prompt: the user's turn, before few-shot examples and chat template.
        target: the gold answer as text.
    """

    item_id: str
    task: str
    skill: str
    cluster: str
    role: Role
    doc: Mapping[str, Any] = field(repr=False)
    prompt: str = field(repr=False)
    target: str


def item_id(task: str, doc: Mapping[str, Any]) -> str:
    """16 hex digits that name a document of a task, independent of its position."""
    return sha256_text(task + "\0" + canonical_json(dict(doc)))[:16]


@dataclass(frozen=True)
class ItemResult:
    """A scored response: all that a classifier, a report or a paired test needs.

    Attributes:
        response: the model's text (for multiple choice, the chosen ending; for a single continuation, that one where
            greedy decoding gives it, else nothing); the score is of the filtered text.
        finish_reason: ``stop`` (end token or stop string), ``length`` (token limit), ``unknown`` (saved elsewhere).
        correct: the task's own main metric, 0 to 1 (1 is right).
        metrics: every number the task's ``process_results`` returned, by name; of multiple choice also what was picked
            (`harness.evaluation.choices`).
        prompt_tokens: tokens of the whole prompt as the model got it.
        new_tokens: generated tokens, the end token included.
        carried: what ``process_results`` returned for figures of the whole set; not kept on disk.
    """

    item_id: str
    task: str
    skill: str
    cluster: str
    doc: Mapping[str, Any] = field(repr=False)
    prompt: str = field(repr=False)
    target: str
    response: str
    finish_reason: FinishReason = "unknown"
    correct: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict, repr=False)
    prompt_tokens: int = 0
    new_tokens: int = 0
    carried: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def expectation(self) -> Expectation:
        """What the document declares about a right answer."""
        return Expectation.from_doc(self.doc)

    @property
    def tag(self) -> str | None:
        """The document's ``tag``, by which reports split results beside the skill."""
        tag = self.doc.get("tag")
        return None if tag is None else str(tag)


@dataclass(frozen=True)
class Score:
    """A mean with its standard error.

    Attributes:
        value: mean over items, 0 to 1 for accuracies.
        stderr: clustered standard error of the mean (Miller 2024, arXiv:2411.00640, eq. 4).
        n: number of items.
        correct: items that are wholly right; ``None`` where the metric is not of that kind.
    """

    value: float
    stderr: float
    n: int
    correct: int | None

    def as_dict(self) -> dict[str, float | int | None]:
        """The ``Score`` object of ``summary.json``."""
        return {"value": self.value, "stderr": self.stderr, "n": self.n, "correct": self.correct}


def clustered_stderr(values: Sequence[float], clusters: Sequence[str]) -> float:
    """Standard error of the mean of ``values`` when items of one cluster may err together.

    With every item its own cluster this is ``sqrt(sum (x - mean)^2) / n``.
    Source: Miller 2024, "Adding Error Bars to Evals", arXiv:2411.00640, eq. 4.

    Args:
        values: shape (n,), any unit.
        clusters: shape (n,), cluster id of each value.
    """
    n = len(values)
    if n < 2:
        return 0.0
    mean = math.fsum(values) / n
    sums: dict[str, float] = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + (value - mean)
    return math.sqrt(math.fsum(total * total for total in sums.values())) / n


def score(results: Sequence[ItemResult]) -> Score:
    """Mean correctness over ``results`` with its clustered standard error."""
    n = len(results)
    if n == 0:
        return Score(0.0, 0.0, 0, 0)
    values = [result.correct for result in results]
    return Score(
        value=math.fsum(values) / n,
        stderr=clustered_stderr(values, [f"{r.task}\0{r.cluster}" for r in results]),
        n=n,
        correct=sum(value >= 1.0 for value in values),
    )
