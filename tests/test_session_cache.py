"""Kept answers of a real model and its adapters: whose they are, and that nobody gets another's."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny import make_tiny_model
from tiny_session import load_tiny

from harness.evaluation.cache import ResponseCache
from harness.evaluation.engine import Generation, GenerationRequest, Scoring, ScoringRequest
from harness.evaluation.pooled_engine import PooledEngine
from harness.loop.local import LocalWorkbench
from harness.models.fingerprint import adapter_hash, fingerprint
from harness.training.contract import CANDIDATE, Example, Start
from harness.training.recipe import Lora, Optimiser, Recipe

RECIPE = Recipe(
    name="tiny",
    method="lora",
    lora=Lora(rank=4, alpha=8),
    optimiser=Optimiser(learning_rate=3e-2, batch_size=4, warmup=0.0, schedule="constant"),
)
ASKED = [GenerationRequest(text, (), 6, "g") for text in ("What is 3? ", "What is 5? ", "Hello, my order")]
PAIRS = [ScoringRequest("What is 3? ", "It is 21."), ScoringRequest("What is 3? ", "It is 4.")]


@pytest.fixture
def cache(tmp_path: Path) -> ResponseCache:
    return ResponseCache(tmp_path / "responses.sqlite", on_notice=pytest.fail)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def adapters(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two that answer unlike each other and unlike the base."""
    out = tmp_path_factory.mktemp("adapters")
    for seed, times in ((1, 7), (2, 11)):
        bench = LocalWorkbench(load_tiny(folder), RECIPE, 4, 0, pytest.fail)
        rows = [Example(f"What is {number}? ", f"It is {number * times}.") for number in range(8)]
        bench.train(rows, RECIPE, Start(), out / str(seed), seed, None)
    return [out / "1" / CANDIDATE, out / "2" / CANDIDATE]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many requests each call of the real engine had."""
    calls: list[int] = []
    for name in ("generate", "loglikelihood"):
        real = getattr(PooledEngine, name)

        def counting(self: PooledEngine, requests: Any, progress: Any, real: Any = real) -> Any:
            calls.append(len(requests))
            return real(self, requests, progress)

        monkeypatch.setattr(PooledEngine, name, counting)
    return calls


def answers_of(bench: LocalWorkbench, adapter: Path | None) -> tuple[list[Generation], list[Scoring]]:
    bench.activate(adapter)
    with bench.asking() as engine:
        return engine.generate(ASKED, None), engine.loglikelihood(PAIRS, None)


def test_two_adapters_and_the_base_never_see_each_others_answers(
    folder: Path, adapters: list[Path], cache: ResponseCache, counted: list[int]
) -> None:
    models = [None, *adapters]
    plain_bench = LocalWorkbench(load_tiny(folder), RECIPE, 4, 0, pytest.fail)
    own = [answers_of(plain_bench, adapter) for adapter in models]
    assert len({str(answers) for answers in own}) == 3  # else this would show nothing
    bench = LocalWorkbench(load_tiny(folder), RECIPE, 4, 0, pytest.fail, cache=cache)
    del counted[:]
    assert [answers_of(bench, adapter) for adapter in models] == own
    assert counted == [3, 2] * 3
    # A second process, in another order: nothing is generated twice, and nobody gets another's.
    again = LocalWorkbench(load_tiny(folder), RECIPE, 4, 0, pytest.fail, cache=cache)
    del counted[:]
    assert [answers_of(again, models[place]) for place in (2, 0, 1, 0)] == [own[place] for place in (2, 0, 1, 0)]
    assert counted == []


def test_a_copy_of_an_adapter_is_the_same_adapter(
    folder: Path, adapters: list[Path], cache: ResponseCache, counted: list[int], tmp_path: Path
) -> None:
    bench = LocalWorkbench(load_tiny(folder), RECIPE, 4, 0, pytest.fail, cache=cache)
    own = answers_of(bench, adapters[0])
    del counted[:]
    assert answers_of(bench, Path(shutil.copytree(adapters[0], tmp_path / "copy"))) == own
    assert counted == []


def test_an_adapter_written_anew_in_the_same_place_is_another(
    folder: Path, adapters: list[Path], cache: ResponseCache, tmp_path: Path
) -> None:
    bench = LocalWorkbench(load_tiny(folder), RECIPE, 4, 0, pytest.fail, cache=cache)
    place = tmp_path / "adapter"
    shutil.copytree(adapters[0], place)
    first = answers_of(bench, place)
    bench.activate(None)
    shutil.rmtree(place)
    shutil.copytree(adapters[1], place)
    assert answers_of(bench, place) == answers_of(bench, adapters[1]) != first


def test_one_adapter_scaled_otherwise_is_another_model(
    folder: Path, adapters: list[Path], cache: ResponseCache, counted: list[int]
) -> None:
    """The scale is not in the file of weights."""
    stronger = replace(RECIPE, lora=Lora(rank=4, alpha=64))
    own = answers_of(LocalWorkbench(load_tiny(folder), RECIPE, 4, 0, pytest.fail, cache=cache), adapters[0])
    del counted[:]
    other = answers_of(LocalWorkbench(load_tiny(folder), stronger, 4, 0, pytest.fail, cache=cache), adapters[0])
    assert counted == [3, 2]
    assert other != own


def test_weights_that_were_just_trained_are_neither_looked_up_nor_kept(
    folder: Path, cache: ResponseCache, counted: list[int], tmp_path: Path
) -> None:
    bench = LocalWorkbench(load_tiny(folder), RECIPE, 4, 0, pytest.fail, cache=cache)
    base = answers_of(bench, None)
    rows = [Example(f"What is {number}? ", f"It is {number * 7}.") for number in range(8)]
    bench.train(rows, RECIPE, Start(), tmp_path, 1, None)
    kept = cache.use().answers
    del counted[:]
    with bench.asking() as engine:
        trained = engine.generate(ASKED, None), engine.loglikelihood(PAIRS, None)
    assert counted == [3, 2]
    assert cache.use().answers == kept
    assert trained != base
    assert answers_of(bench, tmp_path / CANDIDATE) == trained  # from its file it has a hash, and is kept
    assert cache.use().answers == 2 * kept
    assert answers_of(bench, None) == base


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("config.json", '"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e-02'),
        ("generation_config.json", '"eos_token_id": 2', '"eos_token_id": 5'),
        ("tokenizer.json", '"content": "<|im_start|>"', '"content": "<|im_begin|>"'),
    ],
)
def test_equal_weights_with_another_configuration_or_tokenizer_are_another_model(
    folder: Path, tmp_path: Path, name: str, old: str, new: str
) -> None:
    loaded = load_tiny(folder)
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    assert fingerprint(replace(loaded, folder=copy), ["torch"]) == fingerprint(loaded, ["torch"])
    text = (copy / name).read_text()
    assert old in text
    (copy / name).write_text(text.replace(old, new))
    assert fingerprint(replace(loaded, folder=copy), ["torch"]) != fingerprint(loaded, ["torch"])


def test_a_fingerprint_tells_dtype_quantisation_weights_and_versions_apart(folder: Path) -> None:
    loaded = load_tiny(folder)
    others = [
        fingerprint(loaded, ["torch"]),
        fingerprint(loaded, ["torch", "transformers"]),
        fingerprint(replace(loaded, weights_sha256="1" * 64), ["torch"]),
        fingerprint(replace(loaded, policy=replace(loaded.policy, dtype="bfloat16")), ["torch"]),
        fingerprint(replace(loaded, policy=replace(loaded.policy, quantisation="nf4")), ["torch"]),
    ]
    assert len({json.dumps(other, sort_keys=True) for other in others}) == 5


def test_the_hash_of_an_adapter_is_read_once_while_its_file_is_the_same(
    adapters: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path(shutil.copytree(adapters[0], tmp_path / "adapter"))
    digest = adapter_hash(place)
    monkeypatch.setattr("harness.models.session.weights_hash", lambda folder: "read again")
    assert adapter_hash(place) == digest
    (place / "adapter_model.safetensors").write_bytes(b"other")
    assert adapter_hash(place) == "read again"
