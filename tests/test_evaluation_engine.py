"""The engine against what it stands in for: ``generate`` token by token, a plain forward pass, lm-eval's own model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_tiny_model

from harness.evaluation.engine import Generation, GenerationRequest, ScoringRequest
from harness.evaluation.lm_eval_engine import LmEvalEngine, hugging_face
from harness.evaluation.pooled_engine import PooledEngine
from harness.evaluation.prefix import common
from harness.exceptions import EnvironmentFault
from harness.models.loading import LoadedModel, load, plan
from harness.models.reference import resolve

SHARED = "Which queue should this message go to: billing, delivery, returns or repairs? "
PROMPTS = (
    "Hello",
    "Return the customer's request as JSON with the keys name, product and order_id; use null where nothing is said.",
    SHARED + "My kettle is broken.",
    SHARED + "The parcel has not arrived and the tracking page shows nothing new. " * 3,
    SHARED + "?",
    "x y z",
    "What is the capital of France?",
)
TOKENS = 12


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = make_tiny_model(tmp_path_factory.mktemp("tiny"))
    reference = resolve(str(folder))
    return load(reference, plan(reference, "lora", "cpu"), progress=False)


AnyEngine = PooledEngine | LmEvalEngine
Kind = Callable[..., AnyEngine]


@pytest.fixture(scope="module", params=[PooledEngine, hugging_face], ids=["pooled", "hf"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]


class Make:
    """Makes the engine under test."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def __call__(self, loaded: LoadedModel, batch_size: int = 16, **options: Any) -> AnyEngine:
        return self.kind(loaded.model, loaded.tokenizer, batch_size, **options)


@pytest.fixture(scope="module")
def engine(kind: Kind) -> Make:
    return Make(kind)


def reference_tokens(loaded: LoadedModel, prompt: str, new: int = TOKENS) -> list[int]:
    """What ``generate`` adds to one prompt alone."""
    ids = torch.tensor([loaded.tokenizer.encode(prompt, add_special_tokens=False)])
    with torch.inference_mode():
        out = loaded.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=new)
    return [int(token) for token in out[0, ids.shape[1] :]]


def decode(loaded: LoadedModel, tokens: Sequence[int]) -> str:
    return str(loaded.tokenizer.decode(list(tokens), skip_special_tokens=True))


def requests(group: str = "", until: tuple[str, ...] = (), new: int = TOKENS) -> list[GenerationRequest]:
    return [GenerationRequest(prompt, until, new, group) for prompt in PROMPTS]


@pytest.fixture(scope="module")
def expected(loaded: LoadedModel) -> list[list[int]]:
    return [reference_tokens(loaded, prompt) for prompt in PROMPTS]


@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("group", ["", "each its own"])
def test_answers_are_those_of_generate_for_prompts_of_any_length(
    engine: Make, loaded: LoadedModel, expected: list[list[int]], batch_size: int, group: str
) -> None:
    asked = [GenerationRequest(prompt, (), TOKENS, f"{place}" if group else "") for place, prompt in enumerate(PROMPTS)]
    answers = engine(loaded, batch_size).generate(asked, None)
    assert [answer.text for answer in answers] == [decode(loaded, tokens) for tokens in expected]
    assert {(answer.finish_reason, answer.new_tokens) for answer in answers} == {("length", TOKENS)}


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_a_shared_beginning_changes_no_answer(
    engine: Make, loaded: LoadedModel, expected: list[list[int]], batch_size: int
) -> None:
    chosen = [place for place, prompt in enumerate(PROMPTS) if prompt.startswith(SHARED)]
    encoded = [loaded.tokenizer.encode(PROMPTS[place], add_special_tokens=False) for place in chosen]
    assert common(encoded[0], encoded[1], 1024) >= 8
    answers = engine(loaded, batch_size).generate([requests("skill")[place] for place in chosen], None)
    assert [answer.text for answer in answers] == [decode(loaded, expected[place]) for place in chosen]


def test_the_same_prompt_many_times_has_the_same_answer(
    engine: Make, loaded: LoadedModel, expected: list[list[int]]
) -> None:
    answers = engine(loaded, 4).generate([requests()[3]] * 6, None)
    assert {answer.text for answer in answers} == {decode(loaded, expected[3])}


@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("first", [0, 1, 3], ids=["a short row", "a row in between", "the longest row"])
def test_rows_that_end_early_leave_the_batch_and_the_others_go_on_unchanged(
    engine: Make,
    loaded: LoadedModel,
    expected: list[list[int]],
    batch_size: int,
    first: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ends = expected[first][3]  # a token that the model really produces ends an answer now
    monkeypatch.setattr(loaded.model.generation_config, "eos_token_id", [2, ends])
    answers = engine(loaded, batch_size).generate(requests(), None)
    stopped = 0
    for answer, tokens in zip(answers, expected, strict=True):
        cut = tokens.index(ends) if ends in tokens else None
        if cut is None:
            assert answer.finish_reason == "length"
            assert answer.text == decode(loaded, tokens)
        else:
            stopped += 1
            assert (answer.finish_reason, answer.new_tokens) == ("stop", cut + 1)
            assert answer.text == decode(loaded, tokens[:cut])
    assert 0 < stopped < len(PROMPTS)


def test_an_answer_ends_before_the_first_stop_string(
    engine: Make, loaded: LoadedModel, expected: list[list[int]]
) -> None:
    whole = decode(loaded, expected[1])
    first, later = whole[4:6], whole[8:10]
    (answer,) = engine(loaded).generate([GenerationRequest(PROMPTS[1], (later, first), TOKENS)], None)
    assert answer.text == whole[: min(whole.index(first), whole.index(later))]
    assert answer.finish_reason == "stop"
    assert answer.new_tokens < TOKENS


def test_a_stop_string_that_never_comes_stops_nothing(
    engine: Make, loaded: LoadedModel, expected: list[list[int]]
) -> None:
    answers = engine(loaded).generate(requests(until=("never in any answer", "")), None)
    assert [answer.text for answer in answers] == [decode(loaded, tokens) for tokens in expected]


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_an_answer_at_its_limit_says_so(
    engine: Make, loaded: LoadedModel, expected: list[list[int]], limit: int
) -> None:
    answers = engine(loaded).generate(requests(new=limit), None)
    assert [answer.text for answer in answers] == [decode(loaded, tokens[:limit]) for tokens in expected]
    assert {(answer.finish_reason, answer.new_tokens) for answer in answers} == {("length", limit)}


def test_limits_may_differ_within_a_batch(engine: Make, loaded: LoadedModel, expected: list[list[int]]) -> None:
    asked = [GenerationRequest(prompt, (), 1 + place) for place, prompt in enumerate(PROMPTS)]
    answers = engine(loaded).generate(asked, None)
    assert [answer.text for answer in answers] == [
        decode(loaded, tokens[: 1 + place]) for place, tokens in enumerate(expected)
    ]


def test_prompt_tokens_are_counted(engine: Make, loaded: LoadedModel) -> None:
    counter = engine(loaded)
    answers = counter.generate(requests(new=1), None)
    assert [answer.prompt_tokens for answer in answers] == [counter.count_tokens(prompt) for prompt in PROMPTS]
    assert counter.context_length == 1024


def test_progress_reaches_the_number_of_requests(engine: Make, loaded: LoadedModel) -> None:
    seen: list[tuple[int, int]] = []
    engine(loaded, 3).generate(requests(new=1), lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (len(PROMPTS), len(PROMPTS))


TEXTS = ("", "Hello", SHARED * 3 + "The parcel has not arrived. " * 40, "What is the capital of France? " * 9)


@pytest.mark.parametrize("length", [1024, 64, 7])
def test_whole_texts_are_scored_as_lm_eval_scores_them(loaded: LoadedModel, length: int) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    options = {"batch_size": 3, "max_length": length, "logits_cache": False}  # the cache errs: see TokenHFLM
    hf = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, **options)
    instances = [Instance("loglikelihood_rolling", {}, (text,), place) for place, text in enumerate(TEXTS)]
    theirs = hf.loglikelihood_rolling(instances, disable_tqdm=True)
    ours = PooledEngine(loaded.model, loaded.tokenizer).loglikelihood_rolling(TEXTS, None, length)
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert ours[0] == 0.0
    assert ours[2] < ours[3] < ours[1] < 0


def test_whole_texts_are_scored_alike_by_both_engines(engine: Make, loaded: LoadedModel) -> None:
    scores = engine(loaded).loglikelihood_rolling(TEXTS, None)
    assert scores == pytest.approx(hugging_face(loaded.model, loaded.tokenizer).loglikelihood_rolling(TEXTS, None))


@pytest.mark.parametrize("chunk", [64, 2048])
def test_a_long_continuation_is_scored_in_parts(
    loaded: LoadedModel, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = loaded.tokenizer.encode(TEXTS[2], add_special_tokens=False)[:300]
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([tokens])).logits[0].log_softmax(-1)
    expected = float(sum(logits[place - 1, tokens[place]] for place in range(5, len(tokens))))
    pooled = PooledEngine(loaded.model, loaded.tokenizer, chunk=chunk)
    for part in (1024, 50):
        monkeypatch.setattr("harness.evaluation.pooled_engine._PART", part)
        (score,) = pooled.score_tokens([(tokens[:5], tokens[5:])], None)
        assert score.logprob == pytest.approx(expected, rel=1e-5)
        assert (score.tokens, score.context_tokens, score.is_greedy) == (len(tokens) - 5, 5, False)


def test_a_pair_may_have_one_token_more_than_the_context(loaded: LoadedModel) -> None:
    """The last token is predicted, not fed: GPT-2's learned positions end where the context does."""
    import transformers

    config = transformers.GPT2Config(vocab_size=512, n_embd=32, n_layer=1, n_head=2, n_positions=16)
    model = transformers.GPT2LMHeadModel(config).eval()
    (score,) = PooledEngine(model, loaded.tokenizer).score_tokens([(list(range(9)), list(range(8)))], None)
    assert score.logprob < 0


def test_nothing_asked_is_nothing_answered(engine: Make, loaded: LoadedModel) -> None:
    assert engine(loaded).generate([], None) == []
    assert engine(loaded).loglikelihood([], None) == []


PAIRS = (
    ("What is the capital of France?", " Paris"),
    ("What is the capital of France? ", "Paris"),
    (SHARED + "My kettle is broken.", " repairs"),
    (SHARED + "My kettle is broken.", " billing, delivery, returns or repairs"),
    (SHARED + "?", " x"),
    ("a", "b"),
    ("", "Hello, my order"),
)


def plain(loaded: LoadedModel, context: str, continuation: str) -> tuple[float, bool]:
    """Log-probability of a continuation by one forward pass over the pair alone."""
    trailing = len(context) - len(context.rstrip())
    head = context[: len(context) - trailing]
    whole = loaded.tokenizer.encode(context + continuation, add_special_tokens=False)
    cut = len(loaded.tokenizer.encode(head, add_special_tokens=False))
    if not cut:
        whole, cut = [loaded.tokenizer.bos_token_id, *whole], 1
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([whole])).logits[0].log_softmax(-1)
    picked = [logits[place - 1, whole[place]] for place in range(cut, len(whole))]
    best = [int(logits[place - 1].argmax()) for place in range(cut, len(whole))]
    return float(sum(picked)), best == whole[cut:]


@pytest.mark.parametrize("batch_size", [1, 3, 16])
@pytest.mark.parametrize("grouped", [False, True])
def test_log_likelihoods_are_those_of_a_plain_forward_pass(
    engine: Make, loaded: LoadedModel, batch_size: int, grouped: bool
) -> None:
    asked = [ScoringRequest(*pair, group=pair[0][:20] if grouped else str(n)) for n, pair in enumerate(PAIRS)]
    scores = engine(loaded, batch_size).loglikelihood(asked, None)
    for score, pair in zip(scores, PAIRS, strict=True):
        logprob, greedy = plain(loaded, *pair)
        assert score.logprob == pytest.approx(logprob, abs=1e-4)
        assert score.is_greedy == greedy


def test_the_greedy_answer_is_known_as_such(engine: Make, loaded: LoadedModel, expected: list[list[int]]) -> None:
    context = loaded.tokenizer.encode(PROMPTS[1], add_special_tokens=False)
    for count in range(1, 6):  # a split of text that tokenises back into the same tokens
        answer = decode(loaded, expected[1][:count])
        if loaded.tokenizer.encode(PROMPTS[1] + answer, add_special_tokens=False) == context + expected[1][:count]:
            (score,) = engine(loaded).loglikelihood([ScoringRequest(PROMPTS[1], answer)], None)
            assert score.is_greedy
            assert (score.tokens, score.context_tokens) == (count, len(context))
            return
    pytest.fail("no answer of the tiny model tokenises back into itself")


def test_log_likelihoods_are_those_of_lm_eval(engine: Make, loaded: LoadedModel) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    theirs = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=3, device="cpu")
    instances = [Instance("loglikelihood", {}, pair, place) for place, pair in enumerate(PAIRS)]
    ours = engine(loaded).loglikelihood([ScoringRequest(*pair) for pair in PAIRS], None)
    for score, (logprob, greedy) in zip(ours, theirs.loglikelihood(instances, disable_tqdm=True), strict=True):
        assert score.logprob == pytest.approx(logprob, abs=1e-4)
        assert score.is_greedy == greedy


def hungry(loaded: LoadedModel, rows: int, monkeypatch: pytest.MonkeyPatch, error: BaseException | None = None) -> None:
    """A batch of more than ``rows`` does not fit the model from here on."""
    forward = loaded.model.forward

    def limited(input_ids: torch.Tensor, **options: Any) -> Any:
        if len(input_ids) > rows:
            raise error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(loaded.model, "forward", limited)


@pytest.mark.parametrize(
    "error",
    [None, MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")],
    ids=["device", "python", "torch on the CPU"],
)
def test_when_memory_runs_out_the_batch_is_halved_until_it_fits_and_answers_are_unchanged(
    loaded: LoadedModel,
    expected: list[list[int]],
    error: BaseException | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notices: list[str] = []
    seen: list[int] = []
    hungry(loaded, 2, monkeypatch, error)
    engine = hugging_face(loaded.model, loaded.tokenizer, 16, notices.append)
    answers = engine.generate(requests(), lambda done, _: seen.append(done))
    assert [answer.text for answer in answers] == [decode(loaded, tokens) for tokens in expected]
    assert engine.batch_size == 2
    assert notices == [f"out of memory: evaluation batch halved to {size}" for size in (8, 4, 2)]
    assert seen == [*range(1, len(PROMPTS) + 1)]


def test_scores_are_unchanged_by_a_halved_batch(
    engine: Make, loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [ScoringRequest(*pair) for pair in PAIRS]
    whole = engine(loaded).loglikelihood(asked, None)
    hungry(loaded, 1, monkeypatch)
    halves = hugging_face(loaded.model, loaded.tokenizer, 4).loglikelihood(asked, None)
    for halved, one in zip(halves, whole, strict=True):
        assert halved.logprob == pytest.approx(one.logprob, abs=1e-4)


def test_not_even_one_item_fits(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    hungry(loaded, 0, monkeypatch)
    with pytest.raises(EnvironmentFault) as caught:
        hugging_face(loaded.model, loaded.tokenizer, 2).generate(requests(), None)
    assert str(caught.value) == ("out of memory with one item at a time; use a smaller model, qlora or shorter items")


def test_another_failure_of_the_model_is_not_taken_for_lack_of_memory(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    hungry(loaded, 0, monkeypatch, RuntimeError("shapes do not match"))
    engine = hugging_face(loaded.model, loaded.tokenizer, 2)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        engine.generate(requests(), None)
    assert engine.batch_size == 2


@pytest.mark.parametrize("architecture", ["mistral", "qwen2"])
def test_other_architectures_answer_alike(engine: Make, tmp_path: Path, architecture: Any) -> None:
    reference = resolve(str(make_tiny_model(tmp_path / "model", architecture)))
    other = load(reference, plan(reference, "lora", "cpu"), progress=False)
    answers = engine(other, 3).generate(requests("skill"), None)
    assert answers == [
        Generation(decode(other, tokens), "length", len(other.tokenizer.encode(prompt)), TOKENS)
        for prompt, tokens in ((prompt, reference_tokens(other, prompt)) for prompt in PROMPTS)
    ]
