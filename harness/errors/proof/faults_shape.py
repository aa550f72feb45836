"""Faults that show without reading what the answer says: nothing there, loops, cut ends, broken forms, length."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from harness.errors.proof.case import Fault, Faulty, Pool, asked_part, expects, form, is_prose
from harness.errors.proof.edits import as_sentence, sentences_of
from harness.errors.proof.wording import FILLERS
from harness.evaluation.items import Item

# Empty


def _constant(text: str) -> Callable[[Item, Random, Pool], str]:
    return lambda item, rng, pool: text


EMPTY = tuple(
    Fault(f"empty: {name}", "empty", _constant(text))
    for name, text in (("nothing", ""), ("white space", " \n\t\n "), ("zero-width marks", "\u200b\u200b\ufeff"))
)


# Loops


def _loop_of_characters(item: Item, rng: Random, pool: Pool) -> Faulty | None:
    letters = [char for char in item.target if char.isalpha() and char.isascii()] or ["a"]
    unit = "".join(rng.choice(letters) for _ in range(rng.randint(1, 3)))
    begin = item.target[: rng.randint(0, min(12, len(item.target)))]
    return Faulty(begin + unit * (rng.randint(30, 120) // len(unit)), "length")


def _loop_of_words(item: Item, rng: Random, pool: Pool) -> Faulty:
    words = (item.target if form(item) in ("text", "label") else asked_part(item)).split()
    start = rng.randrange(max(1, len(words) - 4))
    unit = " ".join(words[start : start + rng.randint(1, 4)])
    times = -(-rng.randint(20, 50) // len(unit.split()))
    joint = rng.choice((" ", ", ")) if form(item) != "label" else ", "
    return Faulty(joint.join([unit] * times), rng.choice(("stop", "length")))


def _loop_of_sentences(item: Item, rng: Random, pool: Pool) -> Faulty:
    target = item.target.strip()
    unit = as_sentence(target) if form(item) == "text" and len(target.split()) > 3 else f"The answer is {target}."
    joint = rng.choice((" ", "\n"))
    return Faulty(joint.join([unit] * rng.randint(4, 8)), rng.choice(("stop", "length")))


def _loop_of_fields(item: Item, rng: Random, pool: Pool) -> Faulty | None:
    fields = _object(item)
    if not fields:
        return None
    key, value = rng.choice(list(fields.items()))
    pair = f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}"
    return Faulty("{" + ", ".join([pair] * rng.randint(8, 14)), "length")


LOOPS = (
    Fault("loop of characters", "repetitive", _loop_of_characters, frozenset({"misspelled"})),
    Fault("loop of words", "repetitive", _loop_of_words),
    Fault("loop of sentences", "repetitive", _loop_of_sentences),
    Fault("loop of fields", "repetitive", _loop_of_fields),
)


# Cut ends


def _cut(item: Item, rng: Random, pool: Pool) -> Faulty | None:
    if form(item) == "label" or len(item.target) < 12:
        return None
    end = rng.randint(len(item.target) // 3, len(item.target) - 3)
    return Faulty(item.target[:end].rstrip(), "length")


CUT_ENDS = (Fault("cut end", "truncated", _cut),)


# Too long


def _filled(item: Item, rng: Random, *, words: int) -> str:
    """The target, then sentences beside the point until there are more than ``words`` words."""
    parts = [as_sentence(item.target)]
    for sentence in rng.sample(FILLERS, len(FILLERS)):
        if len(" ".join(parts).split()) > words:
            break
        parts.append(sentence)
    return " ".join(parts)


def _limit(item: Item) -> int:
    declared = expects(item).get("max_words")
    return declared if isinstance(declared, int) else max(3 * len(item.target.split()), len(item.target.split()) + 12)


def _runs_on(item: Item, rng: Random, pool: Pool) -> Faulty | None:
    limit = _limit(item)
    if not is_prose(item) or limit > 70:  # beyond that the sentences would have to come again
        return None
    return Faulty(_filled(item, rng, words=limit + rng.randint(0, 20)))


def _runs_on_to_the_limit(item: Item, rng: Random, pool: Pool) -> Faulty | None:
    found = _runs_on(item, rng, pool)
    return None if found is None else Faulty(found.response.rstrip(".!?")[: -rng.randint(1, 4)], "length")


def _explains_first(item: Item, rng: Random, pool: Pool) -> Faulty | None:
    limit = _limit(item)
    if not is_prose(item) or limit > 60:
        return None
    before = " ".join(rng.sample(FILLERS, 1 + limit // 7))
    return Faulty(f"{before} {as_sentence(item.target)}")


TOO_LONG = (
    Fault("runs on", "too_long", _runs_on),
    Fault("runs on to the token limit", "too_long", _runs_on_to_the_limit),
    Fault("long preamble", "too_long", _explains_first),
)


# Broken forms: JSON and labels


def _object(item: Item) -> dict[str, Any] | None:
    """The target as a JSON object, for items that ask for one and offer no tools."""
    if form(item) != "json":
        return None
    try:
        value = json.loads(item.target)
    except ValueError:
        return None
    return value if isinstance(value, dict) and value else None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _json_fault(change: Callable[[dict[str, Any], str, Random], str]) -> Callable[[Item, Random, Pool], str | None]:
    def make(item: Item, rng: Random, pool: Pool) -> str | None:
        fields = _object(item)
        return None if fields is None else change(fields, item.target, rng)

    return make


def _without_a_key(fields: dict[str, Any], text: str, rng: Random) -> str:
    gone = rng.choice(list(fields))
    return _json({key: value for key, value in fields.items() if key != gone})


def _with_another_key(fields: dict[str, Any], text: str, rng: Random) -> str:
    return _json({**fields, rng.choice(("comment", "status", "id", "type")): None})


def _renamed_key(fields: dict[str, Any], text: str, rng: Random) -> str:
    old = rng.choice(list(fields))
    return _json({(f"{key}_value" if key == old else key): value for key, value in fields.items()})


def _unquoted_keys(fields: dict[str, Any], text: str, rng: Random) -> str:
    return "{" + ", ".join(f"{key}: {_json(value)}" for key, value in fields.items()) + "}"


def _as_lines(fields: dict[str, Any], text: str, rng: Random) -> str:
    return "\n".join(f"{key}: {value}" for key, value in fields.items())


def _missing_comma(fields: dict[str, Any], text: str, rng: Random) -> str:
    return text.replace(", ", " ", 1) if ", " in text else text[:-1]


JSON_FORMS = tuple(
    Fault(f"JSON: {name}", "invalid_format", _json_fault(change))
    for name, change in (
        ("no closing brace", lambda fields, text, rng: text.rstrip()[:-1]),
        ("no comma", _missing_comma),
        ("trailing comma", lambda fields, text, rng: text.rstrip()[:-1] + ",}"),
        ("single quotes", lambda fields, text, rng: str(fields).replace("None", "null")),
        ("keys without quotes", _unquoted_keys),
        ("missing key", _without_a_key),
        ("key too many", _with_another_key),
        ("renamed key", _renamed_key),
        ("in a list", lambda fields, text, rng: f"[{text}]"),
        ("in a code fence", lambda fields, text, rng: f"```json\n{text}\n```"),
        ("text before it", lambda fields, text, rng: f"Here is the JSON object:\n{text}"),
        ("text after it", lambda fields, text, rng: f"{text}\n{rng.choice(FILLERS)}"),
        ("lines in its place", _as_lines),
    )
)


def _label_fault(change: Callable[[str, list[str], Random], str | None]) -> Callable[[Item, Random, Pool], str | None]:
    def make(item: Item, rng: Random, pool: Pool) -> str | None:
        labels = expects(item).get("labels")
        if form(item) != "label" or not isinstance(labels, list | tuple) or len(labels) < 2:
            return None
        changed = change(item.target, [str(label) for label in labels], rng)
        return None if changed in labels else changed

    return make


def _two_labels(target: str, labels: list[str], rng: Random) -> str:
    return f"{target}, {rng.choice([label for label in labels if label != target])}"


def _near_label(target: str, labels: list[str], rng: Random) -> str:
    return f"{target.partition('-')[0]}-desk"


LABEL_FORMS = tuple(
    Fault(f"label: {name}", "invalid_format", _label_fault(change))
    for name, change in (
        ("in a sentence", lambda target, labels, rng: f"The message belongs to {target}."),
        ("with an explanation", lambda target, labels, rng: f"{target}\n{rng.choice(FILLERS)}"),
        ("two of them", _two_labels),
        ("one that is not there", _near_label),
        ("in words", lambda target, labels, rng: f"somebody who deals with {target.split('-')[0]} matters"),
    )
)


# Declared constraints


def _constraints(item: Item) -> dict[str, Any]:
    declared = expects(item).get("constraints")
    return dict(declared) if isinstance(declared, dict) and form(item) == "text" else {}


def _above_max_words(item: Item, rng: Random, pool: Pool) -> str | None:
    limit = _constraints(item).get("max_words")
    if not isinstance(limit, int) or limit > 80:
        return None
    made = _filled(item, rng, words=limit)
    return made if len(made.split()) > limit + 1 else None


def _below_min_words(item: Item, rng: Random, pool: Pool) -> str | None:
    least = _constraints(item).get("min_words")
    return "Thank you." if isinstance(least, int) and least > 3 else None


def _too_many_sentences(item: Item, rng: Random, pool: Pool) -> str | None:
    most = _constraints(item).get("max_sentences")
    if not isinstance(most, int) or most > 8:
        return None
    return " ".join([as_sentence(item.target), *rng.sample(FILLERS, most)])


def _too_few_sentences(item: Item, rng: Random, pool: Pool) -> str | None:
    least, sentences = _constraints(item).get("min_sentences"), sentences_of(item.target)
    return sentences[0] if isinstance(least, int) and 1 < least <= len(sentences) else None


def _above_max_chars(item: Item, rng: Random, pool: Pool) -> str | None:
    limit = _constraints(item).get("max_chars")
    if not isinstance(limit, int) or limit > 500:
        return None
    made = item.target
    for sentence in rng.sample(FILLERS, len(FILLERS)):
        if len(made) > limit + 5:
            break
        made = f"{as_sentence(made)} {sentence}"
    return made


def _without_what_it_must_contain(item: Item, rng: Random, pool: Pool) -> str | None:
    wanted = [text for text in _constraints(item).get("must_contain") or () if text in item.target]
    return item.target.replace(rng.choice(wanted), "it") if wanted else None


def _with_what_it_must_not_contain(item: Item, rng: Random, pool: Pool) -> str | None:
    unwanted = list(_constraints(item).get("must_not_contain") or ())
    return f"{as_sentence(item.target)} We say {rng.choice(unwanted)}." if unwanted else None


def _in_other_casing(item: Item, rng: Random, pool: Pool) -> str | None:
    casing, target = _constraints(item).get("casing"), item.target
    made = {"lower": target.upper(), "upper": target.lower(), "sentence": target.lower()}.get(str(casing))
    return made if made != target else None


CONSTRAINTS = tuple(
    Fault(f"constraint: {name}", "ignored_constraint", make, frozenset(also))
    for name, make, also in (
        ("too many words", _above_max_words, ()),
        ("too few words", _below_min_words, ()),
        ("too many sentences", _too_many_sentences, ()),
        ("too few sentences", _too_few_sentences, ()),
        ("too many characters", _above_max_chars, ()),
        ("lacks a wanted word", _without_what_it_must_contain, ("ungrammatical",)),
        ("has an unwanted word", _with_what_it_must_not_contain, ("ungrammatical",)),
        ("casing", _in_other_casing, ("ungrammatical", "misspelled")),
    )
)

SHAPE_FAULTS: tuple[Fault, ...] = (
    *EMPTY, *LOOPS, *CUT_ENDS, *TOO_LONG, *JSON_FORMS, *LABEL_FORMS, *CONSTRAINTS,
)  # fmt: skip
