"""How fast the page of a report opens and filters in Chromium, with very many responses.

    CHROMIUM=/usr/bin/chromium python benchmarks/report_page.py [--items 20000] [--repeats 5]

The report is made up (`tests/report_fixture.py`); writing it is timed once, in seconds of the processor. In the
browser, from the start of the navigation: until the first paint, until the page can be read and used (the load event),
until the filters answer (all items unpacked). Then, from the choice of a filter until the browser has drawn its result:
one error category, and a search after the texts were read in idle time. Needs the extra `browser`.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import ROOT, parser, report, say, table

sys.path.append(str(ROOT / "tests"))

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
# Two frames: the second one begins after the first was drawn.
FILTER = """async ([name, value]) => {
  const field = document.querySelector(`[name=${name}]`), start = performance.now();
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - start;
}"""
DRAWN = """async () => {
  while (!(PAINT && LOADED)) await new Promise((done) => setTimeout(done, 5));
}""".replace("PAINT", PAINT).replace("LOADED", LOADED)
READY = """async () => {
  location.hash = "#responses?q=";
  while (!document.getElementById("responses-status").textContent) await new Promise((done) => setTimeout(done, 5));
  return performance.now();
}"""


def write_report(items: int, folder: Path) -> tuple[Path, float]:
    """The page and the processor's seconds that it took."""
    from report_fixture import make_report_data

    from harness.reporting.html import HtmlReporter

    data = make_report_data(rounds=1, finished=False, fewshot=False, guard=False, crash_round=None, n=items)
    start = time.process_time()
    return HtmlReporter().render(data, folder), time.process_time() - start


def opened(browser: Any, page_file: Path) -> dict[str, float]:
    """Milliseconds of one visit with an empty cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(page_file.as_uri(), wait_until="load")
    page.evaluate(DRAWN)
    times = {"first paint": page.evaluate(PAINT), "loaded": page.evaluate(LOADED), "unpacked": page.evaluate(READY)}
    page.click("#responses-filter button")
    page.wait_for_timeout(3_000)  # the texts are read while nobody asks
    times["filter by category"] = page.evaluate(FILTER, ["before", "wrong_answer"])
    page.click("#responses-filter button")
    times["search"] = page.evaluate(FILTER, ["q", "kettle monday"])
    context.close()
    return times


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, items=20_000)
    options.set_defaults(repeats=5)
    asked = options.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        page_file, seconds = write_report(asked.items, Path(folder))
        say(f"written in {seconds:.1f} s of the processor, {page_file.stat().st_size / 1e6:.1f} MB")
        browser = started.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=list(FLAGS)
        )
        version = browser.version
        runs = [opened(browser, page_file) for _ in range(asked.repeats)]
        browser.close()
        size = page_file.stat().st_size
    rows = [[name, statistics.median(run[name] for run in runs), min(run[name] for run in runs)] for name in runs[0]]
    text = table(["milliseconds", "median", "least"], rows)
    data = {"items": asked.items, "bytes": size, "write_seconds": seconds, "chromium": version, "runs": runs}
    report("report_page", text, data, asked.results)


if __name__ == "__main__":
    main()
