"""Drawing tokens at random, so that a request's answer hangs on its seed and not on its neighbours in the batch.

A token is the argmax over the scaled logits plus Gumbel noise, which draws from their softmax (Gumbel 1954; Maddison,
Tarlow and Minka 2014, "A* Sampling"). The noise comes from a counter-based generator (Philox, Salmon et al. 2011) keyed
by seed, sample number and prompt, its counter the place in the answer: no draw depends on another. Models that differ
little thus draw alike, which makes their sampled answers comparable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from harness.evaluation.engine import GenerationRequest


class Sampler:
    """Draws the tokens of one answer.

    Args:
        request: its temperature (above 0), ``top_k``, ``top_p``, ``seed`` and ``sample``.
        prompt: token ids of the prompt.
    """

    def __init__(self, request: GenerationRequest, prompt: Sequence[int]) -> None:
        self._temperature, self._top_k, self._top_p = request.temperature, request.top_k, request.top_p
        digest = hashlib.sha256(f"{request.seed}\0{request.sample}\0".encode())
        digest.update(np.asarray(prompt, dtype="<i8").tobytes())
        self._key = np.frombuffer(digest.digest()[:16], dtype="<u8")

    def noise(self, step: int, size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """Gumbel noise (size,) for the ``step``-th token of the answer, the same whenever it is asked for."""
        # Raw output is what numpy promises to keep from version to version; the step takes the counter's top word.
        raw = np.random.Philox(key=self._key, counter=step << 192).random_raw(size)
        uniform = (raw >> 11).astype(np.float64) * 2.0**-53 + 2.0**-54  # within (0, 1)
        uniform = np.minimum(uniform, 1 - 2.0**-53)  # the last one rounds to 1
        return (-np.log(-np.log(uniform))).astype(np.float32)

    def scaled(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits (vocabulary,) over the temperature; -inf for what ``top_k``, then ``top_p`` leave out."""
        scaled = (logits - logits.max()) / self._temperature  # the likeliest at 0, so that nothing overflows
        if 0 < self._top_k < len(scaled):
            scaled = scaled.masked_fill(scaled < scaled.topk(self._top_k).values[-1], float("-inf"))
        if self._top_p < 1:
            ordered, places = scaled.softmax(-1).sort(descending=True)
            beyond = ordered.cumsum(-1) - ordered >= self._top_p  # the token that crosses the line stays
            scaled = scaled.masked_fill(torch.zeros_like(beyond).scatter(0, places, beyond), float("-inf"))
        return scaled


def sampler(request: GenerationRequest, prompt: Sequence[int]) -> Sampler | None:
    """The sampler of a request; ``None`` where its answer is greedy."""
    return Sampler(request, prompt) if request.temperature > 0 else None


def choose(logits: torch.Tensor, samplers: Sequence[Sampler | None], steps: Sequence[int]) -> list[int]:
    """The next token of each row.

    Args:
        logits: (rows, vocabulary), float32.
        samplers: one a row; ``None`` takes the likeliest token.
        steps: tokens that each row's answer has so far.
    """
    picked = logits.argmax(-1)
    drawn = [(place, one) for place, one in enumerate(samplers) if one is not None]
    if drawn:
        scaled = torch.stack([one.scaled(logits[place]) for place, one in drawn])
        noise = np.stack([one.noise(steps[place], logits.shape[1]) for place, one in drawn])
        places = torch.tensor([place for place, _ in drawn], device=logits.device)
        picked[places] = (scaled + torch.from_numpy(noise).to(scaled.device)).argmax(-1)
    return [int(token) for token in picked.tolist()]
