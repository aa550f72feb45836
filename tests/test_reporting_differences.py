"""Differences by word: what is left after taking them away is common to both, and as much as can be."""

from __future__ import annotations

import difflib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harness.reporting.differences import _WORD, MAX_WORDS, Spans, _common, differing

WORDS = st.lists(st.sampled_from(["a", "b", "c", "the", "42", "{", "é"]), max_size=14)


def picked(text: str, spans: Spans) -> list[str]:
    return [text[start:end] for start, end in spans]


def without(text: str, spans: Spans) -> list[str]:
    """The words of ``text`` outside ``spans``."""
    found = (match.span() for match in _WORD.finditer(text))
    return [text[s:e] for s, e in found if not any(start <= s and e <= end for start, end in spans)]


def longest(first: list[str], second: list[str]) -> int:
    """Length of a longest common subsequence, the slow way."""
    row = [0] * (len(second) + 1)
    for word in first:
        left = 0
        for j, other in enumerate(second, 1):
            left, row[j] = row[j], left + 1 if word == other else max(row[j], row[j - 1])
    return row[-1]


def test_words_that_changed_are_found_in_their_places() -> None:
    before, after = '{"queue": "billing", "days": 3}', '{"queue": "returns", "days": 30}'
    old, new = differing(before, after)
    assert picked(before, old) == ["billing", "3"]
    assert picked(after, new) == ["returns", "30"]


def test_neighbouring_words_make_one_range() -> None:
    before, after = "send it back within 30 days please", "send it within 30 days please"
    old, new = differing(before, after)
    assert (picked(before, old), new) == (["back"], ())
    assert picked("one two three x y z", differing("one two three x y z", "x y z")[0]) == ["one two three"]


def test_texts_with_hardly_a_word_in_common_differ_as_a_whole() -> None:
    before, after = "Sure! I am happy to help you with that.", "returns."
    assert [picked(text, spans) for text, spans in zip((before, after), differing(before, after), strict=True)] == [
        [before],
        [after],
    ]


def test_spaces_alone_are_no_difference() -> None:
    assert differing("a  b\nc", " a b c ") == ((), ())


def test_the_empty_text_has_no_words() -> None:
    assert differing("", "a b") == ((), ((0, 3),))
    assert differing("", "") == ((), ())


@given(WORDS, WORDS)
def test_the_common_words_are_a_longest_common_subsequence(first: list[str], second: list[str]) -> None:
    pairs = _common(first, second)
    assert all(first[i] == second[j] for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))
    assert len(pairs) == longest(first, second)


@given(st.text(max_size=60), st.text(max_size=60))
def test_what_is_not_marked_is_the_same_in_both(before: str, after: str) -> None:
    old, new = differing(before, after)
    assert without(before, old) == without(after, new)
    for text, spans in ((before, old), (after, new)):
        assert all(0 <= start < end <= len(text) for start, end in spans)
        assert list(spans) == sorted(spans)


def test_of_very_long_texts_a_bounded_part_is_compared_and_the_common_end_is_kept() -> None:
    first, second = ["a", "b"] * 20_000, ["b", "a", "c"] * 20_000
    pairs = _common([*first, "end"], [*second, "end"])
    assert pairs[-1] == (len(first), len(second))
    assert max(i for i, _ in pairs[:-1]) < MAX_WORDS
    assert len(pairs) - 1 == longest(first[:MAX_WORDS], second[:MAX_WORDS])


def test_as_good_as_difflib() -> None:
    texts = ("to be or not to be that is the question", "to be that is not the question or is it")
    first, second = (text.split() for text in texts)
    blocks = difflib.SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
    assert len(_common(first, second)) >= sum(block.size for block in blocks)
