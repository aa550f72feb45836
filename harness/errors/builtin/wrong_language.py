"""wrong_language: the response is in another language than is due, or in another script."""

from __future__ import annotations

import re
from functools import lru_cache

from harness.errors.contract import ErrorLabel, not_assessed
from harness.errors.languages import KEPT, Language, detect, known_languages, primary, running_text
from harness.errors.library import versioned
from harness.errors.text import quote, visible_span
from harness.evaluation.items import ItemResult

LETTERS = 20  # of running text, below which the language is not guessed; a letter of `_DENSE` counts as three
SURE = 0.6  # of the response's language
SURE_OF_DUE = 0.8  # of the target's or the prompt's, where the item does not declare one
SMALL_LETTERS = 12  # in words that are no names, below which a response is a list of names
HEAD = 20_000  # characters in which another script is looked for
SCRIPT_CONFIDENCE = 0.7
BRACKET = 60  # characters before such words in which a bracket opens that they may stand in

_LETTER = re.compile(r"[^\W\d_]")
_DENSE = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
# Words in scripts that no language of Latin letters uses. Greek is left out: it is also mathematics.
_OTHER_SCRIPT = re.compile(
    r"(?:[\u0400-\u052f]{3}|[\u0531-\u058f\u0590-\u07ff\u08a0-\u08ff]{3}|[\u0900-\u109f]{3}|[\u10a0-\u10ff]{3}"
    r"|[\u1200-\u137f]{2}|[\u1780-\u17ff]{3}|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2})"
    r"[\u0400-\u052f\u0531-\u07ff\u08a0-\u137f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\s]*+"
)
_LATIN = """
af az br bs ca cs cy da de en eo es et eu fi fr fy ga gd gl ha hr ht hu id ig is it jv lb lg ln lt lv mg mt nl no
oc om pl pt qu ro rw sk sl sn so sq st sv sw tk tl tr uz vi vo wa xh yo zu
"""
_LATIN_CODES = frozenset(_LATIN.split())


class WrongLanguage:
    """Compares the response's language with ``expects.language``, else the target's, else the prompt's."""

    name = "wrong_language"
    categories: tuple[str, ...] = ("wrong_language",)

    def __init__(self) -> None:
        self.version = versioned("1", "py3langid")

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label over the whole response, or over the words in another script; silent on an empty response."""
        visible = visible_span(item.response)
        if visible is None:
            return []
        expected = item.expectation
        form: str | None = expected.format
        if form in ("json", "label") or item.response[visible[0]] in "{[":
            return [not_assessed("wrong_language", "the response is data, not running text")]
        try:
            due, why = _due(item)
        except ImportError:
            return [not_assessed("wrong_language", "needs py3langid: pip install py3langid")]
        if due is None:
            return [not_assessed("wrong_language", why)]
        foreign = _other_script(item) if due.code in _LATIN_CODES else None
        found = _guess(item.response)
        if found is not None and found.code != due.code and _certain(item.response, found, due):
            reason = f"the language is {found.code}, {why} is {due.code}"
            return [ErrorLabel("wrong_language", found.confidence, visible, reason)]
        if foreign is not None:
            words = item.response[foreign[0] : foreign[1]]
            return [ErrorLabel("wrong_language", SCRIPT_CONFIDENCE, foreign, f"{quote(words)} in a text in {due.code}")]
        if found is None:
            return [not_assessed("wrong_language", "too few words to tell the language")]
        if found.code != due.code:
            return [not_assessed("wrong_language", "the language cannot be told")]
        return []


def _due(item: ItemResult) -> tuple[Language | None, str]:
    """The language that is due, and where it comes from; or none, and why."""
    declared = item.expectation.language
    if declared is not None:
        code = primary(declared)
        if code in known_languages():
            return Language(code, 1.0), "the declared language"
        return None, f"{quote(declared)} is no language that can be told"
    for text, why in ((item.target, "the target's language"), (item.prompt, "the prompt's language")):
        found = _guess(text)
        if found is not None and found.confidence >= SURE:
            return found, why
    return None, "the item declares no language, and target and prompt do not tell it"


def _certain(response: str, found: Language, due: Language) -> bool:
    """Whether both languages are told with certainty, the response's also without its names."""
    if found.confidence < SURE or due.confidence < SURE_OF_DUE:
        return False
    plain = " ".join(word for word in running_text(response).split() if not word[0].isupper())
    if len(_LETTER.findall(plain)) < SMALL_LETTERS:
        return False
    return detect(plain).code != due.code


@lru_cache(KEPT)  # targets and prompts come back round after round
def _guess(text: str) -> Language | None:
    words = running_text(text)
    letters = len(_LETTER.findall(words)) + 2 * len(_DENSE.findall(words))
    return detect(words) if letters >= LETTERS else None


def _other_script(item: ItemResult) -> tuple[int, int] | None:
    """Where words in another script stand that neither prompt nor target nor context has."""
    for match in _OTHER_SCRIPT.finditer(item.response[:HEAD]):
        words = match.group().strip()
        before = item.response[max(0, match.start() - BRACKET) : match.start()]
        if before.rfind("(") > before.rfind(")"):  # a name as it is written there
            continue
        if not any(words in text for text in (item.prompt, item.target, item.expectation.context or "")):
            return match.start(), match.start() + len(words)
    return None
