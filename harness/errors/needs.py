"""What each built-in classifier needs to judge an item; without it, it answers NOT_ASSESSED."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors.contract import Classifier

NEEDS: Mapping[str, str] = {
    "empty": "nothing",
    "repetitive": "nothing",
    "toxic": "alt-profanity-check",
    "leaked_prompt": "nothing; expects.system for a text that must not be shown",
    "copied_prompt": "nothing",
    "wrong_language": "running text; py3langid",
    "needless_refusal": "expects.refusal; refusal_sentence where the skill has one",
    "missed_refusal": "expects.refusal; refusal_sentence where the skill has one",
    "unsupported_answer": "expects.answerable",
    "malformed_call": "expects.tools",
    "invalid_format": "expects.format; keys for JSON, labels for labels",
    "ignored_constraint": "expects.constraints",
    "too_long": "expects.max_words or a target",
    "truncated": "the finish reason",
    "wrong_tool": "expects.tools or expects.call",
    "wrong_argument": "expects.tools or expects.call",
    "hallucinated": "expects.context, or a target taken from the prompt",
    "misspelled": "symspellpy; English",
    "ungrammatical": "harper-py; English",
    "inconsistent": "expects.group, and two answers of the group",
    "position_bias": "multiple choice, and 20 items of the task",
    "near_miss": "multiple choice",
    "picked_distractor": "multiple choice",
    "wrong_answer": "the task's score",
}


def needs(classifier: Classifier) -> str:
    """What ``classifier`` needs, in a few words: its attribute ``needs`` where it has one, else by its name."""
    own = getattr(classifier, "needs", None)
    return str(own) if own else NEEDS.get(classifier.name, "")
