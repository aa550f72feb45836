"""What the classifiers are known to see on a sample of `helpdesk` with injected faults: floors set from measurement.

A fault whose classifier is not installed, or lacks an optional library, is skipped by name and counted in the summary.
"""

from __future__ import annotations

import pytest

from harness.config import ClassifierSettings
from harness.errors.proof import CATEGORIES, Figures, Measured, inject, make_pool, measure, records_of
from harness.errors.registry import ON_REQUEST, Unavailable
from harness.errors.setup import load_taxonomy
from harness.evaluation.domain import load_domain
from harness.evaluation.respond import scored
from harness.evaluation.roles import subset
from harness.locate import data_folder

ITEMS = 120

# Least recall and precision: what was measured on this very sample, less a few points for reworded items. Raise them
# when a classifier gets better; lowering one wants a line in docs/log.md.
FLOORS: dict[str, tuple[float, float]] = {
    "empty": (1.0, 1.0),
    "toxic": (0.88, 0.92),
    "repetitive": (0.98, 0.98),
    "leaked_prompt": (0.85, 0.98),
    "copied_prompt": (0.95, 0.98),
    "wrong_language": (0.95, 0.95),
    "needless_refusal": (0.78, 0.95),  # misses refusals that are paraphrased ("I'd rather not say.")
    "missed_refusal": (0.95, 0.65),  # takes a short refusal with a typo for none, as does the next
    "unsupported_answer": (0.9, 0.4),
    "malformed_call": (0.95, 0.95),
    "invalid_format": (0.98, 0.98),
    "ignored_constraint": (0.95, 0.95),
    "too_long": (0.98, 0.95),
    "truncated": (1.0, 1.0),
    "wrong_tool": (0.95, 0.95),
    "wrong_argument": (0.95, 0.95),
    "hallucinated": (0.8, 0.75),
    "misspelled": (0.7, 0.8),
    "ungrammatical": (0.22, 0.9),  # Harper's rules are few, and seldom wrong
    "inconsistent": (0.9, 0.9),
    "wrong_answer": (0.95, 0.4),  # what is left: its false alarms are what the others miss
}


@pytest.fixture(scope="module")
def measured() -> Measured:
    domain = load_domain("helpdesk", [data_folder("tasks")])
    items = domain.items("train", "train_pool")
    broken = subset(items, ITEMS)
    cases = inject(broken, lambda item, text, finish: scored(domain, item, text, finish), make_pool(items))
    taxonomy = load_taxonomy(ClassifierSettings(also=sorted(ON_REQUEST)))
    usable = [each for each in taxonomy.classifiers if not isinstance(each, Unavailable)]
    records = records_of(cases, taxonomy.classify_all)
    return measure(cases, records, [name for each in usable for name in each.categories])


def figures(measured: Measured, category: str) -> Figures:
    each = next((each for each in measured.figures if each.category == category), None)
    if each is None:
        pytest.skip(f"no classifier for {category} is installed: not measured")
    if each.due == 0:
        pytest.skip(f"no fault of {category} makes sense on helpdesk: not measured")
    if each.not_assessed == each.due:
        pytest.skip(f"{category} is not assessed on any item, for want of a library or a declaration: not measured")
    return each


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_category_is_seen_as_well_as_it_is_known_to_be(measured: Measured, category: str) -> None:
    each = figures(measured, category)
    assert category in FLOORS, f"{category} is measured now ({each.as_dict()}); give it its floors"
    recall, precision = FLOORS[category]
    assert (each.recall or 0.0) >= recall, each.missed_kinds
    assert (each.precision or 0.0) >= precision, each.false_kinds


def test_right_answers_and_harmless_changes_hardly_ever_raise_an_alarm(measured: Measured) -> None:
    assert measured.harmless > 200
    assert measured.alarmed / measured.harmless <= 0.02
