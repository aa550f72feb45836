"""Training rows that are also evaluation items: found by the hash of the normalised prompt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.curation.rows import TrainRow
from harness.evaluation.items import Item
from harness.storage import sha256_text

EXCERPT = 80
"""Characters of a prompt that an `Overlap` quotes."""

_BETWEEN_DIGITS = re.compile(r"(?<=\d)\s*([^\w\s]{1,3})\s*(?=\d)")


@dataclass(frozen=True)
class Overlap:
    """A training row whose prompt is a protected item's.

    Attributes:
        row_id: the training row.
        where: role and item id of the protected item, e.g. ``test 0f3a...``.
        excerpt: the beginning of the row's prompt, on one line.
    """

    row_id: str
    where: str
    excerpt: str


def normalise(text: str) -> str:
    """Fold what does not change a question: Unicode form (NFKC), case, punctuation, white space.

    Punctuation between digits is kept (``7 - 2`` and ``7 / 2`` are different questions), and so are symbols
    (``+ < = > $``). Text of nothing but punctuation is only folded for white space.
    """
    text = "".join(c for c in text if unicodedata.category(c) != "Cf")  # zero-width characters, soft hyphens
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    pieces, end = [], 0
    for match in _BETWEEN_DIGITS.finditer(text):
        pieces += [_without_punctuation(text[end : match.start()]), match[1]]
        end = match.end()
    pieces.append(_without_punctuation(text[end:]))
    return " ".join("".join(pieces).split()) or " ".join(text.split())


def _without_punctuation(text: str) -> str:
    return "".join(" " if unicodedata.category(c).startswith("P") else c for c in text)


def prompt_key(text: str) -> str:
    """Hex SHA-256 of the normalised text: equal for prompts that ask the same thing."""
    return sha256_text(normalise(text))


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
        protected: `prompt_key` of each protected prompt to ``role item_id``.
    """
    found = []
    for row in rows:
        where = protected.get(prompt_key(row.prompt))
        if where is not None:
            line = " ".join(row.prompt.split())
            excerpt = line if len(line) <= EXCERPT else line[: EXCERPT - 1].rstrip() + "…"
            found.append(Overlap(row.row_id, where, excerpt))
    return found
