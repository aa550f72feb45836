"""Training rows that are also evaluation items: the same text, nearly the same text, or a planted canary.

Prompts are compared by `harness.curation.near` without the instructions that all items of a skill share, and without
the descriptions of tools that may be called.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.curation.near import COMMON, NearIndex, Rule, Wording
from harness.curation.rows import TrainRow
from harness.evaluation.items import Item
from harness.storage import sha256_text

EXCERPT = 80
"""Characters of a prompt that an `Overlap` quotes."""
PARTNERS = 5
"""Most protected texts that are named for one training text."""
CANARY = "lm-eval-ratchet-canary-3d1f6a52-7c0e-4b9e-9a38-e2b5c4f80d17"
"""Planted in evaluation data (a document's ``canary``), never rendered: training text that holds it came from there."""
SHORTEST_CANARY = 16
"""Characters below which a ``canary`` is too short to be one: it might occur anywhere."""

_PARAMETERS = '"parameters"'
_BETWEEN_DIGITS = re.compile(r"(?<=\d)\s*([^\w\s]{1,3})\s*(?=\d)")


@dataclass(frozen=True)
class Overlap:
    """A training row that repeats a protected item.

    Attributes:
        row_id: the training row.
        where: role and item id of the protected item, e.g. ``test 0f3a...`` (of gate no id); ``canary`` for a planted
            one.
        excerpt: the beginning of the row's prompt, on one line.
        rule: what says so.
        score: how alike they are, above 0 and up to 1 (see `harness.curation.near.Near`).
    """

    row_id: str
    where: str
    excerpt: str
    rule: Rule = "same text"
    score: float = 1.0


@dataclass(frozen=True)
class Text:
    """A text that is compared.

    Attributes:
        name: what it is called in messages.
        text: as it was given.
        kind: texts of one kind may share instructions, which are not compared.
        beside: what goes with it into training (the answer, the whole row): searched for canaries alone.
        canary: the one that it carries itself, if any.
    """

    name: str
    text: str
    kind: str = ""
    beside: str = ""
    canary: str = ""

    @classmethod
    def of_item(cls, item: Item) -> Text:
        """An item's prompt, under its role and id."""
        planted = item.doc.get("canary")
        kind = f"{item.task}\0{item.skill}"
        return cls(f"{item.role} {item.item_id}", item.prompt, kind, item.target, str(planted or ""))


@dataclass(frozen=True)
class Hit:
    """A training text that repeats a protected one.

    Attributes:
        row: position of the training text.
        of: position of the protected text; ``None`` for a canary.
        rule, score: as in `Overlap`.
    """

    row: int
    of: int | None
    rule: Rule
    score: float


class _Spaces(dict[int, str]):
    """A table for `str.translate`: punctuation to a space. Filled as characters are met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        self[code] = " " if unicodedata.category(char).startswith("P") else char
        return self[code]


class _Visible(dict[int, str]):
    """A table for `str.translate`: format characters (zero width, soft hyphens) to nothing."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        self[code] = "" if unicodedata.category(char) == "Cf" else char
        return self[code]


_SPACES, _VISIBLE = _Spaces(), _Visible()


def normalise(text: str) -> str:
    """Fold what does not change a question: Unicode form (NFKC), case, punctuation, white space.

    Punctuation between digits is kept (``7 - 2`` and ``7 / 2`` are different questions), and so are symbols
    (``+ < = > $``). Text of nothing but punctuation is only folded for white space.
    """
    if text.isascii():
        text = text.lower()
    else:
        text = unicodedata.normalize("NFKC", text.translate(_VISIBLE)).casefold()
        text = unicodedata.normalize("NFKC", text)
    pieces, end = [], 0
    for match in _BETWEEN_DIGITS.finditer(text):
        pieces += [text[end : match.start()].translate(_SPACES), match[1]]
        end = match.end()
    pieces.append(text[end:].translate(_SPACES))
    return " ".join("".join(pieces).split()) or " ".join(text.split())


def _words(text: str) -> tuple[str, ...]:
    """The normalised words of what is asked: without descriptions of tools, unless there is nothing else."""
    asked = text
    if _PARAMETERS in text:
        asked = "\n".join(line for line in text.split("\n") if not _describes_tool(line))
    return tuple(normalise(asked if asked.strip() else text).split())


def _describes_tool(line: str) -> bool:
    """Whether a line is a tool's description, as prompts list those that may be called: unlike ones share much schema.

    No regular expression: one that looks for the closing brace of a long line takes time by the square of its length.
    """
    line = line.strip().removesuffix(",").rstrip()
    return line.startswith("{") and line.endswith("}") and _PARAMETERS in line


def prompt_key(text: str) -> str:
    """Hex SHA-256 of the normalised text: equal for prompts that ask the same thing."""
    return sha256_text(normalise(text))


class OverlapIndex:
    """Protected texts, in which training texts are looked up.

    Args:
        protected: what no training text may repeat.
        others: further texts of the same kinds, from which it is learned what is mere instruction.
    """

    def __init__(self, protected: Sequence[Text], others: Iterable[Text] = ()) -> None:
        self.protected = protected
        words = [_words(text.text) for text in protected]
        kinds: dict[str, list[tuple[str, ...]]] = {}
        for text, split in zip(protected, words, strict=True):
            kinds.setdefault(text.kind, []).append(split)
        for text in others:
            kinds.setdefault(text.kind, []).append(_words(text.text))
        self._wording = Wording.of(list(kinds.values()))
        self._same: dict[tuple[str, ...], list[int]] = {}
        for position, split in enumerate(words):
            self._same.setdefault(split, []).append(position)
        self._near = NearIndex([self._wording.own(split) for split in words])
        self._canaries = {text.canary.casefold() for text in (*protected, Text("", "", canary=CANARY))}
        self._canaries = {mark for mark in self._canaries if len(mark) >= SHORTEST_CANARY}

    def find(self, texts: Sequence[Text], most: int = PARTNERS) -> list[Hit]:
        """The texts that repeat a protected one, in their order; at most ``most`` hits each, the plainest first."""
        words = [_words(text.text) for text in texts]
        found = []
        near = self._near.search([self._wording.own(split) for split in words], most)
        for row, (text, split, alike) in enumerate(zip(texts, words, near, strict=True)):
            training = f"{text.text}\n{text.beside}".casefold()
            hits = [Hit(row, None, "canary", 1.0)] if any(mark in training for mark in self._canaries) else []
            same = self._same.get(split, [])
            hits += [Hit(row, position, "same text", 1.0) for position in same]
            hits += [Hit(row, n.position, n.rule, n.score) for n in alike if n.position not in same]
            found += hits[:most]
        return found


class Protected(Mapping[str, str]):
    """Items that no training row may repeat: `prompt_key` to ``role item_id``, and what is nearly theirs.

    Args:
        items: of dev, gate, test and guard.
        pool: the items that rows are made from, which help to tell instructions from questions.
    """

    def __init__(self, items: Iterable[Item], pool: Iterable[Item] = ()) -> None:
        ordered = sorted(items, key=lambda item: (item.role, item.item_id))
        self._keys = protected_keys(ordered)
        self._index = OverlapIndex([Text.of_item(item) for item in ordered], [Text.of_item(item) for item in pool])
        self._seen: dict[tuple[str, str], Overlap | None] = {}

    def __getitem__(self, key: str) -> str:
        return self._keys[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def overlaps(self, rows: Sequence[TrainRow]) -> list[Overlap]:
        """The rows that repeat a protected item, in their order, each with the plainest hit."""
        new = {(row.prompt, row.completion): row for row in rows if (row.prompt, row.completion) not in self._seen}
        first: dict[int, Hit] = {}
        for hit in self._index.find([Text(row.row_id, row.prompt, "", row.completion) for row in new.values()]):
            first.setdefault(hit.row, hit)
        for place, (key, row) in enumerate(new.items()):
            self._seen[key] = None
            if plain := first.get(place):
                where = "canary" if plain.of is None else self._index.protected[plain.of].name
                # Next to a training text that nearly is its own, an id would tell what a sealed item asks.
                where = "a gate item" if where.startswith("gate ") else where
                self._seen[key] = Overlap(row.row_id, where, excerpt(row.prompt), plain.rule, plain.score)
        return [replace(found, row_id=row.row_id) for row in rows if (found := self._seen[row.prompt, row.completion])]


def excerpt(text: str) -> str:
    """The beginning of ``text`` on one line, at most `EXCERPT` characters."""
    line = " ".join(text.split())
    return line if len(line) <= EXCERPT else line[: EXCERPT - 1].rstrip() + "…"


def protected_keys(items: Iterable[Item]) -> dict[str, str]:
    """`prompt_key` to ``role item_id`` for items that no training row may repeat, as `find_overlaps` takes them."""
    keys: dict[str, str] = {}
    for item in sorted(items, key=lambda item: (item.role, item.item_id)):
        keys.setdefault(prompt_key(item.prompt), f"{item.role} {item.item_id}")
    return keys


def find_overlaps(rows: Sequence[TrainRow], protected: Mapping[str, str]) -> list[Overlap]:
    """Find the rows whose prompt is protected, in the order of ``rows``.

    Args:
        rows: training rows of any origin.
        protected: `Protected`; or `prompt_key` of each protected prompt to ``role item_id``, which finds the same
            prompts only.
    """
    if isinstance(protected, Protected):
        return protected.overlaps(rows)
    return [
        Overlap(row.row_id, where, excerpt(row.prompt))
        for row in rows
        if (where := protected.get(prompt_key(row.prompt))) is not None
    ]


def alike(items: Sequence[Item]) -> list[tuple[int, int]]:
    """Pairs of positions of items that repeat one another: enough of them to join whole groups of such items."""
    first: dict[str, int] = {}
    pairs = []
    for position, item in enumerate(items):
        same = first.setdefault(normalise(item.prompt), position)
        if same != position:
            pairs.append((same, position))
    distinct = list(first.values())
    texts = [Text.of_item(items[position]) for position in distinct]
    for hit in OverlapIndex(texts).find(texts, COMMON):
        if hit.of is not None and hit.of != hit.row:
            pairs.append((distinct[hit.of], distinct[hit.row]))
    return pairs
