"""A headless Chromium and the reports it opens; everything a page asks for, logs or raises is kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hostile_report import hostile_report
from report_fixture import make_report_data

from harness.reporting.html import HtmlReporter

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@dataclass
class Opened:
    """A page and what it did.

    Attributes:
        requests: addresses asked for; the first is the page's own.
        said: console messages, errors and dialogs.
    """

    page: Page
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def count(self, selector: str) -> int:
        """How many elements match ``selector``."""
        return self.page.locator(selector).count()

    def status(self, text: str) -> None:
        """Wait until the status line of the responses holds ``text``.

        Playwright's ``wait_for_function`` is of no use here: from its second try on it evaluates its text inside the
        page, which the page's content security policy forbids.
        """
        from playwright.sync_api import expect

        expect(self.page.locator("#responses-status")).to_contain_text(text, timeout=30_000)

    def sideways(self) -> int:
        """CSS pixels that the page can be scrolled sideways."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return width


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of the system: ``$CHROMIUM``, else ``/usr/bin/chromium``."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        chromium = started.chromium.launch(executable_path=path, args=list(FLAGS))
        yield chromium
        chromium.close()


Visit = Callable[..., Opened]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens a file in a page of its own: ``visit(path, fragment="", **settings of the context)``."""
    contexts = []

    def opened(path: Path, fragment: str = "", width: int = 1280, **settings: Any) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": 900}, **settings)
        contexts.append(context)
        page = context.new_page()
        kept = Opened(page)
        page.on("request", lambda request: kept.requests.append(request.url))
        page.on("console", lambda message: kept.said.append(message.text))
        page.on("pageerror", lambda error: kept.said.append(str(error)))
        page.on("dialog", lambda dialog: (kept.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.goto(path.as_uri() + fragment)
        return kept

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of six rounds: test is opened."""
    return HtmlReporter().render(make_report_data(rounds=6), tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def going_on(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in progress: dev items with their path through the rounds."""
    data = make_report_data(rounds=4, finished=False, n=200)
    return HtmlReporter().render(data, tmp_path_factory.mktemp("going-on"))


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 items."""
    data = make_report_data(rounds=1, finished=False, fewshot=False, guard=False, crash_round=None, n=20_000)
    return HtmlReporter().render(data, tmp_path_factory.mktemp("many"))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every text that others supply carries markup that would act."""
    return HtmlReporter().render(hostile_report(), tmp_path_factory.mktemp("hostile"))
