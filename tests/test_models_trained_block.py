"""Decoder layers with gradients written out against transformers' and PEFT's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_models_block import KINDS, LORA, make

from harness.models.linear import multiplies_bfloat16, packs
from harness.models.session import ModelSession
from harness.models.trained_block import trained_block

pytestmark = pytest.mark.skipif(not packs(torch.zeros(4, 4)), reason="this PyTorch has no oneDNN operators")
TOKENS = torch.arange(2 * 9).view(2, 9) % 50


def session_of(kind: str, **lora: Any) -> ModelSession:
    session = ModelSession(make(kind), "lora", {**LORA, **lora})
    with torch.no_grad():
        for parameter in session.trainable().values():
            parameter.copy_(torch.randn_like(parameter) / 4)
    for name, parameter in session.model.named_parameters():
        parameter.requires_grad_("lora_" in name)
    session.model.train()
    return session


def layers(session: ModelSession) -> list[Any]:
    return list(session.base.get_decoder().layers)


def gradients(session: ModelSession) -> dict[str, torch.Tensor]:
    """Of the adapters and of the model's input, after a loss with a different weight for each logit."""
    torch.manual_seed(1)
    given = session.base.get_input_embeddings()(TOKENS).detach().requires_grad_()
    logits = session.model(inputs_embeds=given, use_cache=False).logits
    (logits * torch.randn_like(logits)).sum().backward()
    found = {name: parameter.grad for name, parameter in session.trainable().items()}
    for parameter in session.trainable().values():
        parameter.grad = None
    assert all(gradient is not None for gradient in found.values())
    return {**found, "logits": logits.detach(), "input": given.grad}  # type: ignore[dict-item]


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_the_models_own(kind: str) -> None:
    session = session_of(kind)
    expected = gradients(session)
    with session.training():
        assert all("forward" in layer.__dict__ for layer in layers(session))
        found = gradients(session)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5 * float(gradient.abs().max()) + 1e-6)
    assert not any("forward" in layer.__dict__ for layer in layers(session))


@pytest.mark.skipif(not multiplies_bfloat16(), reason="no units for bfloat16")
def test_bfloat16_products_are_close() -> None:
    session = session_of("llama")
    expected = gradients(session)
    with session.training(half=True):
        assert all("forward" in layer.__dict__ for layer in layers(session))
        found = gradients(session)
    for name, gradient in expected.items():
        cosine = torch.nn.functional.cosine_similarity(found[name].flatten(), gradient.flatten(), dim=0)
        assert cosine > 0.999, name


@pytest.mark.parametrize("lora", [{"dropout": 0.1}, {"targets": ["q_proj", "down_proj"]}])
def test_other_adapters_are_trained_layer_by_layer(lora: dict[str, Any]) -> None:
    session = session_of("llama", **lora)
    assert all(trained_block(layer) is None for layer in layers(session))
    torch.manual_seed(2)
    expected = gradients(session)
    with session.training():
        assert not any("forward" in layer.__dict__ for layer in layers(session))
        torch.manual_seed(2)
        found = gradients(session)
    if not lora.get("dropout"):  # which draws otherwise
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5 * float(gradient.abs().max()) + 1e-6)


def test_what_it_does_not_know_is_left_alone() -> None:
    assert all(trained_block(layer) is None for layer in layers(session_of("gemma")))
    session = session_of("llama")
    layers(session)[0].input_layernorm.weight.requires_grad_(True)
    assert trained_block(layers(session)[0]) is None
    assert trained_block(layers(session)[1]) is not None
    assert trained_block(make("llama").model.layers[0]) is None


def test_it_keeps_less_than_the_layers_own_for_the_backward_pass() -> None:
    session = session_of("llama")

    def kept() -> int:
        sizes: dict[int, int] = {}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            loss = session.model(TOKENS, use_cache=False).logits.sum()
        assert loss.requires_grad
        return sum(sizes.values())

    own = kept()
    with session.training():
        assert kept() < 0.75 * own
