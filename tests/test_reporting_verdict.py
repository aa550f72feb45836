"""The first screen: four figures and what is not known; and what a run took."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_fixture import make_report_data
from report_gated import CERTIFIED, make_gated, pages
from report_items import HOSTILE, make_evaluation

from harness.config import Settings, load_settings
from harness.evaluation.work import Work
from harness.exceptions import InputError
from harness.loop.profile import Cost
from harness.models.shapes import KNOWN
from harness.reporting.bullets import Bullet, bullets
from harness.reporting.data import ReportData
from harness.reporting.figures import figures
from harness.reporting.formatting import interval, points
from harness.reporting.next_steps import NextStep
from harness.reporting.provenance import Fact, amount, facts, flops, money, short_count, watt_hours
from harness.reporting.words import compare


@functools.cache
def run(**options: Any) -> ReportData:
    return make_report_data(**{"rounds": 4, "n": 200, "crash_round": None, **options})


def bullet(data: ReportData, start: str) -> Bullet | None:
    return next((found for found in bullets(data) if found.label.startswith(start)), None)


def fact(data: ReportData, name: str) -> Fact:
    return next(found for found in facts(data) if found.name == name)


# --- figures


def test_the_gain_is_the_certified_models_where_there_is_one() -> None:
    data = make_gated()
    certified = data.summary["test_certified"]
    gain = figures(data, ())[0]
    assert gain.value == points(certified["delta"])
    assert gain.notes == (
        "points on 600 test items",
        f"95% {interval(certified['ci95'])}",
        f"certified, round {CERTIFIED}",
    )
    assert figures(run(), ())[0].notes[-1].startswith("provisional, round ")


def test_where_names_the_best_and_the_worst_skill_of_test() -> None:
    data = run()
    assert data.test_before is not None
    deltas = {}
    for skill in data.test_before.by_skill():
        compared = compare(data.test_before, data.test_after, skill)
        assert compared is not None
        deltas[skill] = compared.delta
    where = figures(data, ())[1]
    best, worst = max(deltas, key=lambda skill: deltas[skill]), min(deltas, key=lambda skill: deltas[skill])
    assert where.value == f"{best} {points(deltas[best])}"
    assert where.notes[0] == f"worst: {worst} {points(deltas[worst])}"


def test_a_single_skill_is_told_by_its_error_categories() -> None:
    data = run()
    made = (("baseline_dev", 0.1, 0), ("champion_dev", 0.8, 4), ("test_before", 0.1, 0), ("test_after", 0.8, 4))
    only = {name: make_evaluation("dev", share, 100, seed, ("routing",)) for name, share, seed in made}
    counts: dict[str, int] = {}
    for record in only["baseline_dev"].errors:
        if record.primary:
            counts[f"routing/{record.primary}"] = counts.get(f"routing/{record.primary}", 0) + 1
    where = figures(replace(data, **only, baseline_categories=counts), ())[1]
    assert f"routing/{where.value.replace(' ', '_')}" in counts
    assert where.notes[0].startswith(f"{counts['routing/' + where.value.replace(' ', '_')]} failing, now ")
    assert where.notes[1].startswith("most left: ")


def test_without_a_champion_nothing_is_gained_and_the_largest_cell_is_named() -> None:
    gain, where, _, following = figures(run(rounds=0, finished=False), ())
    assert gain.value == "none"
    assert where.label == "Where it fails"
    assert following.value == "nothing"


def test_next_is_the_first_step(tmp_path: Path) -> None:
    steps = (NextStep("stop", "Stop here", "3 rounds", ""), NextStep("model", "Larger", "5 items", ""))
    assert figures(run(), steps)[3].value == "Stop here"
    assert figures(run(), steps)[3].notes == ("and 1 more",)


# --- what it does not know


def test_underpowered_is_said_only_where_nothing_is_proven() -> None:
    proven, open_ = run(), run(test_share=0.06, n=60)
    assert bullet(proven, "UNDERPOWERED") is None
    quiet = bullet(proven, "Smallest detectable effect")
    assert quiet is not None
    assert not quiet.loud
    loud = bullet(open_, "UNDERPOWERED")
    compared = compare(open_.test_before, open_.test_after)
    assert compared is not None
    assert compared.ci95[0] <= 0 <= compared.ci95[1]
    assert loud is not None
    assert loud.loud


def test_the_page_does_not_shout_beside_a_proven_gain(tmp_path: Path) -> None:
    data = run()
    html, markdown = pages(data, tmp_path)
    for text in (html, markdown):
        test = text.split("held out from all choosing")[1].split("against few-shot")[0]
        assert "UNDERPOWERED" not in test
        assert "minimum detectable effect" in test


def test_bullets_are_short_and_what_they_warn_of_is_there() -> None:
    for data in (run(), make_gated(), make_gated(openings=5), run(rounds=0, finished=False), run(guard=False)):
        for found in bullets(data):
            assert len(found.text.split()) <= 22, found
    labels = [found.label for found in bullets(make_gated())]
    assert labels[:3] == ["Provisional", "Smallest detectable effect", "WATCH"]
    assert bullet(run(), "Not certified") is not None
    assert bullet(run(guard=False), "Forgetting") == Bullet("Forgetting", "not measured: no guard result.", True)
    worn = bullet(make_gated(openings=5), "Test is worn")
    assert worn is not None
    assert worn.loud


def test_the_long_sentences_are_folded_away_on_the_page(tmp_path: Path) -> None:
    from harness.reporting.html import HtmlReporter

    source = HtmlReporter().render(run(), tmp_path).read_text(encoding="utf-8")
    verdict = source.split('id="verdict"')[1].split("</section>")[0]
    assert (
        verdict.index("What it does not know")
        < verdict.index("<details>")
        < verdict.index("Minimum detectable effect:")
    )
    assert verdict.index("Minimum detectable effect:") < verdict.index("</details>")


# --- what it took


def test_price_is_hours_times_price_and_unknown_without_one() -> None:
    data = replace(run(), price_per_hour=3.6)
    assert money(data) == pytest.approx(data.summary["seconds"] / 1000)
    assert fact(data, "Price").text == amount(data.summary["seconds"] / 1000)
    assert figures(data, ())[2].value == amount(data.summary["seconds"] / 1000)
    assert fact(run(), "Price").text == "not known"
    assert amount(money(replace(run(), price_per_hour=0.0)) or 0.0) == "0.00"


def test_small_sums_keep_their_digits_and_large_counts_lose_theirs() -> None:
    assert (amount(0.0042), amount(1234.5)) == ("0.0042", "1,234.50")
    assert (short_count(999), short_count(194_370), short_count(999_700), short_count(2_100_000)) == (
        "999", "194k", "1M", "2.1M",
    )  # fmt: skip


def counted(method: str, **work: int) -> ReportData:
    identity = {"model": {"reference": "HuggingFaceTB/SmolLM2-135M-Instruct", "method": method},
                "recipe": {"lora": {"rank": 8}}}  # fmt: skip
    return replace(run(), manifest={"identity": identity}, costs={"train": Cost(1.0, Work(**work))})


def test_operations_are_two_a_weight_forward_six_with_full_training_and_four_with_a_frozen_base() -> None:
    shape = KNOWN["SmolLM2-135M"]
    assert flops(counted("sft", prefill_tokens=7, decode_tokens=3)) == 10 * 2 * shape.linear
    assert flops(counted("sft", train_tokens=10)) == 10 * 6 * shape.linear
    assert flops(counted("lora", train_tokens=10)) == 10 * (4 * shape.linear + 6 * shape.adapter(8))
    assert "4N + 6A" in fact(counted("lora", train_tokens=10), "FLOPs").note
    assert "6N a token in training" in fact(counted("sft", train_tokens=10), "FLOPs").note


def test_operations_of_an_unknown_model_are_not_guessed() -> None:
    data = replace(run(), manifest={"identity": {"model": {"reference": "./mine"}}})
    assert flops(data) is None
    assert fact(data, "FLOPs").text == "not estimated"
    assert flops(replace(counted("lora", train_tokens=1), costs={})) is None


def test_energy_is_not_made_up() -> None:
    assert fact(run(), "Energy").text == "not known"


def test_energy_is_added_up_and_how_much_of_the_time_it_covers_is_said() -> None:
    costs = {
        "train": Cost(60.0, joules={"gpu": 7200.0, "processor": 1800.0}, metered=60.0),
        "mine": Cost(30.0, joules={"gpu": 3600.0}, metered=30.0),
        "baseline": Cost(90.0),
    }
    found = fact(replace(run(), costs=costs), "Energy")
    assert found.text == "3.5 Wh"
    assert "in 1 min 30 s of 3 min 00 s: gpu 3.0 Wh, processor 0.5 Wh." in found.note
    assert watt_hours(7.2e6) == "2.00 kWh"
    price = figures(replace(run(), costs=costs), ())[2]
    assert price.notes[-2:] == ("3.5 Wh", "money not known")


def test_a_hostile_command_is_shown_as_one_quoted_line(tmp_path: Path) -> None:
    data = replace(run(), manifest={"environment": {"command": ["harness", HOSTILE[0], "x; rm -rf y"]}})
    assert fact(data, "Begun with").commands == (f"harness '{HOSTILE[0]}' 'x; rm -rf y'",)
    html, _ = pages(data, tmp_path)
    assert HOSTILE[0] not in html


# --- the setting


def write(folder: Path, text: str) -> Path:
    path = folder / "harness.yaml"
    path.write_text(text)
    return path


def test_a_price_is_a_number_from_nought_up(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, "price_per_hour: 0\n"), {}).price_per_hour == 0.0
    assert load_settings(write(tmp_path, "price_per_hour: 1.25\n"), {}).price_per_hour == 1.25
    for bad in ("-1", ".nan", ".inf"):
        with pytest.raises(InputError, match=r"harness.yaml:2: price_per_hour is .*; it must be a number from 0 up"):
            load_settings(write(tmp_path, f"seed: 1\nprice_per_hour: {bad}\n"), {})
    with pytest.raises(InputError, match="price_per_hour"):
        load_settings(write(tmp_path, "price_per_hour: cheap\n"), {})


def test_a_price_makes_no_other_run() -> None:
    assert Settings(price_per_hour=2.0).identity() == Settings().identity()
