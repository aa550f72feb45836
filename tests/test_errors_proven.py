"""Which categories may trigger training: what was measured, with which versions, and what the user says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import harness.errors.proven
from harness.diagnosis import Cell, cell_counts, failing_cells
from harness.errors import ErrorLabel, ErrorRecord, load_classifiers
from harness.errors.proof.measure import Figures, Measured
from harness.errors.proven import (
    PACKAGED,
    Evidence,
    Floors,
    Proven,
    Standing,
    load_proven,
    standings,
    target_category,
    triggering,
    write_proven,
)
from harness.errors.registry import BUILTIN
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError


class Loops:
    def __init__(self, version: str = "1", name: str = "loop") -> None:
        self.name, self.version, self.categories = name, version, ("loop",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        return []


def proven(**evidence: Any) -> Proven:
    return Proven(Floors(), None, {"loop": Evidence({"loop": "1"}, **evidence)})


def standing(known: Proven, *classifiers: Any, override: Sequence[str] = ()) -> Standing:
    return standings(classifiers, known, override)["loop"]


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a package had brought the classifiers: they are not one's own."""
    monkeypatch.setattr(harness.errors.proven, "classifier_names", lambda: ("loop", "another"))


@pytest.mark.parametrize(
    ("due", "found", "false_alarms", "may"),
    [
        (10, 8, 0, True),
        (10, 9, 1, True),  # precision .9
        (10, 7, 0, False),  # recall .7
        (20, 18, 3, False),  # precision .857
        (9, 9, 0, False),  # too few to say
        (10, 0, 0, False),
    ],
)
def test_a_category_must_reach_both_floors_on_enough_cases(due: int, found: int, false_alarms: int, may: bool) -> None:
    verdict = standing(proven(due=due, found=found, false_alarms=false_alarms), Loops())
    assert verdict.may_trigger is may
    assert verdict.why.startswith("proved:" if may else "unproven: 9" if due < 10 else "below 0.8 / 0.9:")


def test_figures_hold_for_the_versions_they_were_measured_with_alone() -> None:
    known = proven(due=20, found=20)
    assert standing(known, Loops("1")).may_trigger
    newer = standing(known, Loops("2"))
    assert not newer.may_trigger
    assert newer.why == "unproven: measured with loop 1, installed is loop 2"
    assert not standing(known, Loops("1"), Loops("1", "another")).may_trigger


def test_a_category_never_measured_may_not_trigger_unless_the_user_says_so() -> None:
    nothing = Proven(Floors(), None, {})
    assert standing(nothing, Loops()).why == "unproven: never measured"
    assert standing(nothing, Loops(), override=["loop"]) == Standing(True, "set in harness.yaml")


def test_a_category_of_ones_own_may_trigger_until_figures_say_otherwise() -> None:
    mine = Loops(name="mine")
    assert standing(Proven(Floors(), None, {}), mine) == Standing(True, "one's own, not measured")
    assert not standing(Proven(Floors(), None, {}), mine, Loops()).may_trigger
    measured = Proven(Floors(), None, {"loop": Evidence({"mine": "1"}, due=20, found=2)})
    assert not standing(measured, mine).may_trigger


def test_an_override_that_names_no_category_is_refused() -> None:
    with pytest.raises(InputError, match=r"classifiers\.trigger: .* 'lop'. Did you mean 'loop'\?"):
        standings([Loops()], proven(), override=["lop"])


def test_wrong_answer_always_triggers() -> None:
    assert triggering([Loops()], proven()) == {"wrong_answer"}
    assert triggering([Loops()], proven(), override=["loop"]) == {"loop", "wrong_answer"}


def test_the_packaged_figures_can_be_read_and_name_classifiers_that_there_are() -> None:
    known = load_proven()
    names = {category for each in load_classifiers([*BUILTIN]) for category in each.categories}
    assert set(known.categories) <= names


def test_what_was_measured_is_written_and_read_again(tmp_path: Path) -> None:
    measured = Measured(30, 5, 1, (Figures("loop", 12, 11, 0, 1), Figures("wrong_answer", 9, 9, 0, 0)))
    source = {"file": "labelled.jsonl", "sha256": "ab", "responses": 30}
    write_proven(tmp_path / "proven.json", measured, [Loops()], source)
    known = load_proven(tmp_path / "proven.json")
    assert known.measured_on == source
    assert known.categories == {"loop": Evidence({"loop": "1"}, due=12, found=11, false_alarms=1)}
    assert standing(known, Loops()).why == "proved: recall 0.92, precision 0.92 on 12"


@pytest.mark.parametrize(
    "spoil", [{"schema": 9}, {"floors": {"recal": 1}}, {"categories": {"loop": {"fuond": 1}}}, {"categories": []}]
)
def test_a_damaged_file_is_bad_input(tmp_path: Path, spoil: dict[str, Any]) -> None:
    path = tmp_path / "proven.json"
    path.write_text(json.dumps({**json.loads(PACKAGED.read_text()), **spoil}))
    with pytest.raises(InputError, match=r"proven\.json: .*write it anew"):
        load_proven(path)


def record(primary: str | None, *labels: tuple[str, float]) -> ErrorRecord:
    return ErrorRecord("1", primary, tuple(ErrorLabel(name, confidence) for name, confidence in labels))


MAY = frozenset({"too_long", "wrong_answer"})


@pytest.mark.parametrize(
    ("found", "target"),
    [
        (record("too_long", ("misspelled", 0.3), ("too_long", 1.0), ("wrong_answer", 1.0)), "too_long"),
        (record("misspelled", ("misspelled", 1.0), ("too_long", 0.8), ("wrong_answer", 1.0)), "too_long"),
        (record("misspelled", ("misspelled", 1.0), ("too_long", 0.4), ("wrong_answer", 1.0)), "wrong_answer"),
        (record("misspelled", ("misspelled", 1.0)), "wrong_answer"),
        (record(None, ("too_long", 1.0)), None),
    ],
)
def test_a_wrong_response_counts_for_its_next_category_that_may_trigger(found: ErrorRecord, target: str | None) -> None:
    assert target_category(found, MAY) == target
    assert target_category(found) == found.primary


def test_unproven_categories_are_counted_when_shown_and_not_when_targets_are_chosen() -> None:
    item = ItemResult("1", "task", "slots", "1", {}, "prompt", "gold", "answer")
    found = record("misspelled", ("misspelled", 1.0), ("wrong_answer", 1.0))
    assert failing_cells([item], [found]) == {"1": Cell("slots", "misspelled")}
    assert failing_cells([item], [found], MAY) == {"1": Cell("slots", "wrong_answer")}
    assert [count.cell.category for count in cell_counts([item], [found], may_trigger=MAY)] == ["wrong_answer"]
