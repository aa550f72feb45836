"""The workbench over a tiny real model: whose answers it gives, what it calls itself, and without our attention."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import make_tiny_model
from tiny_session import EXAMPLES, PROBE, RECIPE, load_tiny

from harness.evaluation.engine import GenerationRequest
from harness.evaluation.lm_eval_engine import LmEvalEngine
from harness.loop.local import LocalWorkbench
from harness.models.loading import LoadedModel
from harness.training.contract import CANDIDATE, Start, TrainingCrash
from harness.training.recipe import Recipe


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def loaded(folder: Path) -> LoadedModel:
    return load_tiny(folder)


def test_after_a_crash_the_champions_weights_are_read_again(
    loaded: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training starts from the champion's own folder here: what a crash left in memory must not pass for it."""
    recipe = replace(RECIPE, start="champion")
    workbench = LocalWorkbench(loaded, recipe, 4, 0, lambda _: None)
    workbench.train(EXAMPLES, recipe, Start(), tmp_path, 1, None)
    champion = tmp_path / CANDIDATE
    workbench.activate(champion)
    with workbench.asking() as engine:
        expected = engine.model(PROBE).logits.clone()  # type: ignore[attr-defined]

    def crash(step: int, steps: int, loss: float) -> None:
        raise TrainingCrash("non-finite loss")

    with pytest.raises(TrainingCrash):
        workbench.train(EXAMPLES, recipe, Start(champion), tmp_path / "2", 2, crash)
    workbench.activate(champion)
    with workbench.asking() as engine:
        assert torch.equal(engine.model(PROBE).logits, expected)  # type: ignore[attr-defined]


def test_the_workbench_says_which_model_it_is(loaded: LoadedModel, folder: Path) -> None:
    workbench = LocalWorkbench(loaded, RECIPE, 4, 0, lambda _: None)
    assert workbench.identity["reference"] == str(folder)
    assert workbench.identity["method"] == "lora"
    assert len(workbench.identity["weights_sha256"]) == 64
    assert workbench.chat_template is not None
    assert workbench.chat_template([{"role": "user", "content": "Hi"}]).endswith("<|im_start|>assistant\n")


def test_a_model_that_refuses_the_attention_function_is_asked_in_plain_batches(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(loaded.model), "_supports_attention_backend", False)
    notices: list[str] = []
    bench = LocalWorkbench(loaded, Recipe(), 64, 0, notices.append)
    with bench.asking() as engine:
        assert isinstance(engine, LmEvalEngine)
        assert engine.batch_size == 16
        assert engine.generate([GenerationRequest("the parcel", (), 3)], None)[0].new_tokens == 3
    assert len(notices) == 1
    assert "evaluates this architecture: slower" in notices[0]
