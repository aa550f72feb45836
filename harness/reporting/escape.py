"""Hostile text made harmless and visible: whatever a model wrote, a reader sees it and nothing acts on it.

HTML is escaped by Jinja's autoescape; this module does what autoescape does not: characters that cannot be seen, or
that reorder what can be seen, become a visible name, and no text is longer than the page can bear.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape

MAX_FIELD = 4_000
"""Characters of any single value on the page; longer ones are cut and the number left out is said."""


class _Visible(dict[int, str]):
    """A `str.translate` table that is filled as characters come along."""

    def __missing__(self, code: int) -> str:
        self[code] = shown = _shown(code)
        return shown


def _shown(code: int) -> str:
    character = chr(code)
    if character in "\n\t":
        return character
    noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    hidden_selector = 0xE0100 <= code <= 0xE01EF  # variation selectors that can carry hidden text
    if noncharacter or hidden_selector or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return f"<U+{code:04X}>"
    return character


_TABLE = _Visible()


class _VisibleMarkup(_Visible):
    def __missing__(self, code: int) -> str:
        shown = _shown(code)
        self[code] = shown = shown if shown == chr(code) else str(escape(shown))
        return shown


_MARKUP_TABLE = _VisibleMarkup()


def visible(text: str) -> str:
    """``text`` with every control, format, bidirectional and surrogate character made visible.

    Line feed and tab stay; ESC becomes ``<U+001B>`` and so on (most fonts lack the control pictures such as U+241B).
    The result can be encoded as UTF-8 and is free of characters that XML 1.0 forbids. It is *not* escaped for HTML or
    Markdown.
    """
    return text if text.isascii() and text.isprintable() else text.translate(_TABLE)


def shorten(text: str, limit: int = MAX_FIELD) -> str:
    """The first ``limit`` characters of ``text`` and, where there are more, how many were left out."""
    left_out = len(text) - limit
    return text if left_out <= 0 else f"{text[:limit]} … ({left_out:,} more characters)"


def html_value(value: object) -> object:
    """What a template puts out for ``value``: shortened and visible; autoescape does the rest.

    Markup passes, but what cannot be seen is made visible in it too: a filter may have made it out of a response.
    """
    if not isinstance(value, Markup):
        return visible(shorten(value)) if isinstance(value, str) else value
    if value.isascii() and value.isprintable():
        return value
    shown = str(value).translate(_MARKUP_TABLE)
    return value if shown == value else Markup(shown)


def escaped(value: object) -> Markup:
    """`markupsafe.escape` for templates: what is no Markup is shortened and made visible first."""
    return escape(value if isinstance(value, Markup) else visible(shorten(str(value))))


_COMMAND = re.compile(r"(?m)^(\s*):(?=:)|#(?=#(?:\[|vso\[|teamcity\[))")


def harmless(text: str) -> str:
    """``::error::`` at the start of a line, ``##[error]`` and ``##vso[`` anywhere lose the form that runners act on."""
    return _COMMAND.sub(lambda found: f"{found[1]}: " if found[1] is not None else "# ", text)


def line(text: str, limit: int = 1_000) -> str:
    """``text`` for a terminal or a log: on one line, visible, and no command to a CI runner."""
    return harmless(re.sub(r"\s*\n\s*", " ⏎ ", visible(shorten(text.strip(), limit))).replace("\t", " "))


def block(text: str, limit: int) -> str:
    """The first ``limit`` characters of ``text``, visible, its lines kept, none of them a command."""
    return harmless(visible(shorten(text, limit)))


_MARKDOWN = re.compile(r"([\\`*_\[\]|~$#])")
_LINK = re.compile(r"(?i)\bwww\.")


def markdown(text: str, limit: int = MAX_FIELD) -> str:
    """``text`` as it can stand in a Markdown table cell: one line, no markup, no HTML, no link, no CI command.

    Pipes, backticks and the like are escaped with a backslash, ``<``, ``>`` and ``&`` as entities, so the cell shows
    what the text was; line ends show as U+23CE. ``::error::`` and ``##[error]`` lose the form that a CI log acts on.
    """
    safe = visible(shorten(text, limit)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    safe = _MARKDOWN.sub(r"\\\1", safe).replace("::", r"\:\:").replace("://", r"\://")
    safe = _LINK.sub(lambda match: match[0][:-1] + r"\.", safe)
    return re.sub(r"\s*\n\s*", " ⏎ ", safe).replace("\t", " ")


def markdown_value(value: object) -> object:
    """What the Markdown template puts out for ``value``: escaped unless it is Markup already."""
    return markdown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@dataclass(frozen=True)
class Excerpt:
    """A part of a long text, its evidence marked.

    The text is as it came; it is made visible and escaped where it is put out.

    Attributes:
        segments: consecutive pieces of text and whether each is evidence.
        before, after: characters left out on either side.
        unseen: evidence spans that lie wholly in what was left out.
    """

    segments: tuple[tuple[str, bool], ...]
    before: int = 0
    after: int = 0
    unseen: int = 0


def head(text: str, spans: Iterable[tuple[int, int] | None] = (), limit: int = 1_200) -> Excerpt:
    """The first ``limit`` characters of ``text``, cut into marked and unmarked segments.

    Args:
        text: any text.
        spans: character ranges ``[start, end)`` in ``text``; ``None``, empty and reversed ones are passed over,
            overlapping ones are joined.
        limit: characters shown.
    """
    shown = text[:limit]
    spans = tuple(spans)
    if not spans:
        return Excerpt(((shown, False),) if shown else (), after=len(text) - len(shown))
    usable = sorted((max(0, span[0]), min(len(text), span[1])) for span in spans if span is not None)
    usable = [(start, end) for start, end in usable if start < end]
    segments: list[tuple[str, bool]] = []
    at = 0
    for start, end in usable:
        start, end = max(start, at), min(end, len(shown))
        if start >= end:
            continue
        if start > at:
            segments.append((shown[at:start], False))
        if segments and segments[-1][1] and start == at:
            segments[-1] = (segments[-1][0] + shown[start:end], True)
        else:
            segments.append((shown[start:end], True))
        at = end
    if at < len(shown):
        segments.append((shown[at:], False))
    return Excerpt(
        segments=tuple(segments),
        after=len(text) - len(shown),
        unseen=sum(start >= len(shown) for start, _ in usable),
    )


def tail(text: str, limit: int = 700) -> Excerpt:
    """The last ``limit`` characters of ``text``, where a prompt's question stands, cut at a line end if near."""
    cut = max(0, len(text) - limit)
    if cut:
        line = text.find("\n", cut, cut + 120)
        cut = line + 1 if line >= 0 else cut
    return Excerpt(segments=((text[cut:], False),), before=cut)


def brief(excerpt: Excerpt, limit: int = 160) -> Markup:
    """The beginning of an excerpt for a Markdown table cell, as code so that nobody named in it is notified."""
    text = "".join(piece for piece, _ in excerpt.segments)
    left_out = max(0, len(text) - limit) + excerpt.after
    shown = markdown(text[:limit])
    more = f" … ({left_out:,} more characters)" if left_out else ""
    return Markup(f"<code>{shown}</code>{more}") if shown.strip() else Markup(f"(empty){more}")
