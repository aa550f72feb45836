"""A headless Chromium and the reports it opens; everything a page asks for, logs or raises is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hostile_report import hostile_report
from report_fixture import make_report_data

from harness.regression.answers import AnswerSet, from_evaluation
from harness.regression.compare import compare
from harness.regression.compare_render import as_html
from harness.regression.index_page import write_index
from harness.reporting.data import ReportData
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

    def serious(self) -> list[tuple[str, str]]:
        """What axe-core finds that is serious or critical: the rule and the beginning of its first element."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")]

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


def compared(data: ReportData, folder: Path) -> Path:
    """The page of the champion beside the untouched model."""
    before, after = (
        AnswerSet(each.name, tuple(from_evaluation(each))) for each in (data.baseline_dev, data.champion_dev)
    )
    path = folder / "compare.html"
    path.write_text(as_html(compare(before, after)), encoding="utf-8")
    return path


def indexed(data: ReportData, folder: Path) -> Path:
    """The index over three runs, a domain of one run, and one that cannot be read."""
    for place, (name, domain) in enumerate((("first", "one"), ("second", "one"), ("third", "two"))):
        run = folder / f"run{place}"
        HtmlReporter().render(data, run / "report")
        summary = {
            **data.summary,
            "run": f"{name} {data.summary['run']}",
            "domain": f"{domain} {data.summary['domain']}",
        }
        (run / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
        (run / "ledger.jsonl").write_text(json.dumps({"time": f"2026-01-0{place + 1}T10:00:00Z"}), encoding="utf-8")
    (folder / "broken").mkdir()
    (folder / "broken" / "ledger.jsonl").touch()
    return write_index(folder)


@pytest.fixture(scope="session")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six rounds later, beside the untouched model."""
    return compared(make_report_data(rounds=6), tmp_path_factory.mktemp("comparison"))


@pytest.fixture(scope="session")
def hostile_comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of answers that try to act."""
    return compared(hostile_report(), tmp_path_factory.mktemp("hostile-comparison"))


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three finished runs."""
    return indexed(make_report_data(rounds=6, n=200), tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def hostile_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with names that try to act."""
    return indexed(hostile_report(), tmp_path_factory.mktemp("hostile-runs"))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every text that others supply carries markup that would act."""
    return HtmlReporter().render(hostile_report(), tmp_path_factory.mktemp("hostile"))
