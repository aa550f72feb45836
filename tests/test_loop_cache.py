"""The loop with kept answers: what was answered once is not asked again, and nothing else changes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_workbench import BETTER, TOY_SETTINGS, WORSE, FakeWorkbench, open_toy
from tiny import make_tiny_model

from harness.cli.progress import TerminalListener
from harness.cli.session import make_workbench, settings_from
from harness.config import Settings
from harness.evaluation.cache import ResponseCache
from harness.evaluation.cached_engine import CachedEngine
from harness.evaluation.engine import GenerationRequest
from harness.loop.iterate import iterate
from harness.loop.run import Run
from harness.storage import read_json
from harness.training.recipe import Recipe


class CachedWorkbench(FakeWorkbench):
    """The scripted model behind the real cache."""

    def __init__(self, cache: ResponseCache, **options: Any) -> None:
        super().__init__([BETTER, WORSE], **options)
        self.cache = cache

    def encode(self, request: Any) -> tuple[list[int], int]:
        text = request.prompt if isinstance(request, GenerationRequest) else request.context + request.continuation
        return [zlib.crc32(word.encode()) for word in text.split()], 0

    @contextmanager
    def asking(self) -> Iterator[Any]:
        yield CachedEngine(self, self.cache, {"weights": dict(self._weights)}, "0" * 64, "fake")


def go(run_dir: Path, workbench: FakeWorkbench, settings: Settings = TOY_SETTINGS) -> Run:
    run = open_toy(run_dir, workbench, settings=settings)
    iterate(run, 2, None, lambda: None)
    return run


def decided(run: Run) -> list[Any]:
    """All but the hashes of files that hold how much was asked of the model."""
    entries = run.ledger.of_kind("baseline", "round", "final")
    return [{key: value for key, value in entry.data.items() if key != "files"} for entry in entries]


def cached(run: Run) -> dict[str, int]:
    """Answers that came from the cache, by evaluation."""
    found = sorted(run.run_dir.rglob("scores.json"))
    return {path.parent.relative_to(run.run_dir).as_posix(): read_json(path)["details"]["cached"] for path in found}


def test_an_equal_run_elsewhere_asks_the_model_nothing_and_decides_alike(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path / "responses.sqlite", on_notice=pytest.fail)
    plain = go(tmp_path / "plain", FakeWorkbench([BETTER, WORSE]))
    first, second = CachedWorkbench(cache), CachedWorkbench(cache)
    one, two = go(tmp_path / "one", first), go(tmp_path / "two", second)
    assert decided(one) == decided(two) == decided(plain)
    assert first.asked() != []
    assert second.asked() == second.asked("loglikelihood") == []
    counts = {name: read_json(two.run_dir / name / "scores.json")["score"]["n"] for name in cached(two)}
    choices = 2  # a guard item is scored once for each of its answers
    assert cached(two) == {name: n * (choices if name.endswith("guard") else 1) for name, n in counts.items()}
    assert set(cached(plain).values()) == {0}


def test_the_baseline_is_not_generated_again_for_another_run_on_the_same_model(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path / "responses.sqlite", on_notice=pytest.fail)
    go(tmp_path / "one", CachedWorkbench(cache))
    other = CachedWorkbench(cache)
    run = go(tmp_path / "two", other, replace(TOY_SETTINGS, seed=1))
    assert all(cached(run)[f"baseline/{name}"] > 0 for name in ("dev", "dev_fewshot", "guard", "test", "test_fewshot"))
    dev = {item.prompt for item in run.prepared.dev}
    assert [c for c in other.asked() if c.weights == "base" and any(text in dev for text in c.texts)] == []


def test_a_run_goes_on_with_the_cache_or_without(tmp_path: Path) -> None:
    for first, then in ((True, False), (False, True)):
        folder = tmp_path / str(first)
        open_toy(folder, FakeWorkbench(), settings=replace(TOY_SETTINGS, cache=first))
        open_toy(folder, FakeWorkbench(), settings=replace(TOY_SETTINGS, cache=then))
        assert read_json(folder / "manifest.json")["identity"]["settings"].keys().isdisjoint({"cache"})


@pytest.mark.parametrize(
    ("line", "option", "wanted"),
    [("", None, True), ("", False, False), ("cache: false", None, False), ("cache: false", True, True)],
)
def test_the_file_and_the_command_line_say_whether_answers_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, option: bool | None, wanted: bool
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    config = tmp_path / "harness.yaml"
    config.write_text(f"model: {make_tiny_model(tmp_path / 'model')}\ndevice: cpu\n{line}\n")
    settings = settings_from(config, {"cache": option})
    recipe = Recipe(name="tiny", method="lora")
    for _ in range(2):
        workbench, _ = make_workbench(settings, recipe, TerminalListener(-1))
        with workbench.asking() as engine:
            engine.generate([GenerationRequest("the parcel", (), 3)], None)
            assert getattr(engine, "batch_size", None) == 64
    assert getattr(engine, "hits", None) == (1 if wanted else None)
    assert (tmp_path / "cache" / "responses.sqlite").exists() == wanted


@pytest.mark.parametrize("verb", ["baseline", "iterate"])
def test_both_verbs_have_the_option(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    from harness.cli.main import main

    assert main([verb, "--help"]) == 0
    assert "--no-cache" in capsys.readouterr().out
