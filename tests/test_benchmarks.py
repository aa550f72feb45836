"""The benchmark scripts answer --help, and what they compute without a model is right."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = (
    "evaluation",
    "choice",
    "training",
    "loop",
    "classifiers",
    "text_quality",
    "scripted_train",
    "scripted_pick",
    "calibration",
    "no_regression",
    "report_page",
)
MODULES = ("common", "subjects", *SCRIPTS)


@pytest.fixture
def bench(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import a module of benchmarks/ by name; the names are free again afterwards."""
    monkeypatch.setattr(sys, "path", [str(project_root / "benchmarks"), *sys.path])
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_explains_itself_without_loading_torch(project_root: Path, name: str) -> None:
    script = project_root / "benchmarks" / f"{name}.py"
    code = (
        f"import runpy, sys; sys.argv = [{str(script)!r}, '--help']; sys.path.insert(0, {str(script.parent)!r})\n"
        f"try:\n    runpy.run_path({str(script)!r}, run_name='__main__')\n"
        "except SystemExit as end:\n    sys.exit(end.code or 3 * ('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"python benchmarks/{name}.py" in done.stdout


def test_the_shell_script_parses(project_root: Path) -> None:
    script = project_root / "benchmarks" / "scripted_loop.sh"
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_each_contender_runs_once_a_repeat_and_none_is_always_first(bench: Any) -> None:
    made = bench("common").orders(["a", "b", "c"], 3)
    assert [sorted(order) for order in made] == [["a", "b", "c"]] * 3
    assert {order[0] for order in made} == {"a", "b", "c"}
    assert bench("common").orders(["a", "b"], 4) == [["a", "b"], ["b", "a"], ["b", "a"], ["a", "b"]]


def test_a_race_runs_in_that_order_and_leaves_preparation_untimed(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    common = bench("common")
    clock = iter(range(0, 1000, 5))
    monkeypatch.setattr(common.time, "perf_counter", lambda: float(next(clock)))
    ran: list[str] = []

    def prepare() -> str:
        common.time.perf_counter()  # time passes
        return "ready"

    plain = common.Contender("a", lambda: ran.append("a") or len(ran))
    prepared = common.Contender("b", lambda given: ran.append(given) or len(ran), prepare)
    times = common.race([plain, prepared], 3)
    assert ran == [{"a": "a", "b": "ready"}[name] for order in common.orders(["a", "b"], 3) for name in order]
    assert times["b"].seconds == [5.0, 5.0, 5.0]
    assert times["a"].median == 5.0
    assert times["a"].result == max(place + 1 for place, name in enumerate(ran) if name == "a")


def test_the_quickest_option_is_kept_and_a_single_one_is_not_tried(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    common = bench("common")
    now = [0.0]
    monkeypatch.setattr(common.time, "perf_counter", lambda: now[0])

    def contender(batch: int) -> Any:
        return common.Contender("x", lambda: now.__setitem__(0, now[0] + abs(batch - 16) + 1))

    assert common.best_of("x", [8, 16, 32], contender) == 16
    assert common.best_of("x", [64], lambda _: pytest.fail("tried")) == 64


def test_a_table_is_markdown_that_its_cells_cannot_break(bench: Any) -> None:
    text = bench("common").table(["", "s"], [["a|b", 1.25], ["two\nlines", None]])
    assert text.splitlines() == ["|  | s |", "| --- | --- |", "| a\\|b | 1.2 |", "| two lines |  |"]


def test_a_result_file_says_where_it_comes_from(bench: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bench("common").report("x", "| table |", {"seconds": 1.0}, tmp_path)
    found = json.loads(path.read_text())
    assert found["benchmark"] == "x"
    assert found["seconds"] == 1.0
    assert {"date", "command", "commit", "processor", "cores", "versions"} <= set(found["machine"])
    assert {"torch", "transformers", "lm-eval", "python"} <= set(found["machine"]["versions"])
    assert capsys.readouterr().out == "| table |\n"


def test_the_peak_is_that_of_a_matrix_product(bench: Any) -> None:
    peak = bench("common").peak_matmul([(64, 64)], rows=[64], least=0.01)
    assert 1e7 < peak < 1e15


def test_the_floor_counts_shared_tokens_once_and_the_head_once_an_answer_token(bench: Any) -> None:
    least = bench("evaluation").floor([[1, 2, 3, 4], [1, 2, 3, 5], [9]], [3, 1, 2], 10, 100)
    assert (least.prompt_tokens, least.unique_tokens) == (9, 6)
    assert (least.decoded_tokens, least.answer_tokens) == (3, 6)
    assert least.operations == 2 * 10 * (6 + 3) + 2 * 100 * 6
    assert least.seconds(1380.0) == 1.0


def test_the_evaluation_table_has_ratios_and_shows_each_difference(bench: Any) -> None:
    evaluation, timed = bench("evaluation"), bench("common").Timed
    reference = [("a", [1]), ("b", [2])]
    times = {
        "generate": timed([9.0, 6.0, 7.0], reference),
        "harness": timed([2.0, 2.0, 2.0]),
        "HFLM": timed([8.0, 8.0, 8.0]),
    }
    difference = {"item": 1, "generate": "b", "answer": "c", "token": 0, "margin": 0.5, "tie": False}
    least = evaluation.floor([[1, 2]], [1], 10, 0)
    text, data = evaluation.summary(times, {"generate": 16}, {"harness": [], "HFLM": [difference]}, least, 40.0)
    assert "| generate | 16 | 7.0 | 9.0 6.0 7.0 | 3.50 | reference |" in text
    assert "| HFLM |  | 8.0 | 8.0 8.0 8.0 | 4.00 | 1 of 2 |" in text
    assert "HFLM, item 1: 'c' for 'b'" in text
    assert "NOT a tie" in text
    assert data["floor"]["harness_over_floor"] == 2.0
    assert data["contenders"]["generate"]["over_harness"] == 3.5
    json.dumps(data)


def test_ties_are_told_from_other_differences(bench: Any) -> None:
    identical = bench("evaluation").identical
    assert identical([], 3) == "3 of 3"
    assert identical([{"tie": True}, {"tie": False}], 3) == "1 of 3, 1 ties"


def test_the_pick_of_an_item_is_its_highest_score(bench: Any) -> None:
    assert bench("choice").picks([["a", "b"], ["a", "b", "c"]], [-1.0, -2.0, -3.0, -1.0, -1.0]) == [0, 1]


def test_arc_documents_are_worded_as_lm_eval_does(bench: Any) -> None:
    doc = {"question": "Q?", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "B"}
    context = "Question: Q?\nAnswer:"
    assert bench("choice").arc_pairs(doc) == [(context, " x"), (context, " y")]


def test_the_training_table_compares_losses_by_step(bench: Any) -> None:
    training, timed = bench("training"), bench("common").Timed
    times = {training.TRL: timed([8.0]), training.OURS: timed([2.0])}
    text, data = training.summary(times, (4, "random"), 2, [1.0, 0.5], [1.0, 0.75], {"base": 0.5})
    assert "| trl SFTTrainer | 4 rows at a time, random | 8.0 | 4.0 | 8.0 | 4.00 |" in text
    assert data["equal_batches"]["largest_difference"] == 0.25
    assert "NOT equal" in text
    same, data = training.summary(times, (4, "random"), 2, [1.0, 0.5], [1.0, 0.50001], {})
    assert "(equal)" in same
    assert data["equal_batches"]["equal"] is True
    assert "| base | 50.0 |" in text
    with pytest.raises(ValueError, match="longer"):
        training.largest_gap([1.0], [1.0, 2.0])


def sample(number: int, right: float) -> dict[str, Any]:
    return {"arguments": {"gen_args_0": {"arg_0": f"p{number}"}}, "target": f"t{number}", "exact_match": right}


def test_the_script_trains_on_failing_rows_first(bench: Any) -> None:
    scripted_pick = bench("scripted_pick")
    samples = [sample(number, float(number % 2)) for number in range(10)]
    general = [{"prompt": f"g{number}", "completion": ""} for number in range(5)]
    rows = scripted_pick.pick(samples, general, rows=8, share=0.25, seed=1)
    prompts = {row["prompt"] for row in rows}
    assert len(rows) == len(prompts) == 8
    assert {"p0", "p2", "p4", "p6", "p8"} <= prompts
    assert sum(prompt.startswith("g") for prompt in prompts) == 2
    assert rows == scripted_pick.pick(samples, general, rows=8, share=0.25, seed=1)


def test_the_script_reads_its_samples_by_task(bench: Any, tmp_path: Path) -> None:
    scripted_pick = bench("scripted_pick")
    for name, right in (("a__mine_1", 1.0), ("a__mine_10", 0.0)):
        path = tmp_path / "model" / f"samples_{name}_2030-01-01T00-00-00.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(sample(1, right)) + "\n")
    assert scripted_pick.accuracy(scripted_pick.read(tmp_path, "__mine_1_")) == 1.0
    assert scripted_pick.accuracy(scripted_pick.read(tmp_path, "__mine_")) == 0.5
    assert scripted_pick.accuracy([{"acc": 1.0}]) == 1.0


def test_a_benchmark_task_asks_what_the_original_asks(bench: Any, tmp_path: Path) -> None:
    from harness.evaluation.domain import load_domain

    subjects = bench("subjects")
    domain = load_domain("helpdesk", [subjects.data_folder()])
    items = domain.items("validation", "dev")[::200]
    subjects.write_task(tmp_path, domain, items, "some_dev", "__dev")
    again = load_domain("some_dev", [tmp_path])
    asked = again.items("test", "dev")
    assert [item.doc for item in asked] == [item.doc for item in items]
    assert [again.context(item, None) for item in asked] == [domain.context(item, None) for item in items]
    assert {subjects.original(name) for name in again.tasks} == {item.task for item in items}
    for name, task in again.tasks.items():
        source = domain.tasks[subjects.original(name)]
        assert (task.until, task.max_new_tokens, task.metric) == (source.until, source.max_new_tokens, source.metric)


def test_answers_that_lm_eval_logged_are_found_by_item(bench: Any, tmp_path: Path) -> None:
    from harness.evaluation.items import item_id

    path = tmp_path / "m" / "samples_helpdesk_scope__dev_2030-01-01T00-00-00.123.jsonl"
    path.parent.mkdir()
    path.write_text(json.dumps({"doc": {"input": "q"}, "resps": [["text "]]}) + "\n")
    assert bench("subjects").logged_answers(tmp_path) == {item_id("helpdesk_scope", {"input": "q"}): "text "}


def test_the_loop_counts_the_rounds_without_the_final_evaluation(bench: Any) -> None:
    seconds = [(0, "evaluate", 5.0), (1, "train", 2.0), (1, "evaluate", 3.0), (1, "final", 9.0)]
    result = {"seconds": [{"round": number, "phase": phase, "seconds": took} for number, phase, took in seconds]}
    assert bench("loop").rounds_only(result) == 5.0


def test_the_loop_s_recipe_is_the_default_one_with_other_counts(bench: Any, tmp_path: Path) -> None:
    from dataclasses import replace

    from harness.training.recipe import load_recipe

    made = load_recipe(str(bench("loop").write_recipe(tmp_path / "auto.yaml", 6)))
    auto = load_recipe("auto")
    assert made == replace(auto, method="lora", data=replace(auto.data, mine=6, rows=6, first_rows=6))


def test_a_private_cache_holds_the_models_and_no_responses(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    for name in ("models", "responses"):
        (shared / name).mkdir(parents=True)
    monkeypatch.setenv("HARNESS_CACHE", str(shared))
    made = bench("subjects").private_cache(tmp_path / "own")
    assert [path.name for path in made.iterdir()] == ["models"]


def test_misspellings_are_put_into_sentences_that_hold_the_right_word(bench: Any) -> None:
    classifiers = bench("classifiers")
    pairs = classifiers.misspellings(
        [
            {"misspelling": "recieve", "correct": ["receive"]},
            {"misspelling": "aboutthe", "correct": ["about the"]},
            {"misspelling": "Britian", "correct": "Britain"},
            {"misspelling": "carcas", "correct": ["carcass", "caracas"]},
        ]
    )
    assert pairs == [("recieve", "receive")]
    text = "Short one. You will receive it on the next Monday. you will receive it at the end of it all"
    carrier = classifiers.carriers([text])
    wrong, untouched = classifiers.spelling_cases(pairs, carrier)
    assert wrong.item.response == "You will recieve it on the next Monday."
    assert wrong.due == {"misspelled"}
    assert untouched.item.response == "You will receive it on the next Monday."
    assert untouched.due == set()


def test_every_third_squad_question_is_put_to_a_passage_that_does_not_answer_it(bench: Any) -> None:
    rows = [
        {
            "context": f"Passage {n} says {n * 11}.",
            "question": f"What does {n} say?",
            "answers": {"text": [f"{n * 11}"]},
        }
        for n in range(1, 9)
    ]
    items = bench("classifiers").squad_items(rows)
    assert [item.doc["expects"]["answerable"] for item in items] == [False, True, True, False, True, True, False, True]
    assert items[0].doc["expects"]["context"] == "Passage 5 says 55."
    assert items[0].target == "The passage does not say."
    assert items[1].target == "22"


def test_glaive_conversations_without_tools_or_call_are_passed_over(bench: Any) -> None:
    def turn(who: str, text: str) -> dict[str, str]:
        return {"from": who, "value": text}

    call = json.dumps({"name": "add", "arguments": {"a": 1}})
    tools = json.dumps([{"name": "add", "parameters": {}}])
    talk = [turn("human", "Add."), turn("function_call", call), turn("observation", "1"), turn("gpt", "It is 1.")]
    rows = [
        {"conversations": talk, "tools": tools},
        {"conversations": talk, "tools": "[]"},
        {"conversations": talk[:1], "tools": tools},
    ]
    ((item, prose),) = bench("classifiers").glaive_items(rows)
    assert json.loads(item.target) == {"name": "add", "arguments": {"a": 1}}
    assert item.doc["expects"]["call"] == json.loads(item.target)
    assert prose == "It is 1."
    assert bench("classifiers").answered(item, '{"arguments": {"a": 1}, "name": "add"}', "stop").correct == 1.0
    assert bench("classifiers").answered(item, prose, "stop").correct == 0.0


@pytest.mark.parametrize(("drop", "flipped"), [(0.0, 0.15), (0.1, 0.23)])
def test_simulated_models_differ_by_the_drop_they_are_asked_for(bench: Any, drop: float, flipped: float) -> None:
    pairs = list(bench("no_regression").simulated(2_000, drop, 8, seed=3))
    both = [(a.correct, b.correct) for old, new in pairs for a, b in zip(old.answers, new.answers, strict=True)]
    assert sum(a - b for a, b in both) / len(both) == pytest.approx(drop, abs=0.01)
    assert sum(a != b for a, b in both) / len(both) == pytest.approx(flipped, abs=0.01)


def test_swapped_rounds_are_the_same_answers_with_whole_clusters_turned(bench: Any) -> None:
    script = bench("no_regression")
    from harness.regression.answers import Answer

    def answered(right: float) -> list[Any]:
        return [Answer(f"{n:016x}", "t", "s", f"c{n // 3}", right) for n in range(30)]

    before, after = next(script.swapped([answered(1.0), answered(0.0)], 1, seed=1))
    assert all(a.correct + b.correct == 1 for a, b in zip(before.answers, after.answers, strict=True))
    turned = {a.cluster: a.correct for a in before.answers}
    assert [turned[a.cluster] for a in before.answers] == [a.correct for a in before.answers]
    assert 0 < sum(turned.values()) < len(turned)


def test_the_gates_verdicts_are_counted(bench: Any) -> None:
    script = bench("no_regression")
    found = script.judged(script.simulated(200, 0.3, 5, seed=0))
    assert (found["items"], found["pairs"], found["fail"]) == (200, 5, 1.0)
