"""Texts that try to act, in a real browser: they are read and nothing else happens."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile_report import PAYLOADS

from harness.reporting.escape import visible

pytestmark = pytest.mark.browser

ITEMS = "#responses-items details.case"
BARE = "<!doctype html><title>x</title><body>"
# As browsers wrote until 2025: < and > bare within attributes.
REWRITE = "a.innerHTML = a.innerHTML.replaceAll('&lt;', '<').replaceAll('&gt;', '>')"
ELSEWHERE: dict[int, Callable[[str], str]] = {
    6: lambda text: f"{BARE}<input value='{text}'>",
    15: lambda text: f"{BARE}<p id=a></p><script>a.innerHTML = {json.dumps(text)}; {REWRITE}</script>",
    24: lambda text: f"{BARE}<script>`{text}`</script>",
    25: lambda text: BARE + html.unescape(text),
    26: lambda text: BARE + text.replace("\x00", ""),
}
"""By number, the mistake that a payload waits for, where it is another one than to put it into the page as it is."""
TELL = "Object.defineProperty(window, 'pwned', { set() { console.log('pwned'); } })"


@pytest.mark.parametrize("number", range(len(PAYLOADS)))
def test_each_payload_acts_on_a_page_that_lets_it(number: int, tmp_path: Path, browser: Any) -> None:
    path = tmp_path / "page.html"
    careless = ELSEWHERE.get(number, lambda text: BARE + text)
    path.write_text(careless(PAYLOADS[number]), encoding="utf-8", errors="replace")
    with browser.new_context() as context:
        context.route("https://**", lambda route: route.abort())
        page, acts = context.new_page(), []
        page.on("request", lambda request: acts.append(request.url) if request.url.startswith("https:") else None)
        page.on("console", lambda message: acts.append("ran") if message.text == "pwned" else None)
        page.on("dialog", lambda dialog: (acts.append("asked"), dialog.dismiss()))
        page.add_init_script(TELL)
        page.goto(path.as_uri(), wait_until="commit")  # one payload leads the page away: it is asked nothing after that
        for _ in range(250):
            if not acts:
                page.wait_for_timeout(20)
    assert acts


def test_no_payload_acts_wherever_it_stands(hostile: Path, visit: Callable[..., Any]) -> None:
    opened = visit(hostile, "#responses?")
    opened.status("items of")
    page = opened.page
    while page.locator("#responses-more").is_visible():
        page.click("#responses-more")
    assert opened.count(ITEMS) == 2 * 4 * len(PAYLOADS)  # of test, and of dev
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
    again.page.locator("summary:focus").wait_for()
    shown = again.page.locator(f"{ITEMS}[open]", has_text=visible(PAYLOADS[number]))
    assert shown.count() >= 1
    assert again.page.evaluate("window.pwned") is None
    assert again.said == opened.said == []
