"""Arithmetic: sums of money, dates and numbers of days that a customer asks for."""

from __future__ import annotations

from making.common import Doc, accepted_forms, slots
from wording.arithmetic import TEMPLATES
from wording.draw import Draw, fill
from wording.shared import Ids, numbers

MAX_WORDS = 6
PERCENT = (10, 20, 25, 50)
UNIT = 20  # whole sums are multiples of it, so that each percentage is a whole number of euros
LAST_DAY = 28  # no date leaves its month


def date_forms(day: int, month: str) -> list[str]:
    """The usual ways to write a date, the day before the month first."""
    nth = f"{day}{'th' if 10 < day < 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"
    plain = [f"{day} {month}", f"{month} {day}", f"{nth} {month}", f"{month} {nth}", f"{nth} of {month}"]
    return [*plain, *(f"on {form}" for form in plain), f"on the {nth} of {month}"]


def quantities(kind: str, split: str, draw: Draw, month: str) -> tuple[dict[str, str], list[str]]:
    """Values for the slots of a sum, and its answer with the other right forms of it."""
    large, small = draw.pick(numbers(split, 31, 96)), draw.pick(numbers(split, 4, 30))
    count = draw.pick(numbers(split, 2, 9))
    if kind in ("minus", "plus", "times", "part"):
        whole, percent = UNIT * draw.pick(numbers(split, 2, 20)), draw.pick(PERCENT)
        euros = {
            "minus": large - small, "plus": large + small, "times": count * small, "part": whole * percent // 100
        }[kind]  # fmt: skip
        values = {"a": large, "b": small, "k": count, "whole": whole, "percent": percent}
        forms = [f"{euros} euros", f"{euros}", f"{euros}.00 euros", f"€{euros}.00"]
        return {name: str(value) for name, value in values.items()}, forms
    if kind == "left":
        days = large - small
        return {"a": str(large), "b": str(small)}, [f"{days} days", f"{days}", f"{days} more days"]
    start = draw.pick(numbers(split, 1, 12))
    later = draw.pick(numbers(split, 2, LAST_DAY - start))
    values = {"start": f"{start} {month}", "k": str(later), "end": f"{start + later} {month}"}
    return values, date_forms(start + later, month) if kind == "after" else [f"{later} days", f"{later}"]


def arithmetic_doc(split: str, index: int, draw: Draw, ids: Ids) -> Doc:
    """A question whose answer is a sum in euros, a number of days or a date; the kinds of sum take turns."""
    kinds = list(TEMPLATES[split])
    kind = kinds[index % len(kinds)]
    number = draw.below(len(TEMPLATES[split][kind]))
    values = {**slots(split, draw), "order": ids.order(draw)}
    found, (target, *others) = quantities(kind, split, draw, values["month1"])
    question = fill(TEMPLATES[split][kind][number], {**values, **found}, draw)
    return {
        "kind": {"after": "date", "between": "days", "left": "days"}.get(kind, "euros"),
        "cluster": f"arithmetic-{split}-{kind}-{number}", "input": f"Question: {question}",
        "target": target, "accepted": accepted_forms(target, others),
        "expects": {"format": "text", "refusal": False, "max_words": MAX_WORDS},
    }  # fmt: skip
