"""The report in a real browser: it shows, filters, links, prints and fits, and asks nobody for anything."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

Visit = Callable[..., Any]
ITEMS = "#responses-items details.case"


def quiet(opened: Any) -> None:
    """The page said nothing on the console and asked for nothing but itself."""
    assert opened.said == []
    assert {address.partition("#")[0] for address in opened.requests} == {opened.page.url.partition("#")[0]}


def not_in_overview(page: Page, verdict: str) -> str:
    """The id of an item that is not among those of the page's overview, found through the filter."""
    page.select_option("[name=verdict]", verdict)
    page.locator(ITEMS).nth(40).wait_for()
    name: str = page.locator(".case-body").nth(40).get_attribute("id") or ""
    page.click("#responses-filter button")
    assert page.locator(f'[id="{name}"]').count() == 0
    return name


@pytest.mark.parametrize("which", ["report", "going_on", "many", "hostile"])
def test_it_shows_and_says_and_asks_nothing(which: str, visit: Visit, request: pytest.FixtureRequest) -> None:
    opened = visit(request.getfixturevalue(which))
    opened.page.wait_for_load_state("load")
    opened.page.wait_for_selector("#responses-filter")
    assert opened.page.locator("h1").inner_text()
    assert 1 <= opened.count(ITEMS) <= 60
    quiet(opened)


def test_filters_narrow_the_items_and_stay_in_the_address(report: Path, visit: Visit) -> None:
    opened = visit(report)
    page = opened.page
    page.select_option("[name=of]", "test")
    opened.status("600 items of 1,200")
    page.select_option("[name=verdict]", "fixed")
    page.get_by_text(re.compile(r"^(?!600 )[0-9]+ items of 1,200")).wait_for()
    assert set(page.locator(".verdict-of").all_inner_texts()) == {"✗ → ✓ Fixed"}
    page.select_option("[name=skill]", "routing")
    page.get_by_text(re.compile(r"^[0-9]+ items of 1,200\.$")).wait_for()
    shown = page.locator(f"{ITEMS} > summary").all_inner_texts()
    assert shown
    assert all("routing" in line for line in shown)
    said = page.locator("#responses-status").inner_text()
    assert said == f"{len(shown)} items of 1,200."
    assert page.url.endswith("#responses?of=test&verdict=fixed&skill=routing")
    again = visit(report, "#responses?of=test&verdict=fixed&skill=routing")
    again.status("of 1,200")
    assert again.page.locator(f"{ITEMS} > summary").all_inner_texts() == shown
    quiet(again)


def test_dev_items_are_found_by_round_once_test_is_opened(report: Path, visit: Visit) -> None:
    opened = visit(report, "#responses?round=2")
    opened.status("of 1,200")
    lines = opened.page.locator(f"{ITEMS} > summary").all_inner_texts()
    assert lines
    assert all(" dev" in line and " test" not in line for line in lines)
    quiet(opened)


def test_search_finds_words_of_the_texts_and_none_of_the_headings(report: Path, visit: Visit) -> None:
    opened = visit(report)
    opened.page.fill("[name=q]", "HALDEN kettle")
    opened.status("of 1,200")
    texts = opened.page.locator(ITEMS).all_text_contents()
    assert texts
    assert all("halden" in text.lower() and "kettle" in text.lower() for text in texts)
    opened.page.fill("[name=q]", '"product":')
    opened.status("of 1,200")
    assert opened.count(ITEMS) > 1
    for nothing in ("link to this item", "gold zzz", "&quot;"):
        opened.page.fill("[name=q]", nothing)
        opened.status("0 items of 1,200")


def test_fifty_are_shown_at_a_time_and_reset_brings_the_overview_back(report: Path, visit: Visit) -> None:
    opened = visit(report)
    page, overview = opened.page, opened.count(ITEMS)
    page.select_option("[name=verdict]", "fixed")
    opened.status("50 shown")
    assert opened.count(ITEMS) == 50
    page.click("#responses-more")
    assert opened.count(ITEMS) == 100
    assert "100 shown" in page.locator("#responses-status").inner_text()
    assert page.evaluate("document.activeElement === document.querySelectorAll('#responses-items summary')[50]")
    page.click("#responses-filter button")
    assert opened.count(ITEMS) == overview
    assert page.url.endswith("#responses")


def test_items_can_be_filtered_by_the_round_in_which_they_changed(going_on: Path, visit: Visit) -> None:
    opened = visit(going_on)
    option = opened.page.locator("[name=round] option").nth(1)
    number, count = re.findall(r"\d+", option.inner_text())
    opened.page.select_option("[name=round]", number)
    opened.status(f"{count} item")
    assert opened.count(ITEMS) == min(50, int(count))


@pytest.mark.parametrize("which", ["report", "many"])
def test_a_link_opens_exactly_its_item(which: str, visit: Visit, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(which)
    name = not_in_overview(visit(path).page, "still failing" if which == "many" else "fixed")
    opened = visit(path, f"#{name}")
    opened.status("alone, by its link")
    assert opened.count(ITEMS) == 1
    assert opened.page.locator(f'details[open] [id="{name}"]').is_visible()
    assert opened.page.evaluate("document.activeElement.tagName") == "SUMMARY"
    link = opened.page.locator(".path a").get_attribute("href")
    assert link == f"#{name}"
    quiet(opened)


def test_a_link_to_an_item_of_the_overview_opens_it_there(report: Path, visit: Visit) -> None:
    first = visit(report).page
    name = first.locator(".case-body").nth(4).get_attribute("id")
    assert not first.locator(f'[id="{name}"]').is_visible()
    opened = visit(report, f"#{name}")
    opened.page.locator(f'details[open]:has([id="{name}"]) summary:focus').wait_for()
    assert opened.count(ITEMS) > 1
    opened.page.wait_for_timeout(200)  # the browser goes to the address by itself as well
    assert opened.page.locator("summary:focus").bounding_box()["y"] >= 0


def test_a_link_to_an_item_that_is_not_there_says_so(report: Path, visit: Visit) -> None:
    opened = visit(report, "#i-0000%")
    opened.status("No item 0000% is in this report")
    quiet(opened)


def test_the_keyboard_alone_is_enough(report: Path, visit: Visit) -> None:
    opened = visit(report)
    page = opened.page
    page.wait_for_selector("#responses-filter")

    def tab_to(selector: str, most: int) -> None:
        for _ in range(most):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"{selector} is not reached")

    tab_to("[name=q]", 80)
    page.keyboard.type("kettle")
    opened.status("of 1,200")
    tab_to("#responses-items summary", 8)
    assert page.evaluate("document.activeElement.closest('details').open") is False
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('details').open") is True
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    tab_to(".path a", 3)


def test_without_javascript_the_overview_can_be_read(report: Path, visit: Visit) -> None:
    opened = visit(report, java_script_enabled=False)
    page = opened.page
    assert page.locator("#responses-filter").is_hidden()
    assert page.get_by_text("harness report RUN --format csv").is_visible()
    assert page.locator("a.explore").first.is_hidden()
    page.locator(f"{ITEMS} > summary").nth(3).click()
    assert page.locator(".case-body").nth(3).is_visible()


def test_a_browser_that_cannot_decompress_keeps_the_overview_and_says_so(report: Path, browser: Any) -> None:
    page = browser.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(report.as_uri())
    assert page.get_by_text("too old").is_visible()
    assert page.locator("#responses-filter").is_hidden()
    assert page.locator(ITEMS).count() > 10
    page.close()


def test_the_page_of_a_run_that_goes_on_loads_anew_until_somebody_reads(going_on: Path, browser: Any) -> None:
    page = browser.new_page()
    page.clock.install()
    page.goto(going_on.as_uri())
    with page.expect_navigation():
        page.clock.fast_forward(31_000)
    page.wait_for_selector("#responses-filter")
    page.locator(f"{ITEMS} > summary").nth(3).click()
    page.evaluate("window.same = true")
    page.clock.fast_forward(310_000)
    page.wait_for_timeout(500)
    assert page.evaluate("window.same") is True
    page.close()


def test_on_paper_there_are_responses_and_no_controls(report: Path, visit: Visit) -> None:
    page = visit(report).page
    page.wait_for_selector("#responses-filter")
    page.emulate_media(media="print")
    for control in ("#responses-filter", "nav", "a.explore >> nth=0"):
        assert page.locator(control).is_hidden()
    assert page.locator(".case-body").first.is_visible()
    assert page.pdf()[:5] == b"%PDF-"


@pytest.mark.parametrize("width", [360, 3840])
@pytest.mark.parametrize("which", ["report", "going_on", "hostile"])
def test_nothing_makes_the_page_scroll_sideways(
    which: str, width: int, visit: Visit, request: pytest.FixtureRequest
) -> None:
    opened = visit(request.getfixturevalue(which), width=width)
    opened.page.wait_for_selector("#responses-filter")
    assert opened.sideways() == 0
    opened.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert opened.sideways() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["report", "going_on"])
def test_axe_finds_nothing_serious(which: str, scheme: str, visit: Visit, request: pytest.FixtureRequest) -> None:
    opened = visit(request.getfixturevalue(which), "#responses?verdict=fixed", color_scheme=scheme)
    opened.status("items of")
    opened.page.locator(f"{ITEMS} > summary").nth(1).click()
    paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) == (scheme == "dark")
    assert opened.serious() == []
