"""invalid_format: not the JSON object, or not one of the labels, that the item asks for; with the place."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from harness.errors.contract import ErrorLabel, not_assessed
from harness.errors.jsontext import JsonFault, JsonValue, find_json, key_span
from harness.errors.text import quote, visible_span
from harness.evaluation.items import ItemResult

CUT_CONFIDENCE = 0.4  # JSON that the token limit cut: doubtful as a fault of form, so `truncated` becomes primary
_NAMED_KEYS = 5
_LABEL_HEAD = 10_000  # characters in which a label amid text is looked for
_FENCE = re.compile(r"`{3,}\s*+\w*+\s*+(?:`{3,}+)?+")
# Brackets, and strings, of which those before a colon are keys; a string without an end is none.
# The string that nothing closes takes the rest: else each quote in it would be tried as a beginning.
_TOKEN = re.compile(
    r'[{}\[\]]|"(?P<key>(?:[^"\\]|\\.)*+)"(?=\s*+:)|"(?:[^"\\]|\\.)*+"|"(?:[^"\\]|\\.)*+\\?\Z', re.DOTALL
)
_LOOSE_EDGES = " \t\r\n\"'`*.\u201c\u201d\u2018\u2019"  # what models put round a label


@dataclass(frozen=True)
class _Fault:
    span: tuple[int, int] | None
    reason: str
    confidence: float = 1.0


class InvalidFormat:
    """Checks a response against the item's declared ``format``, ``keys`` and ``labels``."""

    name = "invalid_format"
    version = "2"
    categories: tuple[str, ...] = ("invalid_format",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label a fault: broken JSON, text around it, missing, unexpected or repeated keys, no such label."""
        expected = item.expectation
        form: str | None = expected.format  # read from a document, so it can be any text
        if form is None:
            return [not_assessed("invalid_format", "the item declares no format")]
        if form == "text":
            return []
        if form == "json":
            faults = _json_faults(item.response, expected.keys, cut=item.finish_reason == "length")
            target_fits = not _json_faults(item.target, expected.keys, cut=False) if faults else True
        elif form == "label":
            if not expected.labels:
                return [not_assessed("invalid_format", "format is 'label' but the item lists no labels")]
            faults = _label_faults(item, expected.labels)
            target_fits = not faults or _bare(item.target) in {_bare(label) for label in expected.labels}
        else:
            return [not_assessed("invalid_format", f"unknown format {quote(str(form))}")]
        if faults and not target_fits and visible_span(item.target) is not None:
            # E.g. an item of a JSON skill whose right answer is the refusal sentence.
            return [not_assessed("invalid_format", "the target itself is not in the declared format")]
        return [ErrorLabel("invalid_format", fault.confidence, fault.span, fault.reason) for fault in faults]


def _json_faults(text: str, keys: tuple[str, ...], *, cut: bool) -> list[_Fault]:
    found = find_json(text)
    if isinstance(found, JsonFault):
        broken = _broken(text, found, cut=cut)
        return [*_before_the_cut(text, keys), broken] if broken.confidence == CUT_CONFIDENCE else [broken]
    faults = _text_around(text, found)
    if found.kind != "object":
        return [*faults, _Fault((found.start, found.end), f"expected one JSON object, found: {found.kind}")]
    given = Counter(found.keys)
    twice = [key for key, count in given.items() if count > 1]
    if twice:
        faults.append(
            _Fault(key_span(text, twice[0], found.start, found.end), f"key given more than once: {_names(twice)}")
        )
    if keys:
        missing = [key for key in keys if key not in given]
        unexpected = [key for key in given if key not in keys]
        if missing:
            faults.append(_Fault((found.start, found.end), f"missing key: {_names(missing)}"))
        if unexpected:
            faults.append(
                _Fault(key_span(text, unexpected[0], found.start, found.end), f"unexpected key: {_names(unexpected)}")
            )
    return faults


def _broken(text: str, fault: JsonFault, *, cut: bool) -> _Fault:
    if fault.missing:
        return _Fault(visible_span(text), fault.message)
    line = text.count("\n", 0, fault.position) + 1
    column = fault.position - text.rfind("\n", 0, fault.position)
    reason = f"JSON breaks at character {fault.position} (line {line}, column {column}): {fault.message}"
    start = min(fault.position, len(text) - 1)
    if cut and fault.at_end:
        return _Fault((start, start + 1), reason + ", where the token limit cut it", CUT_CONFIDENCE)
    return _Fault((start, start + 1), reason)


def _before_the_cut(text: str, keys: tuple[str, ...]) -> list[_Fault]:
    """Faults that stand in an unfinished JSON object whatever would have followed: text before it, unexpected keys."""
    start = text.find("{")
    if start < 0:
        return []
    faults = _text_before(text, start)
    given = _outer_keys(text, start)
    unexpected = [key for key in given if keys and key not in keys]
    if unexpected:
        faults.append(_Fault(given[unexpected[0]], f"unexpected key: {_names(unexpected)}"))
    return faults


def _outer_keys(text: str, start: int) -> dict[str, tuple[int, int]]:
    """The outermost keys of the object that begins at ``start``, finished or not, and where they stand."""
    keys: dict[str, tuple[int, int]] = {}
    depth = 0
    for match in _TOKEN.finditer(text, start):
        token = match.group()
        if token in "{[":
            depth += 1
        elif token in "}]":
            depth -= 1
        elif depth == 1 and match["key"] is not None:
            keys.setdefault(match["key"], match.span())
    return keys


def _text_before(text: str, start: int) -> list[_Fault]:
    visible = visible_span(text[:start])
    if visible is None:
        return []
    piece = text[visible[0] : visible[1]]
    what = "code fence" if _FENCE.fullmatch(piece) else f"text {quote(piece)}"
    return [_Fault(visible, f"{what} before the JSON")]


def _text_around(text: str, found: JsonValue) -> list[_Fault]:
    faults = []
    for offset, part, where in ((0, text[: found.start], "before"), (found.end, text[found.end :], "after")):
        visible = visible_span(part)
        if visible is None:
            continue
        piece = part[visible[0] : visible[1]]
        what = "code fence" if _FENCE.fullmatch(piece) else f"text {quote(piece)}"
        faults.append(_Fault((offset + visible[0], offset + visible[1]), f"{what} {where} the JSON"))
    return faults


def _names(keys: list[str]) -> str:
    shown = ", ".join(quote(key) for key in keys[:_NAMED_KEYS])
    return shown if len(keys) <= _NAMED_KEYS else f"{shown} and {len(keys) - _NAMED_KEYS} more"


def _bare(text: str) -> str:
    return text.strip(_LOOSE_EDGES).casefold()


def _label_faults(item: ItemResult, labels: tuple[str, ...]) -> list[_Fault]:
    response = item.response
    visible = visible_span(response)
    if visible is None:
        return [_Fault(None, "no label in the response")]
    answer = response[visible[0] : visible[1]]
    if answer in labels:
        return []
    bare = {_bare(label): label for label in labels}
    loose = bare.get(_bare(answer))
    if loose is not None:
        # The right label in other dress: a fault only where the task counts it as wrong, since then the form is why.
        if item.correct >= 1.0 or _bare(answer) != _bare(item.target):
            return []
        return [_Fault(visible, f"label {quote(loose)} written as {quote(answer)}", 0.8)]
    inside = _label_inside(response, labels)
    if inside is not None:
        return [_Fault(visible, f"text around the label {quote(inside)}")]
    return [_Fault(visible, f"{quote(answer)} is none of the {len(labels)} labels")]


def _label_inside(response: str, labels: tuple[str, ...]) -> str | None:
    """The longest of ``labels`` that stands in ``response`` as whole words."""
    head = response[:_LABEL_HEAD]
    for label in sorted(labels, key=lambda label: (-len(label), label)):
        if label and re.search(rf"(?<!\w){re.escape(label)}(?!\w)", head, re.IGNORECASE):
            return label
    return None
