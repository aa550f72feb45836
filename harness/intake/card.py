"""The data card: what a user's file is, before anything is made of it. Plain findings; nothing private in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.evaluation.items import Role
from harness.exceptions import InputError
from harness.intake.balance import Balance, class_balance
from harness.intake.chat_format import ChatError, chat_column, chat_errors
from harness.intake.example import Example, Row
from harness.intake.fields import languages
from harness.intake.findings import Problem, Sample, shown, shown_around, shown_end
from harness.intake.problems import Evidence, problems
from harness.intake.repeats import (
    Conflict,
    Leak,
    Repeat,
    conflicts,
    exact_duplicates,
    leaks,
    near_conflicts,
    near_duplicates,
    near_pairs,
    repeating_rows,
)
from harness.intake.roles import dealt_examples
from harness.intake.secrets import MASKS, Kind, find_private, strings
from harness.intake.tokens import Counted, TokenFinding, context_of, count_tokens, describe_tokens

SAMPLES = 8
"""Examples of each finding that a card shows."""


@dataclass(frozen=True)
class Private:
    """What looks private, of one kind.

    Attributes:
        kind: see `harness.intake.secrets.MASKS`.
        found: how many pieces.
        rows: in how many rows.
        places: of the first rows.
    """

    kind: Kind
    found: int
    rows: int
    places: tuple[str, ...]


@dataclass(frozen=True)
class Card:
    """Everything the card says.

    Attributes:
        source: what was read.
        rows: records of the file.
        examples: questions with answers; ``off_topic`` of them are added to those of the file.
        splits: rows by the split of their file; ``none`` where files have no split.
        roles: examples by role, as `harness.evaluation.roles` deals them.
        role_notes: where a split stands in for another.
        exact_duplicates, near_duplicates: rows that repeat an earlier one of their split.
        near_conflicts: pairs nearly alike with different labels.
        conflicts: questions with several answers; ``conflicting`` are the examples in them.
        leaks: training examples that repeat a held-out one.
        classes: `Balance`; ``None`` where the answers are not labels.
        languages: examples by language; of ``languages_of`` that were looked at.
        private: by kind.
        chat: rows by formatting error; ``None`` where the file holds no conversations.
        formula_rows: rows with a cell that a spreadsheet would run.
        tokens: ``None`` without a tokenizer.
        samples: by check, a few rows each, private data masked.
        problems: what stops and what warns, the former first.
    """

    source: str
    rows: int
    examples: int
    splits: Mapping[str, int]
    roles: Mapping[Role, int]
    role_notes: tuple[str, ...]
    exact_duplicates: int
    near_duplicates: int
    near_conflicts: int
    conflicts: int
    conflicting: int
    leaks: int
    empty_prompts: int
    empty_answers: int
    cut_answers: int
    classes: Balance | None
    languages: Mapping[str, int]
    languages_of: int
    private: tuple[Private, ...]
    chat: Mapping[ChatError, int] | None
    formula_rows: int
    off_topic: int
    tokens: TokenFinding | None
    samples: Mapping[str, tuple[Sample, ...]]
    problems: tuple[Problem, ...]

    @property
    def stops(self) -> list[Problem]:
        """What would spoil the work."""
        return [problem for problem in self.problems if problem.stops]

    @property
    def warnings(self) -> list[Problem]:
        """What should be looked at."""
        return [problem for problem in self.problems if not problem.stops]


def data_card(
    examples: Sequence[Example],
    rows: Sequence[Row],
    tokenizer: Any = None,
    price_per_hour: float | None = None,
    *,
    source: str = "",
    model: str = "",
    context: int | None = None,
    tokens_per_second: float | None = None,
    roles: Mapping[Role, Collection[int]] | None = None,
    refused: Sequence[tuple[Row, InputError]] = (),
    cluster: str | None = None,
    added: Sequence[Example] = (),
    prompts: Sequence[str] | None = None,
) -> Card:
    """Look at a file through all checks.

    Args:
        examples: what the rows were recognised as.
        rows: all records, also those that gave no example.
        tokenizer: of the model that will be trained, of the transformers kind; ``None`` leaves lengths out.
        price_per_hour: of the machine, in any currency.
        source: what was read, for the heading.
        model: name of the tokenizer's model.
        context: tokens that the model takes; by default what its tokenizer says.
        tokens_per_second: measured training speed; without it no time and no cost is said.
        roles: places of the examples by role, where they have been dealt; by default as `harness.evaluation.roles`
            deals items of these texts, which comes to the same counts but for a few.
        refused: rows that could not be read as examples, and why.
        cluster: the column that the user says belongs together; ids in it name groups.
        added: examples that stand in no row, as the questions of other subjects that `harness init` adds.
        prompts: what is asked of each example and each added one, instruction and all
            (`harness.intake.write.prompts_of`); where left out, lengths are those of the file's own texts.

    Raises:
        ImportError: py3langid is not installed.
    """
    examples = [*examples, *added]
    pairs = near_pairs(examples)
    notes: tuple[str, ...] = ()
    if roles is None:
        roles, notes = dealt_examples(examples, pairs)
    counted = count_tokens(examples, tokenizer, prompts) if tokenizer is not None and examples else None
    limit = context or (context_of(tokenizer) if tokenizer is not None else None)
    column = chat_column(rows)
    found = Evidence(
        examples=examples,
        rows=rows,
        roles={role: frozenset(places) for role, places in roles.items()},
        exact=exact_duplicates(examples),
        near=near_duplicates(examples, pairs),
        near_conflicts=near_conflicts(examples, pairs),
        conflicts=conflicts(examples),
        leaks=leaks(examples),
        balance=class_balance(examples),
        languages=languages(examples),
        private=_private(rows),
        chat=chat_errors(rows, column) if column else None,
        tokens=counted,
        context=limit,
        refused=refused,
        cluster=cluster,
        added=len(added),
    )
    verdicts = problems(found)
    return Card(
        source=source,
        rows=len(rows),
        examples=len(examples),
        splits=dict(Counter(row.split or "none" for row in rows)),
        roles={role: len(places) for role, places in roles.items()},
        role_notes=notes,
        exact_duplicates=len(repeating_rows(examples, found.exact)),
        near_duplicates=len(repeating_rows(examples, found.near)),
        near_conflicts=len(found.near_conflicts),
        conflicts=len(found.conflicts),
        conflicting=sum(len(conflict.positions) for conflict in found.conflicts),
        leaks=len(found.leaks),
        empty_prompts=len(found.empty_prompts),
        empty_answers=len(found.empty_answers),
        cut_answers=len(found.cut[0]) if found.cut else 0,
        classes=_without_private(found.balance),
        languages=found.languages[0],
        languages_of=found.languages[1],
        private=tuple(
            Private(kind, sum(count for _, count in where), len(where), tuple(row.place for row, _ in where[:SAMPLES]))
            for kind, where in found.private.items()
        ),
        chat={error: len(where) for error, where in found.chat.items()} if found.chat is not None else None,
        formula_rows=len(found.formulas),
        off_topic=len(added),
        tokens=_tokens(counted, model, limit, roles, tokens_per_second, price_per_hour),
        samples=_samples(examples, found),
        problems=tuple(sorted(verdicts, key=lambda problem: not problem.stops)),
    )


def _without_private(balance: Balance | None) -> Balance | None:
    """Under labels as a card may show them."""
    if balance is None:
        return None
    counts: Counter[str] = Counter()
    for label, count in balance.counts.items():
        counts[shown(label, 60)] += count
    return Balance(dict(counts), balance.examples, tuple(shown(label, 60) for label in balance.rare))


def _private(rows: Sequence[Row]) -> dict[Kind, list[tuple[Row, int]]]:
    """By kind the rows that hold something private, and how much of it; most frequent kind first."""
    found: dict[Kind, list[tuple[Row, int]]] = {}
    for row in rows:
        kinds = Counter(private.kind for text in strings(row.values) for private in find_private(text))
        for kind, count in kinds.items():
            found.setdefault(kind, []).append((row, count))
    return dict(sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0])))


def _tokens(
    counted: Counted | None,
    model: str,
    context: int | None,
    roles: Mapping[Role, Collection[int]],
    tokens_per_second: float | None,
    price_per_hour: float | None,
) -> TokenFinding | None:
    if counted is None:
        return None
    return describe_tokens(
        counted,
        model=model,
        context=context,
        train=roles.get("train_pool") or None,
        tokens_per_second=tokens_per_second,
        price_per_hour=price_per_hour,
    )


def _samples(examples: Sequence[Example], found: Evidence) -> dict[str, tuple[Sample, ...]]:
    def pair(one: Repeat | Leak) -> Sample:
        first, second = examples[one.of], examples[one.position]
        return Sample((first.place, second.place), f"{shown(_asked(first))} ≈ {shown(_asked(second))}")

    def again(one: Repeat) -> Sample:
        first, second = examples[one.of], examples[one.position]
        return Sample((first.place, second.place), shown(_asked(second)))

    def conflict(one: Conflict) -> Sample:
        answers = " | ".join(f"{shown(answer, 60)} ({count})" for answer, count in one.answers[:4])
        places = tuple(examples[position].place for position in one.positions[:4])
        return Sample(places, f"{shown(_asked(examples[one.positions[0]]))} → {answers}")

    def private(row: Row, kind: Kind) -> Sample:
        text = next(text for text in strings(row.values) if any(piece.kind == kind for piece in find_private(text)))
        return Sample((row.place,), shown_around(text, MASKS[kind]))

    cut = [Sample((example.place,), shown_end(example.answer)) for example in (found.cut[0] if found.cut else [])]
    samples = {
        "leakage": [pair(leak) for leak in found.leaks[:SAMPLES]],
        "conflicts": [conflict(one) for one in found.conflicts[:SAMPLES]],
        "near_conflicts": [pair(one) for one in found.near_conflicts[:SAMPLES]],
        "exact_duplicates": [again(one) for one in found.exact[:SAMPLES]],
        "near_duplicates": [pair(one) for one in found.near[:SAMPLES]],
        "cut_answers": cut[:SAMPLES],
        "private_data": [private(where[0][0], kind) for kind, where in found.private.items()],
    }
    return {check: tuple(shown_rows) for check, shown_rows in samples.items() if shown_rows}


def _asked(example: Example) -> str:
    return example.prompt or example.instruction
