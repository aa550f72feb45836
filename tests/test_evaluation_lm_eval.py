"""Engines over lm-eval's model objects: encoder-decoders, the model's own defaults set aside, backends by name."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from tiny import make_tiny_model

from harness.cli.session import settings_from
from harness.evaluation.engine import GenerationRequest, ScoringRequest
from harness.evaluation.lm_eval_engine import LmEvalEngine, hugging_face
from harness.exceptions import EnvironmentFault, InputError
from harness.loop.backends import Backend, backend_class
from harness.loop.local import LocalWorkbench
from harness.models.loading import LoadedModel, load, plan
from harness.models.reference import resolve
from harness.training.contract import Example, Start
from harness.training.recipe import Lora, Recipe

# peft asks for an attribute under its old name: nothing that a user of either can mend.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")

PROMPTS = (
    "the parcel",
    "Which queue should this message go to: billing, delivery, returns or repairs? My kettle is broken.",
    "x",
    "Return the customer's request as JSON with the keys name, product and order_id.",
)
PAIRS = (
    ("the parcel", " has arrived"),
    (PROMPTS[1], " repairs"),
    (PROMPTS[1], " billing, delivery"),
    ("", "x"),
    ("x", ""),
)


def make_seq2seq(folder: Path, kind: str) -> Path:
    """A random tiny encoder-decoder beside the tiny tokenizer."""
    import transformers

    make_tiny_model(folder)
    size = len(transformers.AutoTokenizer.from_pretrained(folder))
    shared = {"vocab_size": size, "d_model": 32, "eos_token_id": 2, "pad_token_id": 0, "decoder_start_token_id": 0}
    torch.manual_seed(0)
    model: Any
    if kind == "t5":
        config = transformers.T5Config(**shared, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
        model = transformers.T5ForConditionalGeneration(config)
    else:
        model = transformers.BartForConditionalGeneration(
            transformers.BartConfig(
                **shared,
                encoder_layers=2,
                decoder_layers=2,
                encoder_attention_heads=4,
                decoder_attention_heads=4,
                encoder_ffn_dim=64,
                decoder_ffn_dim=64,
                max_position_embeddings=256,
                forced_eos_token_id=None,
                init_std=0.4,
            )
        )
    model.generation_config.forced_eos_token_id = None
    model.save_pretrained(folder)
    return folder


def open_model(folder: Path) -> LoadedModel:
    reference = resolve(str(folder))
    return load(reference, plan(reference, "lora", "cpu"), progress=False)


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return open_model(make_tiny_model(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module", params=["t5", "bart"])
def seq2seq(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return open_model(make_seq2seq(tmp_path_factory.mktemp(request.param), request.param))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_encoder_decoder_answers_as_generate_does_within_its_limit(seq2seq: LoadedModel, batch_size: int) -> None:
    requests = [GenerationRequest(prompt, (), 3 + place) for place, prompt in enumerate(PROMPTS)]
    answers = hugging_face(seq2seq.model, seq2seq.tokenizer, batch_size).generate(requests, None)
    for request, answer in zip(requests, answers, strict=True):
        ids = torch.tensor([seq2seq.tokenizer.encode(request.prompt)])
        with torch.inference_mode():
            out = seq2seq.model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=request.max_new_tokens
            )[0, 1:].tolist()
        assert answer.text == seq2seq.tokenizer.decode(out, skip_special_tokens=True)
        assert answer.new_tokens == len(out)
        assert answer.finish_reason == ("stop" if out[-1] == 2 else "length")
        assert answer.prompt_tokens == ids.shape[1]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_encoder_decoder_scores_as_a_plain_forward_pass_does(seq2seq: LoadedModel, batch_size: int) -> None:
    scores = hugging_face(seq2seq.model, seq2seq.tokenizer, batch_size).loglikelihood(
        [ScoringRequest(*pair) for pair in PAIRS], None
    )
    for (context, continuation), score in zip(PAIRS, scores, strict=True):
        ids = seq2seq.tokenizer.encode(context) or [seq2seq.tokenizer.bos_token_id]
        labels = seq2seq.tokenizer.encode(continuation) or [2]
        with torch.inference_mode():
            logits = seq2seq.model(torch.tensor([ids]), labels=torch.tensor([labels])).logits[0].log_softmax(-1)
        expected = float(logits.gather(1, torch.tensor(labels)[:, None]).sum())
        assert score.logprob == pytest.approx(expected, abs=1e-4)
        assert score.is_greedy == (logits.argmax(-1).tolist() == labels)
        assert score.tokens == len(labels)


def test_a_stop_string_ends_an_encoder_decoder_s_answer_too(seq2seq: LoadedModel) -> None:
    engine = hugging_face(seq2seq.model, seq2seq.tokenizer)
    (whole,) = engine.generate([GenerationRequest(PROMPTS[1], (), 8)], None)
    assert len(whole.text) >= 4
    (cut,) = engine.generate([GenerationRequest(PROMPTS[1], (whole.text[2:4],), 8)], None)
    assert cut.text == whole.text[: whole.text.index(whole.text[2:4])]
    assert cut.finish_reason == "stop"
    assert cut.new_tokens < 8


def test_the_workbench_evaluates_an_encoder_decoder_and_refuses_to_train_it(
    seq2seq: LoadedModel, tmp_path: Path
) -> None:
    notices: list[str] = []
    bench = LocalWorkbench(open_model(seq2seq.folder), Recipe(), 64, 0, notices.append)
    with bench.asking() as engine:
        answers = engine.generate([GenerationRequest(prompt, (), 4) for prompt in PROMPTS], None)
        assert answers == hugging_face(seq2seq.model, seq2seq.tokenizer, 1).generate(
            [GenerationRequest(prompt, (), 4) for prompt in PROMPTS], None
        )
        assert engine.loglikelihood([ScoringRequest("x", " y")], None)[0].logprob < 0
    assert len(notices) == 1
    with pytest.raises(InputError, match="encoder-decoder models are evaluated here, not trained"):
        bench.train([Example("a", "b")], Recipe(), Start(), tmp_path, 0, None)


def test_the_model_s_own_defaults_change_no_answer_and_are_back_afterwards(
    causal: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [GenerationRequest(prompt, (), 12) for prompt in PROMPTS]
    plain = hugging_face(causal.model, causal.tokenizer).generate(requests, None)
    own = causal.model.generation_config
    monkeypatch.setattr(own, "repetition_penalty", 5.0)
    monkeypatch.setattr(own, "num_beams", 3)
    assert hugging_face(causal.model, causal.tokenizer).generate(requests, None) == plain
    assert causal.model.generation_config is own


def test_a_merged_adapter_is_asked_with_the_base_s_configuration_left_alone(causal: LoadedModel) -> None:
    bench = LocalWorkbench(open_model(causal.folder), Recipe(), 4, 0, lambda _: None, "hf")
    own = bench._session.base.generation_config
    requests = [GenerationRequest(prompt, (), 5) for prompt in PROMPTS]
    with bench.asking() as engine:
        assert isinstance(engine, LmEvalEngine)
        assert engine.generate(requests, None) == hugging_face(causal.model, causal.tokenizer).generate(requests, None)
    assert bench._session.base.generation_config is own


def test_sampling_is_left_to_the_pooled_engine(causal: LoadedModel) -> None:
    with pytest.raises(InputError, match="sampling"):
        hugging_face(causal.model, causal.tokenizer).generate([GenerationRequest("x", temperature=1.0)], None)


def test_an_engine_that_does_not_say_how_it_tokenises_is_refused() -> None:
    from lm_eval.models.dummy import DummyLM

    with pytest.raises(InputError, match="does not say how it tokenises"):
        LmEvalEngine(DummyLM())


class Text:
    """A backend that hands back text alone, as those over a server do: HFLM without its tokens."""

    def __init__(self, causal: LoadedModel, **_: Any) -> None:
        from lm_eval.models.huggingface import HFLM

        self._lm = HFLM(pretrained=causal.model, tokenizer=causal.tokenizer, batch_size=2)
        self.lora_request: Any = "not said"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lm, name)


def test_of_a_backend_s_text_tokens_and_finish_reason_are_inferred(causal: LoadedModel) -> None:
    requests = [GenerationRequest(prompt, (), 9) for prompt in PROMPTS]
    exact = hugging_face(causal.model, causal.tokenizer).generate(requests, None)
    inferred = LmEvalEngine(Text(causal)).generate(requests, None)
    assert [answer.text for answer in inferred] == [answer.text for answer in exact]
    for answer in inferred:
        count = len(causal.tokenizer.encode(answer.text, add_special_tokens=False))
        assert answer.new_tokens == min(count, 9)
        assert answer.finish_reason == ("stop" if count < 9 else "length")
    stop = exact[1].text[2:4]
    (cut,) = LmEvalEngine(Text(causal)).generate([GenerationRequest(PROMPTS[1], (stop,), 9)], None)
    assert cut.finish_reason == "stop"


def test_the_engine_is_a_setting_and_an_option(tmp_path: Path) -> None:
    (tmp_path / "harness.yaml").write_text("engine: vllm\n")
    assert settings_from(tmp_path / "harness.yaml", {}).engine == "vllm"
    assert settings_from(tmp_path / "harness.yaml", {"engine": "hf"}).engine == "hf"


def test_an_unknown_engine_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError) as caught:
        backend_class("vlm")
    assert str(caught.value) == "engine 'vlm': unknown. Did you mean 'vllm'?"


def test_a_backend_that_is_not_installed_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.delitem(sys.modules, "lm_eval.models.vllm_causallms", raising=False)
    with pytest.raises(EnvironmentFault) as caught:
        backend_class("vllm")
    assert str(caught.value) == "engine 'vllm': vllm is not installed; pip install 'lm-eval[vllm]', or use auto"


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, make: Any) -> None:
    """``make`` answers for lm-eval's backend ``name``."""
    monkeypatch.setattr("harness.loop.backends.backend_class", lambda asked: SimpleNamespace(create_from_arg_obj=make))


def test_vllm_is_started_once_and_told_of_each_candidate_by_its_weights(
    causal: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, Any]] = []

    def start(arguments: dict[str, Any]) -> Text:
        started.append(arguments)
        return Text(causal)

    stand_in(monkeypatch, "vllm", start)
    request = ModuleType("vllm.lora.request")
    request.LoRARequest = lambda name, number, path: (number, path)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm.lora.request", request)
    recipe = Recipe(lora=Lora(rank=12))
    bench = LocalWorkbench(open_model(causal.folder), recipe, 8, 0, lambda _: None, "vllm")
    assert started == []  # nothing is loaded before it is asked
    seen = []
    for weight, folder in ((None, None), (1.0, "one"), (2.0, "one"), (1.0, "two"), (None, None)):
        if folder is not None and weight is not None:
            for parameter in bench._session.trainable().values():
                parameter.data.fill_(weight)
            bench._session.save(tmp_path / folder)
        bench.activate(None if folder is None else tmp_path / folder)
        with bench.asking() as engine:
            seen.append(engine.lm.lora_request)  # type: ignore[attr-defined]
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    assert seen == [None, (1, one), (2, one), (1, two), None]
    assert len(started) == 1
    assert started[0]["pretrained"] == str(causal.folder)
    assert (started[0]["enable_lora"], started[0]["max_lora_rank"]) == (True, 16)


def test_a_backend_that_takes_no_adapters_is_refused_before_training(
    causal: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "openvino", lambda arguments: Text(causal))
    bench = LocalWorkbench(open_model(causal.folder), Recipe(), 8, 0, lambda _: None, "openvino")
    with bench.asking() as engine:
        assert len(engine.generate([GenerationRequest("x", (), 2)], None)) == 1
    with pytest.raises(InputError, match="cannot evaluate what method lora trains"):
        bench.train([Example("a", "b")], Recipe(), Start(), tmp_path, 0, None)


def test_a_backend_that_does_not_start_is_one_line(causal: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(arguments: dict[str, Any]) -> Any:
        raise RuntimeError("no CUDA driver\nmore")

    stand_in(monkeypatch, "vllm", broken)
    with pytest.raises(EnvironmentFault) as caught:
        Backend("vllm", causal, "lora", 16, 8).engine(None)
    assert str(caught.value) == "engine 'vllm': does not start: no CUDA driver; use auto instead"


def test_the_pooled_engine_is_refused_where_it_does_not_fit(causal: LoadedModel, seq2seq: LoadedModel) -> None:
    with pytest.raises(InputError, match="engine 'harness': cannot serve this architecture"):
        LocalWorkbench(open_model(seq2seq.folder), Recipe(), 8, 0, lambda _: None, "harness")
