"""``--model harness`` beside ``--model hf``: the same responses, from the same commands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from tiny import make_tiny_model
from toy import write_toy_tasks

import harness.lm_eval
from harness.evaluation.lm_eval_model import HarnessLM, generation_request
from harness.exceptions import InputError
from harness.models.adapters import with_adapter
from harness.models.loading import load, plan
from harness.models.reference import resolve

# peft asks for an attribute under its old name: nothing that a user of either can mend.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")

ROLLING = """\
task: toy_text
custom_dataset: !function utils.load
dataset_kwargs:
  skill: add
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: input
metric_list:
  - metric: word_perplexity
"""
SAMPLED = """\
task: toy_sampled
custom_dataset: !function utils.load
dataset_kwargs:
  skill: add
test_split: test
output_type: generate_until
doc_to_text: input
doc_to_target: target
repeats: 3
process_results: !function utils.process_results
generation_kwargs:
  do_sample: true
  temperature: 1.0
  max_gen_toks: 6
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
"""
TASKS = ["toy_add", "toy_reverse", "toy_guard", "toy_text"]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_toy_tasks(tmp_path_factory.mktemp("tasks"))
    for name, text in (("rolling", ROLLING), ("sampled", SAMPLED)):
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


def evaluate(folder: Path, names: list[str], model: str, arguments: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Raw responses by task and document."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    harness.lm_eval.register()
    outcome = lm_eval.simple_evaluate(
        model=model,
        model_args=arguments,
        tasks=names,
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        device="cpu",
        bootstrap_iters=0,
        **options,
    )
    assert outcome is not None
    return {
        name: [sample["resps"] for sample in sorted(samples, key=lambda s: s["doc_id"])]
        for name, samples in outcome["samples"].items()
    }


def alike(ours: Any, theirs: Any) -> None:
    """Equal texts and picks; log-probabilities equal within rounding."""
    if isinstance(ours, (list, tuple)):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            alike(one, other)
    elif isinstance(ours, float):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-4)
    else:
        assert ours == theirs


@pytest.mark.parametrize("options", [{}, {"apply_chat_template": True, "num_fewshot": 2}], ids=["plain", "chat"])
def test_responses_are_those_of_hf(tasks: Path, model: Path, options: dict[str, Any]) -> None:
    arguments = {"pretrained": str(model)}
    names = TASKS if not options else TASKS[:3]
    options["gen_kwargs"] = {"until": ["zz", "5"], "max_gen_toks": 7}
    theirs = evaluate(tasks, names, "hf", {**arguments, "dtype": "float32"}, batch_size=4, limit=12, **options)
    ours = evaluate(tasks, names, "harness", arguments, batch_size=4, limit=12, **options)
    assert set(ours) == set(names)
    alike([ours[name] for name in names], [theirs[name] for name in names])
    assert len({str(response) for name in names for response in ours[name]}) > 4


def test_prompts_too_long_for_the_context_are_cut_as_hf_cuts_them(tasks: Path, model: Path) -> None:
    """A window of 24 tokens: 16 are the answer's, 8 the prompt's; every text has several windows."""
    arguments = {"pretrained": str(model), "max_length": 24}
    theirs = evaluate(tasks, TASKS, "hf", {**arguments, "dtype": "float32"}, batch_size=1, limit=6, num_fewshot=3)
    ours = evaluate(tasks, TASKS, "harness", arguments, batch_size=8, limit=6, num_fewshot=3)
    alike([ours[name] for name in TASKS], [theirs[name] for name in TASKS])


def test_samples_differ_among_repeats_and_agree_between_batch_sizes(tasks: Path, model: Path) -> None:
    arguments = {"pretrained": str(model)}
    runs = []
    for seed, rows in ((0, 1), (0, 8), (1, 8)):
        given = {**arguments, "seed": seed}
        runs.append(evaluate(tasks, ["toy_sampled"], "harness", given, batch_size=rows, limit=5)["toy_sampled"])
    assert runs[0] == runs[1] != runs[2]
    assert all(len(set(document[0])) == 3 for document in runs[0])


def make_adapter(base: Path, folder: Path) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model

    model = load(resolve(str(base)), plan(resolve(str(base)), None, "cpu"), progress=False).model
    wrapped = get_peft_model(model, LoraConfig(r=4, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    torch.manual_seed(3)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(std=0.2)
    wrapped.save_pretrained(folder)
    return folder


def test_an_adapter_answers_as_it_does_behind_hf(tasks: Path, model: Path, tmp_path: Path) -> None:
    adapter = make_adapter(model, tmp_path / "adapter")
    arguments = {"pretrained": str(model), "peft": str(adapter)}
    names = ["toy_add", "toy_guard"]
    theirs = evaluate(tasks, names, "hf", {**arguments, "dtype": "float32"}, batch_size=4, limit=8)
    ours = evaluate(tasks, names, "harness", arguments, batch_size=4, limit=8)
    alike([ours[name] for name in names], [theirs[name] for name in names])
    base = evaluate(tasks, names, "harness", {"pretrained": str(model)}, batch_size=4, limit=8)
    assert ours["toy_add"] != base["toy_add"]


def test_all_weights_as_sft_saves_them_are_an_adapter_too(model: Path, tmp_path: Path) -> None:
    import torch

    from harness.models.session import ModelSession

    loaded = load(resolve(str(model)), plan(resolve(str(model)), None, "cpu"), progress=False)
    session = ModelSession(loaded.model, "sft", {})
    with torch.no_grad():
        for parameter in session.trainable().values():
            parameter.mul_(1.5)
    expected = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    session.save(tmp_path / "candidate")
    fresh = load(resolve(str(model)), plan(resolve(str(model)), None, "cpu"), progress=False)
    found = with_adapter(fresh.model, tmp_path / "candidate").state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_folder_without_an_adapter_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no adapter"):
        HarnessLM(str(model), peft=str(tmp_path), device="cpu")
    with pytest.raises(InputError, match="no such folder"):
        HarnessLM(str(model), adapter=str(tmp_path / "none"), device="cpu")


def test_an_adapter_of_another_model_is_refused(model: Path, tmp_path: Path) -> None:
    adapter = make_adapter(model, tmp_path / "adapter")
    config = adapter / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "r": 8}))
    with pytest.raises(InputError, match=r"has shape .*, expected .*: made for another model"):
        HarnessLM(str(model), peft=str(adapter), device="cpu")


def test_an_architecture_that_the_engine_cannot_serve_is_served_by_hf(
    tasks: Path, model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("harness.evaluation.lm_eval_model.answers_alike", lambda _: False)
    arguments = {"pretrained": str(model)}
    ours = evaluate(tasks, TASKS, "harness", arguments, batch_size=4, limit=4)
    assert "served by lm-eval's own HFLM" in caplog.text
    theirs = evaluate(tasks, TASKS, "hf", {**arguments, "dtype": "float32"}, batch_size=4, limit=4)
    alike([ours[name] for name in TASKS], [theirs[name] for name in TASKS])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ((), 256, 0.0)),
        ({"until": "\n", "max_gen_toks": 8, "do_sample": False, "temperature": 0.7}, (("\n",), 8, 0.0)),
        ({"until": ["a", "b"], "max_new_tokens": 4, "temperature": 0.7}, (("a", "b"), 4, 0.7)),
        ({"do_sample": True, "temperature": 1.0, "num_beams": 1, "repetition_penalty": 1.0}, ((), 256, 1.0)),
    ],
)
def test_generation_arguments_are_read_as_lm_eval_means_them(arguments: dict[str, Any], expected: Any) -> None:
    request = generation_request("x", arguments)
    assert (request.until, request.max_new_tokens, request.temperature) == expected


def test_sampling_arguments_reach_the_request_and_a_seed_of_the_task_s_own_wins() -> None:
    given = {"do_sample": True, "temperature": 0.5, "top_k": 40, "top_p": 0.9, "seed": 3}
    request = generation_request("x", given, seed=1, sample=2)
    assert (request.top_k, request.top_p, request.seed, request.sample) == (40, 0.9, 3, 2)
    assert generation_request("x", {}, seed=1).seed == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_beams": 4}, "generation argument 'num_beams' (4) is not known to model harness"),
        ({"repetition_penalty": 1.1}, "generation argument 'repetition_penalty' (1.1) is not known"),
        ({"top_q": 1}, "generation argument 'top_q' (1) is not known"),
        ({"do_sample": True}, "'do_sample' is true without a temperature above 0"),
        ({"temperature": 1.0, "top_p": 0.0}, "'top_p' is 0.0; it must be above 0"),
    ],
)
def test_generation_arguments_that_would_be_ignored_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        generation_request("x", arguments)
    assert message in str(caught.value)


def test_unknown_model_arguments_are_refused_with_the_nearest_name(model: Path) -> None:
    with pytest.raises(InputError) as caught:
        HarnessLM(str(model), batchsize=4)
    assert str(caught.value) == "model harness: unknown argument 'batchsize'. Did you mean 'batch_size'?"


def test_the_entry_point_names_the_class() -> None:
    import tomllib

    root = Path(__file__).resolve().parent.parent
    if not (root / "pyproject.toml").is_file():
        pytest.skip("the tests were copied out of their source tree")
    declared = tomllib.loads((root / "pyproject.toml").read_text())["project"]["entry-points"]["lm_eval.models"]
    assert EntryPoint("harness", declared["harness"], "lm_eval.models").load() is HarnessLM
    assert declared["harness"] == harness.lm_eval.MODEL


def lm_eval_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.lm_eval", *arguments], capture_output=True, text=True, check=False
    )


def test_lm_eval_s_command_line_runs_with_the_model_known(tasks: Path, model: Path, tmp_path: Path) -> None:
    done = lm_eval_command(
        *("run", "--model", "harness", "--model_args", f"pretrained={model}", "--device", "cpu", "--batch_size", "8"),
        *("--include_path", str(tasks), "--tasks", "toy_add", "--limit", "3", "--output_path", str(tmp_path / "out")),
    )
    assert done.returncode == 0, done.stderr
    (results,) = (tmp_path / "out").rglob("results_*.json")
    config = json.loads(results.read_text())["config"]
    assert config["model"] == "harness"
    assert len(config["model_sha"]) == 64


def test_the_bare_command_knows_the_model_where_a_task_file_named_by_path_registers_it(
    tasks: Path, model: Path, tmp_path: Path
) -> None:
    """The way round that docs/engines.md gives for lm-eval 0.4.13, which reads no entry points."""
    own = shutil.copytree(tasks, tmp_path / "own")
    with (own / "utils.py").open("a") as stream:
        stream.write("\n\nfrom harness.lm_eval import register\n\nregister()\n")
    arguments = ("--model_args", f"pretrained={model}", "--device", "cpu", "--limit", "2")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "lm_eval",
            "run",
            "--model",
            "harness",
            *arguments,
            "--tasks",
            str(own / "toy_add.yaml"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "toy_add" in done.stdout


def test_what_the_harness_refuses_is_one_line_of_the_command_line(tasks: Path) -> None:
    done = lm_eval_command(
        *("run", "--model", "harness", "--model_args", "pretrained=no-such-model"),
        *("--include_path", str(tasks), "--tasks", "toy_add"),
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: model 'no-such-model': unknown")
