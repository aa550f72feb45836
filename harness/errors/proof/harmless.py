"""Right answers untouched, and changes that do no harm: no category may be reported on them, but a wrong score."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

from harness.errors.proof.case import WRONG, Fault, Faulty, Pool, expects, form, is_prose, keeps_declared, refusal_due
from harness.errors.proof.faults_content import group_of
from harness.errors.proof.wording import NOT_STATED_REFUSALS, OFF_TOPIC_REFUSALS, SYNONYMS
from harness.evaluation.items import Item

Change = Callable[[Item, Random], str | None]


def _declares_casing(item: Item) -> bool:
    constraints = expects(item).get("constraints")
    return isinstance(constraints, dict) and bool(constraints.get("casing"))


def _accepted(item: Item, rng: Random) -> str | None:
    others = [str(text) for text in item.doc.get("accepted") or ()]
    return rng.choice(others) if others else None


def _object(item: Item) -> dict[str, object] | None:
    """The target as an object, for JSON and for calls."""
    if form(item) not in ("json", "call"):
        return None
    try:
        value = json.loads(item.target)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _other_order(item: Item, rng: Random) -> str | None:
    fields = _object(item)
    if fields is None or len(fields) < 2:
        return None
    keys = list(fields)
    rng.shuffle(keys)
    return json.dumps({key: fields[key] for key in keys}, ensure_ascii=False)


def _indented(item: Item, rng: Random) -> str | None:
    fields = _object(item)
    return None if fields is None else json.dumps(fields, indent=2, ensure_ascii=False)


def _dense(item: Item, rng: Random) -> str | None:
    fields = _object(item)
    return None if fields is None else json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def _white_space(item: Item, rng: Random) -> str:
    return f"{rng.choice((' ', chr(10)))}{item.target}{rng.choice((' ', chr(10), '  '))}"


def _full_stop(item: Item, rng: Random) -> str | None:
    if form(item) not in ("text", "label"):
        return None
    return item.target[:-1] if item.target.endswith(".") else item.target + "."


def _casing(item: Item, rng: Random) -> str | None:
    if form(item) not in ("text", "label") or _declares_casing(item) or not item.target[0].isalpha():
        return None
    return item.target[0].swapcase() + item.target[1:]


def _synonym(item: Item, rng: Random) -> str | None:
    if form(item) != "text":
        return None
    pairs = [*SYNONYMS, *((new, old) for old, new in SYNONYMS)]
    options = [item.target.replace(old, new, 1) for old, new in pairs if old in item.target]
    return rng.choice(options) if options else None


def _curly(item: Item, rng: Random) -> str | None:
    changed = item.target.replace("'", "\u2019")
    return changed if form(item) == "text" and changed != item.target else None


def _in_a_sentence(item: Item, rng: Random) -> str | None:
    if not is_prose(item) or len(item.target.split()) > 3 or expects(item).get("constraints"):
        return None
    return f"It is {item.target.rstrip('.')}."


def _refusal_in_other_words(item: Item, rng: Random) -> str | None:
    if not refusal_due(item):
        return None
    unanswerable = expects(item).get("answerable") is False or "policy" in item.prompt.casefold()[:200]
    return rng.choice(NOT_STATED_REFUSALS if unanswerable else OFF_TOPIC_REFUSALS)


def _harmless(change: Change) -> Callable[[Item, Random, Pool], str | None]:
    def make(item: Item, rng: Random, pool: Pool) -> str | None:
        changed = change(item, rng) if item.target else None
        return changed if changed is not None and keeps_declared(item, changed) else None

    return make


def _with_its_group(item: Item, rng: Random, pool: Pool) -> Faulty | None:
    others = [other for other in group_of(item, pool) if other.item_id != item.item_id]
    return Faulty(item.target, companions=tuple((other, other.target) for other in others)) if others else None


def _wrong_with_its_group(item: Item, rng: Random, pool: Pool) -> Faulty | None:
    """Everyone in the group gives the same wrong answer: wrong, and consistent."""
    others = [other for other in group_of(item, pool) if other.item_id != item.item_id]
    allowed = expects(item).get("labels") or [other.target for other in pool.by_skill[item.skill]]
    answers = [str(answer) for answer in allowed if answer != item.target]
    if not others or not answers:
        return None
    answer = rng.choice(answers)
    return Faulty(answer, companions=tuple((other, answer) for other in others))


_OUT_OF_PLACE = frozenset(
    {"hallucinated", "too_long", "unsupported_answer", "missed_refusal", "needless_refusal", "ignored_constraint",
     "invalid_format", "wrong_argument", "wrong_tool"}
)  # fmt: skip
HARMLESS: tuple[Fault, ...] = (
    *(
        Fault(f"harmless: {name}", None, _harmless(change))
        for name, change in (
            ("untouched", lambda item, rng: item.target),
            ("accepted form", _accepted),
            ("other order of keys", _other_order),
            ("indented JSON", _indented),
            ("dense JSON", _dense),
            ("white space", _white_space),
            ("full stop", _full_stop),
            ("casing", _casing),
            ("synonym", _synonym),
            ("curly apostrophe", _curly),
            ("in a sentence", _in_a_sentence),
            ("refusal in other words", _refusal_in_other_words),
        )
    ),
    Fault("harmless: alike in its group", None, _with_its_group),
    # A donor's answer may be invented, too long or out of place: only `inconsistent` is on trial here.
    Fault("wrong, but alike in its group", WRONG, _wrong_with_its_group,
          _OUT_OF_PLACE),
)  # fmt: skip
