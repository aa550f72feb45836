"""Counting what a model was asked and what it computed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import make_tiny_model

from harness.evaluation.engine import GenerationRequest, ScoringRequest
from harness.evaluation.work import Work, asked, computed, counting

counts = st.builds(Work, *[st.integers(0, 10**9)] * 7)


def test_passes_are_told_apart() -> None:
    with counting() as work:
        asked(100, 7)
        computed(60, 2, decoding=False, training=False)
        computed(2, 2, decoding=True, training=False)
        computed(30, 5, decoding=False, training=True)
    assert work == Work(100, 7, 60, 2, 30, 4, 5)
    assert work.computed_tokens == 92


def test_nothing_is_counted_outside(tmp_path: Path) -> None:
    with counting() as work:
        pass
    asked(1)
    computed(1, 1, decoding=True, training=False)
    assert work == Work()


def test_a_block_within_another_counts_for_both_also_when_it_ends_badly() -> None:
    with counting() as outer:
        asked(1)
        with pytest.raises(ValueError), counting() as inner:  # noqa: PT011, PT012
            asked(10, 3)
            raise ValueError
        asked(100)
    assert (inner.prompt_tokens, outer.prompt_tokens, outer.new_tokens) == (10, 111, 3)


@given(counts, counts)
def test_work_adds_up_and_survives_being_written(first: Work, second: Work) -> None:
    assert Work.from_dict((first + second).as_dict()) == second + first
    assert (first + second).computed_tokens == first.computed_tokens + second.computed_tokens


def test_a_count_of_a_later_version_is_passed_over() -> None:
    assert Work.from_dict({"prompt_tokens": 3, "drafted_tokens": 9}) == Work(prompt_tokens=3)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, object]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = make_tiny_model(tmp_path_factory.mktemp("tiny"))
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def test_the_pooled_engine_computes_a_shared_beginning_once(tiny: tuple[object, object]) -> None:
    from harness.evaluation.pooled_engine import PooledEngine

    engine = PooledEngine(*tiny)
    stem = "The policy says that unopened goods can be returned within thirty days of delivery. " * 3
    prompts = [stem + end for end in ("user", "question", "answer the")]
    with counting() as work:
        answers = engine.generate([GenerationRequest(text, max_new_tokens=4) for text in prompts], None)
    whole = sum(engine.count_tokens(text) for text in prompts)
    own = sum(engine.count_tokens(text) for text in prompts) - 2 * engine.count_tokens(stem)
    assert own <= work.prefill_tokens < whole
    assert work.decode_tokens == sum(answer.new_tokens - 1 for answer in answers)  # the first comes with the prompt
    assert work.logits >= len(prompts) + work.decode_tokens
    with counting() as scored:
        engine.loglikelihood([ScoringRequest(stem, " yes no"), ScoringRequest(stem, " no")], None)
    assert scored.decode_tokens == 0
    assert 0 < scored.prefill_tokens < 2 * engine.count_tokens(stem)


def test_training_is_counted_apart(tiny: tuple[object, object]) -> None:
    from harness.evaluation.prefix import Row
    from harness.training.packed_loss import piece_loss
    from harness.training.steps import pieces

    (piece,) = pieces([Row(0, (3, 4, 5, 6, 7), 3), Row(1, (3, 4, 5, 8), 3)], "row", 64, True)
    with counting() as work:
        piece_loss(tiny[0], piece).backward()
    assert work == Work(train_tokens=len(piece.segment.tokens), train_logits=len(piece.targets))
    assert work.train_tokens == 6  # what both rows begin with is computed once
