"""The style sheet: every text colour stands out enough from what it stands on (WCAG 2.2 AA, 4.5 to 1)."""

from __future__ import annotations

import re

import pytest

from harness.locate import data_folder

HEAT = tuple(f"h{level}" for level in range(1, 7))
PAIRS = [
    *[(text, "paper") for text in ("ink", "muted", "accent", "better", "worse")],
    *[("ink", heat) for heat in HEAT],
    *[(f"{phase}-ink", phase) for phase in ("mine", "train", "evaluate", "other")],
    ("mark-ink", "mark"),
]


def palettes() -> dict[str, dict[str, str]]:
    css = (data_folder("reports") / "report.css").read_text(encoding="utf-8")
    light, dark = css.split("@media screen and (prefers-color-scheme: dark)")[:2]
    found = {}
    for name, part in (("light", light), ("dark", dark.split("* { box-sizing")[0])):
        found[name] = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", part))
    return found


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_stands_out(scheme: str, text: str, ground: str) -> None:
    palette = palettes()[scheme]
    high, low = sorted((luminance(palette[text]), luminance(palette[ground])), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_both_schemes_have_the_same_colours() -> None:
    found = palettes()
    assert found["light"].keys() == found["dark"].keys()


def test_the_style_sheet_asks_for_nothing_from_outside() -> None:
    css = (data_folder("reports") / "report.css").read_text(encoding="utf-8")
    assert "url(" not in css
    assert "@import" not in css
