"""What each built-in classifier needs to judge an item; without it, it answers NOT_ASSESSED."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors.contract import Classifier

NEEDS: Mapping[str, str] = {
    "empty": "nothing",
    "repetitive": "nothing",
    "toxic": "a scorer: the extra 'toxic'",
    "leaked_prompt": "nothing; expects.system for a text that must not be shown",
    "copied_prompt": "a prompt",
    "wrong_language": "expects.language; py3langid",
    "needless_refusal": "expects.refusal; refusal_sentence where the skill has one",
    "missed_refusal": "expects.refusal; refusal_sentence where the skill has one",
    "unsupported_answer": "expects.answerable",
    "malformed_call": "expects.tools",
    "invalid_format": "expects.format; keys for JSON, labels for labels",
    "ignored_constraint": "expects.constraints",
    "too_long": "expects.max_words or a target",
    "truncated": "the finish reason",
    "wrong_tool": "expects.tools and expects.call",
    "wrong_argument": "expects.tools and expects.call",
    "hallucinated": "a prompt, context or target to look facts up in",
    "misspelled": "symspellpy; English",
    "ungrammatical": "harper-py; English",
    "inconsistent": "expects.group, and two answers of the group",
    "wrong_answer": "the task's score",
}


def needs(classifier: Classifier) -> str:
    """What ``classifier`` needs, in a few words: its attribute ``needs`` where it has one, else by its name."""
    own = getattr(classifier, "needs", None)
    return str(own) if own else NEEDS.get(classifier.name, "")
