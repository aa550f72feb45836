"""Scoring of domains that `harness init` wrote: small functions that their ``utils.py`` names.

Each document says in ``scoring`` which of them counts. A right answer is 1, any other 0, so that paired tests apply.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from harness.errors.builtin.calls import same_value
from harness.exceptions import InputError, did_you_mean
from harness.intake.tools import parsed
from harness.metrics.text import f1, squad_normalise

F1_RIGHT = 0.5
"""Token F1, 0 to 1, from which a long free text counts as right."""
_NUMBER = re.compile(r"-?(?:\d[\d,]*(?:\.\d+)?|\.\d+)")
_MARK = "####"
_SQL_TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\s+|[^\s'\"]+|['\"]")
_SQL_AROUND = re.compile(r"\s*(<=|>=|<>|!=|[=<>(),])\s*")


def right_label(response: str, golds: Sequence[str]) -> bool:
    """The label itself; case, outer spaces and a closing full stop do not count."""
    answer = response.strip().casefold()
    return any(answer.removesuffix(".").rstrip() == gold.casefold() or answer == gold.casefold() for gold in golds)


def right_short(response: str, golds: Sequence[str]) -> bool:
    """One of the golds after SQuAD's normalisation: case, punctuation, articles and spaces do not count.

    Source: ``normalize_answer`` of the SQuAD evaluation script (Rajpurkar et al. 2016, arXiv:1606.05250). A gold that
    it leaves nothing of, such as the choice ``A``, is compared as it stands.
    """
    answer = squad_normalise(response)
    return any(
        answer == normal if (normal := squad_normalise(gold)) else response.strip() == gold.strip() for gold in golds
    )


def right_number(response: str, golds: Sequence[str]) -> bool:
    """The same final number: what stands behind ``####``, else the last number of the text (GSM8K's convention)."""
    answer = final_number(response)
    return answer is not None and any(answer == final_number(gold) for gold in golds)


def final_number(text: str) -> Decimal | None:
    """The number behind the last ``####``, else the last one in ``text``; ``None`` where there is none."""
    _, marked, behind = text.rpartition(_MARK)
    found = _NUMBER.findall(behind if marked else text)
    try:
        return Decimal((found[0] if marked else found[-1]).replace(",", "")) if found else None
    except InvalidOperation:
        return None


def right_json(response: str, golds: Sequence[str]) -> bool:
    """The same JSON value and nothing around it; order of keys, outer spaces of strings and 1 against 1.0 apart."""
    answer = canonical(response)
    return answer is not None and any(answer == canonical(gold) for gold in golds)


def canonical(text: str) -> str | None:
    """The one JSON value that ``text`` is, in canonical form; ``None`` for anything else, as a key given twice."""

    def distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a key is given more than once")
        return dict(pairs)

    try:
        value = json.loads(text.strip(), object_pairs_hook=distinct)
        return json.dumps(_bare(value), sort_keys=True)  # as text, 1 and true differ
    except (ValueError, RecursionError):  # responses are hostile input: a thousand opening brackets, too
        return None


def _bare(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_bare(part) for part in value]
    if isinstance(value, dict):
        return {key: _bare(part) for key, part in value.items()}
    return value


def right_sql(response: str, golds: Sequence[str]) -> bool:
    """The same text but for case, spacing, the kind of quotes and a closing semicolon; nothing is executed."""
    answer = _sql(response)
    return any(answer == _sql(gold) for gold in golds)


def _sql(text: str) -> str:
    pieces = []
    for token in _SQL_TOKEN.findall(text.strip().rstrip("; \n").casefold()):
        if len(token) > 1 and token[0] in "'\"":
            pieces.append(f"'{token[1:-1]}'")
        else:
            pieces.append(" " if token.isspace() else _SQL_AROUND.sub(r"\1", token))
    return _SQL_AROUND.sub(r"\1", "".join(pieces))


def right_call(response: str, golds: Sequence[str], tools: object = ()) -> bool:
    """The same call and nothing around it: the tool, and each argument as its declared type has it.

    Args:
        tools: what may be called, or that as JSON text; declares the types of arguments (`same_value`).
    """
    call = _call(response)
    for gold in golds:
        wanted = _call(gold)
        if call is None or wanted is None or call["name"] != wanted["name"]:
            continue
        offered = parsed(tools) or ()
        schema = next((tool.get("parameters") or {} for tool in offered if tool.get("name") == wanted["name"]), {})
        if same_value(wanted["arguments"], call["arguments"], schema):
            return True
    return False


def _call(text: str) -> dict[str, Any] | None:
    found = canonical(text)
    value = json.loads(found) if found is not None else None
    if not isinstance(value, dict) or set(value) != {"name", "arguments"}:
        return None
    return value if isinstance(value["name"], str) and isinstance(value["arguments"], dict) else None


SCORINGS: Mapping[str, Callable[[str, Sequence[str]], bool]] = {
    "label": right_label,
    "short": right_short,
    "number": right_number,
    "json": right_json,
    "sql": right_sql,
}
"""What a document's ``scoring`` can say, beside ``long`` and ``call``."""


def score(doc: Mapping[str, Any], response: str, f1_right: float = F1_RIGHT) -> dict[str, float]:
    """lm-eval's metrics of one response.

    Args:
        doc: a document with ``target``, ``accepted`` (other right answers, may be missing), ``scoring`` and
            ``expects``.
        f1_right: token F1, 0 to 1, from which a long answer is right (SQuAD's F1, `harness.metrics.text.f1`).

    Returns:
        ``acc``, 0.0 or 1.0: whether the answer is right; for ``scoring: long`` ``f1`` too, 0 to 1.

    Raises:
        InputError: the document names no scoring that there is.
    """
    golds = [str(doc["target"]), *(doc.get("accepted") or ())]
    scoring = str(doc.get("scoring"))
    if scoring == "long":
        shared = f1(response, golds)
        return {"acc": float(shared >= f1_right), "f1": shared}
    if scoring == "call":
        return {"acc": float(right_call(response, golds, (doc.get("expects") or {}).get("tools")))}
    if scoring not in SCORINGS:
        raise InputError(f"no scoring '{scoring}'.{did_you_mean(scoring, (*SCORINGS, 'long', 'call'))}")
    return {"acc": float(SCORINGS[scoring](response, golds))}
