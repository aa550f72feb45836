"""The cached engine: right answers only, and nothing asked twice."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness.evaluation.cached_engine as module
from harness.evaluation.cache import ResponseCache
from harness.evaluation.cached_engine import CachedEngine, request_digest
from harness.evaluation.engine import Engine, Generation, GenerationRequest, Progress, Scoring, ScoringRequest
from harness.exceptions import EnvironmentFault

SCOPE = {"base": {"weights_sha256": "0" * 64}, "trained": {}}


class Scripted:
    """Answers with its name and the prompt, and remembers what it was asked; memory fails when told."""

    context_length = 64

    def __init__(self, name: str = "", batch_size: int = 8, fits: int = 8) -> None:
        self.name, self.batch_size, self.fits = name, batch_size, fits
        self.asked: list[Any] = []

    def count_tokens(self, text: str) -> int:
        return len(text)

    def encode(self, request: Any) -> tuple[list[int], int]:
        if isinstance(request, GenerationRequest):
            return [ord(char) for char in request.prompt], 0
        return [ord(char) for char in request.context + request.continuation], len(request.continuation)

    def _answer(self, requests: Sequence[Any], progress: Progress | None, make: Callable[[Any], Any]) -> list[Any]:
        self.asked += requests
        while self.fits < min(self.batch_size, len(requests)):
            self.batch_size //= 2
        for number in range(len(requests)):
            if progress is not None:
                progress(number + 1, len(requests))
        return [make(request) for request in requests]

    def generate(self, requests: Sequence[GenerationRequest], progress: Progress | None) -> list[Generation]:
        return self._answer(
            requests,
            progress,
            lambda r: Generation(f"{self.name}{r.prompt}@{self.batch_size}", "stop", len(r.prompt), 3),
        )

    def loglikelihood(self, requests: Sequence[ScoringRequest], progress: Progress | None) -> list[Scoring]:
        return self._answer(requests, progress, lambda r: Scoring(-0.1 * len(r.continuation), True, 1, 2))


@pytest.fixture
def cache(tmp_path: Path) -> ResponseCache:
    return ResponseCache(tmp_path / "responses.sqlite", on_notice=pytest.fail)


def cached(engine: Engine, cache: ResponseCache, scope: Any = SCOPE) -> CachedEngine:
    return CachedEngine(engine, cache, scope, "0" * 64, "scripted")


def prompts(*texts: str) -> list[GenerationRequest]:
    return [GenerationRequest(text, ("\n",), 8, group="skill") for text in texts]


def texts(answers: Sequence[Generation]) -> list[str]:
    return [answer.text for answer in answers]


def test_only_what_is_missing_is_asked_and_the_order_is_kept(cache: ResponseCache) -> None:
    first, second = Scripted(), Scripted()
    cached(first, cache).generate(prompts("b", "d"), None)
    engine = cached(second, cache)
    answers = engine.generate(prompts("a", "b", "c", "d", "e"), None)
    assert texts(answers) == ["a@8", "b@8", "c@8", "d@8", "e@8"]
    assert [request.prompt for request in second.asked] == ["a", "c", "e"]
    assert engine.hits == 2


def test_scores_are_kept_too(cache: ResponseCache) -> None:
    pairs = [ScoringRequest("What?", " this"), ScoringRequest("What?", " that"), ScoringRequest("What? ", "th")]
    first, second = Scripted(), Scripted()
    scores = cached(first, cache).loglikelihood(pairs, None)
    engine = cached(second, cache)
    assert engine.loglikelihood(pairs, None) == scores
    assert (second.asked, engine.hits) == ([], 3)


def test_the_same_request_twice_is_asked_once(cache: ResponseCache) -> None:
    inner = Scripted()
    engine = cached(inner, cache)
    steps: list[tuple[int, int]] = []
    assert texts(engine.generate(prompts("a", "b", "a"), lambda *step: steps.append(step))) == ["a@8", "b@8", "a@8"]
    assert [request.prompt for request in inner.asked] == ["a", "b"]
    assert engine.hits == 0
    assert steps[-1] == (3, 3)


def test_progress_counts_kept_answers_at_once(cache: ResponseCache) -> None:
    cached(Scripted(), cache).generate(prompts("a", "b"), None)
    steps: list[tuple[int, int]] = []
    cached(Scripted(), cache).generate(prompts("a", "b", "c", "d"), lambda *step: steps.append(step))
    assert steps == [(2, 4), (3, 4), (4, 4)]
    cached(Scripted(), cache).generate(prompts("a", "b"), lambda *step: steps.append(step))
    assert steps[3:] == [(2, 2)]


def test_nothing_asked_is_nothing_answered(cache: ResponseCache) -> None:
    inner = Scripted()
    engine = cached(inner, cache)
    assert engine.generate([], None) == engine.loglikelihood([], None) == inner.asked == []


def test_it_is_the_engine_for_all_else(cache: ResponseCache) -> None:
    inner = Scripted()
    engine = cached(inner, cache)
    assert (engine.context_length, engine.batch_size, engine.count_tokens("four")) == (64, 8, 4)
    assert engine.encode(GenerationRequest("ab")) == ([97, 98], 0)
    inner.batch_size = 4
    assert engine.batch_size == 4


def test_what_the_engine_raises_comes_out_and_nothing_is_kept(cache: ResponseCache) -> None:
    inner = Scripted()

    def fail(*_: Any) -> list[Generation]:
        raise EnvironmentFault("out of memory with one item at a time")

    inner.generate = fail  # type: ignore[method-assign]
    with pytest.raises(EnvironmentFault, match="one item at a time"):
        cached(inner, cache).generate(prompts("a"), None)
    assert cache.use().answers == 0


def test_a_cache_that_fails_leaves_the_engine_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    notices: list[str] = []
    engine = cached(Scripted(), ResponseCache(tmp_path / "file" / "db", on_notice=notices.append))
    for _ in range(2):
        assert texts(engine.generate(prompts("a"), None)) == ["a@8"]
    assert (engine.hits, len(notices)) == (0, 1)


# Memory runs out


def test_answers_are_kept_under_the_batch_size_that_gave_them(cache: ResponseCache) -> None:
    engine = cached(Scripted(batch_size=8, fits=2), cache)
    assert texts(engine.generate(prompts("a", "b", "c"), None)) == ["a@2", "b@2", "c@2"]
    whole, half = Scripted(batch_size=8), Scripted(batch_size=2)
    assert texts(cached(half, cache).generate(prompts("a", "b", "c"), None)) == ["a@2", "b@2", "c@2"]
    assert texts(cached(whole, cache).generate(prompts("a", "b", "c"), None)) == ["a@8", "b@8", "c@8"]
    assert (len(half.asked), len(whole.asked)) == (0, 3)


def test_one_evaluation_never_mixes_batch_sizes(cache: ResponseCache) -> None:
    cached(Scripted(batch_size=8), cache).generate(prompts("a", "b"), None)
    cached(Scripted(batch_size=4), cache).generate(prompts("b"), None)
    inner = Scripted(batch_size=8, fits=4)
    engine = cached(inner, cache)
    answers = engine.generate(prompts(*"abcdefgh"), None)
    assert texts(answers) == [f"{text}@4" for text in "abcdefgh"]
    # The six that were missing at 8; then "a", since "b" was there at 4.
    assert [request.prompt for request in inner.asked] == [*"cdefgh", "a"]
    assert (engine.hits, engine.batch_size) == (1, 4)


def test_memory_that_runs_out_twice_leaves_one_size(cache: ResponseCache) -> None:
    cached(Scripted(batch_size=8), cache).generate(prompts(*"abcdef"), None)

    inner = Scripted()
    whole = inner.generate

    def shrinking(requests: Sequence[GenerationRequest], progress: Progress | None) -> list[Generation]:
        inner.batch_size = max(2, inner.batch_size // 2)
        return whole(requests, progress)

    inner.generate = shrinking  # type: ignore[method-assign]
    engine = cached(inner, cache)
    assert texts(engine.generate(prompts(*"abcdefgh"), None)) == [f"{text}@2" for text in "abcdefgh"]
    # "g" and "h" at 4; then the others, for which it went down to 2; then the two again.
    assert "".join(request.prompt for request in inner.asked) == "ghabcdefgh"


# Keys


def encoded(request: GenerationRequest | ScoringRequest) -> bytes:
    return request_digest(request, *Scripted().encode(request))


generations = st.builds(
    GenerationRequest,
    st.sampled_from(["", "a", "b", "ab", "a\0b"]),
    st.lists(st.sampled_from(["", "a", "\n", "a,b", "\udc80"]), max_size=2).map(tuple),
    st.sampled_from([1, 2, 64]),
    st.sampled_from(["", "g"]),
)
scorings = st.builds(
    ScoringRequest, st.sampled_from(["", "a", "ab"]), st.sampled_from(["b", "ab", "bb"]), st.sampled_from(["", "g"])
)


@given(st.one_of(generations, scorings), st.one_of(generations, scorings))
def test_keys_are_equal_exactly_where_the_model_is_asked_the_same(one: Any, other: Any) -> None:
    def meaning(request: Any) -> Any:
        return type(request), Scripted().encode(request), replace(request, group="", **blank(request))

    def blank(request: Any) -> dict[str, str]:
        names = ("prompt",) if isinstance(request, GenerationRequest) else ("context", "continuation")
        return dict.fromkeys(names, "")

    assert (encoded(one) == encoded(other)) == (meaning(one) == meaning(other))


@pytest.mark.parametrize("kind", [GenerationRequest, ScoringRequest])
def test_every_field_of_a_request_is_in_its_key_but_texts_and_hints(kind: type[Any]) -> None:
    """Walks the fields, so that it holds for those that are added."""
    texts = {"prompt": "x", "context": "x", "continuation": "y"}
    request = kind(**{field.name: texts[field.name] for field in dataclasses.fields(kind) if field.name in texts})
    others = {str: "other", int: 7, float: 0.5, bool: True, tuple: ("other",), type(None): 7}
    for field in dataclasses.fields(kind):
        value = others[type(getattr(request, field.name))]
        changed = replace(request, **{field.name: value})
        same_key = request_digest(request, [1, 2], 1) == request_digest(changed, [1, 2], 1)
        assert same_key == (field.name in {*texts, "group", "draft"}), field.name


def test_tokens_and_how_many_are_scored_are_in_the_key() -> None:
    request = ScoringRequest("a", "b")
    keys = {
        request_digest(request, *given) for given in [([1, 2], 1), ([1, 2], 2), ([1, 3], 1), ([1, 2, 0], 1), ([], 0)]
    }
    assert len(keys) == 5


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text("ab", max_size=2),
    lambda inner: st.dictionaries(st.text("ab", max_size=1), inner, max_size=2) | st.lists(inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.text("ab", max_size=2), plain, max_size=3), st.dictionaries(st.text("ab"), plain, max_size=3))
def test_every_difference_of_scope_is_one_of_key(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, Any], other: dict[str, Any]
) -> None:
    cache = ResponseCache(tmp_path_factory.mktemp("scope") / "db")
    cached(Scripted("one "), cache, one).generate(prompts("a"), None)
    inner = Scripted("other ")
    (answer,) = cached(inner, cache, other).generate(prompts("a"), None)
    alike = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert answer.text == ("one a@8" if alike else "other a@8")
    assert len(inner.asked) == (0 if alike else 1)


def test_another_kind_or_version_of_engine_is_asked_again(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(Scripted):
        pass

    cached(Scripted(), cache).generate(prompts("a"), None)
    other = Other()
    cached(other, cache).generate(prompts("a"), None)
    assert len(other.asked) == 1
    monkeypatch.setattr(module, "ENGINE_VERSION", 999)
    newer = Scripted()
    cached(newer, cache).generate(prompts("a"), None)
    assert len(newer.asked) == 1


# Answers


@pytest.mark.parametrize(
    "text",
    [
        "", "\0", "\ud83d\ude00", "\U0001f600", "a\udc80\ud800b", "\u2028\r\n\x1b[31m", '{"text": 1}',
        "'; DROP TABLE answers; --",
    ],
)  # fmt: skip
@pytest.mark.parametrize("times", [1, 1_000])
def test_hostile_text_comes_back_as_it_was(cache: ResponseCache, text: str, times: int) -> None:
    answer = Generation(text * times, "length", 3, 4)
    inner = Scripted()
    inner.generate = lambda requests, progress: [answer]  # type: ignore[method-assign]
    cached(inner, cache).generate(prompts("a"), None)
    again = Scripted()
    assert cached(again, cache).generate(prompts("a"), None) == [answer]
    assert again.asked == []


def test_five_megabytes_come_back(cache: ResponseCache) -> None:
    test_hostile_text_comes_back_as_it_was(cache, "\udcff\0<script>", 500_000)


@pytest.mark.parametrize(
    ("logprob", "kept"), [(-1e-300, True), (-0.1 - 0.2, True), (float("-inf"), True), (float("nan"), False)]
)
def test_scores_come_back_to_the_bit_and_what_is_no_number_is_asked_again(
    cache: ResponseCache, logprob: float, kept: bool
) -> None:
    inner, again = Scripted(), Scripted()
    inner.loglikelihood = lambda requests, progress: [Scoring(logprob, False, 1, 1)]  # type: ignore[method-assign]
    cached(inner, cache).loglikelihood([ScoringRequest("a", "b")], None)
    (score,) = cached(again, cache).loglikelihood([ScoringRequest("a", "b")], None)
    assert len(again.asked) == (0 if kept else 1)
    assert not kept or score == Scoring(logprob, False, 1, 1)


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"text": "a"}',
        b'{"text": 1, "finish_reason": "stop", "prompt_tokens": 1, "new_tokens": 1}',
        b'{"text": "a", "finish_reason": "done", "prompt_tokens": 1, "new_tokens": 1}',
        b'{"text": "a", "finish_reason": "stop", "prompt_tokens": true, "new_tokens": 1}',
        b'{"text": "a", "finish_reason": "stop", "prompt_tokens": 1, "new_tokens": -1}',
        b'{"text": "a", "finish_reason": "stop", "prompt_tokens": 1, "new_tokens": 1, "more": 1}',
        b'{"logprob": -1.0, "is_greedy": true, "tokens": 1, "context_tokens": 1}',
    ],
)  # fmt: skip
def test_an_entry_that_is_no_answer_is_a_miss(
    cache: ResponseCache, monkeypatch: pytest.MonkeyPatch, payload: bytes
) -> None:
    monkeypatch.setattr(module, "_payload", lambda answer: payload or b" ")
    cached(Scripted(), cache).generate(prompts("a"), None)
    assert cache.use().answers == 1
    monkeypatch.undo()
    inner = Scripted()
    assert texts(cached(inner, cache).generate(prompts("a"), None)) == ["a@8"]
    again = Scripted()
    cached(again, cache).generate(prompts("a"), None)  # the miss was put right
    assert (len(inner.asked), len(again.asked)) == (1, 0)
