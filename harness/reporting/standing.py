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
    "certified": "certified",
    "reject": "rejected",
    "rollback": "rolled back",
    "invalid": "invalid",
    "crash": "crashed",
    "futility": "rejected early",
}
"""Each outcome of a round (`outcome`) as a reader is told it."""
_NO_LOOK: Mapping[str, str] = {
    "dev": "not clearly better on dev",
    "guard": "the guard blocks",
    "spent": "none is left",
    "look": "none was left",  # another run took the last one meanwhile
    "no-items": "the domain has no gate items",
    "no-record": "no record is kept",
    "lost-record": "the record lacks looks",
    "trial": "a trial run",
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


def look_words(tier: Mapping[str, Any] | None, certified: bool | None) -> str:
    """``look 2 of 8 at alpha 0.00625: certified``, or why there was none; empty where no look was in question.

    Args:
        tier: the second tier of the round, ``None`` where its candidate was not promoted.
        certified: the look's bit.
    """
    if tier is None:
        return ""
    look = tier["look"]
    if look is None:
        return f"no look: {_NO_LOOK.get(tier['rule'], tier['rule'])}"
    return f"{look_level(look)}: {'certified' if certified else 'not certified'}"


def gate_words(tier: Mapping[str, Any], certified: bool | None) -> str:
    """As `look_words`, with the arithmetic of why there was no look."""
    if tier["look"] is not None:
        return look_words(tier, certified)
    return "no look: another run has spent the last one" if tier["rule"] == "look" else str(tier["reason"])


def look_level(look: Mapping[str, Any]) -> str:
    """``look 2 of 8 at alpha 0.00625``."""
    return f"look {place(look)} of {LOOKS} at alpha {look['alpha']:.5g}"


def round_words(entry: Mapping[str, Any]) -> str:
    """What became of a round, for one line: ``promoted, certified (look 2 of 8)``, ``rolled back`` and so on.

    Args:
        entry: the round's ledger data.
    """
    what, tier = outcome(entry, entry.get("futility")), entry.get("tier")
    if what not in ("promote", "certified"):
        return DECIDED[what]
    if what == "certified":
        return "promoted, certified" + (f" (look {place(tier['look'])} of {LOOKS})" if tier else "")
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
