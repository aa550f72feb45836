"""Regression gates as pytest tests (entry point ``pytest11``, name ``harness``); see ``docs/pytest.md``.

This file is loaded in every pytest run of an environment that has the package, so it imports pytest alone. What
``--harness`` does is in `harness.pytest_gates`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.regression.by_hand import Harness

OPTIONS = ("harness", "harness_run", "harness_update_baseline", "harness_config")
"""Any of these collects the gates."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; ``harness`` in front of each keeps them out of other plugins' way."""
    group = parser.getgroup("harness", "regression gates of a language model (lm-eval-ratchet)")
    group.addoption("--harness", action="store_true", help="Collect the gates of harness.yaml as tests.")
    group.addoption("--harness-run", metavar="DIR", help="Gate saved answers: a run, or output of lm-eval; no model.")
    group.addoption(
        "--harness-update-baseline", action="store_true", help="Write the baseline that gates compare with anew."
    )
    group.addoption(
        "--harness-config", metavar="FILE", help="Settings [default: harness.yaml of the current or the root folder]."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; nothing else without one of the options."""
    config.addinivalue_line("markers", "harness: a regression gate of a language model; it may load one")
    if any(config.getoption(name) for name in OPTIONS):
        from harness.pytest_gates import Gates

        config.pluginmanager.register(Gates(config), "harness-gates")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests that use the fixture, so that ``-m "not harness"`` leaves them out too."""
    if "harness" in getattr(item, "fixturenames", ()):
        item.add_marker("harness")


@pytest.fixture(scope="session", name="harness")
def _harness(pytestconfig: pytest.Config) -> Harness:
    """Evaluate a model and assert gates: ``harness.evaluate("helpdesk").assert_no_regression("routing")``."""
    from harness.pytest_gates import by_hand

    return by_hand(pytestconfig)
