"""Two sets of answers compared: what is confirmed, what is only seen, and what is on one side only."""

from __future__ import annotations

import math
import random
import re
from dataclasses import replace

import pytest

from harness.exceptions import InputError
from harness.gate.pairing import pair_outcomes
from harness.regression.answers import Answer, AnswerSet, Identity
from harness.regression.compare import compare
from harness.regression.compare_render import as_dict, as_html, as_markdown, verdict
from harness.reporting.formatting import MINUS


def answer(number: int, correct: float = 1.0, **more: object) -> Answer:
    fields = {"task": "sums", "skill": "add", "cluster": f"c{number}", "response": f"r{correct}", **more}
    return Answer(item=f"{number:016x}", correct=correct, **fields)  # type: ignore[arg-type]


def answers(*scores: float, start: int = 0, source: str = "A", **more: object) -> AnswerSet:
    return AnswerSet(source, tuple(answer(start + place, score, **more) for place, score in enumerate(scores)))


def joined(*sets: AnswerSet, source: str = "A") -> AnswerSet:
    return AnswerSet(source, tuple(each for one in sets for each in one.answers))


# --- figures


def test_the_figures_are_those_of_the_paired_comparison() -> None:
    a, b = answers(*[1] * 12, *[0] * 8), answers(*[1] * 10, *[0] * 4, *[1] * 6)
    (row,) = compare(a, b).tasks
    paired = pair_outcomes([each.outcome for each in a.answers], [each.outcome for each in b.answers])
    assert row.paired == paired
    assert (row.before, row.after, row.better, row.worse) == (0.6, 0.8, 6, 2)


def test_json_has_for_each_task_what_scripts_ask_for() -> None:
    task = as_dict(compare(answers(1, 0, 0, 0), answers(0, 1, 1, 1)))["tasks"]["sums"]
    assert {key: task[key] for key in ("n", "before", "after", "delta", "fixed", "broken")} == {
        "n": 4, "before": 0.25, "after": 0.75, "delta": 0.5, "fixed": 3, "broken": 1,
    }  # fmt: skip
    assert task["p"] == pytest.approx(1 / 16 + 4 / 16 / 2)  # mid-p of 1 or fewer of 4 flips
    assert task["p"] + task["p_worse"] == pytest.approx(1)
    low, high = task["ci95"]
    assert low < 0.5 < high


def test_documents_that_share_a_cluster_on_either_side_count_as_one() -> None:
    a = joined(answers(1, 1, cluster="x"), answers(1, 1, start=2))
    b = joined(answers(0, start=0), answers(0, 0, start=1, cluster="y"), answers(0, start=3))
    (row,) = compare(a, b).tasks
    assert row.paired is not None
    assert row.paired.clusters == 2  # 0 and 1 in A, 1 and 2 in B


def test_a_graded_score_that_rose_is_better_without_being_fixed() -> None:
    comparison = compare(answers(0.2, 0.5, 1.0), answers(0.6, 1.0, 0.4))
    assert [flip.change for flip in comparison.flips] == ["broken", "fixed", "better"]
    (row,) = comparison.tasks
    assert (row.better, row.worse) == (2, 1)


def test_nothing_changed_is_no_change() -> None:
    comparison = compare(answers(1, 0, 1), answers(1, 0, 1))
    assert verdict(comparison)[0] == "no change"
    assert comparison.flips == ()
    assert comparison.domain is not None
    assert comparison.domain.state == "no change"


# --- confirmed or not


def test_a_clear_loss_is_a_regression_and_a_clear_gain_an_improvement() -> None:
    down = compare(answers(*[1] * 40), answers(*[0] * 12, *[1] * 28))
    assert [row.state for row in (*down.totals, *down.tasks, *down.skills)] == ["regression"] * 3
    assert verdict(down)[0] == "worse"
    up = compare(answers(*[0] * 12, *[1] * 28), answers(*[1] * 40))
    assert verdict(up)[0] == "better"


def test_a_loss_that_chance_explains_is_none() -> None:
    comparison = compare(answers(1, 1, 1, *[1] * 20), answers(0, 0, 0, *[1] * 20))
    assert comparison.regressions == ()
    word, sentence = verdict(comparison)
    assert word == "no change"
    assert f"no confirmed change, {MINUS}13.0 points" in sentence
    assert "0 fixed and 3 broken, p .062 worse; a change of less than" in sentence


def test_what_is_not_confirmed_could_be_chance_and_few_clusters_are_named() -> None:
    same, unsure = compare(answers(1, 0), answers(1, 0)), compare(answers(1, 1, 0), answers(0, 1, 1))
    assert same.tasks[0].said == "no change"
    assert unsure.tasks[0].said == "could be chance"
    scores = [*[0.0] * 30], [*[1.0] * 30]
    sides = [
        AnswerSet(side, tuple(answer(place, score, cluster=f"c{place % 4}") for place, score in enumerate(given)))
        for side, given in zip("AB", scores, strict=True)
    ]
    (row,) = compare(*sides).tasks
    assert (row.state, row.said) == ("no change", "could be chance (4 clusters)")


def test_a_loss_in_one_skill_shows_beside_a_gain_in_another() -> None:
    a = joined(answers(*[1] * 30), answers(*[0] * 30, start=30, skill="subtract"))
    b = joined(answers(*[0] * 15, *[1] * 15), answers(*[1] * 15, *[0] * 15, start=30, skill="subtract"))
    comparison = compare(a, b)
    assert {row.name: row.state for row in comparison.skills} == {"add": "regression", "subtract": "improvement"}
    assert comparison.domain is not None
    assert comparison.domain.state == "no change"
    assert verdict(comparison)[0] == "mixed"
    assert verdict(comparison)[1].endswith("Worse in add.")


def test_equally_good_models_seldom_show_a_regression_in_any_table() -> None:
    seed, alarms = random.Random(7), 0
    for _ in range(300):
        scores = [[float(seed.random() < 0.6) for _ in range(120)] for _ in range(2)]
        a, b = (
            joined(
                *(answers(*side[part * 15 : part * 15 + 15], start=part * 15, skill=f"s{part}") for part in range(8))
            )
            for side in scores
        )
        alarms += any(row.state == "regression" for row in compare(a, b).skills)
    assert alarms / 300 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)


# --- on one side only


def test_new_and_missing_documents_are_counted_and_not_compared() -> None:
    comparison = compare(answers(1, 1, 0), answers(0, 1, 1, start=2, source="B"))
    assert comparison.new == (answer(3).item, answer(4).item)
    assert comparison.missing == (answer(0).item, answer(1).item)
    (row,) = comparison.tasks
    assert (row.n, row.before, row.after, row.new, row.missing) == (1, 0.0, 0.0, 2, 2)


def test_a_task_on_one_side_is_new_or_missing_with_its_own_mean() -> None:
    a = joined(answers(1, 1), answers(1, 0, start=10, task="old"))
    b = joined(answers(1, 1), answers(1, 1, start=20, task="fresh"))
    rows = {row.name: row for row in compare(a, b).tasks}
    assert (rows["old"].state, rows["old"].before, rows["old"].after) == ("missing", 0.5, None)
    assert (rows["fresh"].state, rows["fresh"].before, rows["fresh"].after) == ("new", None, 1.0)


def test_answers_to_other_documents_are_refused() -> None:
    with pytest.raises(InputError, match=r"no document is in both A and B .*other documents or tasks"):
        compare(answers(1), answers(1, start=5, source="B"))


@pytest.mark.parametrize("alpha", [0.0, 0.5, -1.0, math.nan])
def test_a_level_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(InputError, match="the level must lie above 0"):
        compare(answers(1), answers(1), alpha)


# --- guards


def test_guards_are_a_row_of_their_own() -> None:
    a = joined(answers(1, 1), answers(*[1] * 20, start=10, role="guard", task="arc", skill="arc"))
    b = joined(answers(1, 1), answers(*[0] * 20, start=10, role="guard", task="arc", skill="arc"))
    comparison = compare(a, b)
    assert comparison.guard is not None
    assert comparison.guard.state == "regression"
    assert comparison.domain is not None
    assert (comparison.domain.n, comparison.domain.state) == (2, "no change")


def test_guards_that_one_side_was_not_asked_are_no_missing_documents() -> None:
    a = joined(answers(1, 1), answers(1, start=10, role="guard", task="arc"))
    comparison = compare(a, answers(1, 1, source="B"))
    assert (comparison.missing, comparison.guard) == ((), None)
    assert comparison.notes == ("the guards of A are not compared: the other side was not asked them",)


def test_a_guard_in_plain_output_meets_the_runs_own() -> None:
    a = joined(answers(1), answers(1, 1, start=10, role="guard", task="arc"))
    b = joined(answers(1), answers(0, 1, start=10, task="arc"), source="out")
    comparison = compare(a, b)
    assert comparison.guard is not None
    assert comparison.guard.n == 2


# --- categories


def test_a_category_is_counted_where_both_sides_could_be_judged() -> None:
    short = {"primary": "too_long", "categories": ("too_long",)}
    a = joined(answers(0, 0, **short), answers(1, 1, start=2), answers(1, start=4, not_assessed=("too_long",)))
    b = joined(answers(1, 1), answers(0, start=2, **short), answers(1, 1, start=3))
    (row,) = compare(a, b).categories
    assert (row.name, row.paired.n, row.before, row.after, row.unjudged) == ("too_long", 4, 2, 1, 1)
    assert row.paired.delta == pytest.approx(0.25)


def test_a_category_that_spreads_is_a_regression_even_in_right_answers() -> None:
    leaked = {"categories": ("leaked_prompt",)}
    comparison = compare(answers(*[1] * 30), answers(*[1] * 30, **leaked))
    assert [(row.name, row.state) for row in comparison.categories] == [("leaked_prompt", "regression")]


def test_what_was_not_classified_has_no_categories() -> None:
    b = replace(answers(0, 1, source="B", primary="wrong_answer"), classified=False)
    comparison = compare(answers(1, 1), b)
    assert comparison.categories == ()
    assert comparison.notes == ("categories are not compared: B is not classified",)


# --- what makes them unlike


def test_other_versions_prompts_and_settings_are_noted() -> None:
    a = replace(answers(1, 1, prompt_sha256="a" * 16), identity=Identity(
        tasks={"sums": "version 1"}, classifiers={"empty": "1"}, settings={"fewshot": 0}, environment={"torch": "2.1"}
    ))  # fmt: skip
    b = replace(answers(1, 1, source="B", prompt_sha256="b" * 16), identity=Identity(
        tasks={"sums": "version 2"}, classifiers={"empty": "2"}, settings={"fewshot": 4}, environment={"torch": "2.2"}
    ))  # fmt: skip
    assert [note.split(" (")[0] for note in compare(a, b).notes] == [
        "task sums was version 1 and is version 2",
        "the prompts of 2 of 2 items differ",
        "classifier empty was 1 and is 2",
        "setting fewshot was 0 and is 4",
        "torch was 2.1 and is 2.2",
    ]


# --- hostile text

EVIL = "<script>alert(1)</script> | \x1b[31m ::error::x \u202e `</td>` ![x](http://e.vil)"


def test_nothing_that_a_model_or_a_file_says_acts_on_the_page_or_in_markdown() -> None:
    more = {"task": EVIL, "skill": EVIL, "prompt": EVIL, "target": EVIL, "response": EVIL, "primary": EVIL}
    a, b = answers(1, 1, source=EVIL, **more), answers(0, 1, source=EVIL, **more)
    comparison = compare(a, b)
    page, text = as_html(comparison), as_markdown(comparison)
    for shown in (page, text):
        assert "<script>alert" not in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "<U+001B>" in shown.replace("&lt;", "<").replace("&gt;", ">")
    assert "</td>`" not in page
    assert "::error" not in text
    assert not re.search(r"(?<!\\)\]\(", text)


def test_every_row_of_the_markdown_tables_has_its_columns() -> None:
    a = joined(answers(1, 1, categories=("too_long",)), answers(1, start=10, task="old"))
    text = as_markdown(compare(a, answers(0, 1)))
    columns = 0
    for line in text.splitlines():
        if not line.startswith("|"):
            columns = 0
            continue
        columns = columns or line.count("|")
        assert line.count("|") == columns, line
