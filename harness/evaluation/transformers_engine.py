"""Greedy decoding and scoring with a transformers causal model that is already in memory.

Two things set it apart from calling ``generate`` on each batch: the tokens that all prompts of a batch begin with
(a skill's instruction, the few-shot examples) are computed once, and rows that have finished leave the batch.
Answers are those of ``generate(do_sample=False)``; the tests compare them token by token.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from harness.evaluation.decoding import Decoder, context_length, encode_pair, encode_prompt, encode_request
from harness.evaluation.engine import Generation, GenerationRequest, Progress, Scoring, ScoringRequest
from harness.exceptions import EnvironmentFault, is_out_of_memory

if TYPE_CHECKING:
    import torch

_Result = TypeVar("_Result")
PLAIN_ROWS = 16
"""Rows decoded together at most where memory is not the limit: larger batches were slower on a CPU."""
_MIN_SHARED = 8  # a shorter common beginning is not worth a forward pass of its own


@dataclass(frozen=True)
class _Row:
    index: int  # position in the caller's list
    tokens: list[int]
    group: str
    answer: int = 0  # trailing tokens whose log-probability is asked (scoring only)


def shared_prefix(rows: Sequence[list[int]]) -> int:
    """Number of tokens with which all ``rows`` begin, one less than the shortest row at most."""
    low, high = min(rows), max(rows)  # lexicographic extremes share what all share
    limit = min(len(row) for row in rows) - 1
    count = 0
    while count < limit and low[count] == high[count]:
        count += 1
    return count


class TransformersEngine:
    """An `Engine` over one model and tokenizer.

    Args:
        model: a transformers causal language model (or a PEFT wrapper of one), in eval mode when called.
        tokenizer: its tokenizer.
        batch_size: rows decoded together; part of the measurement, so fixed within a run.
        on_notice: told in one line when the batch had to be halved.
    """

    def __init__(
        self, model: Any, tokenizer: Any, batch_size: int, on_notice: Callable[[str], None] = lambda _: None
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.on_notice = on_notice
        self._decoder = Decoder(model, tokenizer)
        ends = sorted(self._decoder.ends)
        self._pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else next(iter(ends), 0)

    @property
    def context_length(self) -> int:
        """Longest prompt plus answer in tokens."""
        return context_length(self.model.config)

    def count_tokens(self, text: str) -> int:
        """Tokens of ``text`` as a prompt."""
        return len(encode_prompt(self.tokenizer, text))

    def encode(self, request: GenerationRequest | ScoringRequest) -> tuple[list[int], int]:
        """Token ids of ``request``, and how many of them are scored."""
        return encode_request(self.tokenizer, request)

    def generate(self, requests: Sequence[GenerationRequest], progress: Progress | None) -> list[Generation]:
        """Greedy answers, in the order of ``requests``.

        Raises:
            EnvironmentFault: memory runs out even with one row at a time.
        """
        rows = [
            _Row(index, encode_prompt(self.tokenizer, request.prompt), request.group)
            for index, request in enumerate(requests)
        ]
        return self._run(
            rows, lambda batch, shared, prefix: self._generate_batch(batch, shared, prefix, requests), progress
        )

    def loglikelihood(self, requests: Sequence[ScoringRequest], progress: Progress | None) -> list[Scoring]:
        """Log-probabilities, in the order of ``requests``; split as `encode_pair` does.

        Raises:
            EnvironmentFault: memory runs out even with one row at a time.
        """
        rows = []
        for index, request in enumerate(requests):
            whole, answer = encode_pair(self.tokenizer, request.context, request.continuation)
            rows.append(_Row(index, whole, request.group, answer=answer))
        return self._run(rows, self._score_batch, progress)

    def _run(
        self, rows: list[_Row], work: Callable[[list[_Row], int, Any], list[_Result]], progress: Progress | None
    ) -> list[_Result]:
        """Work through ``rows``, from the start again with half the batch when memory runs out."""
        import torch

        groups: dict[str, list[_Row]] = {}
        for row in rows:
            groups.setdefault(row.group, []).append(row)
        while (results := self._pass(list(groups.values()), len(rows), work, progress)) is None:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return [results[index] for index in range(len(rows))]

    def _pass(
        self,
        groups: list[list[_Row]],
        total: int,
        work: Callable[[list[_Row], int, Any], list[_Result]],
        progress: Progress | None,
    ) -> dict[int, _Result] | None:
        """All rows at one batch size, which is part of the measurement; ``None`` when memory forced a smaller one."""
        import torch

        results: dict[int, _Result] = {}
        for group in groups:
            # Long rows first: if memory does not suffice, the first batch shows it.
            queue = sorted(group, key=lambda row: (-len(row.tokens), row.index))
            prefix = None
            while queue:
                batch = queue[: self.batch_size]
                try:
                    with torch.inference_mode():
                        prefix = prefix or self._prefix(group)
                        answers = work(batch, *prefix)
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error):
                        raise
                    self._halve(error)
                    return None
                results.update(zip((row.index for row in batch), answers, strict=True))
                del queue[: len(batch)]
                if progress is not None:
                    progress(len(results), total)
        return results

    def _halve(self, error: BaseException) -> None:
        if self.batch_size == 1:
            raise EnvironmentFault(
                "out of memory with one item at a time; use a smaller model, qlora or shorter items"
            ) from error
        self.batch_size //= 2
        self.on_notice(f"out of memory: evaluation batch halved to {self.batch_size}")

    def _prefix(self, group: Sequence[_Row]) -> tuple[int, Any]:
        """Length of the beginning that all rows of ``group`` share, and its key-value cache (batch of one)."""
        import torch
        from transformers import DynamicCache

        shared = shared_prefix([row.tokens for row in group])
        # Scored positions need logits, which the shared part does not give.
        shared = min(shared, *(len(row.tokens) - row.answer - 1 for row in group))
        if shared < _MIN_SHARED:
            return 0, None
        cache = DynamicCache(config=self.model.config)
        head = torch.tensor([group[0].tokens[:shared]], device=self.model.device)
        self.model(input_ids=head, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return shared, cache

    def _prefill(self, rows: list[_Row], shared: int, prefix: Any, keep: int) -> tuple[torch.Tensor, Any, torch.Tensor]:
        """Run the prompts; return logits of the last ``keep`` positions (b, keep, vocabulary), cache, mask (b, t)."""
        import torch
        from transformers import DynamicCache

        device = self.model.device
        cache = copy.deepcopy(prefix) if shared else DynamicCache(config=self.model.config)
        if shared:
            cache.batch_repeat_interleave(len(rows))
        rest = [row.tokens[shared:] for row in rows]
        width = max(len(row) for row in rest)
        ids = torch.tensor([[self._pad] * (width - len(row)) + row for row in rest], device=device)
        mask = torch.tensor([[1] * shared + [0] * (width - len(row)) + [1] * len(row) for row in rest], device=device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, shared:]  # (b, width)
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=keep,
        )
        return output.logits, cache, mask

    def _generate_batch(
        self, rows: list[_Row], shared: int, prefix: Any, requests: Sequence[GenerationRequest]
    ) -> list[Generation]:
        import torch

        logits, cache, mask = self._prefill(rows, shared, prefix, keep=1)
        alive = list(range(len(rows)))
        new: list[list[int]] = [[] for _ in rows]
        done: dict[int, Generation] = {}
        while alive:
            chosen = logits[:, -1].float().argmax(-1)  # (alive,)
            keep = []
            for place, (row, token) in enumerate(zip(alive, chosen.tolist(), strict=True)):
                new[row].append(token)
                request = requests[rows[row].index]
                finished = self._decoder.finished(new[row], request.until, request.max_new_tokens)
                if finished is None:
                    keep.append(place)
                else:
                    text, reason = finished
                    done[row] = Generation(text, reason, len(rows[row].tokens), len(new[row]))
            if not keep:
                break
            if len(keep) < len(alive):
                index = torch.tensor(keep, device=chosen.device)
                cache.batch_select_indices(index)
                mask, chosen = mask[index], chosen[index]
                alive = [alive[place] for place in keep]
            mask = torch.cat([mask, mask.new_ones(len(alive), 1)], dim=1)
            logits = self.model(
                input_ids=chosen[:, None],
                attention_mask=mask,
                position_ids=mask.sum(-1, keepdim=True) - 1,
                past_key_values=cache,
                use_cache=True,
            ).logits
        return [done[row] for row in range(len(rows))]

    def _score_batch(self, rows: list[_Row], shared: int, prefix: Any) -> list[Scoring]:
        import torch

        keep = max(row.answer for row in rows) + 1
        logits, _, _ = self._prefill(rows, shared, prefix, keep=keep)
        scores = []
        for place, row in enumerate(rows):
            # Left padding puts every row's answer at the end: position -k predicts token -k+1.
            window = logits[place, -row.answer - 1 : -1].float().log_softmax(-1)  # (answer, vocabulary)
            targets = torch.tensor(row.tokens[-row.answer :], device=window.device)
            picked = window.gather(1, targets[:, None]).sum()
            greedy = bool((window.argmax(-1) == targets).all())
            scores.append(Scoring(float(picked), greedy, row.answer, len(row.tokens) - row.answer))
        return scores
