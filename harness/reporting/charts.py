"""Three charts as static inline SVG, drawn by hand: pure functions from numbers to text.

A chart library would bring megabytes of script or a raster renderer for what is a few dozen lines of SVG here. Colours
are classes that the page's style sheet fills in for light and dark; shapes and direct labels carry the meaning without
colour. Every chart is also a table on the page, so the SVG itself is described by one ``aria-label``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape

Outcome = Literal["baseline", "promote", "certified", "reject", "rollback", "invalid", "crash", "futility"]
PHASES = ("mine", "train", "evaluate", "other")


@dataclass(frozen=True)
class ScorePoint:
    """One round on the score chart.

    Attributes:
        round: 0 for the baseline.
        outcome: what became of the candidate.
        value: dev score, 0 to 1; ``None`` for a round that was never scored.
        low, high: its 95% interval.
        champion: the champion's dev score after this round's decision, 0 to 1.
        note: shown where a pointer rests on the mark; empty for none.
    """

    round: int
    outcome: Outcome
    value: float | None
    low: float
    high: float
    champion: float
    note: str = ""


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers (steps of 1, 2 or 5 times a power of ten) from at or below ``low`` to at or above ``high``."""
    span = max(high - low, 1e-9)
    size = 10.0 ** math.floor(math.log10(span / most))
    step = next(size * factor for factor in (1, 2, 5, 10, 20) if span / (size * factor) <= most - 1)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def _n(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def _text(x: float, y: float, content: str, classes: str = "", anchor: str = "start") -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" class="{classes}" text-anchor="{anchor}">{escape(content)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, classes: str) -> str:
    return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" class="{classes}"/>'


def _svg(width: float, height: float, label: str, parts: Sequence[str], classes: str = "") -> Markup:
    return Markup(
        f'<svg class="{f"chart {classes}".strip()}" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" '
        f'height="{_n(height)}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def marker(outcome: Outcome, x: float, y: float, size: float = 5) -> str:
    """The shape of an outcome, told apart by form as well as by colour.

    Baseline a square, promoted a filled disc, certified the same in a ring, rejected an open ring, rolled back an open
    triangle, invalid an open diamond, crashed a cross, rejected before all was asked a struck ring.
    """
    if outcome == "promote":
        return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(size)}" class="mark promote"/>'
    if outcome == "certified":
        centre = f'cx="{_n(x)}" cy="{_n(y)}"'
        ring = f'<circle {centre} r="{_n(size + 0.8)}" class="mark ring"/>'
        return f'{ring}<circle {centre} r="{_n(size - 2)}" class="mark promote"/>'
    if outcome == "reject":
        return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(size - 0.5)}" class="mark open"/>'
    if outcome == "futility":
        left, right, r = _n(x - size + 0.5), _n(x + size - 0.5), _n(size - 0.5)
        arcs = f"A{r} {r} 0 1 0 {right} {_n(y)}A{r} {r} 0 1 0 {left} {_n(y)}"
        return f'<path d="M{left} {_n(y)}{arcs}H{right}" class="mark open"/>'
    a, b = _n(x - size), _n(x + size)
    top, bottom = _n(y - size), _n(y + size)
    path = {
        "baseline": f"M{a} {top}H{b}V{bottom}H{a}Z",
        "rollback": f"M{a} {top}H{b}L{_n(x)} {bottom}Z",
        "invalid": f"M{_n(x)} {top}L{b} {_n(y)}L{_n(x)} {bottom}L{a} {_n(y)}Z",
        "crash": f"M{a} {top}L{b} {bottom}M{b} {top}L{a} {bottom}",
    }[outcome]
    kind = {"baseline": "baseline", "crash": "crash"}.get(outcome, "open")
    return f'<path d="{path}" class="mark {kind}"/>'


def _noted(mark: str, note: str) -> str:
    return f"<g><title>{escape(note)}</title>{mark}</g>" if note else mark


def legend_mark(outcome: Outcome) -> Markup:
    """`marker` alone, for a legend or a table cell."""
    return Markup(
        f'<svg class="key" viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">{marker(outcome, 7, 7)}</svg>'
    )


def _clear_place(
    words: str,
    y: float,
    ends: tuple[float, float],
    drawn: Sequence[tuple[float, float, float, float]],
    named: Sequence[float],
) -> tuple[float, float]:
    """Where the label of the line at ``y`` starts: not on the champion's label, and on as few marks as can be.

    Args:
        ends: the line's, left and right.
        drawn: x of each mark, and the y of its whisker's top, of itself and of its whisker's bottom.
        named: the y of other labels.
    """
    span = 6.3 * len(words)  # of 12 pixel text
    starts = [ends[0] + step * (ends[1] - span - ends[0]) / 8 for step in range(9)]

    def hidden(at: tuple[float, float]) -> tuple[bool, int, float]:
        x, base = at
        near = [mark for mark in drawn if x - 7 < mark[0] < x + span + 7]
        marks = sum(base - 18 < middle < base + 9 for _, _, middle, _ in near)
        whiskers = sum(top < base + 2 and bottom > base - 12 for _, top, _, bottom in near)
        return any(abs(base - other) <= 12 for other in named), 3 * marks + whiskers, x

    return min(((x, base) for x in starts for base in (y - 6, y + 15)), key=hidden)


def score_chart(points: Sequence[ScorePoint], champion: int, fewshot: float | None, width: int, label: str) -> Markup:
    """Dev score by round with 95% intervals, the champion as a stepped line, few-shot as a dashed one.

    Args:
        points: in order of rounds, the baseline first; at least one.
        champion: the round that is the champion now; 0 for the untouched model.
        fewshot: score of the untouched model with few-shot examples, 0 to 1, where it was run.
        width: in CSS pixels; text keeps its size, so a narrow page wants a chart of its own.
        label: what a screen reader says.
    """
    narrow = width < 500
    height, left, right, top, bottom = (250 if narrow else 330), 42, 14, 26, 40
    shown = [0.0, *(point.high for point in points if point.value is not None)]
    shown += [fewshot] if fewshot is not None else []
    scale = ticks(0.0, max(0.01, min(1.0, max(shown) * 1.02)), 5 if narrow else 7)
    ceiling = scale[-1]
    gap = (width - left - right) / max(1, len(points))

    def across(index: float) -> float:
        return left + gap * (index + 0.5)

    def up(value: float) -> float:
        return top + (height - top - bottom) * (1 - value / ceiling)

    parts: list[str] = []
    for tick in scale:
        parts.append(_line(left, up(tick), width - right, up(tick), "axis" if tick == 0 else "grid"))
        parts.append(_text(left - 7, up(tick) + 4, f"{100 * tick:g}%", "tick", "end"))
    every = math.ceil(len(points) * 26 / (width - left - right))
    for index, point in enumerate(points):
        if index % every == 0:
            parts.append(_text(across(index), height - bottom + 17, str(point.round), "tick", "middle"))
    parts.append(_text((left + width - right) / 2, height - 5, "round (0 is the untouched model)", "tick", "middle"))

    named_line: list[str] = []  # drawn after the lines, so that its halo keeps them off
    if fewshot is not None:
        y = up(fewshot)
        parts.append(_line(left, y, width - right, y, "fewshot"))
        words = f"{'few-shot' if narrow else 'few-shot, untouched model'} {100 * fewshot:.1f}%"
        named = [up(point.high) - 8 for point in points if point.round == champion and point.value is not None]
        drawn = [(across(i), up(p.high), up(p.value), up(p.low)) for i, p in enumerate(points) if p.value is not None]
        start, place = _clear_place(words, y, (left + 5, width - right - 5), drawn, named)
        named_line.append(_text(start, place, words, "note halo"))
    steps = f"M{_n(across(0))} {_n(up(points[0].champion))}"
    for index, point in enumerate(points[1:], start=1):
        steps += f"H{_n(across(index))}V{_n(up(point.champion))}"
    steps += f"H{_n(width - right)}"
    parts.append(f'<path d="{steps}" class="champion"/>')
    parts += named_line

    cap = min(5.0, gap / 4)
    for index, point in enumerate(points):
        x = across(index)
        if point.value is None:
            parts.append(_noted(marker(point.outcome, x, up(0) - 10), point.note))
            continue
        low, high = up(point.low), up(point.high)
        parts.append(
            f'<path d="M{_n(x)} {_n(low)}V{_n(high)}M{_n(x - cap)} {_n(low)}H{_n(x + cap)}M{_n(x - cap)} {_n(high)}'
            f'H{_n(x + cap)}" class="whisker"/>'
        )
        parts.append(_noted(marker(point.outcome, x, up(point.value)), point.note))
    for index, point in enumerate(points):
        if point.round == champion and point.value is not None:
            words = f"champion, round {champion}" if champion else "untouched model"
            near_edge = across(index) > width - right - 150
            x = min(across(index) + 5, width - right) if near_edge else across(index) - 5
            text = f"{words}: {100 * point.value:.1f}%"
            parts.append(_text(x, up(point.high) - 8, text, "strong halo", "end" if near_edge else "start"))
    return _svg(width, height, label, parts, "narrow" if narrow else "wide")


@dataclass(frozen=True)
class GuardPoint:
    """The guard's score in one round, 0 to 1, with its 95% interval; round 0 is the untouched model."""

    round: int
    value: float
    low: float
    high: float


def guard_chart(points: Sequence[GuardPoint], columns: int, width: int, label: str) -> Markup:
    """Guard scores below `score_chart`, each under its round; the dashed line is the untouched model's.

    Args:
        points: in order of rounds, that of round 0 first.
        columns: rounds of the chart above, the baseline counted.
        width: as of the chart above.
        label: what a screen reader says.
    """
    height, left, right, top, bottom = 110, 42, 14, 18, 10
    scale = ticks(min(point.low for point in points), max(point.high for point in points), 3)
    low, high = max(0.0, scale[0]), min(1.0, scale[-1])
    gap = (width - left - right) / max(1, columns)

    def across(number: int) -> float:
        return left + gap * (number + 0.5)

    def up(value: float) -> float:
        return top + (height - top - bottom) * (1 - (value - low) / max(high - low, 1e-9))

    parts = [_text(left, 11, "guard", "note")]
    for tick in scale:
        if low <= tick <= high:
            parts.append(_line(left, up(tick), width - right, up(tick), "grid"))
            parts.append(_text(left - 7, up(tick) + 4, f"{100 * tick:g}%", "tick", "end"))
    parts.append(_line(left, up(points[0].value), width - right, up(points[0].value), "fewshot"))
    cap = min(5.0, gap / 4)
    for point in points:
        x, a, b = across(point.round), _n(up(point.low)), _n(up(point.high))
        ends = "".join(f"M{_n(x - cap)} {y}H{_n(x + cap)}" for y in (a, b))
        parts.append(f'<path d="M{_n(x)} {a}V{b}{ends}" class="whisker"/>')
        parts.append(marker("promote" if point.round else "baseline", x, up(point.value), 4))
    last = points[-1]
    text = f"{100 * last.value:.1f}%"
    parts.append(_text(min(across(last.round), width - right), up(last.high) - 5, text, "strong halo", "middle"))
    return _svg(width, height, label, parts, "narrow" if width < 500 else "wide")


def sparkline(counts: Sequence[int | None], label: str) -> Markup:
    """Counts by round as a small line, its last point marked; from 0 to the largest of them.

    Args:
        counts: 0 or more each; ``None`` for a round without any, which the line passes over.
        label: what a screen reader says.

    Returns:
        Nothing where fewer than two rounds were counted.
    """
    known = [(place, count) for place, count in enumerate(counts) if count is not None]
    if len(known) < 2:
        return Markup("")
    width, height, top = 72, 18, max(1, *(count for _, count in known))
    points = [(3 + 66 * place / (len(counts) - 1), 15 - 12 * count / top) for place, count in known]
    line = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
    x, y = points[-1]
    parts = [f'<polyline points="{line}" class="loss"/>', f'<circle cx="{_n(x)}" cy="{_n(y)}" r="2.2" class="dot"/>']
    return Markup(
        f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def _thinned(losses: Sequence[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    """At most ``most`` points, each the mean of a block of neighbours, so that long trainings draw small."""
    size = math.ceil(len(losses) / most)
    if size <= 1:
        return list(losses)
    blocks = [losses[start : start + size] for start in range(0, len(losses), size)]
    return [(block[-1][0], math.fsum(loss for _, loss in block) / len(block)) for block in blocks]


def loss_chart(losses: Sequence[tuple[int, float]], width: int, label: str) -> Markup:
    """Training loss by step; non-finite values are left out of the line (the page says how many there were).

    Args:
        losses: ``(step, loss)``, any number of points; empty gives no chart at all.
        width: in CSS pixels.
        label: what a screen reader says.
    """
    finite = _thinned([(step, loss) for step, loss in losses if math.isfinite(loss)], width // 2)
    if not finite:
        return Markup("")
    height, left, right, top, bottom = 120, 42, 12, 12, 24
    scale = ticks(0.0, max(0.001, *(loss for _, loss in finite)), 4)
    first, last = finite[0][0], finite[-1][0]

    def across(step: int) -> float:
        return left + (width - left - right) * ((step - first) / (last - first) if last > first else 0.5)

    def up(loss: float) -> float:
        return top + (height - top - bottom) * (1 - loss / scale[-1])

    parts: list[str] = []
    for tick in scale:
        parts.append(_line(left, up(tick), width - right, up(tick), "axis" if tick == 0 else "grid"))
        parts.append(_text(left - 7, up(tick) + 4, f"{tick:g}", "tick", "end"))
    path = " ".join(f"{_n(across(step))},{_n(up(loss))}" for step, loss in finite)
    parts.append(f'<polyline points="{path}" class="loss"/>')
    parts.append(f'<circle cx="{_n(across(last))}" cy="{_n(up(finite[-1][1]))}" r="3" class="dot"/>')
    parts.append(_text(across(first), height - 7, f"step {first}", "tick", "middle" if last == first else "start"))
    if last > first:
        parts.append(_text(across(last), height - 7, f"step {last}", "tick", "end"))
    return _svg(width, height, label, parts, "only")


def time_bars(rounds: Sequence[tuple[str, Sequence[float]]], width: int, label: str) -> Markup:
    """One stacked bar a round: seconds by phase, in the order of `PHASES`.

    Args:
        rounds: ``(name, seconds by phase)``, each 0 or more.
        width: in CSS pixels.
        label: what a screen reader says.
    """
    if not rounds:
        return Markup("")
    row, left, right = 22, 30, 58
    longest = max(sum(seconds) for _, seconds in rounds) or 1.0
    parts: list[str] = []
    for index, (name, seconds) in enumerate(rounds):
        y, x = index * row + 3, float(left)
        parts.append(_text(left - 8, y + 12, name, "tick", "end"))
        for phase, value in zip(PHASES, seconds, strict=True):
            span = (width - left - right) * value / longest
            if span > 0:
                parts.append(
                    f'<rect x="{_n(x)}" y="{y}" width="{max(span - 1, 0.5):.1f}" height="16" class="phase {phase}"/>'
                )
                if index == 0 and span > 7 * len(phase) + 10:  # the others lie below it in the same order
                    parts.append(_text(x + 5, y + 12, phase, f"on {phase}"))
            x += span
        parts.append(_text(x + 5, y + 12, f"{sum(seconds):,.0f} s", "tick"))
    return _svg(width, len(rounds) * row + 4, label, parts, "narrow" if width < 500 else "wide")
