"""Hostile text: every character that cannot be seen is shown, nothing is markup, nothing is too long."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from report_items import HOSTILE

from harness.reporting.escape import MAX_FIELD, brief, head, html_value, markdown, shorten, tail, visible

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=200)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31m", "<U+001B>[31m"),
        ("a\x00b", "a<U+0000>b"),
        ("end\r\n", "end<U+000D>\n"),
        ("\x7f\x9b", "<U+007F><U+009B>"),
        ("\u202egnp.exe", "<U+202E>gnp.exe"),
        ("\u2066x\u2069", "<U+2066>x<U+2069>"),
        ("zero\u200bwidth\ufeff", "zero<U+200B>width<U+FEFF>"),
        ("\ud800", "<U+D800>"),
        ("\U000e0041", "<U+E0041>"),
        ("\uffff", "<U+FFFF>"),
        ("Größe 漢字 שלום 😀\n\tkept", "Größe 漢字 שלום 😀\n\tkept"),
    ],
)
def test_what_cannot_be_seen_is_named(raw: str, shown: str) -> None:
    assert visible(raw) == shown


@given(ANY_TEXT)
def test_visible_text_is_encodable_and_free_of_hidden_characters(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not [c for c in shown if c not in "\n\t" and unicodedata.category(c) in hidden]
    assert visible(shown) == shown


def test_a_cut_text_says_how_many_characters_are_left_out() -> None:
    assert shorten("abcdef", 4) == "abcd … (2 more characters)"
    assert shorten("abcd", 4) == "abcd"
    assert html_value("x" * (MAX_FIELD + 1_234)) == "x" * MAX_FIELD + " … (1,234 more characters)"


def test_finished_markup_passes_unchanged() -> None:
    svg = Markup("<svg></svg>")
    assert html_value(svg) is svg


@given(ANY_TEXT)
def test_a_markdown_cell_is_one_line_without_html_or_bare_markup(text: str) -> None:
    cell = markdown(text)
    assert "\n" not in cell
    assert not set("<>") & set(cell)
    bare = cell.replace("\\\\", "")
    for mark in "|`*[]":
        assert bare.count(mark) == bare.count("\\" + mark)


@pytest.mark.parametrize(
    ("raw", "cell"),
    [
        ("::error::boom", r"\:\:error\:\:boom"),
        ("##[error]boom", r"\#\#\[error\]boom"),
        ("a | b", r"a \| b"),
        ("``x``", r"\`\`x\`\`"),
        ("<b>&amp;</b>", "&lt;b&gt;&amp;amp;&lt;/b&gt;"),
        ("one\n\ntwo", "one ⏎ two"),
        ("https://x.example www.x.example", r"https\://x.example www\.x.example"),
    ],
)
def test_markdown_shows_the_text_and_acts_on_none_of_it(raw: str, cell: str) -> None:
    assert markdown(raw) == cell


def test_evidence_is_marked_where_it_lies() -> None:
    assert head("0123456789", [(2, 4)]).segments == (("01", False), ("23", True), ("456789", False))


def test_overlapping_and_touching_evidence_is_one_mark() -> None:
    assert head("0123456789", [(4, 8), (2, 5), None, (8, 9)]).segments == (
        ("01", False),
        ("2345678", True),
        ("9", False),
    )


def test_evidence_beyond_the_shown_part_is_counted() -> None:
    part = head("x" * 50, [(5, 8), (30, 40), (8, 12)], limit=10)
    assert part.segments == (("xxxxx", False), ("xxxxx", True))
    assert (part.after, part.unseen) == (40, 1)


@given(ANY_TEXT, st.lists(st.tuples(st.integers(-5, 220), st.integers(-5, 220)), max_size=6), st.integers(1, 100))
def test_segments_join_to_the_beginning_of_the_text_whatever_the_spans(
    text: str, spans: list[tuple[int, int]], limit: int
) -> None:
    part = head(text, spans, limit)
    assert "".join(piece for piece, _ in part.segments) == text[:limit]
    assert part.after == max(0, len(text) - limit)
    marked = [index for index, _ in enumerate(text[:limit]) if any(start <= index < end for start, end in spans)]
    assert sum(len(piece) for piece, mark in part.segments if mark) == len(marked)


def test_a_long_prompt_shows_its_last_lines() -> None:
    prompt = "\n".join(f"line {number}" for number in range(100))
    part = tail(prompt, 60)
    shown = part.segments[0][0]
    assert prompt.endswith(shown)
    assert shown.startswith("line ")
    assert part.before + len(shown) == len(prompt)


def test_a_brief_counts_the_characters_of_the_whole_response() -> None:
    assert brief(head("é\x1b" * 5_000, (), 1_200), 2) == "<code>é&lt;U+001B&gt;</code> … (9,998 more characters)"
    assert brief(head("")) == "(empty)"


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_no_payload_survives_as_html_in_markdown(payload: str) -> None:
    cell = markdown(payload)
    assert "<" not in cell
    assert "::" not in cell
    assert "##[" not in cell
    assert "://" not in cell.replace(r"\://", "")
