"""Examples that say the same thing twice, or two things at once: duplicates, near-duplicates, conflicts, leakage."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from harness.curation.near import COMMON, JACCARD, SHINGLE, NearIndex, Rule, Wording, grams
from harness.curation.overlap import Hit, OverlapIndex, Text, normalise
from harness.intake.example import Example, Row
from harness.storage import canonical_json

ALIKE = 0.5
"""Jaccard similarity of the 3-grams of two prompts from which one can stand for the other. Below it they may share a
passage or a quotation (which is enough for the rules of overlap) and still be two questions."""
HELD_OUT = ("validation", "test")
"""Splits whose items are evaluated, so that no training row may repeat them."""


@dataclass(frozen=True)
class Repeat:
    """An example that repeats an earlier one.

    Attributes:
        position, of: places of the example and of the earlier one that stays.
        rule, score: as in `harness.curation.near.Near`.
        alike: Jaccard similarity of the 3-grams of both prompts, 0 to 1.
    """

    position: int
    of: int
    rule: Rule
    score: float
    alike: float = 1.0


@dataclass(frozen=True)
class Conflict:
    """Examples with the same question and different answers.

    Attributes:
        positions: of all of them, in order.
        answers: distinct answers as they are written first, the most frequent first, and how often each is given.
        majority: key (`answer_key`) of the answer that more than half of them give; ``None`` where none does.
        label: whether the answers are labels, so that at most one of them can be right.
    """

    positions: tuple[int, ...]
    answers: tuple[tuple[str, int], ...]
    majority: str | None
    label: bool


@dataclass(frozen=True)
class Leak:
    """A training example that repeats one of a held-out split; places of both among the examples."""

    position: int
    of: int
    rule: Rule
    score: float


def literal_key(example: Example) -> Hashable:
    """Equal for examples that are the same but for Unicode composition and white space."""
    return tuple(" ".join(unicodedata.normalize("NFC", part).split()) for part in _parts(example))


def _parts(example: Example) -> list[str]:
    turns = [part for turn in example.turns for part in (turn.role, turn.content)]
    fixed = [example.instruction, example.context or "", example.prompt, example.answer, example.rejected or ""]
    return [*fixed, *turns]


_fold = lru_cache(65536)(normalise)


def surroundings(example: Example) -> Hashable:
    """Equal for examples whose prompts can be compared: the same instruction, passage and conversation before it."""
    if not (example.turns or example.context or example.instruction):
        return ""
    turns = tuple((turn.role, _fold(turn.content)) for turn in example.turns)
    return (_fold(example.instruction), _fold(example.context or ""), turns)


def question_key(example: Example) -> Hashable:
    """Equal for examples that ask the same thing, but for case, punctuation, spacing and Unicode form."""
    return (surroundings(example), _fold(example.prompt))


def answer_key(answer: str) -> str:
    """Equal for answers that say the same: case, spacing and punctuation at the ends do not count, nor the order of
    keys and the spacing of JSON. Signs within stay (``-5`` is not ``5``)."""
    text = answer.strip()
    if text[:1] in ("{", "["):
        try:
            return canonical_json(json.loads(text))
        except (ValueError, RecursionError):
            pass  # not JSON after all
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return folded.strip(" .,;:!?\"'\u2018\u2019\u201c\u201d") or folded


def asks(example: Example) -> bool:
    """Whether it has both a question and an answer; what lacks one is no repetition of anything."""
    return bool((example.prompt.strip() or example.instruction.strip()) and example.answer.strip())


def exact_duplicates(examples: Sequence[Example]) -> list[Repeat]:
    """Examples that repeat an earlier one of their split to the letter (but for white space).

    Of a row with several examples, as a conversation has, all must: conversations may begin alike.
    """
    seen: dict[Hashable, int] = {}
    repeats = []
    for position, example in enumerate(examples):
        if asks(example):
            of = seen.setdefault((example.row.split, literal_key(example)), position)
            if of != position:
                repeats.append(Repeat(position, of, "same text", 1.0))
    return _of_whole_rows(examples, repeats, set())


def _of_whole_rows(examples: Sequence[Example], repeats: Sequence[Repeat], others: Collection[int]) -> list[Repeat]:
    """Those of rows all of whose examples are repeats, or are among ``others``."""
    found = {repeat.position for repeat in repeats} | set(others)
    original = {id(example.row) for place, example in enumerate(examples) if asks(example) and place not in found}
    return [repeat for repeat in repeats if id(examples[repeat.position].row) not in original]


def conflicts(examples: Sequence[Example]) -> list[Conflict]:
    """Questions that have different answers, in the order in which they come first; over all splits.

    Rows with several examples are passed over: conversations may begin alike and go on differently.
    """
    per_row = Counter(id(example.row) for example in examples)
    groups: dict[Hashable, list[int]] = {}
    for position, example in enumerate(examples):
        if asks(example) and per_row[id(example.row)] == 1:
            groups.setdefault(question_key(example), []).append(position)
    found = []
    for positions in groups.values():
        if len(positions) < 2:
            continue
        counts = Counter(answer_key(examples[position].answer) for position in positions)
        if all(same_answer(examples[positions[0]], examples[position]) for position in positions[1:]):
            continue
        written = {answer_key(examples[position].answer): examples[position].answer for position in positions[::-1]}
        ranked = sorted(counts.items(), key=lambda pair: -pair[1])
        majority = ranked[0][0] if 2 * ranked[0][1] > len(positions) else None
        answers = tuple((written[key], count) for key, count in ranked)
        found.append(Conflict(tuple(positions), answers, majority, any(examples[p].label for p in positions)))
    return found


def near_pairs(examples: Sequence[Example]) -> list[Repeat]:
    """Pairs of examples in the same surroundings whose prompts are alike, the later one first, whatever the answers.

    Prompts are compared by `harness.curation.near`, without the words with which three quarters of them begin or end;
    what only differs in case, punctuation or spacing has the rule ``same text``.
    """
    words = [tuple(_fold(example.prompt).split()) for example in examples]
    wording = Wording.of([words])
    groups: dict[Hashable, dict[tuple[str, ...], list[int]]] = {}
    for position, example in enumerate(examples):
        if asks(example) and words[position]:
            group = groups.setdefault(surroundings(example), {})
            group.setdefault(words[position], []).append(position)
    pairs = []
    for group in groups.values():
        firsts = [positions[0] for positions in group.values()]
        for positions in group.values():
            pairs += [Repeat(position, positions[0], "same text", 1.0) for position in positions[1:]]
        if len(group) < 2:
            continue
        texts = [wording.own(text) for text in group]
        for here, hits in enumerate(NearIndex(texts).search(texts, COMMON)):
            for hit in hits:
                if firsts[hit.position] < firsts[here]:
                    alike = _jaccard(texts[here], texts[hit.position])
                    pairs.append(Repeat(firsts[here], firsts[hit.position], hit.rule, hit.score, alike))
    return sorted(pairs, key=lambda pair: (pair.position, pair.of))


def _jaccard(one: Sequence[str], other: Sequence[str]) -> float:
    mine, theirs = grams(one, SHINGLE), grams(other, SHINGLE)
    return len(mine & theirs) / len(mine | theirs) if mine and theirs else 0.0


def near_duplicates(examples: Sequence[Example], pairs: Sequence[Repeat]) -> list[Repeat]:
    """Of `near_pairs` those that are one example twice: alike as wholes (`ALIKE`), of one split, of two rows, with the
    same or nearly the same answer, and not exact duplicates. An example that repeats one is not itself
    repeated, so that one of each stays."""
    exact = {repeat.position for repeat in exact_duplicates(examples)}
    gone, found = set(exact), []
    for pair in pairs:
        one, other = examples[pair.position], examples[pair.of]
        if (
            pair.alike < ALIKE
            or pair.position in gone
            or pair.of in gone
            or one.row is other.row
            or one.row.split != other.row.split
        ):
            continue
        if same_answer(one, other):
            gone.add(pair.position)
            found.append(pair)
    return _of_whole_rows(examples, found, exact)


def same_answer(one: Example, other: Example) -> bool:
    """Whether two answers are equal (`answer_key`), one is among those that the other accepts, or, where neither is a
    label, they are alike in their runs of 3 words."""
    mine, theirs = answer_key(one.answer), answer_key(other.answer)
    if mine == theirs or mine in map(answer_key, other.accepted) or theirs in map(answer_key, one.accepted):
        return True
    if one.label or other.label:
        return False
    return _jaccard(_fold(one.answer).split(), _fold(other.answer).split()) >= JACCARD


def near_conflicts(examples: Sequence[Example], pairs: Sequence[Repeat]) -> list[Repeat]:
    """Of `near_pairs` the labelled ones that differ in the label and are not the same question outright."""
    return [
        pair
        for pair in pairs
        if pair.rule != "same text"
        and pair.alike >= ALIKE
        and examples[pair.position].label
        and answer_key(examples[pair.position].answer) != answer_key(examples[pair.of].answer)
    ]


def repeating_rows(examples: Sequence[Example], repeats: Sequence[Repeat]) -> list[Row]:
    """The rows of the examples that repeat, each once."""
    rows = [examples[repeat.position].row for repeat in repeats]
    return list({id(row): row for row in rows}.values())


def whole_text(example: Example) -> str:
    """All that is asked: instruction, passage, conversation and prompt."""
    parts = [example.instruction, example.context or "", *(turn.content for turn in example.turns), example.prompt]
    return "\n".join(part for part in parts if part)


def leaks(examples: Sequence[Example]) -> list[Leak]:
    """Training examples that repeat a validation or test example, and validation ones that repeat a test one.

    By the rules that hold when a run starts (`harness.curation.overlap.OverlapIndex`): each example's plainest hit.
    """

    def texts(*splits: str) -> list[int]:
        return [position for position, example in enumerate(examples) if example.row.split in splits and asks(example)]

    def text(position: int) -> Text:
        example = examples[position]
        return Text(example.place, whole_text(example), example.skill or "", example.answer)

    found = []
    for split, against in (("train", HELD_OUT), ("validation", ("test",))):
        training, protected = texts(split), texts(*against)
        if not training or not protected:
            continue
        given = [text(position) for position in training]
        plainest: dict[int, Hit] = {}
        for hit in OverlapIndex([text(position) for position in protected], given).find(given):
            if hit.of is not None:
                plainest.setdefault(hit.row, hit)
        found += [
            Leak(training[h.row], protected[h.of], h.rule, h.score) for h in plainest.values() if h.of is not None
        ]
    return found
