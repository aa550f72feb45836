"""Which model a report speaks of, and a test that has been chosen by: the headline, the score table, the labels."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from report_gated import CERTIFIED, CHAMPION, chosen_by_hand, make_gated, pages, said

from harness.reporting.formatting import interval, percent, points
from harness.reporting.unknowns import unknowns
from harness.reporting.view import build_view
from harness.reporting.words import headline

# --- headline and scores


def test_the_headline_names_certified_and_provisional_champions() -> None:
    data = make_gated()
    again, test = data.summary["test_certified"], data.summary["test"]
    sentence = headline(data).sentence
    assert f"the certified model of round {CERTIFIED} answers {percent(again['after']['value'])} right" in sentence
    assert interval(again["ci95"]) in sentence
    assert sentence.endswith(
        f"; the provisional champion of round {CHAMPION}: {percent(test['after']['value'])}, {points(test['delta'])} "
        f"({interval(test['ci95'])})."
    )
    alone = {**test, "model": "certified"}
    only = headline(replace(data, summary={**data.summary, "test": alone, "test_certified": None})).sentence
    assert "the certified model of round 6 answers" in only
    assert "provisional" not in only
    assert "the provisional champion, round 6," in headline(make_gated(finished=False)).sentence


def test_the_certified_model_has_its_line_in_the_score_table(tmp_path: Path) -> None:
    data = make_gated()
    lines = {line.name: line for line in build_view(data).scores}
    again = data.summary["test_certified"]
    assert again["round"] == CERTIFIED
    own = lines[f"certified, round {CERTIFIED}"]
    assert (own.dev, own.test, own.guard) == (data.rounds[1].entry["dev"], again["after"], None)
    champion = lines[f"provisional champion, round {CHAMPION}"]
    assert (champion.test, champion.guard) == (data.summary["test"]["after"], data.summary["guard"]["after"])
    html, markdown = pages(data, tmp_path)
    gain, spread = points(again["delta"]), interval(again["ci95"])
    before, after = percent(again["before"]["value"]), percent(again["after"]["value"])
    assert f"all items, certified round 2 {before} {after} {gain} {spread} improvement \u2013 \u2013 600" in html
    assert f"| all items, certified round 2 | 600 | {before} | {after} | | | {gain} | {spread} |" in markdown


# --- a worn test


def test_a_worn_test_is_left_out_as_if_it_were_not_opened(tmp_path: Path) -> None:
    data = make_gated(openings=5)
    sentence = said(data, "Test is worn")
    assert sentence == (
        "Test is worn: these items were opened 5 times over all runs, so their result has been chosen by; "
        "'harness report RUN --worn' shows it."
    )
    assert headline(data).word == "Test is worn"
    assert headline(data).tone == "open"
    assert headline(data).sentence.startswith(
        "its items were opened 5 times, so no test result is shown. After 6 rounds the provisional champion, round 6, "
    )
    lines = build_view(data).scores
    assert [line.hidden for line in lines] == [True] * 4
    assert all(line.test is None for line in lines)
    assert not any(line.hidden for line in build_view(make_gated()).scores)
    assert not build_view(chosen_by_hand(data, 4)).scores[-2].hidden  # round 4 was never asked
    hidden = make_gated().summary["test"]
    for text in pages(data, tmp_path):
        assert text.count("worn, not shown") == 4
        assert "harness report RUN --worn" in text
        assert percent(hidden["before"]["value"]) + " (" not in text.split("What this does and does not show")[0]
        assert "held-out test items" not in text
        assert "From the test items" not in text
    assert build_view(data).responses.of == "dev"
    assert "only the test items" not in " ".join(unknowns(data))


def test_a_worn_test_that_was_asked_for_is_shown_and_labelled_everywhere(tmp_path: Path) -> None:
    data = make_gated(openings=5, worn=True)
    verdict = headline(data)
    assert (verdict.tone, verdict.word) == ("open", "Worn (opening 5)")
    assert "held-out" not in verdict.sentence
    assert said(data, "Test is worn").endswith("has been chosen by.")
    view = build_view(data)
    assert view.comparisons[0].title == "Test, worn (opening 5)"
    assert view.comparisons[1].title == "Test, worn (opening 5), against few-shot examples"
    assert view.tags[0].where == "Test, worn (opening 5)"
    html, markdown = pages(data, tmp_path)
    assert "From the test items, worn (opening 5)." in html
    assert "Test of 600 worn (opening 5) Guard" in html
    tables = html.split("Before and after")[-1].split("Dev: used for choosing")[0]
    assert tables.count("Test, worn (opening 5)") >= 2
    assert not re.search(r"\b(improvement|regression|no change) \d", tables)
    assert re.search(r"\bimprovement \d", html.split("Dev: used for choosing")[1])
    assert "| Model | Dev | Test, worn (opening 5) | Guard |" in markdown
    assert percent(data.summary["test"]["after"]["value"]) in markdown


def test_three_openings_are_not_worn() -> None:
    data = make_gated(openings=3)
    assert headline(data).word == "Better"
    assert not any("worn" in sentence for sentence in unknowns(data))
