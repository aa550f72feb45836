"""What to do next, each with the evidence that speaks for it; a rule without its evidence is silent."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.gate.alpha import LOOKS
from harness.reporting.cells import repaid
from harness.reporting.data import ReportData, RoundView
from harness.reporting.formatting import integer, interval, percent, plural, points, score_range
from harness.reporting.outcomes import outcomes_of
from harness.reporting.prompting import setting
from harness.reporting.words import detectable

MOST = 5
PLATEAU = 3
"""Scored rounds in a row without a promotion from which a run has come to rest."""
AGREEING = 3
"""Good models that must give the same wrong answer before the gold answer is suspected."""
GOOD = 0.5
"""Score on dev from which a model's answers may cast doubt on a gold answer."""
STUCK_ROUNDS, STUCK_ITEMS = 3, 5
"""Rounds on a cell, and dev items that fail in it still, from which it counts as one that does not move."""


@dataclass(frozen=True)
class NextStep:
    """One thing to do.

    Attributes:
        kind: ``stop``, ``go on``, ``prompt``, ``relabel``, ``data``, ``mine`` or ``model``.
        title: what to do, a few words.
        evidence: why, in figures of this run; one sentence or two.
        command: what to run, or the line to put into ``harness.yaml``.
        items: ids that it is about.
    """

    kind: str
    title: str
    evidence: str
    command: str
    items: tuple[str, ...] = ()


def next_steps(data: ReportData) -> tuple[NextStep, ...]:
    """At most `MOST` steps, the cheapest that the evidence calls for first; empty where nothing speaks for any."""
    rules: Sequence[Callable[[ReportData], NextStep | None]] = (_stop, _go_on, _prompt, _relabel, _gather, _model)
    return tuple(step for step in (rule(data) for rule in rules) if step is not None)[:MOST]


def in_vain(rounds: Sequence[RoundView]) -> int:
    """Rounds since the last promotion that stands."""
    count = 0
    for view in reversed(rounds):
        if view.outcome in ("promote", "certified"):
            break
        count += 1
    return count


def _stop(data: ReportData) -> NextStep | None:
    """A plateau: rounds without a promotion, or no look left; whatever they say of a run that is closed."""
    rested, spent = in_vain(data.rounds), _no_look_left(data)
    extend = f"harness data extend NEW_ITEMS --domain {_quoted(data.summary['domain'])}"
    if data.closed:
        evidence = "It goes no further, and on the gate items that it looked at nothing can be certified any more."
        return NextStep("stop", "This run is closed: add gate items for the next one", evidence, extend)
    dev = data.summary["champion"]["dev"]
    if data.rounds and dev["correct"] == dev["n"]:
        evidence = f"All {plural(dev['n'], 'dev item')} are right: dev can show no further gain."
        return NextStep("stop", "Stop: nothing fails on dev", evidence, "")
    if rested < PLATEAU and not spent:
        return None
    found = []
    if rested >= PLATEAU:
        first = data.rounds[-rested].number
        last = next((view.paired for view in reversed(data.rounds) if view.paired is not None), None)
        seen = f", which can show gains from {points(detectable(last), signed=False)} points" if last else ""
        found.append(f"Rounds {first} to {data.rounds[-1].number}, {rested} in a row, were not promoted on dev{seen}.")
    if spent:
        found.append(f"{spent}: nothing more can be certified on them.")
    title = (
        "Stop: add gate items before more rounds" if spent and rested < PLATEAU else "Stop training on this as it is"
    )
    return NextStep("stop", title, " ".join(found), extend if spent else "")


def _no_look_left(data: ReportData) -> str:
    """Why no look at the gate items is left; empty where one may be."""
    looked = data.summary.get("looks") or ()
    last = next((view.tier for view in reversed(data.rounds) if view.tier is not None), None)
    rule = last["rule"] if last is not None and last["look"] is None else ""
    if rule == "opened":
        return "The gate items were shown when another run was closed"
    if rule == "spent" or (looked and looked[-1]["place"] >= LOOKS):
        return f"All {LOOKS} looks at the gate items are spent"
    return ""


def _go_on(data: ReportData) -> NextStep | None:
    """Rounds that still promote, or that were asked for and are not done."""
    summary = data.summary
    done, asked = summary["rounds_done"], summary["rounds_asked"]
    if done == 0:
        counts = data.baseline_categories
        if not counts or summary["status"] != "running":
            return None
        cell = max(sorted(counts), key=lambda name: counts[name])
        failing = f"{integer(counts[cell])} of {plural(len(data.baseline_dev.results), 'dev item')}"
        evidence = f"No round is done; the largest cell, {_words(cell)}, holds {failing}."
        return NextStep("go on", "Train: no round is done yet", evidence, _again(data, asked or 10))
    if _stop(data) is not None or not data.rounds:
        return None
    if summary["status"] != "finished" and done < asked:
        evidence = f"{done} of {plural(asked, 'round')} are done; the same command resumes."
        return NextStep("go on", "Finish the rounds that were asked for", evidence, _again(data, asked))
    lately = [view for view in data.rounds[-PLATEAU:] if view.outcome in ("promote", "certified")]
    if not lately:
        return None
    last = lately[-1]
    gain = f", {points(last.paired.delta)} points on dev ({interval(last.paired.ci95)})" if last.paired else ""
    left = percent(1 - summary["champion"]["dev"]["value"])
    evidence = f"Round {last.number} was still promoted{gain}; {left} of dev still fails."
    return NextStep("go on", "Go on: the last rounds still promoted", evidence, _again(data, done + 5))


def _prompt(data: ReportData) -> NextStep | None:
    """Another prompt, where comparing prompts showed that it does better on items that did not choose it."""
    if data.prompts is None or not (line := setting(data.prompts)):
        return None
    honest = data.prompts["zero_shot"]["honest"]
    if honest["ci95"][0] <= 0:
        return None
    evidence = (
        f"Untouched, its prompt brings {points(honest['delta'])} points (95% interval {interval(honest['ci95'])}) on "
        f"items that did not choose it: {integer(honest['fixed'])} cured, {integer(honest['broken'])} broken."
    )
    return NextStep(
        "prompt", "Start from the better prompt", evidence, f"{line} (in harness.yaml, for a new run, --out)"
    )


def suspicious(data: ReportData) -> tuple[str, ...]:
    """Dev items to which several good models gave one and the same wrong answer, failing in the same way.

    Good are the promoted rounds that answer at least `GOOD` of dev right, the champion among them; at least
    `AGREEING` of them must agree. They are of one run and not independent, so this is a suspicion and no finding.

    Returns:
        Item ids, in alphabetical order.
    """
    good = [
        view.answers
        for view in data.rounds
        if view.answers is not None and view.outcome in ("promote", "certified") and view.entry["dev"]["value"] >= GOOD
    ]
    if len(good) < AGREEING:
        return ()
    last = good[-AGREEING:]
    found = []
    for item, text in outcomes_of(data.champion_dev).wrong.items():
        texts = {answers.wrong.get(item, "").strip() for answers in last} | {text.strip()}
        states = {answers.states.get(item) for answers in last}
        if len(texts) == 1 and len(states) == 1 and texts != {""}:
            found.append(item)
    return tuple(sorted(found))


def _relabel(data: ReportData) -> NextStep | None:
    items = suspicious(data)
    if not items:
        return None
    failing = len(outcomes_of(data.champion_dev).wrong)
    evidence = (
        f"{AGREEING} promoted models gave the same wrong answer to {plural(len(items), 'dev item')}, "
        f"{len(items)} of the {failing} that still fail. Read their golds; models of one run are not independent."
    )
    return NextStep("relabel", "Check the gold answers of suspicious items", evidence, "harness data check FILE", items)


def _gather(data: ReportData) -> NextStep | None:
    """The costliest cell of the last round for which too few training rows were found."""
    view = next((view for view in reversed(data.rounds) if view.curation.get("asked_cells")), None)
    if view is None:
        return None
    asked, got = view.curation["asked_cells"], view.curation.get("delivered_cells", {})
    champion = outcomes_of(data.champion_dev)
    skills = data.champion_dev.skills()
    failing = Counter(f"{skills[item]}/{champion.states[item]}" for item in champion.wrong)
    short = [cell for cell, rows in asked.items() if got.get(cell, 0) < rows / 2 and failing[cell] > 0]
    if not short:
        return None
    cell = min(short, key=lambda name: (-failing[name], name))
    n = sum(skill == cell.rpartition("/")[0] for skill in skills.values())
    rate = failing[cell] / n
    spread = {"value": rate, "stderr": math.sqrt(rate * (1 - rate) / n), "n": n}
    share = f"{integer(failing[cell])} of {integer(n)} dev items fail so ({percent(rate)}, {score_range(spread)})"
    mined, pool = view.curation.get("mined"), _pool(data)
    found = f"round {view.number} wanted {plural(asked[cell], 'row')} and found {got.get(cell, 0)}"
    if mined and pool and mined < pool:
        evidence = f"{share}; {found}, having asked {integer(mined)} of {integer(pool)} pool rows."
        return NextStep(
            "mine",
            f"Mine more of the pool for {_words(cell)}",
            evidence,
            f"data.mine: more than {mined} (in the recipe, docs/recipes.md)",
        )
    all_of = f" in all {integer(pool)} pool rows" if pool else ""
    command = "harness data check NEW_ROWS"
    return NextStep("data", f"Gather data for {_words(cell)}", f"{share}; {found}{all_of}.", command)


def _pool(data: ReportData) -> int:
    items = data.manifest.get("identity", {}).get("data", {}).get("items", {})
    return int(items.get("pool", 0))


def _model(data: ReportData) -> NextStep | None:
    """Cells that rounds of training on them did not move."""
    stuck = [
        row
        for row in repaid(data)
        if len(row.rounds) >= STUCK_ROUNDS and row.rows > 0 and row.net <= 0 and row.now >= max(STUCK_ITEMS, row.before)
    ]
    if not stuck:
        return None
    worst = max(stuck, key=lambda row: (row.now, row.cell))
    rounds = ", ".join(map(str, worst.rounds))
    others = f" So did {plural(len(stuck) - 1, 'other cell')}." if len(stuck) > 1 else ""
    evidence = (
        f"{_words(worst.cell)} did not move: rounds {rounds} trained {plural(worst.rows, 'row')} on it, "
        f"{worst.before} dev items failed so before, {worst.now} do now.{others}"
    )
    command = f"harness iterate --model LARGER --domain {_quoted(data.summary['domain'])} --out NEW"
    return NextStep("model", "Try a larger model", evidence, command)


def _again(data: ReportData, rounds: int) -> str:
    """The command of the run with another number of rounds; each word of it quoted, whatever the manifest holds."""
    words = recorded_command(data.manifest)
    if words[:2] != ["harness", "iterate"]:
        return f"harness iterate --rounds {rounds} --domain {_quoted(data.summary['domain'])}"
    kept = [
        word
        for place, word in enumerate(words)
        if word != "--rounds" and not word.startswith("--rounds=") and words[place - 1] != "--rounds"
    ]
    return shlex.join([*kept, "--rounds", str(rounds)])


def recorded_command(manifest: Mapping[str, Any]) -> list[str]:
    """The words of the command that began the run; empty where none is recorded or it is no command line."""
    command = manifest.get("environment", {}).get("command") or manifest.get("command") or ""
    if isinstance(command, str):
        try:
            return shlex.split(command)
        except ValueError:
            return []
    return [str(word) for word in command]


def _words(cell: str) -> str:
    return cell.replace("_", " ")


def _quoted(text: object) -> str:
    return shlex.quote(str(text))
