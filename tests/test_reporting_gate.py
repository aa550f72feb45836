"""What the gate decided, as the reports say it: looks, certificates, rollbacks, cells on watch, a worn test."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_fixture import make_report_data, paired
from report_gated import CERTIFIED, CHAMPION, HARM, LOOKS, NO_LOOK, ROLLED_BACK, chosen_by_hand, make_gated, pages, said
from report_items import make_evaluation
from rich.console import Console

from harness.cli.progress import TerminalListener
from harness.cli.tables import print_result
from harness.errors.contract import ErrorLabel, ErrorRecord
from harness.gate.guards import guard_finding
from harness.gate.migration import RIGHT
from harness.gate.verdict import Verdict
from harness.reporting.categories import migration_tables
from harness.reporting.data import ReportData
from harness.reporting.formatting import percent, points, probability
from harness.reporting.standing import DECIDED, RULES, look_words, round_words
from harness.reporting.unknowns import unknowns
from harness.reporting.view import build_view

# --- rounds


def test_every_look_is_shown_with_its_place_level_and_bit_and_nothing_else(tmp_path: Path) -> None:
    data = make_gated()
    html, markdown = pages(data, tmp_path)
    for place, alpha, bit in LOOKS.values():
        for text in (html, markdown):
            level = f"{alpha:g}".removeprefix("0")
            assert f"look {place} of 8 at alpha {level}: {'certified' if bit else 'not certified'}" in text
    assert html.count("no look: not clearly better on dev") == 1  # of round 4 in the table
    assert NO_LOOK[:40] in html


def test_rounds_are_certified_provisional_or_rolled_back() -> None:
    standings = build_view(make_gated()).standings
    assert standings == {
        1: "promoted, provisional", CERTIFIED: "promoted, certified", ROLLED_BACK: "rolled back",
        4: "promoted, provisional", 5: "crashed", CHAMPION: "provisional champion",
    }  # fmt: skip
    certified = make_gated()
    certified = replace(
        certified, summary={**certified.summary, "champion": {**certified.summary["champion"], "round": 2}}
    )
    assert build_view(certified).standings[2] == "certified champion"


def test_the_reason_of_a_rollback_is_shown(tmp_path: Path) -> None:
    data = make_gated()
    html, markdown = pages(data, tmp_path)
    assert HARM.split(",")[0] in html
    assert "Rolled back." in html
    assert "Decided by harm against the last certified model." in html
    for text in (html, markdown):
        assert text.count(f"harm on dev against round {CERTIFIED}") == 1
    tier = data.rounds[ROLLED_BACK - 1].tier or {}
    looked = {**tier, "look": {"place": 3, "alpha": 0.00625}, "anchor": 0, "rollback": "guard shows harm against"}
    assert look_words(looked, False, rolled_back=True) == (
        "look 3 of 8 at alpha .00625: not certified; harm on the guard against the untouched model"
    )


def test_every_rule_of_a_verdict_has_words() -> None:
    rules = re.findall(r"``([a-z-]+)``", Verdict.__doc__.split("rule:")[1].split("reason:")[0])
    assert set(rules) == set(RULES)


def test_p_is_that_of_the_test_that_fits(tmp_path: Path) -> None:
    data = make_report_data(rounds=1, finished=False)
    (view,) = data.rounds
    fits = view.paired
    assert fits is not None
    assert fits.test == "sign-flip p"
    assert probability(fits.p) != probability(fits.midp)
    html, markdown = pages(data, tmp_path)
    assert f"| sign-flip p {probability(fits.p)} |" in markdown.replace("&lt;", "<")
    assert f"sign-flip p {probability(fits.p)} that it is better" in html
    assert f"Promotion goes by mid-p: {probability(fits.midp)}." in html
    assert f"One-sided sign-flip p that it is better, over all items: {probability(fits_all(data))}" in unescaped(
        markdown
    )


def fits_all(data: ReportData) -> float:
    return paired(data.baseline_dev, data.champion_dev).p


def unescaped(text: str) -> str:
    return text.replace("&lt;", "<")


def test_a_verdict_of_before_the_sign_flip_test_shows_its_mid_p(tmp_path: Path) -> None:
    data = make_report_data(rounds=1, finished=False)
    (view,) = data.rounds
    known = ("n", "fixed", "broken", "delta", "ci95", "midp", "midp_worse")
    old = {**view.verdict, "dev": {name: view.verdict["dev"][name] for name in known}}
    del old["futility"]
    html, markdown = pages(replace(data, rounds=[replace(view, verdict=old)]), tmp_path)
    assert f"| mid-p {probability(old['dev']['midp'])} |" in unescaped(markdown)
    assert "Promotion goes by" not in html


# --- what is not known


def test_a_champion_chosen_by_hand_was_not_promoted_on_dev(tmp_path: Path) -> None:
    data = chosen_by_hand(make_gated(), 3)
    assert said(data, "The champion, round 3").startswith(
        "The champion, round 3, is provisional: chosen by hand after round 6, not certified; the certified"
    )
    data = replace(data, summary={**data.summary, "certified_round": None})
    assert said(data, "The champion, round 3").endswith("is provisional: chosen by hand after round 6, not certified.")
    assert "gave no certificate that still counts" in said(data, "Not certified")


def test_a_certified_model_below_few_shot_is_said_to_be() -> None:
    data = make_gated()
    again = data.summary["test_certified"]
    few, own = again["before_fewshot"]["value"], again["after"]["value"]
    assert own < few
    assert said(data, "On test the certified model") == (
        f"On test the certified model answers {percent(own)} right, {points(few - own, signed=False)} points fewer "
        f"than the untouched model with few-shot examples, {percent(few)}."
    )
    better = {**again, "before_fewshot": {**again["before_fewshot"], "value": own}}
    for changed in (better, {**again, "before_fewshot": None}, None):
        other = replace(data, summary={**data.summary, "test_certified": changed})
        assert not any(sentence.startswith("On test the") for sentence in unknowns(other))


def test_a_certificate_is_explained_with_its_bound_and_its_assumption() -> None:
    sentence = said(make_gated(), f"Round {CERTIFIED} is certified")
    assert "(look 2 of 8 at alpha .00625): better than the untouched model on sealed items" in sentence
    assert "ever certify a model that is no better is at most 5% until the first certificate; after it" in sentence
    assert "does not exploit which look passed" in sentence
    later = make_gated()
    tier = {**(later.rounds[1].tier or {}), "anchor": 1}
    later = replace(later, rounds=[later.rounds[0], replace(later.rounds[1], tier=tier), *later.rounds[2:]])
    assert "better than round 1, certified before it, on" in said(later, f"Round {CERTIFIED} is certified")


def test_a_champion_after_the_certified_one_is_provisional() -> None:
    assert f"the certified model is that of round {CERTIFIED}" in said(make_gated(), f"The champion, round {CHAMPION}")


def test_looks_that_failed_are_no_certificate() -> None:
    data = make_gated()
    data = replace(data, summary={**data.summary, "certified_round": None})
    assert said(data, "Not certified").startswith("Not certified: 3 looks at the sealed gate items gave no certificate")
    assert said(data, f"The champion, round {CHAMPION}").endswith("is provisional: promoted on dev, not certified.")


@pytest.mark.parametrize(
    ("place", "ending"), [(3, "over all runs: 5 left."), (8, "for a new run in a new folder (--out).")]
)
def test_looks_left_or_spent(place: int, ending: str) -> None:
    data = make_gated()
    last = data.rounds[-1]
    assert last.tier is not None
    tier = {**last.tier, "look": {**last.tier["look"], "place": place}}
    data = replace(data, rounds=[*data.rounds[:-1], replace(last, tier=tier)])
    sentence = said(data, f"{place} of 8 looks at these gate items are spent")
    assert sentence.endswith(ending)
    assert ("'harness data extend FILE'" in sentence) == (place == 8)


def test_a_round_that_found_no_look_left_says_how_to_add_items() -> None:
    data = make_gated()
    last = data.rounds[-1]
    reason = "no look: all 8 at these gate items are spent, so later champions stay provisional"
    tier = {**(last.tier or {}), "look": None, "rule": "spent", "reason": reason}
    data = replace(data, rounds=[*data.rounds[:-1], replace(last, tier=tier)])
    assert said(data, "Round 6, no look") == (
        "Round 6, no look: all 8 at these gate items are spent, over all runs, so later champions stay provisional; "
        "'harness data extend FILE' adds items, and with them looks, for a new run in a new folder (--out)."
    )
    assert look_words(tier, None) == "no look: none is left"


def test_why_the_last_round_was_not_looked_at_is_said() -> None:
    data = make_gated()
    data = replace(data, rounds=data.rounds[:4])
    assert said(data, "2 of 8 looks").endswith(f"6 left. Round 4, {NO_LOOK}.")


def test_cells_flagged_on_dev_are_on_watch_and_gate_has_no_say(tmp_path: Path) -> None:
    sentence = said(make_gated(), "WATCH")
    assert sentence.startswith("WATCH: routing (any error), scope/wrong_answer of the champion look worse on dev")
    assert sentence.endswith("Flagged, not confirmed (the sealed items do not say): they are mined first.")
    html, _ = pages(make_gated(), tmp_path)
    assert "WATCH, flagged on dev against the last certified model: routing (any error), scope/wrong_answer." in html
    calm = make_gated()
    tier = {**(calm.rounds[-1].tier or {}), "watch": []}
    calm = replace(calm, rounds=[*calm.rounds[:-1], replace(calm.rounds[-1], tier=tier)])
    assert not any(sentence.startswith("WATCH") for sentence in unknowns(calm))


def test_what_cannot_be_seen_is_called_underpowered(tmp_path: Path) -> None:
    few, many = make_report_data(rounds=0, finished=False), make_report_data(rounds=0, finished=False, n=1400)
    assert "UNDERPOWERED: a true gain of 3 points" in said(few, "Minimum detectable effect")
    assert "UNDERPOWERED" not in said(many, "Minimum detectable effect")
    html, markdown = pages(make_report_data(rounds=2, test_share=0.05, n=200), tmp_path)
    for text in (html, markdown):
        assert "points: UNDERPOWERED, a true gain of 3 points is missed more often than one time in five" in text


def test_the_guard_is_judged_by_harm_below_2000_items_and_by_non_inferiority_above() -> None:
    data = make_report_data(rounds=3)
    small = paired_guard(data)
    assert (
        f"harm test, with fewer than 2,000 items, {small.paired.test} of harm {probability(small.paired.p_worse)}"
        in (said(data, "Forgetting"))
    )
    assert small.paired.mde is not None
    assert f"a loss below {points(small.paired.mde, signed=False)} points would" in said(data, "Forgetting")
    many = {
        "guard_before": make_evaluation("guard", 0.47, 2000, 0, ("general",)),
        "guard_after": make_evaluation("guard", 0.47, 2000, 3, ("general",)),
    }
    data = replace(data, **many)
    assert paired_guard(data).kind == "non-inferiority"
    assert paired_guard(data).bound is not None
    assert f"non-inferiority test, one-sided 95% bound {points(paired_guard(data).bound or 0)}: " in (
        said(data, "Forgetting")
    )


def test_the_guards_table_asks_for_harm(tmp_path: Path) -> None:
    data = make_report_data(rounds=3)
    p = probability(paired_guard(data).paired.p_worse)
    html, markdown = pages(data, tmp_path)
    assert f"over all items the one-sided sign-flip p of harm is {p}; minimum detectable effect" in html
    assert f"One-sided sign-flip p of harm, over all items: {p}; minimum detectable effect" in markdown
    for text in (html, markdown):
        assert text.count("UNDERPOWERED, a true loss of 3 points is missed") == 1


def paired_guard(data: ReportData) -> Any:
    assert data.guard_before is not None
    assert data.guard_after is not None
    return guard_finding(paired(data.guard_before, data.guard_after))


# --- error migration


def test_migration_counts_cured_moved_and_broken_items() -> None:
    before = make_evaluation("dev", 0.1, 16, 0)
    results = [replace(result, skill="routing", correct=0.0) for result in before.results]
    results[0] = replace(results[0], correct=1.0)
    results[1] = replace(results[1], correct=1.0)

    def records(categories: list[str | None]) -> tuple[ErrorRecord, ...]:
        return tuple(
            ErrorRecord(result.item_id, name, (ErrorLabel(name, 1.0, None, ""),) if name else ())
            for result, name in zip(results, categories, strict=True)
        )

    was = replace(before, results=tuple(results), errors=records([None, None, *["too_long"] * 10, *["empty"] * 4]))
    after = [replace(result, correct=0.0) for result in results]
    for number in (0, 2, 3, 4):
        after[number] = replace(after[number], correct=1.0)
    named: list[str | None] = [None, "empty", None, None, None, *["empty"] * 5, *["too_long"] * 2, *["empty"] * 4]
    now = replace(before, results=tuple(after), errors=records(named))
    (table,) = migration_tables(was, now)
    assert table.states == (RIGHT, "empty", "too_long")
    assert table.counts == ((1, 1, 0), (0, 4, 0), (3, 5, 2))
    empty, too_long = table.rows
    assert (too_long.before, too_long.cured, too_long.moved, too_long.same, too_long.broken) == (10, 3, 5, 2, 0)
    assert (empty.before, empty.cured, empty.moved, empty.same, empty.broken, empty.after) == (4, 0, 0, 4, 1, 10)
    assert (table.whole.before, table.whole.cured, table.whole.moved, table.whole.after) == (14, 3, 5, 12)


def test_migration_adds_up_to_what_fails_and_is_on_both_pages(tmp_path: Path) -> None:
    data = make_gated()
    tables = build_view(data).migration
    assert [table.skill for table in tables] == sorted({r.skill for r in data.baseline_dev.results})
    for table in tables:
        assert sum(map(sum, table.counts)) == table.n == 150
        assert table.whole.before == table.whole.cured + table.whole.moved + table.whole.same
        assert table.whole.after == table.whole.broken + table.whole.moved + table.whole.same
    wrong = sum(result.correct < 1 for result in data.champion_dev.results)
    assert sum(table.whole.after for table in tables) == wrong
    html, markdown = pages(data, tmp_path)
    for text in (html, markdown):
        assert "A cell improves only when its items become right" in text
    for table in tables:
        for row in table.rows:
            figures = (row.before, row.cured, row.moved, row.same, row.broken, row.after)
            assert f"| {table.skill} | {row.name.replace('_', ' ')} | {' | '.join(map(str, figures))} |" in markdown


def test_without_a_champion_no_error_has_moved(tmp_path: Path) -> None:
    html, markdown = pages(make_report_data(rounds=2, all_rejected=True), tmp_path)
    assert "no error has moved" in html
    assert "Error migration" not in markdown


# --- the terminal


def entry_of(data: ReportData, number: int) -> dict[str, Any]:
    view = data.rounds[number - 1]
    return {**view.entry, "tier": view.tier, "futility": view.futility}


def test_a_round_is_one_line_that_says_what_became_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    data = make_gated()
    words = [round_words(entry_of(data, number)) for number in range(1, 7)]
    assert words == [
        "promoted, provisional (look 1 of 8: not certified)",
        "promoted, certified (look 2 of 8)",
        "rolled back",
        "promoted, provisional (no look: not clearly better on dev)",
        "crashed",
        "promoted, provisional (look 3 of 8: not certified)",
    ]
    listener = TerminalListener(console=Console(stderr=True, highlight=False))
    for number in range(1, 7):
        listener.recorded(entry_of(data, number), 0.4)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    for line, shown in zip(lines, words, strict=True):
        assert shown in line
    assert HARM in lines[2]


def test_a_rejection_before_all_was_asked_and_an_old_promotion_have_words() -> None:
    entry = entry_of(make_gated(), 1)
    early = {**entry, "decision": "reject", "futility": {"asked": 13, "of": 40, "e": 21.0, "delta": -0.2}}
    assert round_words(early) == DECIDED["futility"]
    assert round_words({**entry, "tier": None}) == "promoted, provisional"


@pytest.mark.parametrize(("openings", "worn"), [(1, False), (5, False), (5, True)])
def test_the_result_in_the_terminal(openings: int, worn: bool, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_gated(openings, worn)
    print_result(data, Path("report/index.html"), as_json=False)
    out = re.sub(r"\s+", " ", capsys.readouterr().out)
    shown = openings < 4 or worn
    assert ("test (600 items)" in out) == shown
    assert ("the same," in out) == shown
    assert "guard (300 items)" in out
    assert ("Test is worn: these items were opened 5 times" in out) == (openings == 5)
    assert ("'harness report RUN --worn' shows it" in out) == (not shown)
    assert ("test, worn (opening 5), provisional champion of round 6" in out) == worn
    assert "Round 2 is certified (look 2 of 8 at alpha .00625)" in out
    assert "WATCH: routing (any error)" in out
