"""The estimate of memory, term by term, and its dimensions; the model-marked test holds it against a measured peak."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import make_tiny_model

from harness.exceptions import InputError
from harness.models.fit import Setup, Work, inference, kept, laid_out, need, trained, training, weights
from harness.models.shapes import KNOWN, Shape, shape_of_config, shape_of_folder, typical_shape

SMALL = KNOWN["SmolLM2-135M"]
LLAMA = KNOWN["Llama-3.1-8B"]
CPU, CUDA = Setup(), Setup("cuda", "bfloat16")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # as published: model cards and config.json of each
        ("SmolLM2-135M", 134_515_008),
        ("SmolLM2-360M", 361_821_120),
        ("SmolLM2-1.7B", 1_711_376_384),
        ("Qwen2.5-0.5B", 494_032_768),
        ("Qwen2.5-1.5B", 1_543_714_304),
        ("Qwen2.5-7B", 7_615_616_512),
        ("Llama-3.1-8B", 8_030_261_248),
    ],
)
def test_known_shapes_have_the_published_number_of_parameters(name: str, parameters: int) -> None:
    assert KNOWN[name].parameters == pytest.approx(parameters, rel=2e-4)  # biases are not counted


def test_a_configuration_gives_the_shape_that_its_weights_have(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path)
    shape = shape_of_folder(folder)
    assert (shape.layers, shape.hidden, shape.feed, shape.query, shape.keyed) == (2, 64, 128, 64, 32)
    assert shape.tied
    assert shape.fused
    (folder / "model.safetensors").unlink()
    assert shape_of_folder(folder).parameters == shape.parameters


def test_gpt2_has_two_matrices_in_its_feed_forward_layer_and_is_not_fused() -> None:
    shape = shape_of_config(
        {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50_257, "n_inner": None}, "x"
    )
    assert (shape.feed, shape.gated, shape.fused, shape.tied, shape.head) == (3072, False, False, True, 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": "many"}, "'hidden_size' is 'many', no number of a dimension"),
        ({"num_hidden_layers": -1}, "'num_hidden_layers' is '-1'"),
        ({"vocab_size": None}, "no 'vocab_size'"),
        ({"num_local_experts": 8}, "mixture of experts"),
        ({"is_encoder_decoder": True}, "encoder-decoder"),
    ],
)
def test_a_configuration_that_is_no_such_decoder_is_refused(change: dict[str, object], message: str) -> None:
    values = {
        "model_type": "llama",
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 9,
    }
    with pytest.raises(InputError, match=message):
        shape_of_config({**values, **change}, "config.json")


def test_a_shape_that_is_typical_for_a_size_has_that_size() -> None:
    for size in (10**6, 134_515_008, 7 * 10**9, 7 * 10**10):
        shape = typical_shape(size)
        assert shape.parameters == size
        assert shape.linear + shape.embeddings == pytest.approx(size, rel=0.1)
    counted = typical_shape(SMALL.parameters, SMALL.embeddings)
    assert counted.linear == pytest.approx(SMALL.linear, rel=0.01)


def test_weights_are_four_bytes_or_two_or_nf4_beside_the_embeddings() -> None:
    assert weights(SMALL, CPU) == 4 * SMALL.parameters
    assert weights(SMALL, CUDA) == 2 * SMALL.parameters
    packed = weights(SMALL, Setup(quantisation="nf4"))
    assert packed == 4 * (SMALL.parameters - SMALL.linear) + SMALL.linear * 0.5625


def test_adapters_of_rank_16_are_as_many_as_peft_makes() -> None:
    assert SMALL.adapter(16) == 4_884_480


def test_copies_are_laid_out_on_a_cpu_in_float32_alone() -> None:
    linear, head = 4 * SMALL.linear, 4 * SMALL.vocabulary * SMALL.hidden
    assert laid_out(SMALL, "lora", CPU, training=False) == linear + head
    assert laid_out(SMALL, "lora", CPU, training=True) == 2 * (linear + head)
    assert laid_out(SMALL, "lora", Setup(half=True), training=True) == linear + 2 * head
    assert laid_out(SMALL, "qlora", Setup(quantisation="nf4"), training=True) == 2 * head
    assert laid_out(SMALL, "sft", CPU, training=True) == 0
    assert laid_out(SMALL, "lora", CUDA, training=True) == 0


def test_full_training_holds_six_copies_of_the_weights_and_five_before_there_are_gradients() -> None:
    assert weights(SMALL, CPU) + trained(SMALL, "sft", CPU, training=True) == 6 * 4 * SMALL.parameters
    assert trained(SMALL, "sft", CPU, True, gradients=False) == 4 * 4 * SMALL.parameters


def test_full_training_of_short_pieces_peaks_where_the_backward_pass_ends() -> None:
    parts = training(SMALL, "sft", CPU, Work(piece=16, learned=4)).parts
    assert "activations" not in parts
    assert sum(parts.values()) == 6 * 4 * SMALL.parameters + 2 * 4 * SMALL.embeddings


def test_a_fused_layer_keeps_less_than_transformers_own() -> None:
    other = Shape(**{**vars(SMALL), "fused": False})
    assert kept(SMALL, "lora", CPU, Work()) < 0.75 * kept(other, "lora", CPU, Work())
    assert kept(SMALL, "qlora", Setup(quantisation="nf4"), Work()) == kept(other, "lora", CPU, Work())
    # No adapters' inner values; the results of two norms before they are multiplied by weights that learn.
    assert kept(SMALL, "sft", CPU, Work()) == kept(other, "lora", CPU, Work()) + 4 * 30 * (2 * 576 - 7 * 16)


def test_the_cache_of_keys_and_values_counts_key_value_heads_only() -> None:
    parts = inference(LLAMA, CUDA, Work(rows=10, row_tokens=100, trunk_tokens=24)).parts
    assert parts["keys and values"] == 1024 * 2 * 32 * 8 * 128 * 2


def test_activations_grow_with_the_piece_and_logits_with_what_is_learned() -> None:
    short, long = (training(SMALL, "lora", CPU, Work(piece=piece, learned=piece // 4)) for piece in (256, 1024))
    for part in ("activations", "logits"):
        assert long.parts[part] == 4 * short.parts[part]
    assert long.parts["weights"] == short.parts["weights"]


def test_a_run_needs_its_larger_phase() -> None:
    for method in ("lora", "sft"):
        assert need(SMALL, method, CPU).total == training(SMALL, method, CPU).total
    assert need(SMALL, None, CPU).total == inference(SMALL, CPU, method=None).total
    large = Work(rows=4096, row_tokens=500)
    assert need(SMALL, "lora", CPU, large).total == inference(SMALL, CPU, large).total


def test_the_order_of_the_methods_is_what_it_should_be_for_every_known_model() -> None:
    for shape in KNOWN.values():
        full, lora = need(shape, "sft", CUDA).total, need(shape, "lora", CUDA).total
        qlora = need(shape, "qlora", Setup("cuda", "bfloat16", "nf4")).total
        assert full > lora > qlora


@pytest.mark.model
def test_each_estimate_is_within_15_percent_of_the_measured_peak(project_root: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(project_root / "benchmarks" / "fit.py"), "--results", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ways = json.loads((tmp_path / "fit.json").read_text())["ways"]
    assert [found["way"] for found in ways] == ["inference", "lora", "qlora", "sft"]
    for found in ways:
        assert found["estimated"] == pytest.approx(found["measured"], rel=0.15), found["way"]
