"""What the gate decided, in words: certified, provisional, rolled back, and which look it was. Pure.

Of the gate items nothing is said but a look's place, its level and its one bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.gate.alpha import LOOKS
from harness.state.kept import WORN

DECIDED: Mapping[str, str] = {
    "promote": "promoted, provisional",
    "certified": "promoted, certified",
    "reject": "rejected",
    "rollback": "rolled back",
    "invalid": "invalid",
    "crash": "crashed",
    "futility": "rejected early",
}
"""Each outcome of a round (`outcome`) as a reader is told it."""
RULES: Mapping[str, str] = {
    "midp": "the mid-p on dev",
    "loglikelihood": "the log-likelihood of the gold answers",
    "futility": "the early stop",
    "must-pass": "a must-pass item",
    "degenerate": "degenerate answers",
    "lost-skill": "a lost skill",
    "harm": "harm against the last certified model",
    "overlap": "overlapping training rows",
    "environment": "an unlike environment",
    "non-finite": "weights that are no numbers",
    "crash": "a crash",
}
"""What decided a round, by the rule of its verdict (`harness.gate.verdict.Verdict`)."""
_NO_LOOK: Mapping[str, str] = {
    "dev": "not clearly better on dev",
    "guard": "the guard blocks",
    "spent": "none is left",
    "no-items": "the domain has no gate items",
    "no-record": "no record is kept",
    "lost-record": "the record lacks looks",
    "trial": "a trial run",
    "opened": "the gate items were shown",
}


def outcome(entry: Mapping[str, Any], futility: object = None) -> str:
    """A round's decision, told apart further: ``certified`` of promotions, ``futility`` of rejections.

    Args:
        entry: the round's object of ledger or ``summary.json``.
        futility: whatever says that not all of dev was asked; empty where all was.
    """
    if futility:
        return "futility"
    return "certified" if entry["decision"] == "promote" and entry["certified"] else str(entry["decision"])


def place(look: Mapping[str, Any]) -> int:
    """Which of the looks at its gate items a look is, from 1, over all runs."""
    return int(look["place"])


def look_words(tier: Mapping[str, Any] | None, certified: bool | None, rolled_back: bool = False) -> str:
    """``look 2 of 8 at alpha .00625: certified``, or why there was none; empty where no look was in question.

    Args:
        tier: the second tier of the round, ``None`` where its candidate was not promoted.
        certified: the look's bit.
        rolled_back: whether the round was; then the harm is said that it was for.
    """
    if tier is None:
        return ""
    look = tier["look"]
    if rolled_back:
        return f"{look_words(tier, certified)}; {_harm(tier)}" if look else _harm(tier)
    if look is None:
        return f"no look: {_NO_LOOK.get(tier['rule'], tier['rule'])}"
    return f"{look_level(look)}: {'certified' if certified else 'not certified'}"


def gate_words(tier: Mapping[str, Any], certified: bool | None) -> str:
    """As `look_words`, with the arithmetic of why there was no look."""
    return str(tier["reason"]) if tier["look"] is None else look_words(tier, certified)


def look_level(look: Mapping[str, Any]) -> str:
    """``look 2 of 8 at alpha .00625``."""
    alpha = f"{look['alpha']:.5g}".removeprefix("0")
    return f"look {place(look)} of {LOOKS} at alpha {alpha}"


def _harm(tier: Mapping[str, Any]) -> str:
    """``harm on dev against round 2``: why a round was rolled back."""
    where = "dev" if str(tier["rollback"]).startswith("dev ") else "the guard"
    return f"harm on {where} against " + (f"round {tier['anchor']}" if tier["anchor"] else "the untouched model")


def round_words(entry: Mapping[str, Any]) -> str:
    """What became of a round, for one line: ``promoted, certified (look 2 of 8)``, ``rolled back`` and so on.

    Args:
        entry: the round's ledger data.
    """
    what, tier = outcome(entry, entry.get("futility")), entry.get("tier")
    if what not in ("promote", "certified"):
        return DECIDED[what]
    if what == "certified":
        return DECIDED[what] + (f" (look {place(tier['look'])} of {LOOKS})" if tier else "")
    if tier is None:
        return DECIDED[what]
    asked = f"look {place(tier['look'])} of {LOOKS}: not certified" if tier["look"] else look_words(tier, None)
    return f"{DECIDED[what]} ({asked})"


def champion_words(certified: bool) -> str:
    """``certified champion`` or ``provisional champion``."""
    return "certified champion" if certified else "provisional champion"


def worn(summary: Mapping[str, Any]) -> int | None:
    """How often the test items were opened where that makes their result worn, else ``None``."""
    openings = summary.get("test_openings")
    return int(openings) if openings is not None and openings >= WORN else None


def worn_label(summary: Mapping[str, Any]) -> str:
    """``worn (opening 5)`` where the test result is, else nothing."""
    openings = worn(summary)
    return "" if openings is None else f"worn (opening {openings})"


def worn_sentence(summary: Mapping[str, Any]) -> str:
    """That the test result is worn, and how it is shown where it is not; empty where it is not worn."""
    openings = worn(summary)
    if openings is None:
        return ""
    how = "" if summary.get("test") else "; 'harness report RUN --worn' shows it"
    return (
        f"Test is worn: these items were opened {openings} times over all runs, "
        f"so their result has been chosen by{how}."
    )
