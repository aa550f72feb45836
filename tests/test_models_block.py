"""Decoder layers in few operations against transformers' own: equal but for rounding, refused where they differ."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from harness.models import block
from harness.models.block import fused, linears
from harness.models.linear import packs
from harness.models.session import ModelSession

SHAPE = {
    "vocab_size": 60,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 59,
    "pad_token_id": 59,
}
KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "llama with biases": {"attention_bias": True, "mlp_bias": True},
    "llama with wide heads": {"head_dim": 16},
    "mistral": {"sliding_window": 3},
    "qwen2": {},
    "qwen2 with windows": {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1},
}
LORA = {"rank": 3, "alpha": 6, "dropout": 0.0, "targets": "all-linear"}

pytestmark = pytest.mark.skipif(not packs(torch.zeros(4, 4)), reason="this PyTorch has no oneDNN operators")


def make(kind: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind.split()[0], **SHAPE, **KINDS.get(kind, {}), **changes)
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "bias" in name:  # ones and zeros would hide a norm or a bias left out
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def weights(module: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    return module.weight, module.bias


def replaced_layers(model: Any) -> int:
    return sum("forward" in layer.__dict__ for layer in model.get_decoder().layers)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_answers_are_the_models_own(kind: str) -> None:
    model = make(kind)
    tokens = torch.arange(2 * 9).view(2, 9) % 50
    mask = torch.ones_like(tokens)
    mask[1, :4] = 0
    with torch.inference_mode():
        expected = model(tokens, attention_mask=mask).logits
        answers = model.generate(tokens, attention_mask=mask, max_new_tokens=6, do_sample=False)
    session = ModelSession(model, "sft", {})
    with session.evaluating() as ready, torch.inference_mode():
        assert replaced_layers(model) == 2
        torch.testing.assert_close(ready(tokens, attention_mask=mask).logits, expected, rtol=1e-4, atol=1e-5)
        assert torch.equal(
            ready.generate(tokens, attention_mask=mask, max_new_tokens=6, do_sample=False), answers
        )  # with transformers' own cache of keys and values
    assert replaced_layers(model) == 0


def test_adapters_are_in_it_whatever_they_target() -> None:
    tokens = torch.arange(7)[None]
    for targets in ("all-linear", ["q_proj", "down_proj"]):
        session = ModelSession(make("qwen2"), "lora", {**LORA, "targets": targets})
        with torch.no_grad():
            for parameter in session.trainable().values():
                parameter.add_(torch.randn_like(parameter) / 5)
        with torch.inference_mode():
            expected = session.model.eval()(tokens).logits
        with session.evaluating() as ready, torch.inference_mode():
            assert replaced_layers(session.base) == 2
            torch.testing.assert_close(ready(tokens).logits, expected, rtol=1e-4, atol=1e-5)


def test_a_layer_that_computes_something_else_keeps_its_own_forward() -> None:
    model = make("llama")
    kind = type(model.model.layers[0])
    other = type(
        "LlamaDecoderLayer",
        (kind,),
        {"forward": lambda self, *args, **named: 1.01 * kind.forward(self, *args, **named)},
    )
    model.model.layers[1].__class__ = other
    tokens = torch.arange(7)[None]
    with torch.inference_mode():
        expected = model(tokens).logits
    with ModelSession(model, "sft", {}).evaluating() as ready, torch.inference_mode():
        assert replaced_layers(model) == 1
        torch.testing.assert_close(ready(tokens).logits, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("change", [{"hidden_act": "gelu"}, {}])
def test_other_kinds_of_layer_are_left_alone(change: dict[str, Any]) -> None:
    model = make("llama" if change else "gemma", **change)
    assert linears(model.model.layers[0]) is None


def test_a_layer_in_its_own_precision_is_left_alone() -> None:
    model = make("llama").to(torch.bfloat16)
    with ModelSession(model, "sft", {}).evaluating():
        assert replaced_layers(model) == 0


def test_the_trial_tells_a_wrong_function_from_a_right_one() -> None:
    model = make("llama")
    layer = model.model.layers[0]
    right = fused(layer, weights)
    attention = layer.self_attn.config._attn_implementation
    assert block.same(layer, right, model.model.rotary_emb)
    assert not block.same(layer, lambda *args, **named: right(*args, **named) * 1.01, model.model.rotary_emb)
    assert not block.same(layer, lambda *_: None, model.model.rotary_emb)  # type: ignore[arg-type, return-value]
    assert layer.self_attn.config._attn_implementation == attention


def test_peft_wrapped_models_have_their_layers_found() -> None:
    model = get_peft_model(make("llama"), LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    assert len([m for m in model.modules() if linears(m)]) == 2
