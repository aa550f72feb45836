"""An evaluation on disk: what is saved is what is read back, whatever a model answered."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors.contract import ErrorLabel, ErrorRecord
from harness.evaluated import ERRORS, RESPONSES, SCORES, Evaluation, load_evaluation, save_evaluation
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError


def result(number: int, correct: float = 0.0, response: str = "no", skill: str = "routing") -> ItemResult:
    return ItemResult(
        item_id=f"{number:016x}",
        task=f"task_{skill}",
        skill=skill,
        cluster=f"c{number // 2}",
        doc={"input": f"question {number}", "expects": {"labels": ["a", "b"]}, "nothing": None},
        prompt=f"question {number}",
        target="yes",
        response=response,
        finish_reason="stop",
        correct=correct,
        metrics={"exact_match": correct},
        prompt_tokens=3 + number,
        new_tokens=2,
    )


def record(number: int, correct: float = 0.0) -> ErrorRecord:
    if correct >= 1:
        return ErrorRecord(f"{number:016x}", None, (), ("truncated",), ("no finish reason",))
    labels = (ErrorLabel("wrong_answer", 1.0, (0, 2), "differs"), ErrorLabel("too_long", 0.4, None, "long"))
    return ErrorRecord(f"{number:016x}", "wrong_answer", labels, (), ())


def evaluation(shares: list[float], skill: str = "routing") -> Evaluation:
    results = tuple(result(number, correct, skill=skill) for number, correct in enumerate(shares))
    errors = tuple(record(number, correct) for number, correct in enumerate(shares))
    return Evaluation("dev", results, errors, 12.5, {"fewshot": 0, "batch_size": 16})


@pytest.mark.parametrize("shares", [[1.0, 0.0, 0.5], [1.0, 1.0], [0.0, 0.0], []], ids=str)
def test_what_is_saved_is_read_back(tmp_path: Path, shares: list[float]) -> None:
    saved = evaluation(shares)
    save_evaluation(tmp_path / "dev", saved)
    assert load_evaluation(tmp_path / "dev") == saved


@pytest.mark.parametrize(
    "text", ["", "nul\0", "\x1b[31m", "<script>", "=cmd()", "\u2028line\r\n", "Z\u0335\u0321", "x" * 100_000, "nan"]
)
def test_hostile_text_survives(tmp_path: Path, text: str) -> None:
    saved = Evaluation("dev", (replace(result(0), response=text, prompt=text, target=text),), (record(0),))
    save_evaluation(tmp_path, saved)
    assert load_evaluation(tmp_path) == saved


def test_a_lone_surrogate_becomes_its_escape(tmp_path: Path) -> None:
    save_evaluation(tmp_path, Evaluation("dev", (result(0, response="a\udc80b"),), (record(0),)))
    assert load_evaluation(tmp_path).results[0].response == "a\\udc80b"


@given(text=st.text(), number=st.floats(0, 1))
@settings(max_examples=25)
def test_any_text_and_score_is_read_back(tmp_path_factory: pytest.TempPathFactory, text: str, number: float) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    saved = Evaluation("dev", (replace(result(0, number, text), doc={"input": text}),), (record(0),))
    save_evaluation(folder, saved)
    assert load_evaluation(folder) == saved


def test_the_scores_are_readable_without_parquet(tmp_path: Path) -> None:
    saved = evaluation([1.0, 0.0, 0.0, 1.0])
    save_evaluation(tmp_path, saved)
    scores = json.loads((tmp_path / SCORES).read_text())
    assert scores["score"] == saved.score.as_dict()
    assert scores["score"]["value"] == 0.5
    assert scores["skills"]["routing"]["n"] == 4
    assert scores["categories"] == {"wrong_answer": 2}


def test_equal_evaluations_are_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_evaluation(tmp_path / name, evaluation([1.0, 0.0]))
    for name in (RESPONSES, ERRORS, SCORES):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_skills_are_scored_apart() -> None:
    both = Evaluation("dev", (*evaluation([1.0, 1.0], "a").results, *evaluation([0.0], "b").results), ())
    assert {skill: (score.value, score.n) for skill, score in both.by_skill().items()} == {"a": (1.0, 2), "b": (0.0, 1)}


def test_tags_are_scored_apart_and_items_without_one_are_left_out() -> None:
    tags = ["expansion", None, "extraction", "expansion"]
    results = tuple(
        replace(result(number, float(number % 2)), doc={} if tag is None else {"tag": tag})
        for number, tag in enumerate(tags)
    )
    found = {tag: (score.value, score.n) for tag, score in Evaluation("dev", results, ()).by_tag().items()}
    assert found == {"expansion": (0.5, 2), "extraction": (0.0, 1)}
    assert replace(results[0], doc={"tag": None}).tag is None


def test_clusters_of_different_tasks_never_meet() -> None:
    results = (result(0, skill="a"), replace(result(1, skill="b"), cluster="c0"))
    assert len(set(Evaluation("dev", results, ()).clusters().values())) == 2


def test_correctness_is_by_item() -> None:
    assert evaluation([1.0, 0.5]).correctness() == {f"{0:016x}": 1.0, f"{1:016x}": 0.5}


def test_a_part_holds_the_answers_and_errors_of_its_items_alone() -> None:
    whole = evaluation([1.0, 0.0, 0.5])
    wanted = whole.results[1].item_id
    part = whole.only({wanted, "elsewhere"})
    assert part.results == (whole.results[1],)
    assert part.errors == (whole.errors[1],)
    assert (part.name, part.score.n) == (whole.name, 1)


@pytest.mark.parametrize("name", [RESPONSES, ERRORS, SCORES])
@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_missing_or_damaged_file_is_named(tmp_path: Path, name: str, damage: str) -> None:
    save_evaluation(tmp_path, evaluation([1.0]))
    if damage == "missing":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(b"{damaged")
    with pytest.raises(InputError) as caught:
        load_evaluation(tmp_path)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("head", ["{}", "[]", '{"name": "dev"}'])
def test_a_file_of_another_form_is_refused(tmp_path: Path, head: str) -> None:
    save_evaluation(tmp_path, evaluation([1.0]))
    (tmp_path / SCORES).write_text(head)
    with pytest.raises(InputError, match="damaged evaluation"):
        load_evaluation(tmp_path)


def test_columns_of_another_form_are_refused(tmp_path: Path) -> None:
    import pandas as pd

    save_evaluation(tmp_path, evaluation([1.0]))
    pd.DataFrame({"item_id": ["x"]}).to_parquet(tmp_path / RESPONSES)
    with pytest.raises(InputError, match="damaged evaluation"):
        load_evaluation(tmp_path)
