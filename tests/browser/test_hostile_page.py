"""Texts that try to act, in a real browser: they are read and nothing else happens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile_report import PAYLOADS

from harness.reporting.escape import visible

pytestmark = pytest.mark.browser

ITEMS = "#responses-items details.case"


def test_the_payloads_act_on_a_page_that_lets_them(tmp_path: Path, visit: Callable[..., Any]) -> None:
    acted = 0
    for number, payload in enumerate(PAYLOADS):
        if "refresh" in payload:  # it would lead the page away while it is asked
            continue
        page = tmp_path / f"{number}.html"
        page.write_text(f"<!doctype html><title>x</title><body>{payload}", encoding="utf-8", errors="replace")
        opened = visit(page)
        opened.page.wait_for_timeout(100)
        acted += bool(opened.page.evaluate("window.pwned")) or len(opened.requests) > 1 or bool(opened.said)
    assert acted >= 15


def test_no_payload_acts_wherever_it_stands(hostile: Path, visit: Callable[..., Any]) -> None:
    opened = visit(hostile, "#responses?")
    opened.status("items of")
    page = opened.page
    while page.locator("#responses-more").is_visible():
        page.click("#responses-more")
    assert opened.count(ITEMS) == 4 * len(PAYLOADS)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    page.evaluate("document.querySelectorAll('[onmouseover],[onfocus]').forEach(each => each.focus())")
    page.mouse.move(400, 400)
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned") is None
    assert opened.said == []
    assert {address.partition("#")[0] for address in opened.requests} == {page.url.partition("#")[0]}
    assert opened.count("img, iframe, object, video, base, link, template, meta[http-equiv=refresh]") == 0
    body = page.locator("body").text_content() or ""
    for payload in PAYLOADS:
        assert visible(payload) in body


@pytest.mark.parametrize("number", range(len(PAYLOADS)))
def test_a_hostile_item_is_found_and_linked_like_any_other(
    number: int, hostile: Path, visit: Callable[..., Any]
) -> None:
    opened = visit(hostile)
    opened.page.wait_for_selector("#responses-filter")
    opened.page.fill("[name=q]", visible(f"{PAYLOADS[number]} {number}"))
    opened.status("item")
    link = opened.page.locator(".path a").first.get_attribute("href")
    again = visit(hostile, link)
    again.page.wait_for_function("document.activeElement.tagName === 'SUMMARY'")
    shown = again.page.locator(f"{ITEMS}[open]", has_text=visible(PAYLOADS[number]))
    assert shown.count() >= 1
    assert again.page.evaluate("window.pwned") is None
    assert again.said == opened.said == []
