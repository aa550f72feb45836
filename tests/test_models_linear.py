"""Products through oneDNN against PyTorch's own: equal but for rounding, gradients too."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import linear, silu

from harness.models import linear as module
from harness.models.linear import gates_by_silu, merged_weight, packs, product, replaced, trained_product


@pytest.fixture(params=["packed", "ordinary"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With oneDNN's operators, and as where they are missing."""
    if request.param == "ordinary":
        monkeypatch.setattr(module, "_works", lambda: False)
    elif not module._works():
        pytest.skip("this PyTorch has no oneDNN operators")
    return str(request.param)


@pytest.mark.parametrize("rows", [1, 3, 64, 300])
def test_products_are_pytorchs_own(either_way: str, rows: int) -> None:
    torch.manual_seed(0)
    weight, bias, x = torch.randn(40, 24), torch.randn(40), torch.randn(1, rows, 24)
    with torch.inference_mode():
        torch.testing.assert_close(product(weight)(x), linear(x, weight))
        torch.testing.assert_close(product(weight, bias)(x), linear(x, weight, bias))
        torch.testing.assert_close(product(weight, bias, "swish")(x), silu(linear(x, weight, bias)))


def test_the_operators_are_there_on_an_ordinary_build() -> None:
    if not torch.backends.mkldnn.is_available():
        pytest.skip("PyTorch was built without oneDNN")
    assert packs(torch.zeros(4, 4))


def test_only_float32_on_a_cpu_is_packed() -> None:
    assert not packs(torch.zeros(4, 4, dtype=torch.bfloat16))
    assert not packs(torch.zeros(4, 4, device="meta"))


class Feed(torch.nn.Module):
    """Llama's feed-forward layer, or one that gates otherwise."""

    def __init__(self, twice: bool = False) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = torch.nn.Linear(8, 12), torch.nn.Linear(8, 12)
        self.down_proj, self.act_fn, self.twice = torch.nn.Linear(12, 8), torch.nn.SiLU(), twice

    def forward(self, x: torch.Tensor) -> Any:
        gate = self.act_fn(self.gate_proj(x))
        return self.down_proj((self.act_fn(gate) if self.twice else gate) * self.up_proj(x))


class Limited(Feed):
    """Gates are clamped before they are activated."""

    def forward(self, x: torch.Tensor) -> Any:
        return self.down_proj(self.act_fn(self.gate_proj(x).clamp(max=10)) * self.up_proj(x))


class Experts(Feed):
    """Answers with more than a tensor."""

    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(x), None


def test_a_gate_is_known_by_what_it_computes() -> None:
    assert not gates_by_silu(Limited())
    assert not gates_by_silu(Experts())
    assert gates_by_silu(Feed())
    assert not gates_by_silu(Feed(twice=True))
    assert not gates_by_silu(torch.nn.Linear(3, 3))


def adapted(dropout: float = 0.0, conv: bool = False) -> Any:
    """A LoRA layer with weights of its own."""
    from transformers.pytorch_utils import Conv1D

    torch.manual_seed(1)
    inner = torch.nn.Sequential(Conv1D(20, 12) if conv else torch.nn.Linear(12, 20))
    model = get_peft_model(
        inner, LoraConfig(r=4, lora_alpha=6, lora_dropout=dropout, target_modules=["0"], fan_in_fan_out=conv)
    )
    layer = model.base_model.model[0]
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    return layer


@pytest.mark.parametrize("conv", [False, True])
def test_a_merged_weight_is_the_layer(conv: bool) -> None:
    layer = adapted(conv=conv).eval()
    merge = merged_weight(layer)
    assert merge is not None
    x = torch.randn(5, 12)
    torch.testing.assert_close(linear(x, merge(), layer.get_base_layer().bias), layer(x))


@pytest.mark.parametrize("conv", [False, True])
def test_answers_and_gradients_of_a_trained_layer(conv: bool) -> None:
    layer = adapted(conv=conv)
    forward = trained_product(layer)
    assert (forward is not None) == packs(torch.zeros(1, 1))
    if forward is None:
        return
    found = []
    for run in (layer, forward):
        x = torch.randn(2, 7, 12, generator=torch.Generator().manual_seed(3), requires_grad=True)
        layer.zero_grad()
        y = run(x)
        (y.sin().sum()).backward()
        found.append((y, x.grad, layer.lora_A["default"].weight.grad, layer.lora_B["default"].weight.grad))
    for expected, own in zip(*found, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-4)


def test_bfloat16_products_are_close_where_the_processor_has_them() -> None:
    if not module.multiplies_bfloat16():
        pytest.skip("this processor does not multiply bfloat16")
    layer = adapted()
    layer.get_base_layer().bias = None
    exact, rounded = trained_product(layer), trained_product(layer, half=True)
    assert exact is not None
    assert rounded is not None
    x = torch.randn(2, 7, 12, requires_grad=True)
    torch.testing.assert_close(rounded(x), exact(x), rtol=2e-2, atol=5e-2)
    assert not torch.equal(rounded(x), exact(x))
    rounded(x).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.float32


def test_a_variant_of_lora_is_left_alone() -> None:
    inner = torch.nn.Sequential(torch.nn.Linear(12, 20))
    layer = get_peft_model(inner, LoraConfig(r=4, use_dora=True, target_modules=["0"])).base_model.model[0]
    assert merged_weight(layer) is None
    assert trained_product(layer) is None


def test_a_frozen_layer_passes_gradients_on() -> None:
    layer = torch.nn.Linear(6, 9).requires_grad_(False)
    forward = trained_product(layer)
    if forward is None:
        pytest.skip("this PyTorch has no oneDNN operators")
    one, other = torch.ones(3, 6, requires_grad=True), torch.ones(3, 6, requires_grad=True)
    layer(one).pow(2).sum().backward()
    forward(other).pow(2).sum().backward()
    torch.testing.assert_close(other.grad, one.grad)


def test_what_cannot_be_done_is_left_alone() -> None:
    assert trained_product(adapted(dropout=0.5)) is None
    assert trained_product(torch.nn.Linear(3, 3)) is None  # it learns
    assert trained_product(torch.nn.LayerNorm(3)) is None


def test_modules_answer_by_their_own_again() -> None:
    layer = torch.nn.Linear(2, 2)
    x = torch.ones(1, 2)
    before = layer(x)

    def fail() -> None:
        with replaced({layer: lambda x: x * 0}):
            assert torch.equal(layer(x), torch.zeros(1, 2))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert torch.equal(layer(x), before)
