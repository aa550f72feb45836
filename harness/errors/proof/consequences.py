"""What follows from what: categories that a fault brings about, so that reporting them is no false alarm.

The same table serves injected faults and responses labelled by hand; docs/labelling.md shows it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from harness.errors.text import count_words
from harness.evaluation.items import ItemResult

_NO_ANSWER = frozenset({"invalid_format", "malformed_call", "ignored_constraint"})
_NO_REFUSAL = frozenset({"missed_refusal", "unsupported_answer"})

CONSEQUENCES: Mapping[str, frozenset[str]] = {
    "empty": _NO_ANSWER | _NO_REFUSAL | {"truncated"},
    "toxic": frozenset({"too_long", "ignored_constraint", "invalid_format"}),
    "repetitive": _NO_ANSWER | _NO_REFUSAL | {"too_long", "truncated", "ungrammatical"},
    "leaked_prompt": _NO_ANSWER | {"too_long", "truncated", "copied_prompt"},
    # What a copy holds is read as the response's own: the refusal sentence, an example of a call, a misspelled message.
    "copied_prompt": _NO_ANSWER
    | _NO_REFUSAL
    | {"too_long", "truncated", "leaked_prompt", "needless_refusal", "wrong_tool", "wrong_argument", "misspelled"},
    "wrong_language": _NO_ANSWER | _NO_REFUSAL | {"too_long", "hallucinated", "misspelled", "ungrammatical"},
    "needless_refusal": _NO_ANSWER | {"too_long"},
    "missed_refusal": frozenset({"hallucinated", "too_long"}),
    "unsupported_answer": frozenset({"hallucinated", "too_long"}),
    "malformed_call": frozenset({"invalid_format", "too_long"}),
    "invalid_format": frozenset({"too_long"}),
    "ignored_constraint": frozenset({"too_long"}),
    "too_long": frozenset({"ignored_constraint", "truncated"}),
    "truncated": _NO_ANSWER | _NO_REFUSAL,
    "wrong_tool": frozenset({"wrong_argument", "hallucinated"}),
    "wrong_argument": frozenset({"hallucinated"}),
    "hallucinated": frozenset({"wrong_argument"}),
    "misspelled": frozenset({"ignored_constraint"}),
    "ungrammatical": frozenset({"ignored_constraint"}),
    "inconsistent": frozenset({"hallucinated"}),
    "wrong_answer": frozenset({"inconsistent"}),
}


def possible(result: ItemResult, categories: Iterable[str]) -> frozenset[str]:
    """Those of ``categories`` that can be consequences on this response: no length to exceed, no refusal due, gone."""
    declared = expected(result.doc)
    conditions = {
        "too_long": count_words(result.response) > count_words(result.target),
        "truncated": result.finish_reason == "length",
        "invalid_format": declared.get("format") in ("json", "label"),
        "malformed_call": bool(declared.get("tools")),
        "wrong_tool": bool(declared.get("tools")),
        "wrong_argument": bool(declared.get("tools")),
        "ignored_constraint": bool(declared.get("constraints")),
        "missed_refusal": declared.get("refusal") is True,
        "unsupported_answer": declared.get("answerable") is False,
        "inconsistent": declared.get("group") is not None,
    }
    return frozenset(category for category in categories if conditions.get(category, True))


def consequences(result: ItemResult, categories: Iterable[str]) -> frozenset[str]:
    """All that may be reported on ``result`` because of ``categories``, those themselves left out."""
    own = frozenset(categories)
    brought = frozenset[str]().union(*(CONSEQUENCES.get(category, frozenset()) for category in own))
    return possible(result, brought) - own


def expected(doc: Mapping[str, Any]) -> Mapping[str, Any]:
    """A document's ``expects`` object; empty where it has none."""
    raw = doc.get("expects")
    return raw if isinstance(raw, Mapping) else {}


def parsed(value: Any) -> Any:
    """A part of a document as it is, or out of JSON text, the form in which tables keep what differs by row."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
