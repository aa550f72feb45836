"""Faults of what the answer says: refusing wrongly, answering wrongly, inventing, contradicting itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from harness.errors.proof.case import (
    Fault,
    Faulty,
    Pool,
    asked_part,
    expects,
    form,
    is_prose,
    keeps_declared,
    refusal_due,
)
from harness.errors.proof.edits import (
    IDENTIFIER,
    NUMBER,
    as_sentence,
    names_of,
    numbers_of,
    other_identifier,
    other_number,
)
from harness.errors.proof.wording import FIRST_NAMES, GENERAL_ANSWERS, INVENTED_ADDRESSES, LAST_NAMES, REFUSALS
from harness.evaluation.items import Item

Text = Callable[[Item, Random, Pool], str | None]


def known_text(item: Item) -> str:
    """All that an answer may draw on: prompt, target, context."""
    return "\n".join((item.prompt, item.target, str(expects(item).get("context") or "")))


def _fields(item: Item) -> dict[str, Any]:
    if form(item) != "json":
        return {}
    try:
        value = json.loads(item.target)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


# Refusals


def _needless(sentence: Callable[[Item, Random], str | None]) -> Text:
    def make(item: Item, rng: Random, pool: Pool) -> str | None:
        return sentence(item, rng) if expects(item).get("refusal") is False else None

    return make


def _own_sentence(item: Item, rng: Random) -> str | None:
    sentence = expects(item).get("refusal_sentence")
    return str(sentence) if sentence else None


def _own_sentence_loosely(item: Item, rng: Random) -> str | None:
    sentence = _own_sentence(item, rng)
    return None if sentence is None else rng.choice((f"Sorry. {sentence}", sentence.rstrip(".").lower()))


NEEDLESS = (
    Fault("refuses in the skill's words", "needless_refusal", _needless(_own_sentence)),
    Fault("refuses nearly in the skill's words", "needless_refusal", _needless(_own_sentence_loosely)),
    Fault("refuses in general words", "needless_refusal", _needless(lambda item, rng: rng.choice(REFUSALS))),
)


def _answers_all_the_same(answerable: bool, answer: Text) -> Text:
    """``answer`` on items whose refusal is due, off topic (``answerable`` true or not said) or unanswerable."""

    def make(item: Item, rng: Random, pool: Pool) -> str | None:
        off_topic = expects(item).get("answerable") is not False
        return answer(item, rng, pool) if refusal_due(item) and off_topic == answerable else None

    return make


def _another_items_answer(item: Item, rng: Random, pool: Pool) -> str | None:
    others = [other.target for other in pool.by_skill[item.skill] if not refusal_due(other)]
    return rng.choice(others) if others else None


def _a_piece_of_the_prompt(item: Item, rng: Random, pool: Pool) -> str | None:
    part = asked_part(item)
    pieces = [*numbers_of(part), *names_of(part)]
    return rng.choice(pieces) if pieces else None


def _in_a_sentence(answer: Text) -> Text:
    def make(item: Item, rng: Random, pool: Pool) -> str | None:
        found = answer(item, rng, pool)
        return None if found is None else rng.choice(("It is {}.", "The answer is {}.")).format(found.rstrip("."))

    return make


_ANSWERS: tuple[tuple[str, Text], ...] = (
    ("with another item's answer", _another_items_answer),
    ("with a piece of the prompt", _a_piece_of_the_prompt),
    ("in a sentence", _in_a_sentence(_a_piece_of_the_prompt)),
)
MISSED = (
    *(
        Fault(f"off topic, answered {name}", "missed_refusal", _answers_all_the_same(True, answer))
        for name, answer in (*_ANSWERS, ("from the world", lambda item, rng, pool: rng.choice(GENERAL_ANSWERS)))
    ),
    *(
        Fault(f"unanswerable, answered {name}", "unsupported_answer", _answers_all_the_same(False, answer))
        for name, answer in _ANSWERS
    ),
)


# Wrong, of the right form, and made of what the prompt holds


def _wrong_text(item: Item, rng: Random, pool: Pool) -> str | None:
    """A number or name of the prompt in place of the right one."""
    if not is_prose(item):
        return None
    part = asked_part(item)
    for find in (numbers_of, names_of):
        mine = find(item.target) if find is numbers_of else [name for name in names_of(part) if name in item.target]
        others = [other for other in find(part) if other not in item.target]
        if mine and others:
            return item.target.replace(rng.choice(mine), rng.choice(others))
    return None


def _wrong_calculation(item: Item, rng: Random, pool: Pool) -> str | None:
    """Another number where the right one had to be worked out: it stands nowhere in the prompt."""
    mine = [number for number in numbers_of(item.target) if number not in numbers_of(item.prompt)]
    if not is_prose(item) or not mine:
        return None
    number = rng.choice(mine)
    return re.sub(
        rf"(?<!\d){re.escape(number)}(?!\d)", other_number(number, rng, known_text(item)), item.target, count=1
    )


def _wrong_label(item: Item, rng: Random, pool: Pool) -> str | None:
    labels = expects(item).get("labels")
    if form(item) != "label" or not isinstance(labels, list | tuple):
        return None
    others = [str(label) for label in labels if label != item.target]
    return rng.choice(others) if others else None


def _wrong_field(item: Item, rng: Random, pool: Pool) -> str | None:
    """One value replaced by another number or name of the message, or by null."""
    fields, part = _fields(item), asked_part(item)
    options: list[tuple[str, Any]] = []
    for key, value in fields.items():
        others = numbers_of(part) if NUMBER.fullmatch(str(value)) else names_of(part)
        options += [(key, other) for other in others if value is None or other not in str(value)][:3]
        options += [(key, None)] if value is not None else []
    if not options:
        return None
    key, value = rng.choice(options)
    return _json({**fields, key: value})


def _swapped_fields(item: Item, rng: Random, pool: Pool) -> str | None:
    fields = _fields(item)
    keys = [key for key, value in fields.items() if isinstance(value, str)]
    if len(keys) < 2:
        return None
    first, second = rng.sample(keys, 2)
    return _json({**fields, first: fields[second], second: fields[first]})


def _as_declared(make: Text) -> Text:
    """``make`` where it breaks no constraint of the item: that would be another fault, and comes first."""

    def checked(item: Item, rng: Random, pool: Pool) -> str | None:
        changed = make(item, rng, pool)
        return changed if changed is not None and keeps_declared(item, changed) else None

    return checked


MISTAKEN = tuple(
    Fault(name, "wrong_answer", _as_declared(make))
    for name, make in (
        ("another number or name of the prompt", _wrong_text),
        ("wrong calculation", _wrong_calculation),
        ("another label", _wrong_label),
        ("another value of the message", _wrong_field),
        ("swapped values", _swapped_fields),
    )
)


# Invented


def _invented_number(item: Item, rng: Random, pool: Pool) -> str | None:
    """Only where the right number can be read off: a wrong calculation is no invention."""
    mine = [number for number in numbers_of(item.target) if number in numbers_of(item.prompt)]
    if form(item) not in ("text", "json") or not mine:
        return None
    number = rng.choice(mine)
    made = other_number(number, rng, known_text(item))
    return re.sub(rf"(?<!\d){re.escape(number)}(?!\d)", made, item.target, count=1)


def _invented_identifier(item: Item, rng: Random, pool: Pool) -> str | None:
    mine = IDENTIFIER.findall(item.target)
    if form(item) not in ("text", "json") or not mine:
        return None
    identifier = rng.choice(mine)
    return item.target.replace(identifier, other_identifier(identifier, rng, known_text(item)))


def _new_name(rng: Random, taken: str) -> str | None:
    names = [
        f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES if first not in taken and last not in taken
    ]
    return rng.choice(names) if names else None


def _invented_name(item: Item, rng: Random, pool: Pool) -> str | None:
    """A name of the message, two words or more, replaced by one that stands nowhere."""
    mine = [name for name in names_of(item.prompt) if " " in name and name in item.target]
    made = _new_name(rng, known_text(item))
    if form(item) not in ("text", "json") or not mine or made is None:
        return None
    return item.target.replace(rng.choice(mine), made)


def _added(sentence: Callable[[Item, Random], str]) -> Text:
    def make(item: Item, rng: Random, pool: Pool) -> str | None:
        return f"{as_sentence(item.target)} {sentence(item, rng)}" if is_prose(item) else None

    return make


def _number_sentence(item: Item, rng: Random) -> str:
    return f"This costs {other_number('00', rng, known_text(item))} euros more."


_ADDED: dict[str, Callable[[Item, Random], str]] = {
    "price added": _number_sentence,
    "address added": lambda item, rng: f"See {rng.choice(INVENTED_ADDRESSES)} for more.",
    "contact added": lambda item, rng: f"Please ask for {rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}.",
}
HALLUCINATED = (
    Fault("invented number", "hallucinated", _as_declared(_invented_number)),
    Fault("invented id", "hallucinated", _as_declared(_invented_identifier)),
    Fault("invented name", "hallucinated", _as_declared(_invented_name)),
    *(
        Fault(f"invented {name}", "hallucinated", _added(sentence), frozenset({"too_long", "ignored_constraint"}))
        for name, sentence in _ADDED.items()
    ),
)


# Paraphrase groups


def _contradicts_its_group(item: Item, rng: Random, pool: Pool) -> Faulty | None:
    others = [other for other in group_of(item, pool) if other.item_id != item.item_id]
    if not others:
        return None
    wrong = next((made for make in (_wrong_text, _wrong_label, _wrong_field, _another_items_answer)
                  if (made := make(item, rng, pool)) is not None and made != item.target), None)  # fmt: skip
    return None if wrong is None else Faulty(wrong, companions=tuple((other, other.target) for other in others))


def group_of(item: Item, pool: Pool) -> tuple[Item, ...]:
    """The items of the same paraphrase group, itself among them; none where it has no group."""
    return pool.by_group.get(str(expects(item).get("group")), ())


INCONSISTENT = (Fault("contradicts its paraphrases", "inconsistent", _contradicts_its_group),)


CONTENT_FAULTS: tuple[Fault, ...] = (*NEEDLESS, *MISSED, *MISTAKEN, *HALLUCINATED, *INCONSISTENT)
