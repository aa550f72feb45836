"""Sampling: drawn from the softmax, and by nothing but the request's own prompt, seed and sample number."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny import make_tiny_model

from harness.evaluation.engine import GenerationRequest
from harness.evaluation.pooled_engine import PooledEngine
from harness.evaluation.sampling import Sampler, choose, sampler
from harness.exceptions import InputError
from harness.models.loading import LoadedModel, load, plan
from harness.models.reference import resolve

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0, 1.5])
PROMPT = (5, 6, 7)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    reference = resolve(str(make_tiny_model(tmp_path_factory.mktemp("tiny"))))
    return load(reference, plan(reference, None, "cpu"), progress=False)


def drawn(count: int, **options: Any) -> Counter[int]:
    """Tokens drawn from ``LOGITS`` by ``count`` samples of one prompt."""
    asked = [GenerationRequest("", **{"temperature": 1.0, **options}, sample=number) for number in range(count)]
    return Counter(choose(LOGITS.expand(count, -1), [sampler(one, PROMPT) for one in asked], [0] * count))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_tokens_are_drawn_with_the_probabilities_of_the_softmax(temperature: float) -> None:
    count = 6000
    found = drawn(count, temperature=temperature)
    expected = (LOGITS / temperature).softmax(-1) * count
    chi_square = sum((found[token] - float(mean)) ** 2 / float(mean) for token, mean in enumerate(expected))
    assert chi_square < 18.5  # the 0.999 quantile with 4 degrees of freedom


def test_draws_of_one_answer_are_independent_of_one_another() -> None:
    one = Sampler(GenerationRequest("", temperature=1.0), PROMPT)
    count = 4000
    tokens = [choose(LOGITS[None], [one], [step])[0] for step in range(count)]
    pairs = Counter(itertools.pairwise(tokens))
    probabilities = LOGITS.softmax(-1).tolist()
    for first, second in itertools.product(range(5), repeat=2):
        mean = count * probabilities[first] * probabilities[second]
        assert abs(pairs[first, second] - mean) < 5 * math.sqrt(mean) + 1


def test_top_k_and_top_p_leave_out_the_unlikely() -> None:
    assert set(drawn(400)) == {0, 1, 2, 3, 4}
    assert set(drawn(400, top_k=2)) == {0, 4}
    assert set(drawn(400, top_k=1)) == {0}
    # softmax: .47, .17, .06, .02, .28; the token that crosses the line stays
    assert set(drawn(400, top_p=0.4)) == {0}
    assert set(drawn(400, top_p=0.5)) == {0, 4}
    assert set(drawn(400, top_p=0.8)) == {0, 4, 1}
    assert set(drawn(400, top_p=1e-9)) == {0}
    assert set(drawn(400, top_k=2, top_p=0.99)) == {0, 4}


def test_noise_is_the_same_whenever_it_is_asked_for_and_another_for_another_key() -> None:
    request = GenerationRequest("", temperature=1.0)
    own = Sampler(request, PROMPT).noise(3, 4)
    assert own.tolist() == Sampler(request, PROMPT).noise(3, 4).tolist()
    others = [
        Sampler(request, PROMPT).noise(4, 4),
        Sampler(request, (5, 6, 8)).noise(3, 4),
        Sampler(replace(request, seed=1), PROMPT).noise(3, 4),
        Sampler(replace(request, sample=1), PROMPT).noise(3, 4),
    ]
    assert all(set(own.tolist()).isdisjoint(other.tolist()) for other in others)


def test_the_generator_s_stream_is_pinned() -> None:
    """Saved samples stay reproducible: a change here is a change of every sampled answer."""
    noise = Sampler(GenerationRequest("", temperature=1.0, seed=7), PROMPT).noise(2, 3)
    assert noise.tolist() == pytest.approx(PINNED, rel=1e-6)


PINNED = [-1.5708080530166626, 5.434054851531982, 0.4588473439216614]


def test_a_row_without_a_sampler_takes_the_likeliest_token() -> None:
    hot = Sampler(GenerationRequest("", temperature=50.0), PROMPT)
    rows = LOGITS.expand(40, -1)
    picked = choose(rows, [hot if place % 2 else None for place in range(40)], list(range(40)))
    assert set(picked[::2]) == {0}
    assert len(set(picked[1::2])) > 1


def test_temperatures_near_zero_are_greedy_and_do_not_overflow() -> None:
    assert set(drawn(50, temperature=1e-30)) == {0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "generation argument 'temperature' is -1.0; it must be 0 or more"),
        ({"temperature": math.nan}, "generation argument 'temperature' is nan; it must be 0 or more"),
        ({"top_k": -1}, "generation argument 'top_k' is -1; it must be 0 or more"),
        ({"top_p": 0.0}, "generation argument 'top_p' is 0.0; it must be above 0 and at most 1"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        GenerationRequest("x", **options)
    assert str(caught.value) == message


def questions(seed: int = 0) -> list[GenerationRequest]:
    rng = random.Random(seed)
    words = ("the", "parcel", "kettle", "order", "has", "not", "arrived")
    head = "Which queue should this message go to: billing, delivery, returns or repairs? "
    return [
        GenerationRequest(
            head + " ".join(rng.choices(words, k=rng.randrange(1, 30))),
            max_new_tokens=rng.randrange(1, 14),
            temperature=rng.choice([0.0, 0.7, 1.5]),
            top_k=rng.choice([0, 20]),
            top_p=rng.choice([1.0, 0.9]),
            seed=rng.randrange(3),
        )
        for _ in range(40)
    ]


def test_an_answer_does_not_depend_on_what_is_asked_with_it(loaded: LoadedModel) -> None:
    asked = questions()
    together = PooledEngine(loaded.model, loaded.tokenizer, 16).generate(asked, None)
    alone = [PooledEngine(loaded.model, loaded.tokenizer).generate([one], None)[0] for one in asked]
    assert together == alone
    order = random.Random(1).sample(range(len(asked)), len(asked))
    shuffled = PooledEngine(loaded.model, loaded.tokenizer, 3, 64).generate([asked[place] for place in order], None)
    assert shuffled == [together[place] for place in order]


def test_the_seed_and_the_sample_number_change_an_answer_and_nothing_else_is_needed(loaded: LoadedModel) -> None:
    engine = PooledEngine(loaded.model, loaded.tokenizer)
    base = GenerationRequest("the parcel has not arrived", max_new_tokens=10, temperature=1.0)
    asked = [base, base, replace(base, seed=1), replace(base, sample=1), replace(base, temperature=0.0)]
    texts = [answer.text for answer in engine.generate(asked, None)]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 4
