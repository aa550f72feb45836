"""An `Engine` over any model object of lm-eval: its own ``HFLM`` where the pooled engine cannot serve, other backends.

lm-eval hands back text alone. What the harness asks beyond it comes from here: progress through lm-eval's cache hook,
token counts and finish reasons from the generated tokens where the backend is ours (`hugging_face`), else inferred
from the text, and halved batches when memory runs out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from harness.evaluation.decoding import Decoder, context_length, encode_pair
from harness.evaluation.engine import Generation, GenerationRequest, Progress, Scoring, ScoringRequest
from harness.evaluation.items import FinishReason
from harness.exceptions import EnvironmentFault, InputError, is_out_of_memory

PLAIN_ROWS = 16
"""Rows run together at most where memory is not the limit: larger batches were slower on a CPU."""
_UNLIMITED = 1 << 30


class LmEvalEngine:
    """An `Engine` over a model object of lm-eval that knows its tokens (a ``TemplateLM``).

    Greedy answers and log-probabilities only: how a backend samples is its own affair, and hangs on the batch.

    Example::

        LmEvalEngine(get_model("vllm")(pretrained="Qwen/Qwen2.5-7B-Instruct", batch_size="auto"))

    Args:
        lm: the model object.
        on_notice: told in one line when the batch had to be halved.

    Raises:
        InputError: the backend does not tell its tokens, so that too long prompts would be cut unseen.
    """

    def __init__(self, lm: Any, on_notice: Callable[[str], None] = lambda _: None) -> None:
        if not (hasattr(lm, "tok_encode") and hasattr(lm, "max_length") and hasattr(lm, "_loglikelihood_tokens")):
            raise InputError(
                f"engine: {type(lm).__name__} of lm-eval does not say how it tokenises, so prompts that are too long "
                "would be cut unseen; use auto, hf or vllm"
            )
        self.lm = lm
        self.on_notice = on_notice
        # Only our own HFLM shows the tokens that it generated.
        self._decoder = Decoder(lm.model, lm.tokenizer) if hasattr(lm, "last_tokens") else None

    @property
    def batch_size(self) -> Any:
        """Rows run together, as the backend has it: a number or ``auto``."""
        return getattr(self.lm, "batch_size", None)

    @property
    def context_length(self) -> int:
        """Longest prompt plus answer in tokens (an encoder-decoder has it for each of them; the sum is asked)."""
        return int(self.lm.max_length)

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` as a prompt."""
        return max(1, len(self.lm.tok_encode(text)))

    def encode(self, request: GenerationRequest | ScoringRequest) -> tuple[list[int], int]:
        """Token ids of ``request``, and how many of them are scored."""
        if isinstance(request, GenerationRequest):
            return list(self.lm.tok_encode(self._prompt(request))), 0
        context, answer = self._split(request)
        return [*context, *answer], len(answer)

    def generate(self, requests: Sequence[GenerationRequest], progress: Progress | None) -> list[Generation]:
        """Greedy answers, in the order of ``requests``.

        Exact for transformers models: all is read from the generated tokens. For other backends finish reason and
        ``new_tokens`` are inferred: an answer is ``stop`` if its text has fewer than ``max_new_tokens`` tokens, though
        one that was cut may come out shorter when it is tokenised again.

        Raises:
            InputError: a request has a temperature.
            EnvironmentFault: memory runs out even with one row at a time.
        """
        from lm_eval.api.instance import Instance

        if any(request.temperature > 0 for request in requests):
            raise InputError("engine: sampling (temperature above 0) is the harness engine's alone; ask greedily")
        instances = [
            Instance("generate_until", {}, (self._prompt(request), _arguments(request)), index)
            for index, request in enumerate(requests)
        ]
        hook = _Hook(self.lm, len(requests), progress)
        texts: list[str] = self._until_done(lambda: self.lm.generate_until(instances, disable_tqdm=True), hook)
        answers = []
        for request, instance, text in zip(requests, instances, texts, strict=True):
            prompt_tokens = self.count_tokens(instance.args[0])
            tokens = hook.tokens.get((instance.args[0], str(instance.args[1])))
            if self._decoder is not None and tokens:
                answers.append(_generation(self._decoder, tokens, request, prompt_tokens))
                continue
            count = len(self.lm.tok_encode(text, add_special_tokens=False)) if text else 0
            reason: FinishReason = "stop" if count < request.max_new_tokens else "length"
            answers.append(Generation(text, reason, prompt_tokens, min(count, request.max_new_tokens)))
        return answers

    def loglikelihood(self, requests: Sequence[ScoringRequest], progress: Progress | None) -> list[Scoring]:
        """Log-probabilities, in the order of ``requests``; split as `encode_pair` does.

        An encoder-decoder has the context in its encoder, and an end token in the place of an empty continuation.

        Raises:
            EnvironmentFault: memory runs out even with one row at a time.
        """
        pairs = [self._split(request) for request in requests]
        asked = [((r.context, r.continuation), *pair) for r, pair in zip(requests, pairs, strict=True)]
        hook = _Hook(self.lm, len(requests), progress)
        scores = self._until_done(lambda: self.lm._loglikelihood_tokens(asked, disable_tqdm=True), hook)
        return [
            Scoring(float(logprob), bool(greedy), len(answer), len(context))
            for (logprob, greedy), (context, answer) in zip(scores, pairs, strict=True)
        ]

    def loglikelihood_rolling(self, texts: Sequence[str], progress: Progress | None) -> list[float]:
        """Log-probability of each whole text in nats, by lm-eval's own windows.

        Raises:
            EnvironmentFault: memory runs out even with one row at a time.
        """
        from lm_eval.api.instance import Instance

        instances = [Instance("loglikelihood_rolling", {}, (text,), index) for index, text in enumerate(texts)]
        hook = _Hook(self.lm, len(texts), progress)
        scores = self._until_done(lambda: self.lm.loglikelihood_rolling(instances, disable_tqdm=True), hook)
        return [float(score) for score in scores]

    def _prompt(self, request: GenerationRequest) -> str:
        """The prompt; one without a token becomes the tokenizer's first (or else last) token."""
        if self.lm.tok_encode(request.prompt):
            return request.prompt
        return str(self.lm.tokenizer.decode([self.lm.prefix_token_id]))

    def _split(self, request: ScoringRequest) -> tuple[list[int], list[int]]:
        if getattr(self.lm, "backend", "causal") == "causal":
            whole, answer = encode_pair(self.lm.tokenizer, request.context, request.continuation)
            return whole[:-answer], whole[-answer:]
        if request.context:
            context, answer_tokens = self.lm._encode_pair(request.context, request.continuation)
        else:
            context, answer_tokens = [], self.lm.tok_encode(request.continuation, add_special_tokens=False)
        return context or [self.lm.prefix_token_id], answer_tokens or [self.lm.eot_token_id]

    def _until_done(self, work: Callable[[], Any], hook: _Hook) -> Any:
        """``work``, from the start again with half the batch when memory runs out."""
        import torch

        while True:
            hook.clear()
            try:
                with hook:
                    return work()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(error)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _halve(self, error: BaseException) -> None:
        size = getattr(self.lm, "batch_size_per_gpu", None)
        if not isinstance(size, int) or size == 1:
            raise EnvironmentFault(
                "out of memory with one item at a time; use a smaller model, qlora or shorter items"
            ) from error
        self.lm.batch_size_per_gpu = size // 2
        self.on_notice(f"out of memory: evaluation batch halved to {size // 2}")


def hugging_face(
    model: Any,
    tokenizer: Any,
    batch_size: int = PLAIN_ROWS,
    on_notice: Callable[[str], None] = lambda _: None,
) -> LmEvalEngine:
    """lm-eval's own engine around a transformers model in memory, causal or encoder-decoder."""
    from harness.evaluation.hflm import TokenHFLM

    length = context_length(model.config)
    lm = TokenHFLM(
        pretrained=model,
        backend="seq2seq" if getattr(model.config, "is_encoder_decoder", False) else "causal",
        tokenizer=tokenizer,
        max_length=None if length >= _UNLIMITED and model.config.is_encoder_decoder else length,
        batch_size=batch_size,
    )
    return LmEvalEngine(lm, on_notice)


def _arguments(request: GenerationRequest) -> dict[str, Any]:
    # lm-eval would take an empty stop string for one that every text contains.
    until = [stop for stop in request.until if stop]
    return {"until": until, "max_gen_toks": request.max_new_tokens, "do_sample": False}


def _generation(decoder: Decoder, tokens: Sequence[int], request: GenerationRequest, prompt_tokens: int) -> Generation:
    """The answer among generated ``tokens``: lm-eval's rows go on until all of a batch are done."""
    for count in range(1, len(tokens) + 1):
        outcome = decoder.finished(tokens[:count], request.until, request.max_new_tokens)
        if outcome is not None:
            return Generation(*outcome, prompt_tokens, count)
    text, _ = decoder.finished(tokens, request.until, len(tokens)) or ("", "length")
    return Generation(text, "length", prompt_tokens, len(tokens))


class _Hook:
    """Stands in for lm-eval's response cache, which backends tell of every result as it comes."""

    def __init__(self, lm: Any, total: int, progress: Progress | None) -> None:
        self._lm, self._total, self._progress = lm, total, progress
        self.clear()

    def clear(self) -> None:
        """Forget everything: the work begins again."""
        self._done = 0
        self.tokens: dict[tuple[str, str], list[int]] = {}

    def add_partial(self, kind: str, request: Any, result: Any) -> None:
        """Called by the backend: ``request`` is done. Just before, it has decoded the answer's tokens."""
        if kind == "generate_until" and getattr(self._lm, "last_tokens", None) is not None:
            self.tokens[request[0], str(request[1])] = self._lm.last_tokens
        self._done = min(self._done + 1, self._total)
        if self._progress is not None:
            self._progress(self._done, self._total)

    def __enter__(self) -> None:
        self._before = self._lm.cache_hook
        self._lm.cache_hook = self

    def __exit__(self, *_: object) -> None:
        self._lm.cache_hook = self._before
