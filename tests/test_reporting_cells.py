"""Which cells repaid their training, counted item by item against the champion that each round met."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from report_fixture import make_report_data
from report_gated import pages
from report_items import HOSTILE

from harness.evaluated import save_evaluation
from harness.gate.migration import RIGHT
from harness.reporting.cells import repaid, trials
from harness.reporting.charts import GuardPoint, guard_chart, sparkline
from harness.reporting.data import ReportData
from harness.reporting.outcomes import Outcomes, outcomes_of, read_outcomes
from harness.reporting.trajectory import guard_charts, score_charts, targeted


@functools.cache
def run(rounds: int = 4) -> ReportData:
    return make_report_data(rounds=rounds, n=80, crash_round=3)


def one_cell(cured: int, moved: int, broken: int, rows: int) -> ReportData:
    """One round on the largest cell, which cured, moved and broke so many items."""
    data = run()
    base, skills = outcomes_of(data.baseline_dev), data.baseline_dev.skills()
    cell = max(sorted(data.baseline_categories), key=lambda name: data.baseline_categories[name])
    skill, _, category = cell.rpartition("/")
    own = [item for item, state in base.states.items() if (skills[item], state) == (skill, category)]
    right = [item for item in base.states if skills[item] == skill and item not in own]
    states = {**base.states, **dict.fromkeys(right, RIGHT)}
    before = Outcomes(states, {})
    states = states | dict.fromkeys(own[:cured], RIGHT) | dict.fromkeys(own[cured : cured + moved], "another")
    states |= dict.fromkeys(right[:broken], category)
    first = replace(data.rounds[0], asked=before, entry={**data.rounds[0].entry, "targets": []})
    entry = {**data.rounds[1].entry, "targets": [cell]}
    view = replace(data.rounds[1], met=1, entry=entry, asked=Outcomes(states, {}))
    return replace(data, rounds=[first, replace(view, curation={"delivered_cells": {cell: rows}})])


def test_cured_moved_and_broken_items_are_counted_against_the_champion_that_was_met() -> None:
    (trial,) = trials(one_cell(cured=3, moved=2, broken=1, rows=40))
    assert (trial.round, trial.rows, trial.cured, trial.moved, trial.broken, trial.net) == (2, 40, 3, 2, 1, 2)


def test_what_moved_to_another_category_repaid_nothing(tmp_path: Path) -> None:
    (row,) = repaid(one_cell(cured=0, moved=4, broken=0, rows=40))
    assert (row.net, row.per_hundred) == (0, 0.0)
    html, _ = pages(one_cell(cured=0, moved=4, broken=0, rows=40), tmp_path)
    assert "did not repay 0.0 40 0 4 0" in html


def test_the_gain_is_that_of_a_hundred_rows_of_the_cell(tmp_path: Path) -> None:
    data = one_cell(cured=4, moved=0, broken=1, rows=40)
    (row,) = repaid(data)
    assert row.per_hundred == 7.5
    assert "repaid +7.5 40 4 0 1" in pages(data, tmp_path)[0]
    assert repaid(one_cell(4, 0, 1, 0))[0].per_hundred is None


def test_what_repaid_best_comes_first_and_a_round_that_was_not_scored_is_said(tmp_path: Path) -> None:
    data = run()
    rows = repaid(data)
    gains = [row.per_hundred or 0.0 for row in rows if row.rounds]
    assert gains == sorted(gains, reverse=True)
    assert any(3 in row.unscored for row in rows)
    assert all(3 not in row.rounds for row in rows)
    assert "not scored: 3" in pages(data, tmp_path)[0]


def test_outcomes_from_disk_are_those_in_memory(tmp_path: Path) -> None:
    evaluation = run().champion_dev
    save_evaluation(tmp_path, evaluation)
    assert read_outcomes(tmp_path) == outcomes_of(evaluation)


# --- the drawings


@given(st.lists(st.none() | st.integers(0, 10**6), max_size=40))
def test_a_sparkline_is_well_formed_and_inside_its_box(counts: list[int | None]) -> None:
    drawn = sparkline(counts, HOSTILE[0])
    if sum(count is not None for count in counts) < 2:
        assert drawn == ""
        return
    root = ElementTree.fromstring(str(drawn))
    assert root.attrib["aria-label"] == HOSTILE[0]
    (line,) = (part for part in root if part.tag.endswith("polyline"))
    for point in line.attrib["points"].split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= 72
        assert 0 <= y <= 18


@given(st.lists(st.floats(0, 1), min_size=2, max_size=21))
def test_the_guard_stands_under_its_rounds(scores: list[float]) -> None:
    points = [GuardPoint(n, score, max(0.0, score - 0.1), min(1.0, score + 0.1)) for n, score in enumerate(scores)]
    root = ElementTree.fromstring(str(guard_chart(points, len(points), 320, "guard")))
    marks = [part for part in root.iter() if part.tag.endswith("circle")]
    across = [float(part.attrib["cx"]) for part in marks]
    assert len(marks) == len(scores) - 1
    assert across == sorted(across)
    assert all(0 <= float(part.attrib["cy"]) <= 110 for part in marks)


def test_the_guard_of_each_round_is_drawn_and_spoken_where_it_was_asked(tmp_path: Path) -> None:
    data = run()
    assert data.summary["guard"] is not None
    silent = replace(data, rounds=[replace(view, guard=None) for view in data.rounds], final_round=None)
    assert guard_charts(silent) == ()
    score = {"value": 0.5, "stderr": 0.03, "n": 300, "correct": 150}
    asked = replace(data, rounds=[replace(data.rounds[0], guard=score), *data.rounds[1:]])
    assert "round 1 50.0%" in guard_charts(asked)[0]


def test_rounds_in_a_row_with_the_same_targets_are_one_line() -> None:
    data = run()
    views = [
        replace(view, number=number, entry={**view.entry, "targets": cells})
        for number, (view, cells) in enumerate(
            zip(data.rounds, (["a/too_long"], ["a/too_long"], [], ["a/x", "b/y"]), strict=True), start=1
        )
    ]
    assert targeted(replace(data, rounds=views)) == (("1 to 2", "a/too long"), ("3", "none"), ("4", "a/x, b/y"))


def test_a_mark_names_what_its_round_aimed_at() -> None:
    data = run()
    wide, narrow = score_charts(data)
    for chart in (wide, narrow):
        titles = [each.text for each in ElementTree.fromstring(str(chart)).iter() if each.tag.endswith("title")]
        assert len(titles) == len(data.rounds)
        for title, view in zip(titles, data.rounds, strict=True):
            assert title is not None
            assert title.startswith(f"round {view.number}, ")
            assert title.endswith(", ".join(cell.replace("_", " ") for cell in view.entry["targets"]))
