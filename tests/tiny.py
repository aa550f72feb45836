"""A tiny random chat model, made in a second: real files, a real tokenizer, no download.

Use it wherever a test needs weights on disk rather than meaning: loading, adapters, resuming, training steps.
The tokenizer is byte-level BPE, so any text encodes and decodes exactly; the template is ChatML.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Architecture = Literal["llama", "mistral", "qwen2"]

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")  # ids 0, 1, 2, as in SmolLM2
SENTENCES = (
    "Hello, my order 48213 has not arrived and the tracking page shows nothing new.",
    "Return the customer's request as JSON with the keys name, product and order_id; use null where nothing is said.",
    '{"name": "Ada", "product": "kettle", "order_id": null}',
    "Which queue should this message go to: billing, delivery, returns or repairs?",
    "The policy says that unopened goods can be returned within thirty days of delivery.",
    "I cannot answer that from the passage. I can only help with questions about our products.",
    "What is the capital of France? The capital of France is Paris.",
    "user assistant system question answer the a of and to in is it for on with as not be this",
)
VOCABULARY = 512  # at most: the sentences run out of merges a little before it


def make_tiny_model(
    folder: Path, architecture: Architecture = "llama", *, seed: int = 0, chat_template: bool = True
) -> Path:
    """Write a random two-layer model (hidden 64, about 0.1 million parameters) and its tokenizer to ``folder``.

    Args:
        folder: made if it is missing.
        architecture: ``llama``, ``mistral`` or ``qwen2``.
        seed: of the random weights; the same seed gives the same bytes.
        chat_template: whether the tokenizer carries the ChatML template.

    Returns:
        ``folder``, as ``from_pretrained`` takes it: ``config.json``, ``model.safetensors`` in float32, tokenizer files.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        MistralConfig,
        MistralForCausalLM,
        PreTrainedTokenizerFast,
        Qwen2Config,
        Qwen2ForCausalLM,
    )

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=SPECIAL[0],
        bos_token=SPECIAL[1],
        eos_token=SPECIAL[2],
        pad_token=SPECIAL[2],
        model_max_length=1024,
    )
    if chat_template:
        fast.chat_template = CHATML

    configuration, network = {
        "llama": (LlamaConfig, LlamaForCausalLM),
        "mistral": (MistralConfig, MistralForCausalLM),
        "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    }[architecture]
    state = torch.random.get_rng_state()  # the caller's random stream goes on as if nothing had happened
    try:
        torch.manual_seed(seed)
        model = network(
            configuration(
                vocab_size=len(fast),  # no row without a token: whatever is generated can be decoded
                hidden_size=64,
                intermediate_size=128,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=1024,
                bos_token_id=1,
                eos_token_id=2,
                pad_token_id=2,
                tie_word_embeddings=True,
            )
        )
    finally:
        torch.random.set_rng_state(state)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, safe_serialization=True)
    fast.save_pretrained(folder)
    return folder
