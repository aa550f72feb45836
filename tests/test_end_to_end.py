"""The main job on the embedded model with small counts: what no fake can show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RECIPE = """
method: {method}
start: {start}
optimiser: {{learning_rate: {rate}}}
data: {{mine: 12, rows: 8, first_rows: 12}}
"""
LIMIT = 20  # two of each skill


def harness(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import sys; from harness.cli.main import main; sys.exit(main())", *arguments],
        cwd=folder,
        env={**os.environ, "HARNESS_STATE": str(folder / "state")},
        capture_output=True,
        text=True,
        check=False,
    )


def iterate(folder: Path, recipe: str, rounds: int, out: str = "run") -> dict[str, Any]:
    (folder / "small.yaml").write_text(recipe)
    done = harness(
        folder,
        *("iterate", "--rounds", str(rounds), "--recipe", "small.yaml", "--limit", str(LIMIT), "--out", out),
        *("--fewshot", "2", "--json", "--no-cache"),  # every answer is the model's own
    )
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def deterministic(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary without what depends on the clock, or on earlier runs."""
    rounds = [{key: value for key, value in entry.items() if key != "seconds"} for entry in summary["rounds"]]
    return {**summary, "seconds": None, "run": None, "test_openings": None, "rounds": rounds}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("e2e")
    return folder, iterate(folder, RECIPE.format(method="lora", start="latest", rate="1.0e-3"), rounds=2)


@pytest.mark.model
@pytest.mark.e2e
def test_two_rounds_leave_decisions_a_report_and_the_opened_test(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = finished
    assert (summary["status"], summary["rounds_done"]) == ("finished", 2)
    assert [entry["decision"] for entry in summary["rounds"]] == [
        json.loads((folder / f"run/rounds/{n:03d}/verdict.json").read_text())["decision"] for n in (1, 2)
    ]
    assert summary["guard"]["before"]["n"] == LIMIT
    assert LIMIT - 1 <= summary["test"]["before"]["n"] <= LIMIT  # paraphrases stay together
    assert (summary["looks"], summary["test_openings"]) == ([], 1)  # a trial run
    assert all(entry["train_tokens"] > 300 for entry in summary["rounds"])
    page = (folder / "run/report/index.html").read_text()
    assert page.count("<script") == 2  # the page's own, and the block of responses
    assert str(summary["rounds"][1]["reason"])[:12] in page


@pytest.mark.model
@pytest.mark.e2e
def test_training_lowers_the_loss_of_the_golds(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = finished
    first = json.loads((folder / "run/rounds/001/loglikelihood.json").read_text())
    assert sum(first["candidate"]) > sum(first["champion"]) + LIMIT


@pytest.mark.model
@pytest.mark.e2e
def test_the_same_command_again_does_nothing_anew(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = finished
    before = (folder / "run/rounds/002/train.done.json").stat().st_mtime_ns
    again = iterate(folder, RECIPE.format(method="lora", start="latest", rate="1.0e-3"), rounds=2)
    assert deterministic(again) == deterministic(summary)
    assert (folder / "run/rounds/002/train.done.json").stat().st_mtime_ns == before


@pytest.mark.model
@pytest.mark.e2e
def test_the_candidate_loads_with_peft_and_answers_as_it_did_in_the_loop(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    import pandas as pd
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from harness.models.embedded import embedded_folder

    folder, _ = finished
    base = AutoModelForCausalLM.from_pretrained(embedded_folder(), dtype=torch.float32)
    model = PeftModel.from_pretrained(base, folder / "run/rounds/002/adapter").eval()
    tokenizer = AutoTokenizer.from_pretrained(embedded_folder())
    saved = pd.read_parquet(folder / "run/rounds/002/dev/responses.parquet")
    row = saved[saved.skill == "routing"].iloc[0]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": row.prompt}], tokenize=False, add_generation_prompt=True
    )
    ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)
    out = model.generate(**ids, do_sample=False, max_new_tokens=24)[0][ids["input_ids"].shape[1] :]
    answer = tokenizer.decode(out, skip_special_tokens=True)
    assert answer.split("\n\n")[0] == row.response


@pytest.mark.model
@pytest.mark.e2e
def test_lm_eval_scores_the_same_items_the_same(finished: tuple[Path, dict[str, Any]]) -> None:
    """The bare backend of lm-eval, through its own evaluator, gives the responses that the loop's engine gave."""
    import lm_eval
    import pandas as pd
    from lm_eval.tasks import TaskManager

    from harness.locate import data_folder
    from harness.models.embedded import embedded_folder

    folder, _ = finished
    saved = pd.read_parquet(folder / "run/baseline/test/responses.parquet")
    ours = {json.loads(row.doc)["id"]: row.response for row in saved[saved.task == "helpdesk_scope"].itertuples()}
    manager = TaskManager(include_path=str(data_folder("tasks")), include_defaults=False)
    docs = [doc["id"] for doc in manager.load("helpdesk_scope")["tasks"]["helpdesk_scope"].test_docs()]
    outcome = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(embedded_folder()), "dtype": "float32", "device": "cpu"},
        tasks=["helpdesk_scope"],
        samples={"helpdesk_scope": [docs.index(name) for name in ours]},
        task_manager=manager,
        apply_chat_template=True,
        batch_size=8,
    )
    theirs = {sample["doc"]["id"]: sample["resps"][0][0] for sample in outcome["samples"]["helpdesk_scope"]}
    assert theirs == ours
    assert "err_missed_refusal_stderr,none" in outcome["results"]["helpdesk_scope"]


@pytest.mark.model
@pytest.mark.parametrize(("method", "start", "rate"), [("qlora", "latest", "1.0e-3"), ("sft", "champion", "2.0e-5")])
def test_one_round_of_every_other_method(tmp_path: Path, method: str, start: str, rate: str) -> None:
    summary = iterate(tmp_path, RECIPE.format(method=method, start=start, rate=rate), rounds=1)
    assert summary["rounds"][0]["decision"] in ("promote", "reject")
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["identity"]["model"]["method"] == method
    weights = "model.safetensors" if method == "sft" else "adapter_model.safetensors"
    assert (tmp_path / "run/rounds/001/adapter" / weights).is_file()


@pytest.mark.model
def test_equal_seeds_give_equal_decisions_and_scores(tmp_path: Path) -> None:
    recipe = RECIPE.format(method="lora", start="latest", rate="1.0e-3")
    first, second = (deterministic(iterate(tmp_path, recipe, rounds=3, out=name)) for name in ("one", "two"))
    assert first == second


@pytest.mark.model
def test_a_killed_run_resumes_to_the_same_result(tmp_path: Path, finished: tuple[Path, dict[str, Any]]) -> None:
    import signal
    import time

    recipe = RECIPE.format(method="lora", start="latest", rate="1.0e-3")
    (tmp_path / "small.yaml").write_text(recipe)
    arguments = ["iterate", "--rounds", "2", "--recipe", "small.yaml", "--limit", str(LIMIT), "--fewshot", "2"]
    arguments += ["--no-cache"]
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from harness.cli.main import main; sys.exit(main())",
            *arguments,
            "--out",
            "run",
        ],
        cwd=tmp_path,
        env={**os.environ, "HARNESS_STATE": str(tmp_path / "state")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # Killed while it trains the second round: its rows are chosen, its candidate is not there yet.
    while not (tmp_path / "run/rounds/002/curate.done.json").exists():
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run/rounds/002/train.done.json").exists()
    assert deterministic(iterate(tmp_path, recipe, rounds=2)) == deterministic(finished[1])
