"""The index of runs and the comparison in a real browser: no script, no request, any width, both schemes, paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

Visit = Callable[..., Any]
PAGES = ("index", "comparison")


@pytest.fixture
def page_file(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


@pytest.mark.parametrize("width", [360, 1280, 3840])
@pytest.mark.parametrize("page_file", [*PAGES, "hostile_index", "hostile_comparison"], indirect=True)
def test_it_fits_and_does_nothing(page_file: Path, width: int, visit: Visit) -> None:
    opened = visit(page_file, width=width)
    opened.page.wait_for_load_state("load")
    assert opened.page.locator("h1").is_visible()
    assert opened.sideways() == 0
    opened.page.evaluate("document.querySelectorAll('[onmouseover],[onfocus]').forEach(each => each.focus())")
    assert opened.page.evaluate("window.pwned") is None
    assert opened.said == []
    assert opened.requests == [page_file.as_uri()]
    assert opened.count("script, img, iframe, object, video, base, link, template, meta[http-equiv=refresh]") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page_file", PAGES, indirect=True)
def test_axe_finds_nothing_serious(page_file: Path, scheme: str, visit: Visit) -> None:
    assert visit(page_file, color_scheme=scheme).serious() == []


@pytest.mark.parametrize("page_file", PAGES, indirect=True)
def test_it_prints_whole(page_file: Path, visit: Visit) -> None:
    page = visit(page_file, color_scheme="dark").page
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert all(page.locator("table").nth(place).is_visible() for place in range(page.locator("table").count()))
    assert page.pdf()[:5] == b"%PDF-"


def test_the_index_leads_to_each_report_with_the_keyboard(index: Path, visit: Visit) -> None:
    page = visit(index).page
    links = page.locator("table a")
    assert links.count() == 3
    assert page.get_by_text("1 not readable").is_visible()
    links.first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#responses-filter")
    assert page.url.endswith("/report/index.html")
