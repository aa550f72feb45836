"""Steps, and the packed loss against the same rows run one by one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import make_tiny_model

from harness.evaluation.prefix import Row
from harness.training.packed_loss import piece_loss
from harness.training.steps import arrange, pieces

COUNTS = st.lists(st.integers(1, 12), min_size=1, max_size=4)


def rows_of(counts: list[int]) -> list[Row]:
    """Rows of several kinds, each kind with a beginning of 40 tokens of its own."""
    rows: list[Row] = []
    for kind, count in enumerate(counts):
        for number in range(count):
            own = tuple(3 + (7 * number + step) % 90 for step in range(2 + number % 5))
            rows.append(Row(len(rows), (*[100 + kind] * 40, *own, 50, 51, 2), 40 + len(own)))
    return rows


@given(COUNTS, st.integers(1, 8), st.integers(0, 99))
def test_one_epoch_has_every_row_once_in_steps_of_like_size(counts: list[int], size: int, seed: int) -> None:
    rows = rows_of(counts)
    steps = arrange(rows, size, 1.0, seed)
    assert sorted(row.index for step in steps for row in step) == list(range(len(rows)))
    sizes = {len(step) for step in steps}
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1


@given(COUNTS)
def test_two_epochs_have_every_row_twice(counts: list[int]) -> None:
    steps = arrange(rows_of(counts), 4, 2.0, 0)
    assert set(Counter(row.index for step in steps for row in step).values()) == {2}


def test_a_partial_epoch_has_that_share_of_the_rows() -> None:
    assert sum(map(len, arrange(rows_of([40]), 8, 0.5, 0))) == 20


@pytest.mark.parametrize("seed", range(5))
def test_every_step_has_its_share_of_every_kind(seed: int) -> None:
    rows = rows_of([16, 32, 16])
    kinds = [Counter(row.tokens[0] for row in step) for step in arrange(rows, 16, 1.0, seed)]
    assert len(kinds) == 4
    for counts in kinds:
        assert abs(counts[100] - 4) <= 1
        assert abs(counts[101] - 8) <= 1
        assert abs(counts[102] - 4) <= 1


def test_the_order_hangs_on_the_seed_alone() -> None:
    rows = rows_of([10, 10])
    assert arrange(rows, 4, 1.0, 1) == arrange(rows[::-1], 4, 1.0, 1)
    assert arrange(rows, 4, 1.0, 1) != arrange(rows, 4, 1.0, 2)


def test_shared_beginnings_are_computed_once() -> None:
    rows = rows_of([8])
    (piece,) = pieces(rows, "row", 1000)
    assert len(piece.segment.tokens) < 40 + sum(len(row.tokens) - 40 for row in rows) + 1
    assert sum(piece.weights) == pytest.approx(1)


@given(COUNTS, st.integers(40, 200))
def test_a_padded_piece_keeps_to_its_size_unless_a_row_alone_is_longer(counts: list[int], size: int) -> None:
    for piece in pieces(rows_of(counts), "row", size, packed=False):
        rows = piece.segment.rows
        assert len(rows) == 1 or len(rows) * max(len(row.tokens) for row in rows) <= size


@pytest.mark.parametrize("architecture", ["llama", "mistral", "qwen2"])
@pytest.mark.parametrize("weigh", ["row", "token"])
def test_loss_and_gradients_are_those_of_the_rows_one_by_one(tmp_path: Path, architecture, weigh) -> None:  # type: ignore[no-untyped-def]
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(make_tiny_model(tmp_path / "m", architecture), dtype=torch.float32)
    rows = rows_of([5, 3, 1])
    learned = sum(len(row.tokens) - row.shareable for row in rows)

    alone = torch.zeros(())
    for row in rows:
        logits = model(torch.tensor([row.tokens])).logits[0, row.shareable - 1 : -1]
        losses = torch.nn.functional.cross_entropy(logits, torch.tensor(row.tokens[row.shareable :]), reduction="none")
        alone = alone + (losses.mean() / len(rows) if weigh == "row" else losses.sum() / learned)
    alone.backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    for packed in (True, False):
        for size in (60, 1000):
            model.zero_grad()
            total = 0.0
            for piece in pieces(rows, weigh, size, packed):
                loss = piece_loss(model, piece, packed)
                loss.backward()
                total += loss.item()
            assert total == pytest.approx(alone.item(), rel=1e-5)
            for name, gradient in expected.items():
                torch.testing.assert_close(model.get_parameter(name).grad, gradient, rtol=1e-4, atol=1e-6)
