"""Which language a text is in (py3langid), and what a language's code says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

HEAD = 300  # characters of a text that are looked at: about 50 words, and time is linear in them
KEPT = 4096  # texts whose language is remembered; prompts share their instruction, so many begin alike

# Languages that are written so much alike that one is often taken for the other: one name for all of them.
_ALIKE = {"nb": "no", "nn": "no", "bs": "hr", "sr": "hr", "ms": "id", "iw": "he", "in": "id", "yue": "zh", "cmn": "zh"}
# Not the pidgins, creoles and dialects, for which short English is often taken; nor Latin, for which names are.
_TOOK_TO_BE = re.compile(r"(?!la)[a-z]{2}")
_NOT_WORDS = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*+`|https?://\S++|<[^<>\n]{1,200}>|\S*[\d@_/\\]\S*+|[^\w\s'\u2019-]++", re.DOTALL
)


@dataclass(frozen=True)
class Language:
    """A guess.

    Attributes:
        code: ISO 639-1, by `primary`.
        confidence: 0 to 1, the model's probability.
    """

    code: str
    confidence: float


def primary(code: str) -> str:
    """The language of a code such as ``en-GB``: ``en``; one code for languages that are written nearly alike."""
    first = re.split(r"[-_]", code.strip().casefold(), maxsplit=1)[0]
    return _ALIKE.get(first, first)


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([code for code in identifier.labels if _TOOK_TO_BE.fullmatch(code)])
    return identifier


@cache
def known_languages() -> frozenset[str]:
    """The codes that can be told, by `primary`.

    Raises:
        ImportError: py3langid is not installed.
    """
    return frozenset(primary(code) for code in _identifier().labels)


def running_text(text: str) -> str:
    """The first words of ``text`` without code, addresses, numbers and punctuation."""
    return " ".join(_NOT_WORDS.sub(" ", text[: 2 * HEAD]).split())[:HEAD]


@lru_cache(KEPT)
def detect(words: str) -> Language:
    """The language of ``words`` as `running_text` gives them.

    Raises:
        ImportError: py3langid is not installed.
    """
    code, confidence = _identifier().classify(words)
    return Language(primary(code), round(min(1.0, confidence), 3))
