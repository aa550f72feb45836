"""The data card as a page and as JSON. Nothing private is in a `Card`; what is hostile is escaped here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.intake.card import Card
from harness.intake.findings import Sample
from harness.intake.tokens import BATCH, PERCENTILES, Lengths
from harness.reporting.escape import html_value, visible
from harness.reporting.formatting import duration, integer, percent, plural
from harness.storage import write_json, write_text

PAGE = "data_card.html"
JSON = "data_card.json"
SCHEMA = 1
"""Version of ``data_card.json``: keys may be added under it, never taken away or given another meaning."""
LABELS = 60
"""Labels that the page lists."""

Rows = list[tuple[str, int]]
_TITLES = {
    "leakage": "Across splits",
    "conflicts": "Different answers",
    "near_conflicts": "Nearly alike, other label",
    "exact_duplicates": "Duplicates",
    "near_duplicates": "Near-duplicates",
    "cut_answers": "Answers cut off",
}


@dataclass(frozen=True)
class View:
    """What the page and the terminal show of a `Card`, in their order and words."""

    verdict: str
    splits: Rows
    roles: Rows
    dealt: int
    repeats: Rows
    samples: list[tuple[str, tuple[Sample, ...]]]
    labels: Rows
    labels_left: int
    percentiles: tuple[int, ...]
    lengths: list[tuple[str, Lengths]]
    token_sentences: list[str]
    languages: Rows
    chat: Rows


def card_view(card: Card) -> View:
    """Put a card's findings into words and order."""
    labels = list(card.classes.counts.items()) if card.classes else []
    tokens = card.tokens
    return View(
        verdict=verdict(card),
        splits=[("no split" if name == "none" else name, count) for name, count in card.splits.items()],
        roles=[(role.replace("_", " "), count) for role, count in card.roles.items()],
        dealt=sum(card.roles.values()),
        repeats=repeats(card),
        samples=[(title, card.samples[check]) for check, title in _TITLES.items() if check in card.samples],
        labels=labels[:LABELS],
        labels_left=len(labels[LABELS:]),
        percentiles=PERCENTILES,
        lengths=[("prompt", tokens.prompt), ("answer", tokens.answer), ("both", tokens.whole)] if tokens else [],
        token_sentences=token_sentences(card),
        languages=list(card.languages.items()),
        chat=[(error.replace("_", " "), count) for error, count in (card.chat or {}).items()],
    )


def verdict(card: Card) -> str:
    """One sentence."""
    warnings = plural(len(card.warnings), "warning")
    if card.stops:
        things = "thing has" if len(card.stops) == 1 else "things have"
        return f"{len(card.stops):,} {things} to be mended before this can be evaluated honestly; {warnings}."
    return f"This can be evaluated; {warnings}." if card.warnings else "This can be evaluated; nothing was found."


def repeats(card: Card) -> Rows:
    """What is there twice, and how often."""
    return [
        ("exact duplicates", card.exact_duplicates),
        ("near-duplicates", card.near_duplicates),
        ("questions with different answers", card.conflicts),
        ("pairs nearly alike with different labels", card.near_conflicts),
        ("rows that repeat one of a held-out split", card.leaks),
        ("rows without a question", card.empty_prompts),
        ("rows without an answer", card.empty_answers),
        ("answers cut off", card.cut_answers),
        ("rows with a spreadsheet formula", card.formula_rows),
    ]


def token_sentences(card: Card) -> list[str]:
    """What the lengths mean for training; times and costs only where speed and price were given."""
    tokens = card.tokens
    if tokens is None:
        return []
    share = percent(tokens.over / card.examples) if card.examples else percent(0)
    said = [
        f"{plural(tokens.over, 'example')} ({share}) longer than the context of {integer(tokens.context)} tokens, to "
        "be cut or left out."
        if tokens.context
        else "The model does not say how many tokens it takes.",
        f"In shuffled batches of {BATCH}, {percent(tokens.padding)} of the tokens would be padding; the harness packs.",
        f"An epoch of {plural(tokens.rows, 'row')} is {plural(tokens.epoch, 'token')}.",
    ]
    if tokens.hours is not None:
        said.append(f"At the speed given, it takes {duration(3600 * tokens.hours)}.")
    if tokens.cost is not None:
        said.append(f"At the price given, it costs {tokens.cost:,.2f}.")
    return said


def card_json(card: Card) -> dict[str, Any]:
    """``data_card.json`` as docs/data-card.md describes it."""
    plain = asdict(card)
    problems = plain.pop("problems")
    if card.classes is not None:
        plain["classes"]["majority"] = card.classes.majority
    found: dict[str, Any] = _clean(
        {
            "schema": SCHEMA,
            **plain,
            "stops": [problem for problem in problems if problem["stops"]],
            "warnings": [problem for problem in problems if not problem["stops"]],
        }
    )
    return found


def _clean(value: Any) -> Any:
    """Strings visible and keys text, so that no reader of the file meets a control character."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def write_page(card: Card, path: Path) -> None:
    """Write the page alone, atomically.

    Raises:
        EnvironmentFault: it cannot be written, or the template is missing.
    """
    from harness.reporting.templates import environment

    page = environment(None, html_value, html=True).get_template("data_card.html.j2")
    write_text(path, page.render(card=card, view=card_view(card)))


def write_card(card: Card, folder: Path) -> None:
    """Write `PAGE` and `JSON` into ``folder`` (created), each atomically. The same card gives the same bytes.

    Raises:
        EnvironmentFault: the folder cannot be written, or the template is missing.
    """
    write_json(folder / JSON, card_json(card))
    write_page(card, folder / PAGE)
