"""What gates say, for a terminal, a job summary, a JUnit report and annotations. Pure: results to text.

Names, messages and answers are hostile: each function makes them harmless for where its text goes.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence

from harness.regression.answers import AnswerSet
from harness.regression.results import SHOWN, Broken, GateResult
from harness.reporting.escape import block as safe_block
from harness.reporting.escape import brief, harmless, head, shorten, tail, visible
from harness.reporting.escape import line as safe_line
from harness.reporting.escape import markdown as escaped
from harness.reporting.formatting import duration, percent, plural, points
from harness.reporting.junit_xml import JunitCase, junit_xml

WIDTH = 100
"""Columns of a failure's text."""
FEW = 2
"""Answers of a failure that a terminal shows."""
ASKED, SAID = 300, 400
"""Characters shown of the end of a prompt, and of the beginning of an answer."""
ANNOTATIONS = 10
"""GitHub shows this many errors, warnings and notices of a step each and drops the others without a word."""
LONGEST_NAME = 200


def verdict(result: GateResult) -> str:
    """In a word what follows, and why where the numbers alone do not say: ``pass``, ``FAIL (too close to call)``."""
    why = {"uncertain": " (too close to call)", "unknown": " (unknown)"}.get(result.state, "")
    return ("pass" if result.passed else "FAIL") + why


def figure(value: float | None, unit: str) -> str:
    """A gate's number with its unit: ``81.2%``, ``+2.0 points``, ``1.52 s``, ``48.1 tokens``; ``-`` for none."""
    if value is None:
        return "-"
    match unit:
        case "share":
            return percent(value)
        case "difference":
            return f"{points(value)} points"
        case "s":
            return f"{value:.2f} s"
        case "tokens":
            return f"{value:.1f} tokens"
        case _:
            return f"{value:g} {unit}".rstrip()


def interval(result: GateResult) -> str:
    """The figure's interval, ``78.1 to 84.0%``; ``-`` where there is none."""
    if result.low is None or result.high is None:
        return "-"
    low = figure(result.low, result.unit).removesuffix("%").partition(" ")[0]
    return f"{low} to {figure(result.high, result.unit)}"


def tally(results: Sequence[GateResult]) -> str:
    """``5 gates: 3 passed, 2 failed (1 too close to call, 1 unknown)``."""
    if not results:
        return "no gates"
    failed = [result for result in results if not result.passed]
    states: Counter[str] = Counter(result.state for result in failed)
    whys = [f"{states[state]} {words}" for state, words in _WHY.items() if states[state]]
    passed = len(results) - len(failed)
    close = sum(result.passed and result.state == "uncertain" for result in results)
    parts = [f"{passed} passed" + (f" ({close} too close to call)" if close else "")]
    if failed:
        parts.append(f"{len(failed)} failed" + (f" ({', '.join(whys)})" if whys else ""))
    return f"{plural(len(results), 'gate')}: {', '.join(parts)}"


_WHY = {"uncertain": "too close to call", "unknown": "unknown"}


def terminal(results: Sequence[GateResult], width: int = WIDTH, most: int = FEW) -> str:
    """All gates for a terminal or a CI log: a line each, behind failures ``most`` answers, at the end the tally.

    Nothing in it drives a terminal, and no line of it is a command to a CI runner.
    """
    parts = []
    for result in results:
        shown = f"{verdict(result)}: {safe_line(result.name, LONGEST_NAME)}"
        parts.append(f"{shown}\n{_indented(explain(result, width - 2, most))}")
    return "\n".join([*parts, tally(results)]) + "\n"


def explain(result: GateResult, width: int = WIDTH, most: int = SHOWN) -> str:
    """One gate's message, notes and ``most`` new failures, before and now side by side; lines of ``width`` columns.

    The answers of a gate that passed are left out.
    """
    lines = [safe_line(result.message), *(f"note: {safe_line(note)}" for note in result.notes)]
    if not result.passed and result.broken:
        lines += [_answer(number, each, width) for number, each in enumerate(result.broken[:most], start=1)]
        if len(result.broken) > most:
            lines.append(f"and {len(result.broken) - most} more: --format markdown shows them")
    return harmless("\n".join(line for line in lines if line))  # wrapped lines have beginnings of their own


def _answer(number: int, broken: Broken, width: int) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.ASCII, width=width, show_lines=True)
    table.add_column("before", ratio=1, overflow="fold")
    table.add_column("now", ratio=1, overflow="fold")
    table.add_row(Text(_block(broken.before or "", SAID)), Text(_block(broken.after, SAID)))
    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None, legacy_windows=False, force_jupyter=False)
    asked = "".join(text for text, _ in tail(broken.prompt, ASKED).segments)
    about = f"{number}. {safe_line(broken.skill or broken.task)}, item {safe_line(broken.item)}"
    console.print(Text(about + (f": {safe_line(broken.category).replace('_', ' ')}" if broken.category else "")))
    for name, text in (("asked", asked), ("right", broken.target)):
        if text.strip():
            console.print(Text(f"   {name}: {safe_line(text, ASKED)}"))
    if broken.before is None:
        console.print(Text(f"   now: {safe_line(broken.after, SAID) or '(empty)'}"))
    else:
        console.print(table)
    return stream.getvalue().rstrip("\n")


def _block(text: str, limit: int) -> str:
    return safe_block(text, limit) or "(empty)"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))


def markdown(results: Sequence[GateResult], title: str, answers: AnswerSet | None = None) -> str:
    """All gates for a job summary or a pull request: a table, and behind each failure its answers, folded.

    Args:
        title: of the section.
        answers: what was judged; its model, number of items and time stand below the title.
    """
    lines = [f"## {_prose(title)}", "", f"{_sentence(tally(results))}{_judged(answers)}", ""]
    if results:
        lines += ["| gate | verdict | figure | interval | against | n | |", "|---|---|---:|---:|---:|---:|---|"]
    for result in results:
        against = figure(result.threshold, result.unit)
        shown = verdict(result)
        cells = [
            _code(result.name, LONGEST_NAME),
            shown if result.passed else f"**{shown}**",
            figure(result.value, result.unit),
            interval(result),
            against,
            f"{result.n:,}" if result.n else "-",
            _prose(result.message),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for result in results:
        lines += [f"\n- {_code(result.name, LONGEST_NAME)}: {_prose(note)}" for note in result.notes]
    for result in results:
        if not result.passed and result.broken:
            lines += ["", *_folded(result)]
    return "\n".join(lines) + "\n"


def _judged(answers: AnswerSet | None) -> str:
    if answers is None:
        return ""
    guards = len(answers.of("guard"))
    domain = plural(len(answers.answers) - guards, "item")
    what = f"{domain} and {guards:,} of guards" if guards else domain
    time = f", answered in {duration(answers.seconds)}" if answers.seconds is not None else ""
    return f" {_code(answers.identity.model or answers.source, LONGEST_NAME)} on {what}{time}."


def _folded(result: GateResult) -> list[str]:
    count = plural(len(result.broken), "answer")
    lines = [f"<details><summary>{_code(result.name, LONGEST_NAME)}: {count} to look at</summary>", ""]
    lines += ["| item | asked | right | before | now |", "|---|---|---|---|---|"]
    for each in result.broken:
        item = f"{_code(each.item)} {_prose(each.skill or each.task)}"
        if each.category:
            item += f"<br>{_prose(each.category.replace('_', ' '))}"
        said = "-" if each.before is None else brief(head(each.before, limit=SAID), SAID)
        cells = [item, brief(tail(each.prompt, ASKED), ASKED), brief(head(each.target, limit=SAID), SAID), said]
        lines.append(f"| {' | '.join(map(str, cells))} | {brief(head(each.after, limit=SAID), SAID)} |")
    return [*lines, "", "</details>"]


def _code(text: str, limit: int = 1_000) -> str:
    return str(brief(head(text, limit=limit), limit))


def _prose(text: str) -> str:
    """Outside code; an at sign names nobody, who would be notified where the text is posted as a comment."""
    return escaped(text, 1_000).replace("@", "@<!-- -->")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def junit(results: Sequence[GateResult], suite: str = "harness") -> str:
    """All gates as JUnit XML, a test case each; what failed for want of numbers is of type ``unknown``.

    Figures are properties of the test case. No time stamp, so that the same results give the same bytes.
    """
    return junit_xml(suite, [_case(result, suite) for result in results])


def _case(result: GateResult, suite: str) -> JunitCase:
    figures = {key: getattr(result, key) for key in ("state", "value", "low", "high", "threshold", "unit", "n")}
    return JunitCase(
        name=result.name,
        group=f"{suite}.{result.kind}",
        outcome="passed" if result.passed else "failure",
        kind="" if result.passed else result.state,
        message=f"{verdict(result)}: {result.message}",
        text=f"{verdict(result)}: {explain(result)}" if result.passed else explain(result),
        properties=tuple((key, str(value)) for key, value in figures.items() if value not in (None, "")),
    )


def github(results: Sequence[GateResult], file: str = "harness.yaml") -> str:
    """Annotations as GitHub's workflow commands: an error for each failure, a warning for what is too close to call.

    Notes are notices. Where there are more than `ANNOTATIONS` of a kind, the last one says how many others there are.

    Args:
        file: where the gates are declared, relative to the repository's root; the annotations stand there.
    """
    found: dict[str, list[tuple[str, str]]] = {"error": [], "warning": [], "notice": []}
    for result in results:
        about = (f"{verdict(result)}: {result.name}", result.message)
        if not result.passed:
            found["error"].append((about[0], "\n".join([about[1], *map(_brief, result.broken)])))
        elif result.state != "pass":
            found["warning"].append(about)
        found["notice"] += [(result.name, note) for note in result.notes]
    lines = []
    for level, given in found.items():
        if len(given) > ANNOTATIONS:
            left = len(given) - ANNOTATIONS + 1
            given = [
                *given[: ANNOTATIONS - 1],
                (f"{left} more", "; ".join(safe_line(title, 80) for title, _ in given[-left:])),
            ]
        for title, message in given:
            place = f"file={_property(file)},title={_property(safe_line(title, LONGEST_NAME))}"
            lines.append(f"::{level} {place}::{_data(harmless(visible(shorten(message))))}")
    return "".join(f"{line}\n" for line in lines)


def _brief(broken: Broken) -> str:
    """One answer in a line of an annotation."""
    before = "-" if broken.before is None else safe_line(broken.before, 100)
    where = f"{safe_line(broken.skill or broken.task, 80)} {safe_line(broken.item, 40)}"
    return f"{where}: {before} -> {safe_line(broken.after, 100)}"


def _data(text: str) -> str:
    """A workflow command's message: https://github.com/actions/toolkit, packages/core/src/command.ts."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
