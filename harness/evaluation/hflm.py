"""lm-eval's ``HFLM`` as the harness uses it: plainly greedy, tokens kept, encoder-decoders held to their limits."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from lm_eval.models.huggingface import HFLM

from harness.evaluation.decoding import Decoder


class TokenHFLM(HFLM):  # type: ignore[misc]  # lm-eval ships no types
    """``HFLM`` around a model in memory.

    Attributes:
        last_tokens: what was generated for the answer decoded last, padding and what follows a stop string included.
    """

    last_tokens: list[int] | None = None
    logits_cache: bool

    def __init__(self, **options: Any) -> None:
        logger = logging.getLogger("lm_eval.models.huggingface")
        level = logger.level
        logger.setLevel(logging.ERROR)  # it warns of a model in memory as such
        try:
            super().__init__(**options)
        finally:
            logger.setLevel(level)

    def tok_decode(self, tokens: Any, skip_special_tokens: bool = True) -> Any:
        """Text of ``tokens``; ids of a generated row are remembered."""
        if isinstance(tokens, list):
            # An encoder-decoder's row begins with the token that starts its decoder.
            self.last_tokens = tokens[1:] if self.backend == "seq2seq" else tokens
        return super().tok_decode(tokens, skip_special_tokens)

    def tok_batch_encode(
        self,
        strings: list[str],
        padding_side: str = "left",
        left_truncate_len: int | None = None,
        truncation: bool = False,
    ) -> Any:
        """As ``HFLM``, but an encoder's prompts are padded on the right: learned positions count from the left."""
        if self.backend == "seq2seq":
            ids, mask = super().tok_batch_encode(strings, "right", None, truncation)
            if not left_truncate_len or ids.shape[1] <= left_truncate_len:
                return ids, mask
        return super().tok_batch_encode(strings, padding_side, left_truncate_len, truncation)

    def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> Any:
        """As ``HFLM``, without its cache of logits.

        Two windows of repeated text can hold the same tokens split in different places; the cache (lm-eval 0.4.13) then
        reads the shorter one's log-probabilities from the wrong positions.
        """
        before, self.logits_cache = self.logits_cache, False
        try:
            return super().loglikelihood_rolling(requests, disable_tqdm=disable_tqdm)
        finally:
            self.logits_cache = before

    def _model_generate(self, context: Any, max_length: int, stop: list[str], **options: Any) -> Any:
        if self.backend == "seq2seq":  # HFLM adds the length of the encoder's prompt, which the decoder has not
            max_length = max_length - context.shape[1] + 1
        if options.get("do_sample"):
            return super()._model_generate(context, max_length, stop, **options)
        with _plain_greedy(self.model, self.tokenizer):
            return super()._model_generate(context, max_length, stop, **options)


@contextlib.contextmanager
def _plain_greedy(model: Any, tokenizer: Any) -> Iterator[None]:
    """Set the model's own defaults aside (beams, repetition penalties) while it generates.

    A checkpoint may bring a penalty along that ``do_sample=False`` leaves in force, which is not what greedy means.
    """
    from transformers import GenerationConfig

    own = model.generation_config
    kept = ("bos_token_id", "pad_token_id", "decoder_start_token_id", "forced_bos_token_id")
    ends = sorted(Decoder(model, tokenizer).ends)
    make: Any = GenerationConfig
    plain = make(eos_token_id=ends, **{name: getattr(own, name, None) for name in kept})
    # peft writes its wrapper's configuration into the model within.
    holders = [model, *([model.get_base_model()] if hasattr(model, "get_base_model") else [])]
    try:
        for holder in holders:
            holder.generation_config = plain
        yield
    finally:
        for holder in holders:
            holder.generation_config = own
