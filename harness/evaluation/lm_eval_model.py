"""The pooled engine as a model of lm-eval: ``--model harness``.

It answers what ``--model hf`` answers (the tests compare them), with any model reference that the harness knows.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import model_registry, register_model
from lm_eval.models.utils import normalize_gen_kwargs, resolve_max_length
from tqdm import tqdm

from harness.evaluation.decoding import encode_prompt
from harness.evaluation.engine import GenerationRequest, Progress
from harness.evaluation.lm_eval_engine import PLAIN_ROWS, hugging_face
from harness.evaluation.pooled_check import answers_alike
from harness.evaluation.pooled_engine import PooledEngine
from harness.exceptions import InputError, did_you_mean
from harness.models.adapters import with_adapter
from harness.models.loading import load, plan
from harness.models.reference import EMBEDDED, resolve

_log = logging.getLogger(__name__)
BATCH_SIZE = 64
KNOWN = ("until", "max_gen_toks", "do_sample", "temperature", "top_k", "top_p", "seed")
"""Generation arguments that are obeyed; those of `NEUTRAL` are taken where they ask for nothing."""
NEUTRAL: dict[str, Any] = {"num_beams": 1, "num_return_sequences": 1, "repetition_penalty": 1.0, "use_cache": True}
MAX_GEN_TOKS = 256  # lm-eval's default, for tasks that do not say


class HarnessLM(TemplateLM):  # type: ignore[misc]  # lm-eval ships no types
    """A transformers model behind lm-eval's model interface, served by `PooledEngine`.

    Architectures that the engine cannot serve are served by lm-eval's own ``HFLM``, which is said once.

    Example::

        simple_evaluate(model="harness", model_args="pretrained=smollm2-135m-instruct", tasks=["helpdesk"])

    Args:
        pretrained: the embedded model's name, a local folder or a Hugging Face id.
        peft, adapter: folder of an adapter, or of a candidate that method ``sft`` trained; two names for one thing.
        dtype: ``float32``, ``bfloat16`` or ``float16``; ``auto`` chooses by the device.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; empty chooses.
        batch_size: most rows decoded together; ``auto`` is 64.
        max_batch_size: accepted since lm-eval passes it; without effect.
        max_length: tokens of prompt and answer; by default the model's own.
        quantisation: ``nf4`` or ``int8``; none by default.
        seed: of sampling, where the generation arguments give none.

    Raises:
        InputError, EnvironmentFault: an argument is unknown, the model or the adapter cannot be loaded.
    """

    def __init__(
        self,
        pretrained: str = EMBEDDED,
        peft: str | None = None,
        adapter: str | None = None,
        dtype: str | None = None,
        device: str | None = None,
        batch_size: int | str = BATCH_SIZE,
        max_batch_size: int | None = None,
        max_length: int | None = None,
        quantisation: str | None = None,
        seed: int = 0,
        **unknown: Any,
    ) -> None:
        super().__init__()
        if unknown:
            known = ("pretrained", "peft", "dtype", "device", "batch_size", "max_length", "quantisation", "seed")
            raise InputError(f"model harness: unknown argument '{min(unknown)}'.{did_you_mean(min(unknown), known)}")
        reference = resolve(str(pretrained))
        asked: Any = None if dtype in (None, "auto") else str(dtype)
        packed: Any = quantisation
        policy = plan(reference, None, device or None, dtype=asked, quantisation=packed)
        self.loaded = load(reference, policy)
        folder = peft or adapter
        self.model = with_adapter(self.loaded.model, Path(folder)) if folder else self.loaded.model
        self.tokenizer = self.loaded.tokenizer
        self._device = self.loaded.model.device
        self._max_length = int(max_length) if max_length else resolve_max_length(self.model.config, self.tokenizer)
        self._seed = int(seed)
        rows = BATCH_SIZE if str(batch_size).startswith("auto") else int(batch_size)
        self.engine = PooledEngine(self.model, self.tokenizer, rows, on_notice=_log.warning)
        self._plain: Any = None
        if not answers_alike(self.model):
            _log.warning("this architecture is served by lm-eval's own HFLM: slower, the same answers")
            self._plain = hugging_face(self.model, self.tokenizer, min(rows, PLAIN_ROWS)).lm
            self.backend = self._plain.backend

    @property
    def batch_size(self) -> int:
        """Most rows decoded together."""
        return self.engine.batch_size if self._plain is None else int(self._plain.batch_size)

    @property
    def eot_token_id(self) -> int:
        """The tokenizer's end token."""
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """What stands before a text that nothing precedes: the tokenizer's first token, or else its last."""
        bos = self.tokenizer.bos_token_id
        return self.eot_token_id if bos is None else int(bos)

    @property
    def max_length(self) -> int:
        """Longest prompt plus answer in tokens."""
        return self._max_length

    @property
    def max_gen_toks(self) -> int:
        """Limit of an answer where the task gives none."""
        return MAX_GEN_TOKS

    @property
    def tokenizer_name(self) -> str:
        """Names the tokenizer in lm-eval's request cache."""
        return str(self.tokenizer.name_or_path).replace("/", "__")

    def get_model_info(self) -> dict[str, Any]:
        """What lm-eval writes into its results of the model."""
        return {
            "model_num_parameters": self.model.num_parameters(),
            "model_dtype": str(self.loaded.policy.dtype),
            "model_revision": "",
            "model_sha": self.loaded.weights_sha256,
        }

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Token ids; the tokenizer's own special tokens unless the text begins with one or ``False`` is given."""
        if add_special_tokens is None:
            add_special_tokens = not string.startswith(self.tokenizer.decode([self.prefix_token_id]))
        return list(self.tokenizer.encode(string, add_special_tokens=add_special_tokens))

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Messages as a prompt; where the template knows no system role, without the system's message, as ``hf``."""
        import jinja2

        def render(messages: list[dict[str, str]]) -> str:
            return str(
                self.tokenizer.apply_chat_template(
                    messages,
                    tokenize=False,
                    add_generation_prompt=add_generation_prompt,
                    continue_final_message=not add_generation_prompt,
                )
            )

        try:
            return render(chat_history)
        except jinja2.exceptions.TemplateError:
            _log.warning("the chat template refuses the messages; the system's is left out")
            return render([message for message in chat_history if message["role"] != "system"])

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Answers; a prompt that leaves no room for its answer loses its beginning, as with ``hf``, and it is said.

        Raises:
            InputError: a generation argument that would change the answer is not known.
        """
        if self._plain is not None:
            return list(self._plain.generate_until(requests, disable_tqdm=disable_tqdm))
        seen: Counter[str] = Counter()
        asked, prompts, cut = [], [], 0
        for context, arguments in (instance.args for instance in requests):
            # Copies of one request (a task's `repeats`) are samples of their own.
            key = f"{context}\0{sorted(map(str, arguments.items()))}"
            request = generation_request(context, arguments, self._seed, seen[key])
            seen[key] += 1
            room = self.max_length - request.max_new_tokens
            if room < 1:
                raise InputError(
                    f"max_gen_toks {request.max_new_tokens}: leaves no room for a prompt in {self.max_length} tokens"
                )
            tokens = encode_prompt(self.tokenizer, context)
            cut += len(tokens) > room
            asked.append(request)
            prompts.append(tokens[-room:])
        if cut:
            _log.warning("%d prompts are longer than the context allows: their beginnings are cut off", cut)
        with _bar(len(asked), "Running generate_until requests", disable_tqdm) as bar:
            answers = self.engine.continue_tokens(prompts, asked, _steps(bar))
        for instance, answer in zip(requests, answers, strict=True):
            self.cache_hook.add_partial("generate_until", instance.args, answer.text)
        return [answer.text for answer in answers]

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """Log-probability of each whole text in nats, windowed as ``hf`` windows it."""
        if self._plain is not None:
            return list(self._plain.loglikelihood_rolling(requests, disable_tqdm=disable_tqdm))
        texts = [instance.args[0] for instance in requests]
        with _bar(None, "Running loglikelihood_rolling requests", disable_tqdm) as bar:
            totals = self.engine.loglikelihood_rolling(texts, _steps(bar), self.max_length)
        for text, total in zip(texts, totals, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", (text,), total)
        return totals

    def _loglikelihood_tokens(
        self, requests: Sequence[Any], disable_tqdm: bool = False, **_: Any
    ) -> list[tuple[float, bool]]:
        if self._plain is not None:
            return list(self._plain._loglikelihood_tokens(requests, disable_tqdm=disable_tqdm))
        pairs, cut = [], 0
        for _key, context, continuation in requests:
            # The last token is predicted, not fed: a pair may have one token more than the context.
            room = max(1, self.max_length + 1 - len(continuation))
            cut += len(context) > room
            pairs.append((context[-room:], continuation))
        if cut:
            _log.warning("%d contexts are longer than the model's allows: their beginnings are cut off", cut)
        with _bar(len(pairs), "Running loglikelihood requests", disable_tqdm) as bar:
            scores = self.engine.score_tokens(pairs, _steps(bar))
        answers = [(score.logprob, score.is_greedy) for score in scores]
        for (key, _context, _continuation), answer in zip(requests, answers, strict=True):
            if key is not None:
                self.cache_hook.add_partial("loglikelihood", key, answer)
        return answers


def generation_request(context: str, arguments: dict[str, Any], seed: int = 0, sample: int = 0) -> GenerationRequest:
    """lm-eval's generation arguments as a request.

    Args:
        seed: where ``arguments`` have none.
        sample: which copy of the request this is.

    Raises:
        InputError: an argument that would change the answer is not known, or a value is out of its range.
    """
    given = normalize_gen_kwargs(arguments, MAX_GEN_TOKS)
    for name in sorted(set(given) - set(KNOWN)):
        if name not in NEUTRAL or given[name] not in (NEUTRAL[name], None):
            raise InputError(
                f"generation argument '{name}' ({given[name]!r}) is not known to model harness, which knows "
                f"{', '.join(KNOWN)}; leave it out, or use --model hf"
            )
    temperature = float(given.get("temperature") or 0.0)
    if given.get("do_sample") and not temperature:
        raise InputError("generation argument 'do_sample' is true without a temperature above 0; give one")
    return GenerationRequest(
        context,
        tuple(str(stop) for stop in given.get("until") or ()),
        int(given["max_gen_toks"]),
        temperature=temperature,
        top_k=int(given.get("top_k") or 0),
        top_p=1.0 if given.get("top_p") is None else float(given["top_p"]),
        seed=int(seed if given.get("seed") is None else given["seed"]),
        sample=sample,
    )


def _bar(total: int | None, what: str, hidden: bool) -> Any:
    return tqdm(total=total, desc=what, disable=hidden)


def _steps(bar: Any) -> Progress:
    def step(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return step


if "harness" not in model_registry:  # an lm-eval that reads entry points knows it already
    register_model("harness")(HarnessLM)
