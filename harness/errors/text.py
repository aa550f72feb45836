"""What several classifiers need to know about a text: its words, its visible part, how to quote it.

Responses are hostile input: megabytes long, with lone surrogates, NULs or direction marks. Everything here runs in
time linear in the text (possessive quantifiers: nothing to backtrack into) and changes no offsets.
"""

from __future__ import annotations

import re

# A word: letters and digits, joined by what joins them inside names, numbers, e-mail addresses and paths. JSON
# punctuation never joins, so a document has as many words laid out on one line as on twenty.
WORD = re.compile(r"\w++(?:['\u2019.\-/@]\w++)*+")

WORD_CHARACTERS = 40  # a longer piece counts once for every 40 characters begun: runaway text need not hold spaces

# What a reader cannot see: spaces, controls (Cc), format marks (Cf), lone surrogates (Cs), and the few letters and
# marks that are blank by look. A character class, not `unicodedata`: it skips megabytes of NULs at the speed of C.
_INVISIBLE = (
    r"\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u08e2\u115f\u1160\u180e\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb"
    r"\U000110bd\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
_VISIBLE = re.compile(f"[^{_INVISIBLE}]")


def visible_span(text: str) -> tuple[int, int] | None:
    """Character range from the first to the last visible character; ``None`` where there is none."""
    first = _VISIBLE.search(text)
    if first is None:
        return None
    if _VISIBLE.match(text, len(text) - 1):  # nearly always
        return first.start(), len(text)
    last = _VISIBLE.search(text[::-1])
    return first.start(), len(text) - (last.start() if last else 0)


def count_words(text: str) -> int:
    """Number of words of ``text``, a piece above 40 characters counted once for every 40 begun."""
    return sum(_weight(match) for match in WORD.finditer(text))


def end_of_words(text: str, limit: int) -> int | None:
    """Offset at which the first ``limit`` words end; ``None`` where the text has no more words than that."""
    seen = end = 0
    for match in WORD.finditer(text):
        weight = _weight(match)
        if seen + weight > limit:
            # A single long piece is cut inside, after the characters that the limit still allows.
            return end if weight == 1 or seen == limit else match.start() + (limit - seen) * WORD_CHARACTERS
        seen += weight
        end = match.end()
    return None


def _weight(match: re.Match[str]) -> int:
    return -(-(match.end() - match.start()) // WORD_CHARACTERS)


def quote(text: str, limit: int = 40) -> str:
    """``text`` for a one-line message: quoted, cut after ``limit`` characters, control and direction marks escaped."""
    return repr(text) if len(text) <= limit else repr(text[:limit]) + "..."


# Full stops that end no sentence: titles, single initials, and what is followed by more of the same sentence.
_ABBREVIATION = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|nr|vs|etc|inc|ltd|co|fig|approx|dept|est|jr|sr|e\.g|i\.e|cf|al|a\.m|p\.m)"
    r"|(?:^|[\s(])[A-Z])\.\Z",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE_BREAK = re.compile(r"[.!?\u2026]++[)\]\"'\u201d\u2019*_]*+(?=\s|\Z)|[\u3002\uff01\uff1f]++|\n\s*+")
_LIST_MARK = re.compile(r"\s*+(?:\(?(?:\d{1,3}|[A-Za-z])[.)]|[-*\u2022])\s*+\Z")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Character ranges of the sentences of ``text``; a line of its own, as in a list, counts as one.

    What has no word in it (a rule, a list's number) is no sentence. "Mr.", "e.g.", initials and the like end none,
    unless a new line follows.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _SENTENCE_BREAK.finditer(text):
        piece_end = match.end()
        if "\n" not in match.group():
            head = text[max(start, match.start() - 12) : match.start() + 1]
            if match.group()[0] == "." and match.end() < len(text) and _ABBREVIATION.search(head):
                continue
            if _LIST_MARK.match(text[start : min(piece_end, start + 40)]) and piece_end - start < 12:
                continue
        _keep_sentence(text, start, piece_end, spans)
        start = piece_end
    _keep_sentence(text, start, len(text), spans)
    return spans


def _keep_sentence(text: str, start: int, end: int, spans: list[tuple[int, int]]) -> None:
    piece = text[start:end]
    if WORD.search(piece):
        left = len(piece) - len(piece.lstrip())
        spans.append((start + left, start + len(piece.rstrip())))
