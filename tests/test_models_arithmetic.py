"""The arithmetic floor: what a token costs, and how long it takes at the machine's peak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import make_tiny_model

from harness.evaluation.work import Work
from harness.models.arithmetic import Arithmetic, measured, measured_peak, operations

KNOWN = Arithmetic(forward=200.0, head=50.0, train=420.0, train_head=100.0, peak=1_000.0, dtype="float32")


def test_a_weight_costs_two_forward_two_for_its_input_and_two_for_itself_where_it_is_trained() -> None:
    assert operations(100, 10, 0, full=True) == (200, 20, 600, 60)
    assert operations(100, 10, 5, full=False) == (200, 20, 430, 40)


def test_the_floor_is_operations_over_peak() -> None:
    work = Work(prompt_tokens=999, new_tokens=9, prefill_tokens=30, decode_tokens=10, logits=12)
    assert KNOWN.floor(work) == pytest.approx((200 * 40 + 50 * 12) / 1_000)
    assert KNOWN.floor(Work(train_tokens=10, train_logits=3)) == pytest.approx((420 * 10 + 100 * 3) / 1_000)
    assert KNOWN.floor(Work(prompt_tokens=5, new_tokens=5)) == 0  # asked, and answered from the cache


@given(*[st.builds(Work, *[st.integers(0, 10**6)] * 7)] * 2)
def test_floors_add_up(first: Work, second: Work) -> None:
    assert KNOWN.floor(first + second) == pytest.approx(KNOWN.floor(first) + KNOWN.floor(second))


def load(folder: Path, architecture: Any = "llama") -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(make_tiny_model(folder, architecture))


def test_weights_are_those_of_the_layers_the_head_and_the_adapter(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    model = load(tmp_path)
    config = model.config
    head = config.hidden_size * config.vocab_size
    layers = sum(p.numel() for name, p in model.model.named_parameters() if "proj" in name)
    plain = measured(model, "sft", "float32")
    assert plain is not None
    assert (plain.forward, plain.head, plain.train) == (2 * layers, 2 * head, 6 * layers)
    wrapped = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    adapter = sum(p.numel() for name, p in wrapped.named_parameters() if "lora_" in name)
    lora = measured(wrapped, "lora", "float32")
    assert lora is not None
    assert (lora.forward, lora.head, lora.train) == (2 * layers, 2 * head, 4 * layers + 6 * adapter)
    assert (lora.dtype, lora.train_head) == ("float32", 4 * head)


def test_linear_layers_of_gpt2_count_too() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_positions=32, n_embd=16, n_layer=2, n_head=2))
    found = measured(model, "sft", "float32")
    assert found is not None
    assert found.forward == 2 * 2 * 12 * 16 * 16
    assert found.head == 2 * 16 * 64


def test_a_mixture_of_experts_has_no_floor() -> None:
    from transformers import MixtralConfig

    class Model:
        config = MixtralConfig(num_local_experts=4)

    assert measured(Model(), "lora", "float32") is None


def test_the_peak_is_that_of_a_product_large_enough_to_time() -> None:
    peak = measured_peak("float32", "cpu", seconds=0.05)
    assert 1e8 < peak < 1e16
