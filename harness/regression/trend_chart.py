"""How dev and test went from run to run, as static inline SVG; the table beside it has the same numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from harness.reporting.charts import ticks
from harness.reporting.formatting import score_interval

Point = tuple[str, Mapping[str, Any], Mapping[str, Any], Mapping[str, Any] | None]
"""Name, dev ``Score`` of the untouched model and of the champion, and the test result where there is one."""
HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 190, 42, 14, 12, 38


def trend_chart(points: Sequence[Point], width: int, label: str) -> Markup:
    """A square for the untouched model, a disc for the champion on dev, a ring with its interval for test.

    Discs of neighbours are joined where both were asked as many dev items; others do not compare.

    Args:
        points: oldest first; none gives no chart.
        width: in CSS pixels.
        label: what a screen reader says.
    """
    if not points:
        return Markup("")
    tests = [None if test is None else (test["after"]["value"], *score_interval(test["after"])) for *_, test in points]
    values = [score["value"] for _, before, now, _ in points for score in (before, now)]
    values += [value for test in tests if test for value in test]
    low = max(0.0, min(*values, max(values) - 0.05))
    scale = ticks(low, max(*values, low + 0.05), 5)
    gap = (width - LEFT - RIGHT) / len(points)

    def across(index: int) -> float:
        return LEFT + gap * (index + 0.5)

    def up(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (scale[-1] - value) / (scale[-1] - scale[0])

    parts = []
    for tick in scale:
        kind = "axis" if tick == scale[0] else "grid"
        parts.append(f'<path d="M{LEFT} {up(tick):.1f}H{width - RIGHT}" class="{kind}"/>')
        parts.append(_text(LEFT - 7, up(tick) + 4, f"{100 * tick:g}%", "end"))
    step = max(1, round(26 / gap))
    for index, (name, before, now, _) in enumerate(points):
        x, size = across(index), min(4.5, gap / 3)
        old, new, test = up(before["value"]), up(now["value"]), tests[index]
        if index and points[index - 1][2]["n"] == now["n"]:
            last = up(points[index - 1][2]["value"])
            parts.append(f'<path d="M{across(index - 1):.1f} {last:.1f}L{x:.1f} {new:.1f}" class="champion"/>')
        parts.append(f'<path d="M{x:.1f} {old:.1f}V{new:.1f}" class="grid"/>')
        half = size * 0.8
        box = f"M{x - half:.1f} {old - half:.1f}h{2 * half:.1f}v{2 * half:.1f}h{-2 * half:.1f}z"
        parts.append(f'<path d="{box}" class="mark baseline"/>')
        parts.append(f'<circle cx="{x:.1f}" cy="{new:.1f}" r="{size:.1f}" class="mark promote"/>')
        if test:
            value, low, high = map(up, test)
            beside = x + 2.4 * size  # where it does not cover the disc
            parts.append(f'<path d="M{beside:.1f} {low:.1f}V{high:.1f}" class="whisker"/>')
            parts.append(f'<circle cx="{beside:.1f}" cy="{value:.1f}" r="{size:.1f}" class="mark open"/>')
        if (len(points) - 1 - index) % step == 0:
            parts.append(_text(x, HEIGHT - BOTTOM + 16, name, "middle"))
    parts.append(_text((LEFT + width - RIGHT) / 2, HEIGHT - 5, "run, oldest first", "middle"))
    head = f'<svg class="chart {"narrow" if width < 500 else "wide"}" viewBox="0 0 {width} {HEIGHT}" width="{width}" '
    return Markup(f'{head}height="{HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>')


def _text(x: float, y: float, content: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="tick" text-anchor="{anchor}">{escape(content)}</text>'
