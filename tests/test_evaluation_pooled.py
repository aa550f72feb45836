"""What only the pooled engine does: trunks, slots that change hands, long prompts, windows, and whom it refuses."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_tiny_model

from harness.evaluation import pooled_engine
from harness.evaluation.decoding import Decoder, encode_prompt
from harness.evaluation.engine import Generation, GenerationRequest, ScoringRequest
from harness.evaluation.lm_eval_engine import hugging_face
from harness.evaluation.pooled_attention import Decode
from harness.evaluation.pooled_check import answers_alike
from harness.evaluation.pooled_engine import PooledEngine
from harness.evaluation.prefix import Row, trunks
from harness.exceptions import EnvironmentFault
from harness.models.loading import LoadedModel, load, plan
from harness.models.reference import resolve

HEADS = (
    "Which queue should this message go to: billing, delivery, returns or repairs? Answer with its name alone. ",
    "Return the customer's request as JSON with the keys name, product and order_id; use null where nothing is said. ",
)
WORDS = ("the", "parcel", "kettle", "order", "has", "not", "arrived", "broken", "policy", "refund", "toaster", "4", "8")


def prompts(count: int, seed: int = 0) -> list[str]:
    """Prompts below two long heads, of different lengths, some of them sharing a passage, some doubled."""
    rng = random.Random(seed)
    passages = [" ".join(rng.choices(WORDS, k=20)) for _ in range(4)]
    made = []
    for number in range(count):
        tail = " ".join(rng.choices(WORDS, k=rng.randrange(1, 30)))
        made.append(HEADS[number % 2] + (rng.choice(passages) + " " if number % 3 else "") + tail)
    return [*made, *made[:3], "x", "the"]


def open_model(folder: Path) -> LoadedModel:
    reference = resolve(str(folder))
    return load(reference, plan(reference, "lora", "cpu"), progress=False)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return open_model(make_tiny_model(tmp_path_factory.mktemp("tiny")))


def asked(texts: list[str], seed: int = 1) -> list[GenerationRequest]:
    rng = random.Random(seed)
    return [GenerationRequest(text, (), rng.randrange(1, 14)) for text in texts]


@pytest.fixture(scope="module")
def one_by_one(loaded: LoadedModel) -> list[Generation]:
    """What lm-eval's own model answers, a row at a time."""
    return hugging_face(loaded.model, loaded.tokenizer, 1).generate(asked(prompts(90)), None)


@pytest.mark.parametrize("batch_size", [1, 3, 16, 64])
@pytest.mark.parametrize("chunk", [32, 2048])
def test_trunks_and_slots_that_change_hands_change_no_answer(
    loaded: LoadedModel, one_by_one: list[Generation], batch_size: int, chunk: int
) -> None:
    requests = asked(prompts(90))
    encoded = [encode_prompt(loaded.tokenizer, request.prompt) for request in requests]
    found = trunks([Row(i, tuple(tokens), len(tokens) - 1) for i, tokens in enumerate(encoded)])
    assert sum(len(trunk.tokens) >= 16 for trunk in found) >= 2  # both heads are held
    engine = PooledEngine(loaded.model, loaded.tokenizer, batch_size, chunk)
    assert engine.generate(requests, None) == one_by_one


@pytest.mark.parametrize("batch_size", [2, 64])
def test_drafts_right_wrong_and_hostile_change_no_answer(loaded: LoadedModel, batch_size: int) -> None:
    requests = asked(prompts(60))
    expected = PooledEngine(loaded.model, loaded.tokenizer, 64).generate(requests, None)
    for seed in range(4):
        rng = random.Random(seed)
        hints = []
        for request, answer in zip(requests, expected, strict=True):
            cut = rng.randrange(len(answer.text) + 1)
            texts = [
                answer.text,
                answer.text + " and more",
                answer.text[:cut],
                answer.text[:cut] + rng.choice(WORDS),
                "<|im_end|>",
                request.prompt,
                "x" * 5_000,
                "\ud800",
            ]
            hints.append(replace(request, draft=rng.choice(texts)))
        hints[0] = replace(hints[0], until=("e",))
        engine = PooledEngine(loaded.model, loaded.tokenizer, batch_size, drafts=True)
        found = engine.generate(hints, None)
        (first,) = PooledEngine(loaded.model, loaded.tokenizer).generate([replace(requests[0], until=("e",))], None)
        assert found == [first, *expected[1:]]


def test_a_right_draft_leaves_nothing_to_decode(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = asked(prompts(20))
    answers = PooledEngine(loaded.model, loaded.tokenizer).generate(requests, None)
    hints = [replace(request, draft=answer.text) for request, answer in zip(requests, answers, strict=True)]
    steps = []
    for asked_for in (requests, hints):
        runs: list[Any] = []
        monkeypatch.setattr(pooled_engine, "Decode", lambda *a, runs=runs: runs.append(a) or Decode(*a))
        PooledEngine(loaded.model, loaded.tokenizer, drafts=True).generate(asked_for, None)
        steps.append(len(runs))
    assert steps[0] >= 10
    assert steps[1] <= steps[0] / 2  # not 0: a random model writes broken characters


def test_a_special_token_as_stop_string_ends_an_answer(loaded: LoadedModel) -> None:
    decoder = Decoder(loaded.model, loaded.tokenizer)
    start = loaded.tokenizer.convert_tokens_to_ids("<|im_start|>")
    word = loaded.tokenizer.encode("order", add_special_tokens=False)
    assert decoder.finished([*word, start], (), 9) is None
    assert decoder.finished([*word, start], ("<|im_start|>",), 9) == ("order", "stop")


def test_on_a_cpu_drafts_are_not_tried(loaded: LoadedModel) -> None:
    assert not PooledEngine(loaded.model, loaded.tokenizer).drafts
    assert PooledEngine(Elsewhere(loaded.model), loaded.tokenizer).drafts


class Elsewhere:
    """The model, but on a GPU."""

    def __init__(self, model: Any) -> None:
        self.device, self.generation_config = "cuda:0", model.generation_config


def test_more_equal_prompts_than_rows(loaded: LoadedModel) -> None:
    requests = [GenerationRequest("the parcel", (), 5)] * 9
    answers = PooledEngine(loaded.model, loaded.tokenizer, 2).generate(requests, None)
    assert answers == hugging_face(loaded.model, loaded.tokenizer, 1).generate(requests, None)


def test_a_prompt_without_a_token_and_an_ending_without_one(loaded: LoadedModel) -> None:
    (answer,) = PooledEngine(loaded.model, loaded.tokenizer).generate([GenerationRequest("", (), 3)], None)
    assert (answer.prompt_tokens, answer.new_tokens) == (1, 3)
    pairs = [ScoringRequest("", ""), ScoringRequest("a", ""), ScoringRequest("", "a")]
    for score in PooledEngine(loaded.model, loaded.tokenizer).loglikelihood(pairs, None):
        assert score.tokens == 1
        assert score.logprob < 0


@pytest.mark.parametrize("chunk", [64, 2048])
def test_endings_of_one_question_are_scored_as_one_tree(loaded: LoadedModel, chunk: int) -> None:
    requests = [
        ScoringRequest(prompt, ending) for prompt in prompts(60) for ending in (" yes", " no", " thirty days", "")
    ]
    ours = PooledEngine(loaded.model, loaded.tokenizer, chunk=chunk).loglikelihood(requests, None)
    theirs = hugging_face(loaded.model, loaded.tokenizer, 1).loglikelihood(requests, None)
    for one, other in zip(ours, theirs, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
        assert (one.is_greedy, one.tokens, one.context_tokens) == (other.is_greedy, other.tokens, other.context_tokens)


def test_a_prompt_longer_than_a_chunk_runs_in_parts(loaded: LoadedModel) -> None:
    long = " ".join(WORDS * 20)
    requests = [GenerationRequest(long + " x", (), 6), GenerationRequest("short", (), 6)]
    engine = PooledEngine(loaded.model, loaded.tokenizer, chunk=64)
    assert engine.generate(requests, None) == hugging_face(loaded.model, loaded.tokenizer, 1).generate(requests, None)


def test_the_models_own_attention_is_back_afterwards(loaded: LoadedModel) -> None:
    before = loaded.model.config._attn_implementation
    PooledEngine(loaded.model, loaded.tokenizer).generate(asked(prompts(3)), None)
    assert loaded.model.config._attn_implementation == before


def build(kind: str) -> Any:
    """A random tiny model of another architecture over the tiny tokenizer's ids."""
    import transformers

    torch.manual_seed(0)
    shared = {"vocab_size": 512, "eos_token_id": 2, "bos_token_id": 1, "pad_token_id": 0}
    sizes = {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 1024,
    }
    configs: dict[str, Any] = {
        "gpt2": lambda: transformers.GPT2Config(**shared, n_embd=64, n_layer=2, n_head=4, n_positions=1024),
        "llama": lambda: transformers.LlamaConfig(**shared, **sizes),
        "mistral": lambda: transformers.MistralConfig(**shared, **sizes, sliding_window=None),
        "qwen2": lambda: transformers.Qwen2Config(**shared, **{k: v for k, v in sizes.items() if k != "head_dim"}),
        "qwen2 window": lambda: transformers.Qwen2Config(
            **shared,
            **{k: v for k, v in sizes.items() if k != "head_dim"},
            use_sliding_window=True,
            sliding_window=9,
            max_window_layers=1,
        ),
        "mistral window": lambda: transformers.MistralConfig(**shared, **sizes, sliding_window=9),
        "gemma": lambda: transformers.GemmaConfig(**shared, **sizes),
        "gemma3": lambda: transformers.Gemma3TextConfig(**shared, **sizes, sliding_window=9),
        "gemma2": lambda: transformers.Gemma2Config(**shared, **sizes, attn_logit_softcapping=0.5),
        "qwen3": lambda: transformers.Qwen3Config(**shared, **sizes),
        "phi3 longrope": lambda: transformers.Phi3Config(
            **shared,
            **sizes,
            rope_parameters={
                "rope_type": "longrope",
                "rope_theta": 1e4,
                "short_factor": [1.0] * 8,
                "long_factor": [2.0] * 8,
            },
        ),
        "bloom": lambda: transformers.BloomConfig(**shared, hidden_size=64, n_layer=2, n_head=4),
        "mamba": lambda: transformers.MambaConfig(**shared, hidden_size=64, num_hidden_layers=2),
    }
    return transformers.AutoModelForCausalLM.from_config(configs[kind](), dtype=torch.float32).eval()


SERVED = ("gpt2", "llama", "mistral", "mistral window", "qwen2", "qwen2 window", "qwen3", "gemma", "gemma3")


@pytest.mark.parametrize("kind", SERVED)
def test_architectures_that_it_serves(loaded: LoadedModel, kind: str) -> None:
    model = build(kind)
    assert answers_alike(model)
    requests = asked(prompts(70))
    ours = PooledEngine(model, loaded.tokenizer, 5).generate(requests, None)
    for request, answer in zip(requests, ours, strict=True):
        ids = torch.tensor([loaded.tokenizer.encode(request.prompt, add_special_tokens=False)])
        with torch.inference_mode():
            out = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=request.max_new_tokens
            )
        new = out[0, ids.shape[1] :]
        assert answer.text == loaded.tokenizer.decode(new, skip_special_tokens=True)
        assert answer.new_tokens == len(new)


@pytest.mark.parametrize("kind", SERVED)
def test_scores_of_architectures_that_it_serves(loaded: LoadedModel, kind: str) -> None:
    model = build(kind)
    pairs = [ScoringRequest(prompt, ending) for prompt in prompts(6) for ending in (" yes", " thirty days")]
    ours = PooledEngine(model, loaded.tokenizer, 5).loglikelihood(pairs, None)
    for one, other in zip(ours, hugging_face(model, loaded.tokenizer, 4).loglikelihood(pairs, None), strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
        assert (one.is_greedy, one.tokens, one.context_tokens) == (other.is_greedy, other.tokens, other.context_tokens)


@pytest.mark.parametrize("make", [PooledEngine, hugging_face], ids=["pooled", "hf"])
@pytest.mark.parametrize("architecture", ["llama", "mistral window", "gpt2"])
def test_the_side_on_which_a_tokenizer_pads_changes_no_answer(
    loaded: LoadedModel, make: Any, architecture: str
) -> None:
    model, requests = build(architecture), asked(prompts(20))
    answers = []
    for side in ("left", "right"):
        tokenizer = copy.deepcopy(loaded.tokenizer)
        tokenizer.padding_side = side
        answers.append(make(model, tokenizer, 4).generate(requests, None))
        assert tokenizer.padding_side == side
    assert answers[0] == answers[1] == PooledEngine(model, loaded.tokenizer, 1).generate(requests, None)


@pytest.mark.parametrize("kind", ["gemma2", "bloom", "mamba", "phi3 longrope"])
def test_architectures_that_it_refuses_are_served_by_lm_eval_s_own(loaded: LoadedModel, kind: str) -> None:
    model = build(kind)
    requests = asked(prompts(12))
    together = hugging_face(model, loaded.tokenizer, 4).generate(requests, None)
    if kind != "mamba":  # whose state takes the padding in
        assert together == hugging_face(model, loaded.tokenizer, 1).generate(requests, None)
    assert {answer.finish_reason for answer in together} == {"length"}
    assert [answer.new_tokens for answer in together] == [request.max_new_tokens for request in requests]


@pytest.mark.parametrize("kind", ["gemma2", "bloom", "mamba", "phi3 longrope"])
def test_architectures_that_it_refuses(kind: str) -> None:
    assert not answers_alike(build(kind))


def test_an_encoder_decoder_is_refused() -> None:
    import transformers

    config = transformers.T5Config(vocab_size=512, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=4)
    assert not answers_alike(transformers.T5ForConditionalGeneration(config))


class Narrow:
    """The model, but a pass over more than ``tokens`` tokens does not fit."""

    def __init__(self, model: Any, tokens: int) -> None:
        self.model, self.tokens = model, tokens

    def __call__(self, input_ids: torch.Tensor, **options: Any) -> Any:
        if input_ids.numel() > self.tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.model(input_ids=input_ids, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


def test_when_memory_runs_out_it_begins_again_with_less(loaded: LoadedModel) -> None:
    requests = asked(prompts(60))
    notices: list[str] = []
    engine = PooledEngine(Narrow(loaded.model, 120), loaded.tokenizer, 64, on_notice=notices.append)
    expected = hugging_face(loaded.model, loaded.tokenizer, 1).generate(requests, None)
    assert engine.generate(requests, None) == expected
    assert engine.chunk <= 128
    assert notices == [f"out of memory: evaluation batch halved to {64 >> n}" for n in range(1, len(notices) + 1)]


def test_not_even_one_item_fits(loaded: LoadedModel) -> None:
    engine = PooledEngine(Narrow(loaded.model, 3), loaded.tokenizer, 2)
    with pytest.raises(EnvironmentFault, match="out of memory with one item at a time; use a smaller model"):
        engine.generate(asked(prompts(3)), None)


def test_another_failure_of_the_model_is_not_taken_for_lack_of_memory(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = PooledEngine(loaded.model, loaded.tokenizer, 2)
    monkeypatch.setattr(loaded.model, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        engine.generate(asked(prompts(3)), None)
    assert engine.batch_size == 2


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("shapes do not match")
