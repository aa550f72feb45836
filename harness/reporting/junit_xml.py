"""Test cases as JUnit XML, whatever their texts hold: one writer for gates and for runs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from harness.reporting.escape import block as safe_block
from harness.reporting.escape import line as safe_line

TEXT = 20_000
"""Characters of a test case's text that are shown."""

Outcome = Literal["passed", "failure", "error", "skipped"]


@dataclass(frozen=True)
class JunitCase:
    """One test case; its texts are plain and hostile.

    Attributes:
        group: becomes ``classname``.
        kind: ``type`` of what is no pass; empty for none.
        message: of what is no pass, one line.
        text: of a pass what it says, else what is to be read.
        properties: names, which are ours, and values.
        seconds: it took; ``None`` where nobody counted.
    """

    name: str
    group: str
    outcome: Outcome
    message: str = ""
    text: str = ""
    kind: str = ""
    properties: tuple[tuple[str, str], ...] = ()
    seconds: float | None = None


def junit_xml(suite: str, cases: Sequence[JunitCase]) -> str:
    """A suite of test cases as XML 1.0. No time stamp, so that the same cases give the same bytes.

    Args:
        suite: its name.
    """
    found = Counter(case.outcome for case in cases)
    counts = {
        "tests": str(len(cases)),
        "failures": str(found["failure"]),
        "errors": str(found["error"]),
        "skipped": str(found["skipped"]),
    }
    root = ElementTree.Element("testsuites", counts)
    group = ElementTree.SubElement(root, "testsuite", {"name": safe_line(suite), **counts})
    for case in cases:
        _add(group, case)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(group: ElementTree.Element, case: JunitCase) -> None:
    about = {"classname": safe_line(case.group), "name": safe_line(case.name)}
    if case.seconds is not None:
        about["time"] = f"{case.seconds:.3f}"
    made = ElementTree.SubElement(group, "testcase", about)
    properties = ElementTree.SubElement(made, "properties") if case.properties else made
    for key, value in case.properties:
        ElementTree.SubElement(properties, "property", {"name": key, "value": safe_line(value)})
    if case.outcome == "passed":
        ElementTree.SubElement(made, "system-out").text = safe_block(case.text, TEXT)
        return
    why = {"type": safe_line(case.kind)} if case.kind else {}
    problem = ElementTree.SubElement(made, case.outcome, {**why, "message": safe_line(case.message)})
    problem.text = safe_block(case.text, TEXT) if case.text else None
