"""Charts: well-formed SVG whose marks stand where the numbers say, told apart by shape."""

from __future__ import annotations

import math
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reporting.charts import (
    PHASES,
    Outcome,
    ScorePoint,
    legend_mark,
    loss_chart,
    marker,
    score_chart,
    ticks,
    time_bars,
)

OUTCOMES: tuple[Outcome, ...] = ("baseline", "promote", "reject", "rollback", "invalid", "crash", "futility")
POINTS = [
    ScorePoint(0, "baseline", 0.1, 0.05, 0.15, 0.1),
    ScorePoint(1, "promote", 0.3, 0.25, 0.35, 0.3),
    ScorePoint(2, "reject", 0.2, 0.15, 0.25, 0.3),
    ScorePoint(3, "crash", None, 0.0, 0.0, 0.3),
    ScorePoint(4, "promote", 0.4, 0.35, 0.45, 0.4),
]


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def of_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [node for node in root.iter() if name in node.get("class", "").split()]


def height_of(root: ElementTree.Element, label: str) -> float:
    """The y of the axis line that belongs to the tick text ``label``."""
    tick = next(node for node in root.iter("text") if node.text == label)
    return float(tick.get("y", "nan")) - 4


@pytest.mark.parametrize("width", [320, 760])
def test_a_score_stands_at_its_height(width: int) -> None:
    root = parse(score_chart(POINTS, 4, None, width, "label"))
    zero, forty = height_of(root, "0%"), height_of(root, "40%")
    last = of_class(root, "promote")[-1]
    assert float(last.get("cy", "nan")) == pytest.approx(forty, abs=0.1)
    first = of_class(root, "promote")[0]
    assert float(first.get("cy", "nan")) == pytest.approx(zero + (forty - zero) * 0.75, abs=0.2)


def test_a_crashed_round_has_a_cross_and_no_whisker() -> None:
    root = parse(score_chart(POINTS, 4, None, 760, "label"))
    assert len(of_class(root, "crash")) == 1
    assert len(of_class(root, "whisker")) == 4


def test_the_champion_is_named_with_its_score() -> None:
    texts = [node.text for node in parse(score_chart(POINTS, 4, None, 760, "label")).iter("text")]
    assert "champion, round 4: 40.0%" in texts


def test_few_shot_is_a_dashed_line_with_its_number_only_where_it_was_run() -> None:
    with_line = parse(score_chart(POINTS, 4, 0.262, 760, "label"))
    assert len(of_class(with_line, "fewshot")) == 1
    assert "few-shot, untouched model 26.2%" in [node.text for node in with_line.iter("text")]
    assert of_class(parse(score_chart(POINTS, 4, None, 760, "label")), "fewshot") == []


@pytest.mark.parametrize("fewshot", [number / 100 for number in range(30, 60)])
@pytest.mark.parametrize("width", [320, 760])
def test_the_two_labels_never_run_together(fewshot: float, width: int) -> None:
    texts = list(parse(score_chart(POINTS, 4, fewshot, width, "label")).iter("text"))
    champion = next(node for node in texts if (node.text or "").startswith("champion"))
    few = next(node for node in texts if (node.text or "").startswith("few-shot"))
    assert abs(float(champion.get("y", "nan")) - float(few.get("y", "nan"))) > 10


@pytest.mark.parametrize("fewshot", [number / 100 for number in range(5, 45)])
@pytest.mark.parametrize("width", [320, 760])
def test_the_label_of_few_shot_is_on_no_mark(fewshot: float, width: int) -> None:
    root = parse(score_chart(POINTS, 4, fewshot, width, "label"))
    label = next(node for node in root.iter("text") if (node.text or "").startswith("few-shot"))
    x, y = float(label.get("x", "nan")), float(label.get("y", "nan"))
    span = 6.3 * len(label.text or "")
    assert x >= 42
    assert x + span <= width
    for mark in [*of_class(root, "promote"), *of_class(root, "open")]:
        across, up = float(mark.get("cx", "nan")), float(mark.get("cy", "nan"))
        assert not (x - 5 < across < x + span + 5 and y - 14 < up < y + 5)


def test_every_outcome_has_a_shape_of_its_own() -> None:
    shapes = set()
    for outcome in OUTCOMES:
        node = parse(marker(outcome, 7, 7))
        shapes.add((node.tag, node.get("d"), "open" in node.get("class", "")))
        assert parse(legend_mark(outcome)).get("aria-hidden") == "true"
    assert len(shapes) == len(OUTCOMES)


def test_a_hostile_label_stays_a_label() -> None:
    label = '"/><script>alert(1)</script>'
    assert parse(score_chart(POINTS, 4, None, 760, label)).get("aria-label") == label


@given(
    st.lists(st.tuples(st.sampled_from(OUTCOMES), st.none() | st.floats(0, 1)), min_size=1, max_size=40),
    st.none() | st.floats(0, 1),
    st.sampled_from([320, 760]),
)
def test_any_run_gives_a_well_formed_chart_inside_its_frame(
    rounds: list[tuple[Outcome, float | None]], fewshot: float | None, width: int
) -> None:
    points = [
        ScorePoint(number, outcome, value, max(0.0, (value or 0) - 0.1), min(1.0, (value or 0) + 0.1), value or 0.0)
        for number, (outcome, value) in enumerate(rounds)
    ]
    svg = score_chart(points, 0, fewshot, width, "label")
    assert "nan" not in svg
    for node in parse(svg).iter("circle"):
        assert 0 <= float(node.get("cx", "nan")) <= width
        assert 0 <= float(node.get("cy", "nan")) <= 330


@given(st.floats(0, 1e6), st.floats(1e-6, 1e6))
def test_ticks_enclose_the_range_in_even_steps(low: float, span: float) -> None:
    marks = ticks(low, low + span)
    assert 2 <= len(marks) <= 8
    assert marks[0] <= low * (1 + 1e-6) + 1e-9
    assert marks[-1] >= (low + span) * (1 - 1e-6) - 1e-9
    steps = [b - a for a, b in pairwise(marks)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-3)


def test_a_loss_curve_leaves_out_what_is_not_finite() -> None:
    root = parse(loss_chart([(1, 2.0), (2, math.nan), (3, math.inf), (4, 1.0)], 480, "loss"))
    (line,) = root.iter("polyline")
    assert len(line.get("points", "").split()) == 2


def test_no_finite_loss_gives_no_chart() -> None:
    assert loss_chart([], 480, "loss") == ""
    assert loss_chart([(1, math.nan)], 480, "loss") == ""


def test_a_long_training_is_thinned_and_keeps_its_last_step() -> None:
    root = parse(loss_chart([(step, 1.0) for step in range(1, 10_001)], 480, "loss"))
    (line,) = root.iter("polyline")
    assert len(line.get("points", "").split()) <= 240
    assert "step 10000" in [node.text for node in root.iter("text")]


def test_bars_are_as_long_as_their_seconds() -> None:
    root = parse(time_bars([("1", (10.0, 40.0, 20.0, 0.0)), ("2", (5.0, 20.0, 10.0, 0.0))], 760, "time"))
    widths = [float(bar.get("width", "nan")) + 1 for bar in root.iter("rect")]
    assert len(widths) == 6  # a phase of no time has no bar
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)
    assert widths[1] == pytest.approx(2 * widths[4], rel=0.01)
    assert [text.text for text in root.iter("text") if "on" in text.get("class", "").split()] == list(PHASES[:3])
    assert {name for bar in root.iter("rect") for name in bar.get("class", "").split()} <= {"phase", *PHASES}


def test_rounds_without_time_draw_nothing_wrong() -> None:
    parse(time_bars([("1", (0.0, 0.0, 0.0, 0.0))], 320, "time"))
    assert time_bars([], 320, "time") == ""
