"""ungrammatical: broken sentences, by the rules of Harper (an option; off unless it is asked for by name)."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from harness.errors.contract import ErrorLabel, not_assessed
from harness.errors.languages import primary
from harness.errors.library import versioned
from harness.errors.text import WORD, quote, visible_span
from harness.evaluation.items import ItemResult

if TYPE_CHECKING:
    from harper import Lint, Linter

HEAD = 4_000  # characters looked at: about 0.1 ms a word
WORDS = 4  # below which there is no sentence to judge
MOST_LABELS = 10
CONFIDENCE = 0.6  # of one fault in a text of up to 100 words; more faults make each surer, more words less

# Of Harper's rules: two of its groups, and these; without those that were mostly wrong on written answers, or are a
# matter of taste. Spelling is left to `misspelled`.
GROUPS = ("Pronouns and Possession", "Grammar and Agreement")
ALSO = """
RepeatedWords AnA AnAnother AnotherAn SomeOfThe MayOfPronoun DidPast CompoundSubjectI SubjunctiveWasToWere TooTo Cant
SubjectAndObjectPronoun MoreBetter DoesOrDose HavePassed GetUsedTo UseToUsedTo WorseOrWorst ThesesThese LooksLikes ItCan
TheTheToThatThe AllowTo BeAllowed SupposedTo InterestedIn LookForwardTo LookingForwardTo DespiteOf DespiteItIs ToTo
Didnt BeConcerned BeWorried NoLongerPronoun EverEvery
"""
NOT = """
MassNouns WrongNegative MissingPreposition ThatWhich WouldNeverHave MoreAdjective AdjectiveOfA HowTo MissingTo
PossessiveNoun ModalBeAdjective QuantifierNumeralConflict QuantifierNeedsOf ThereToTheir PossessiveYour PronounKnew
PronounContraction OneOfTheSingular InflectedVerbAfterTo NounVerbConfusion WhomSubjectOfVerb VeryMuchSo
"""
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # half a character, which Rust cannot take
_ON = frozenset(ALSO.split())
_OFF = frozenset(NOT.split())


@cache
def _linter() -> Linter:
    from harper import Linter

    linter = Linter()
    chosen = set(_ON)
    for setting in linter.get_structured_lint_config()["settings"]:
        group = setting.get("Group")
        if group and group["label"] in GROUPS:
            chosen |= {rule["Bool"]["name"] for rule in group["child"]["settings"] if "Bool" in rule}
    linter.set_lint_config({rule: rule in chosen - _OFF for rule in linter.get_default_lint_config()})
    return linter


class Ungrammatical:
    """Sees faults of agreement, articles, pronouns, verb forms and doubled words in running English."""

    name = "ungrammatical"
    categories: tuple[str, ...] = ("ungrammatical",)

    def __init__(self) -> None:
        self.version = versioned("1", "harper-py")

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label a fault, at most ten, each as sure as the number of faults for the words makes it."""
        expected = item.expectation
        if visible_span(item.response) is None:
            return []
        if expected.language is not None and primary(expected.language) != "en":
            return [not_assessed("ungrammatical", f"only English is judged, the item expects {expected.language!r}")]
        form: str | None = expected.format
        if form in ("json", "label") or item.response.lstrip()[:1] in ("{", "["):
            return [not_assessed("ungrammatical", "the response is data, not sentences")]
        text = _SURROGATE.sub("\ufffd", item.response[:HEAD])
        words = sum(1 for _ in WORD.finditer(text))
        if words < WORDS:
            return [not_assessed("ungrammatical", "too few words to be a sentence")]
        try:
            linter = _linter()
        except ImportError:
            return [not_assessed("ungrammatical", "needs harper-py: pip install 'lm-eval-ratchet[grammar]'")]
        lints = _lint(linter, text)
        if lints is None:
            return [not_assessed("ungrammatical", "Harper failed on this text")]
        faults = [lint for lint in lints if not _excused(lint, text, item)]
        share = 100 * len(faults) / max(words, 100)
        confidence = round(1 - (1 - CONFIDENCE) ** share, 3)
        return [
            ErrorLabel("ungrammatical", confidence, (lint.span.start, lint.span.end), _reason(lint))
            for lint in faults[:MOST_LABELS]
        ]


def _lint(linter: Linter, text: str) -> list[Lint] | None:
    try:
        return linter.lint(text, language="plaintext")
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a panic of its Rust code is no Exception
        _linter.cache_clear()
        return None


def _excused(lint: Lint, text: str, item: ItemResult) -> bool:
    """Whether the words round a fault stand so in the prompt or the target too, or are names."""
    words = lint.problem_text.split()
    if len(words) == 2 and words[0] == words[1] and words[0][0].isupper():
        return True  # "Bora Bora", "R. R."
    if words == ["A"] and text[: lint.span.start].rstrip()[-1:] not in ("", ".", "!", "?"):
        return True  # a letter, not an article
    start = text.rfind(" ", 0, max(0, lint.span.start - 1)) + 1
    end = text.find(" ", lint.span.end + 1)
    around = text[start : end if end >= 0 else len(text)].strip()
    return around in item.target or around in item.prompt


def _reason(lint: Lint) -> str:
    better = [each.replacement_text for each in lint.suggestions[:1]]
    instead = f", rather {quote(better[0])}" if better and better[0] else ""
    return f"{quote(lint.problem_text)}{instead}: {quote(' '.join(lint.message.split()), 80)}"
