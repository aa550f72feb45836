"""The fast engine: decoding and scoring where a set of prompts is one piece of work.

Long beginnings that prompts share are computed once (`harness.evaluation.prefix`); prompts are run packed, without
padding, in chunks that stay within the processor's caches; rows that have finished leave, and waiting ones take their
slots. Answers are those of decoding one row at a time, but for ties within rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch

from harness.evaluation.decoding import Decoder, context_length, encode_pair, encode_prompt, encode_request, windows
from harness.evaluation.engine import Generation, GenerationRequest, Progress, Scoring, ScoringRequest
from harness.evaluation.pooled_attention import Decode, Prefill, Slots, TrunkCache, forward
from harness.evaluation.pooled_passes import HeldTrunks, admit, lay_out
from harness.evaluation.prefix import Row, Segment, Trunk, segments, trunks
from harness.evaluation.sampling import Sampler, choose, sampler
from harness.exceptions import EnvironmentFault, is_out_of_memory

_Result = TypeVar("_Result")
_Finished = Callable[[int, _Result], None]
CHUNK = 2_048
"""Tokens of prompts run together: beyond 2,500 a CPU spends its time on memory."""
_LEAST_CHUNK = 64
_SEGMENT = 256  # tokens that attend to one another in one product; larger ones waste work on what they may not see
_SLOT_TOKENS = 32_768  # tokens for which slots are held at most, where more than one row fits
_SCORED = 512  # positions whose logits are held at a time, where more than one segment fits
_PART = 1_024  # positions of one continuation scored at a time


@dataclass
class _Live:
    """A row that is being decoded; its place in the list of live rows is its slot."""

    row: Row
    trunk: TrunkCache
    length: int  # tokens in its slot
    sampler: Sampler | None
    new: list[int] = field(default_factory=list)


class PooledEngine:
    """An `Engine` over one causal model of transformers that `answers_alike` accepts.

    Args:
        model: a causal language model, or a PEFT wrapper of one.
        tokenizer: its tokenizer.
        batch_size: most rows decoded together.
        chunk: tokens of prompts run together.
        on_notice: told in one line when memory forced smaller numbers.
        drafts: whether requests' drafts are tried; by default where a decoding step is bound by memory and not by
            arithmetic, which is on a GPU (on a CPU they brought nothing, docs/log.md).
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        batch_size: int = 64,
        chunk: int = CHUNK,
        on_notice: Callable[[str], None] = lambda _: None,
        drafts: bool | None = None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.chunk = chunk
        self.on_notice = on_notice
        self.drafts = torch.device(model.device).type != "cpu" if drafts is None else drafts
        self._decoder = Decoder(model, tokenizer)

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
        """Answers, in the order of ``requests``.

        Raises:
            EnvironmentFault: memory runs out even with one row at a time.
        """
        return self.continue_tokens([encode_prompt(self.tokenizer, r.prompt) for r in requests], requests, progress)

    def continue_tokens(
        self, prompts: Sequence[Sequence[int]], requests: Sequence[GenerationRequest], progress: Progress | None
    ) -> list[Generation]:
        """`generate` with the ``requests``' prompts as token ids, at least one each."""
        rows = [
            Row(index, (*prompt, *self._draft(request)), len(prompt) - 1)
            for index, (prompt, request) in enumerate(zip(prompts, requests, strict=True))
        ]
        return self._until_done(rows, lambda finished: self._decode_all(rows, requests, finished), progress)

    def loglikelihood(self, requests: Sequence[ScoringRequest], progress: Progress | None) -> list[Scoring]:
        """Log-probabilities, in the order of ``requests``; split as `encode_pair` does.

        Raises:
            EnvironmentFault: memory runs out even with one row at a time.
        """
        pairs = []
        for request in requests:
            whole, answer = encode_pair(self.tokenizer, request.context, request.continuation)
            pairs.append((whole[:-answer], whole[-answer:]))
        return self.score_tokens(pairs, progress)

    def loglikelihood_rolling(
        self, texts: Sequence[str], progress: Progress | None, max_length: int | None = None
    ) -> list[float]:
        """Log-probability of each whole text in nats, as lm-eval's HFLM takes it.

        Texts longer than the context are cut into windows, each token predicted once; the first follows the
        tokenizer's first (or else last) token. All windows of all texts are scored together.

        Args:
            max_length: tokens of a window; by default the context length.

        Raises:
            EnvironmentFault: memory runs out even with one row at a time.
        """
        owners, pairs = windows(self.tokenizer, texts, max_length or self.context_length)
        totals = [0.0] * len(texts)
        for owner, score in zip(owners, self.score_tokens(pairs, progress), strict=True):
            totals[owner] += score.logprob
        return totals

    def score_tokens(
        self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], progress: Progress | None
    ) -> list[Scoring]:
        """Log-probabilities of continuations as token ids.

        Args:
            pairs: (context, continuation), the context at least one token. The last token of a pair is predicted but
                never fed, so a pair may have one token more than the model's context.

        Raises:
            EnvironmentFault: memory runs out even with one row at a time.
        """
        rows: list[Row] = []
        targets: list[Sequence[int]] = []
        owners: list[int] = []
        for owner, (context, continuation) in enumerate(pairs):
            whole = (*context, *continuation)
            # A part at a time, so that logits of one part only are held; what stands before a part becomes a trunk.
            for start in range(len(context), len(whole), _PART):
                stop = min(start + _PART, len(whole))
                rows.append(Row(len(rows), whole[: stop - 1], start - 1))
                targets.append(whole[start:stop])
                owners.append(owner)
        parts: list[tuple[float, bool]] = self._until_done(
            rows, lambda finished: self._score_all(rows, targets, finished), progress
        )
        scores = [Scoring(0.0, True, len(answer), len(context)) for context, answer in pairs]
        for owner, (logprob, greedy) in zip(owners, parts, strict=True):
            one = scores[owner]
            scores[owner] = replace(one, logprob=one.logprob + logprob, is_greedy=one.is_greedy and greedy)
        return scores

    def _until_done(
        self, rows: list[Row], work: Callable[[_Finished[_Result]], None], progress: Progress | None
    ) -> list[_Result]:
        """The results of ``work``, which is done again with half the rows and tokens when memory runs out.

        From the start again, since the sizes are part of the measurement.
        """
        while True:
            done: dict[int, _Result] = {}

            def finished(index: int, result: _Result, done: dict[int, _Result] = done) -> None:
                done[index] = result
                if progress is not None:
                    progress(len(done), len(rows))

            try:
                with torch.inference_mode():
                    work(finished)
                return [done[index] for index in range(len(rows))]
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(error)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _halve(self, error: BaseException) -> None:
        if self.batch_size == 1 and self.chunk <= _LEAST_CHUNK:
            raise EnvironmentFault(
                "out of memory with one item at a time; use a smaller model, qlora or shorter items"
            ) from error
        self.batch_size = max(1, self.batch_size // 2)
        self.chunk = max(_LEAST_CHUNK, self.chunk // 2)
        self.on_notice(f"out of memory: evaluation batch halved to {self.batch_size}")

    # Answers

    def _draft(self, request: GenerationRequest) -> list[int]:
        """Tokens to try as the request's answer, one fewer than it may have; none where they would not pay."""
        if not self.drafts or not request.draft or request.temperature > 0:
            return []
        # A long hint costs before it is known to be wrong.
        text = request.draft[: 8 * request.max_new_tokens].encode("utf-8", "ignore").decode()  # no lone surrogates
        tokens = self.tokenizer.encode(text, add_special_tokens=False)
        return [*tokens, self.tokenizer.eos_token_id][: request.max_new_tokens - 1]

    def _decode_all(
        self, rows: list[Row], requests: Sequence[GenerationRequest], finished: _Finished[Generation]
    ) -> None:
        # Long answers first, so that short ones come and go beside them.
        plan = sorted(
            self._plan(rows), key=lambda trunk: -max(requests[row.index].max_new_tokens for row in trunk.rows)
        )
        below = [(row, row.shareable + 1 - len(trunk.tokens)) for trunk in plan for row in trunk.rows]
        need = max((own + requests[row.index].max_new_tokens for row, own in below), default=1)
        count = max(1, min(len(rows), self.batch_size, _SLOT_TOKENS // need))
        slots = Slots(count, need)
        caches = HeldTrunks(self.model, self.chunk)
        queue = self._queue(plan, count)
        live: list[_Live] = []
        while queue or live:
            if queue and count - len(live) >= count // 4:
                chosen = admit(queue, self.chunk, count - len(live), lambda segment: len(segment.rows))
                if chosen:
                    live += self._enter(chosen, caches, slots, len(live), requests)
                    self._leave(live, slots, requests, finished)
                    continue
            run = Decode(slots, [one.length for one in live], [one.trunk for one in live], self.model.device)
            tokens = [one.new[-1] for one in live]
            positions = [one.trunk.length + one.length for one in live]
            logits = forward(self.model, run, tokens, positions, range(len(live)))
            picked = choose(logits, [one.sampler for one in live], [len(one.new) for one in live])
            for one, token in zip(live, picked, strict=True):
                one.length += 1
                one.new.append(token)
            self._leave(live, slots, requests, finished)

    def _enter(
        self,
        chosen: Sequence[tuple[Trunk, Segment]],
        caches: HeldTrunks,
        slots: Slots,
        first: int,
        requests: Sequence[GenerationRequest],
    ) -> list[_Live]:
        """Run prompts and drafts into the slots from ``first`` on; each row gets what it would have decoded.

        A draft is right as far as each of its tokens is the likeliest after those before it; the first that is not is
        replaced by the likeliest, and decoding goes on from there (Leviathan et al. 2023, arXiv:2211.17192, at
        temperature 0).
        """
        blocks, tokens, positions = lay_out(chosen, caches, first)
        rows = [
            (row, block, path)
            for block, (_, segment) in zip(blocks, chosen, strict=True)
            for row, path in zip(segment.rows, segment.paths, strict=True)
        ]
        drafts = [row.tokens[row.shareable + 1 :] for row, _, _ in rows]
        # From the last token of the prompt on, each predicts the next one.
        keep = [
            block.start + place
            for (_, block, path), draft in zip(rows, drafts, strict=True)
            for place in path[len(path) - len(draft) - 1 :]
        ]
        logits = forward(self.model, Prefill(blocks, slots), tokens, positions, keep)
        samplers = [sampler(requests[row.index], row.tokens) for row, _, _ in rows]
        spread = [one for one, draft in zip(samplers, drafts, strict=True) for _ in range(len(draft) + 1)]
        picked = iter(choose(logits, spread, [0] * len(spread)))
        live = []
        for (row, block, path), draft, own in zip(rows, drafts, samplers, strict=True):
            likeliest = [next(picked) for _ in range(len(draft) + 1)]
            request = requests[row.index]
            new = likeliest[:1]
            for token, after in zip(draft, likeliest[1:], strict=True):
                if token != new[-1] or self._decoder.finished(new, request.until, request.max_new_tokens):
                    break
                new.append(after)
            live.append(_Live(row, block.trunk, len(path) - len(draft) + len(new) - 1, own, new))
        return live

    def _leave(
        self,
        live: list[_Live],
        slots: Slots,
        requests: Sequence[GenerationRequest],
        finished: _Finished[Generation],
    ) -> None:
        """Take finished rows out; the last ones move into their slots."""
        for place in range(len(live) - 1, -1, -1):
            one = live[place]
            request = requests[one.row.index]
            outcome = self._decoder.finished(one.new, request.until, request.max_new_tokens)
            if outcome is None:
                continue
            text, reason = outcome
            last = live.pop()
            if last is not one:
                slots.move(len(live), place, last.length)
                live[place] = last
            finished(one.row.index, Generation(text, reason, one.row.shareable + 1, len(one.new)))

    # Scores

    def _score_all(
        self, rows: list[Row], targets: Sequence[Sequence[int]], finished: _Finished[tuple[float, bool]]
    ) -> None:
        """Log-probabilities of ``targets``: a row's last tokens predict them, one each."""
        queue = self._queue(self._plan(rows), None)
        caches = HeldTrunks(self.model, self.chunk)
        while queue:
            chosen = admit(
                queue, self.chunk, _SCORED, lambda segment: sum(len(targets[row.index]) for row in segment.rows)
            )
            chosen = chosen or [queue.pop()]
            blocks, tokens, positions = lay_out(chosen, caches, None)
            places = [
                [block.start + place for place in path[-len(targets[row.index]) :]]
                for block, (_, segment) in zip(blocks, chosen, strict=True)
                for row, path in zip(segment.rows, segment.paths, strict=True)
            ]
            keep = sorted({place for path in places for place in path})
            at = {place: number for number, place in enumerate(keep)}
            logprobs = forward(self.model, Prefill(blocks), tokens, positions, keep).log_softmax(-1)
            for row, path in zip((row for _, segment in chosen for row in segment.rows), places, strict=True):
                own = logprobs[[at[place] for place in path]]  # (targets, vocabulary)
                answer = torch.tensor(targets[row.index], device=own.device)
                score = float(own.gather(1, answer[:, None]).sum())
                finished(row.index, (score, bool((own.argmax(-1) == answer).all())))

    # Prompts

    def _plan(self, rows: list[Row]) -> Iterator[Trunk]:
        """Trunks with their rows; a row with more than a chunk below its trunk gets one of its own, run in parts."""
        for trunk in trunks(rows):
            depth = len(trunk.tokens)
            short = tuple(row for row in trunk.rows if len(row.tokens) - depth <= self.chunk)
            if short:
                yield Trunk(trunk.tokens, short, trunk.parent)
            above = Trunk(trunk.tokens, (), trunk.parent) if trunk.tokens else None
            for row in trunk.rows:
                if len(row.tokens) - depth > self.chunk:
                    yield Trunk(row.tokens[: row.shareable], (row,), above)

    def _queue(self, plan: Iterable[Trunk], most: int | None) -> list[tuple[Trunk, Segment]]:
        """All segments, the first one last, with ``most`` rows at most."""
        size = min(_SEGMENT, self.chunk)
        return [(trunk, segment) for trunk in plan for segment in segments(trunk, size, most)][::-1]
