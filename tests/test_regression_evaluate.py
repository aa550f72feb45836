"""Evaluating for a gate: the answers of a real model, made once and kept while nothing that they hang on changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import make_tiny_model
from toy import write_toy_tasks

import harness.regression.evaluate as module
from harness.config import ClassifierSettings, CustomCategory, Settings
from harness.evaluation.choices import SHORT
from harness.regression.answers import AnswerSet
from harness.regression.evaluate import evaluate
from harness.regression.inputs import fixed_inputs, state_input
from harness.training.recipe import Recipe

ITEMS = 6


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny models, ``one`` and ``other``."""
    folder = tmp_path_factory.mktemp("models")
    make_tiny_model(folder / "one", seed=1)
    make_tiny_model(folder / "other", seed=2)
    return folder


@pytest.fixture
def settings(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The toy domain and its guard as lm-eval tasks, a cache of the test's own."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    tasks = write_toy_tasks(tmp_path / "tasks")
    return Settings(
        model=str(models / "one"), domain="toy", guard="toy_guard", device="cpu", fewshot=0, limit=ITEMS,
        include_path=[str(tasks)],
    )  # fmt: skip


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models that were asked, in order."""
    real, found = module._ask, []

    def ask(settings: Settings, *rest: object) -> AnswerSet:
        found.append(Path(settings.model).name)
        return real(settings, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_ask", ask)
    return found


def test_unchanged_a_model_is_asked_once(settings: Settings, asked: list[str]) -> None:
    first = evaluate(settings)
    again = evaluate(settings)
    assert asked == ["one"]
    assert again == first
    assert {answer.skill for answer in first.answers} == {"add", "reverse"}
    assert len(first.answers) == ITEMS
    assert first.identity.classifiers
    assert set(first.identity.tasks) == {"toy_add", "toy_reverse"}
    assert first.seconds is not None


def test_a_lost_record_of_roles_is_made_again_without_asking(settings: Settings, asked: list[str]) -> None:
    evaluate(settings)
    shutil.rmtree(os.environ["HARNESS_STATE"])  # as in CI, where the cache is kept and the home is not
    evaluate(settings)
    assert asked == ["one"]


def test_guards_are_asked_where_a_gate_needs_them(settings: Settings) -> None:
    answers = evaluate(settings, guard=True)
    assert len(answers.of("guard")) == ITEMS
    assert {answer.task for answer in answers.of("guard")} == {"toy_guard"}


def test_another_model_is_another_set_of_answers(settings: Settings, models: Path, asked: list[str]) -> None:
    one, other = evaluate(settings), evaluate(settings, str(models / "other"))
    assert asked == ["one", "other"]
    assert one.identity.weights != other.identity.weights
    assert [answer.item for answer in one.answers] == [answer.item for answer in other.answers]


def test_an_adapter_is_put_onto_the_model(settings: Settings, tmp_path: Path, asked: list[str]) -> None:
    adapter = _adapter(settings, tmp_path / "adapter")
    base, tuned = evaluate(settings, guard=True), evaluate(settings, adapter=adapter, guard=True)
    assert len(asked) == 2
    assert base.identity.weights != tuned.identity.weights
    assert _nats(base) != _nats(tuned)


def test_an_adapter_that_no_recipe_can_say_is_merged(settings: Settings, tmp_path: Path) -> None:
    adapter = _adapter(settings, tmp_path / "adapter", use_rslora=True)
    tuned = evaluate(settings, adapter=adapter, guard=True)
    assert _nats(tuned) != _nats(evaluate(settings, guard=True))


def _nats(answers: AnswerSet) -> list[float]:
    """By how much each ending of the guard fell short: it differs where the weights do."""
    return [answer.metrics[SHORT] for answer in answers.of("guard")]


def _adapter(settings: Settings, folder: Path, **more: object) -> Path:
    """A LoRA adapter with weights that change every answer, as peft saves it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(settings.model)
    model = get_peft_model(base, LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "down_proj"], **more))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.5)
    model.save_pretrained(str(folder))
    return folder


def test_seconds_are_of_asking_and_not_of_the_response_cache(settings: Settings, tmp_path: Path) -> None:
    assert evaluate(settings).seconds is not None
    shutil.rmtree(tmp_path / "cache" / "answers")
    assert evaluate(settings).seconds is None
    timed = evaluate(settings, timed=True)
    assert timed.seconds is not None
    assert evaluate(settings, timed=True).seconds == timed.seconds


def test_fresh_asks_again(settings: Settings, asked: list[str]) -> None:
    evaluate(settings)
    evaluate(settings, fresh=True)
    assert asked == ["one", "one"]


def test_a_damaged_kept_set_is_made_again(settings: Settings, tmp_path: Path, asked: list[str]) -> None:
    first = evaluate(settings)
    for path in (tmp_path / "cache" / "answers").glob("*.json"):
        path.write_bytes(path.read_bytes()[:-40])
    assert [a.response for a in evaluate(settings).answers] == [a.response for a in first.answers]
    assert len(asked) == 2


def test_without_the_cache_nothing_is_kept(settings: Settings, tmp_path: Path, asked: list[str]) -> None:
    for _ in range(2):
        evaluate(replace(settings, cache=False))
    assert len(asked) == 2
    assert not (tmp_path / "cache" / "answers").exists()


def test_the_second_evaluation_loads_neither_torch_nor_lm_eval(settings: Settings, tmp_path: Path) -> None:
    evaluate(settings)
    script = tmp_path / "again.py"
    script.write_text(f"""
import sys
from harness.config import Settings
from harness.regression.evaluate import evaluate

answers = evaluate(Settings(model={settings.model!r}, domain="toy", guard="toy_guard", device="cpu", fewshot=0,
                            limit={ITEMS}, include_path={settings.include_path!r}))
print(len(answers.answers), sorted({{"torch", "transformers", "lm_eval", "datasets"}} & sys.modules.keys()))
""")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.stdout == f"{ITEMS} []\n", done.stderr


def test_environment_variables_are_left_as_they_were(settings: Settings) -> None:
    before = dict(os.environ)
    evaluate(settings)
    assert dict(os.environ) == before


def _append(path: Path, text: str = "\n") -> None:
    with path.open("a") as stream:
        stream.write(text)


CHANGES: dict[str, Callable[[Settings, Path], Settings]] = {
    "a document": lambda s, p: _append(p / "tasks" / "add_validation.jsonl", "{}") or s,
    "the task's code": lambda s, p: _append(p / "tasks" / "utils.py", "# edited") or s,
    "the task's YAML": lambda s, p: _append(p / "tasks" / "toy_add.yaml", "# edited") or s,
    "a template beside it": lambda s, p: _append(p / "tasks" / "prompt.j2", "x") or s,
    "data named elsewhere": lambda s, p: _append(p / "elsewhere.jsonl", "x") or s,
    "the guard's rows": lambda s, p: _append(p / "tasks" / "even_test.jsonl", "{}") or s,
    "the limit": lambda s, p: replace(s, limit=5),
    "the prompt": lambda s, p: replace(s, prompt="terse"),
    "the engine": lambda s, p: replace(s, engine="hf"),
    "the device": lambda s, p: replace(s, device="cuda"),
    "a classifier's settings": lambda s, p: replace(s, classifiers=ClassifierSettings(disable=["empty"])),
    "a classifier's code": lambda s, p: _append(p / "mine.py", "# edited") or s,
    "another recipe": lambda s, p: replace(s, recipe="sft"),
    "weights": lambda s, p: _append(p / "model" / "model.safetensors", "x") or s,
    "the tokenizer": lambda s, p: _append(p / "model" / "tokenizer.json") or s,
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_seen_of(what: str, settings: Settings, tmp_path: Path) -> None:
    _append(tmp_path / "elsewhere.jsonl", "{}")
    yaml = tmp_path / "tasks" / "toy_reverse.yaml"
    yaml.write_text(yaml.read_text().replace("skill: reverse", f"skill: reverse\n  rows: {tmp_path}/elsewhere.jsonl"))
    _append(tmp_path / "mine.py", "def found(item): return None")
    shutil.copytree(settings.model, tmp_path / "model")
    custom = {"mine": CustomCategory(function=f"{tmp_path / 'mine.py'}:found")}
    before = replace(settings, classifiers=ClassifierSettings(custom=custom), model=str(tmp_path / "model"))
    unchanged = _inputs(before)
    assert _inputs(before) == unchanged
    after = CHANGES[what](before, tmp_path)
    assert _inputs(after) != unchanged


def _inputs(settings: Settings) -> object:
    return fixed_inputs(settings, Recipe(name=settings.recipe), Path(settings.model), None)


def test_results_beside_a_task_in_the_projects_own_folder_change_nothing(settings: Settings, tmp_path: Path) -> None:
    tasks = tmp_path / "tasks"
    (tasks / "harness.yaml").write_text("domain: toy\n")
    before = _inputs(settings)
    (tasks / "runs").mkdir()
    (tasks / "runs" / "gates.jsonl").write_text("{}\n")
    assert _inputs(settings) == before


def test_a_checkout_that_lies_elsewhere_has_the_same_inputs(settings: Settings, tmp_path: Path) -> None:
    moved = shutil.copytree(tmp_path / "tasks", tmp_path / "deep" / "er" / "tasks")
    assert _inputs(replace(settings, include_path=[str(moved)])) == _inputs(settings)


def test_items_that_are_added_to_the_record_are_seen(settings: Settings) -> None:
    from harness.loop.run import utc_now
    from harness.state.domain import DomainState, state_folder

    before = state_input(settings)
    DomainState.open(state_folder(), "toy", utc_now).extend([{"task": "toy_add", "doc": {"input": "x"}}], "a test")
    assert state_input(settings) != before
