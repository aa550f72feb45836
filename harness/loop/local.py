"""The real `Workbench`: one transformers model in this process, evaluated and trained in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.evaluation.cache import ResponseCache
from harness.evaluation.cached_engine import CachedEngine
from harness.evaluation.decoding import context_length
from harness.evaluation.domain import ChatTemplate
from harness.evaluation.engine import ANSWERS_DEPEND_ON, Engine
from harness.evaluation.lm_eval_engine import PLAIN_ROWS, hugging_face
from harness.evaluation.pooled_check import answers_alike
from harness.evaluation.pooled_engine import CHUNK, PooledEngine
from harness.exceptions import InputError
from harness.loop.backends import OURS, Backend
from harness.models.allocator import freed_memory_goes_back, hand_back_freed_memory
from harness.models.arithmetic import Arithmetic, measured
from harness.models.chat import chat_template_of
from harness.models.fingerprint import adapter_hash, fingerprint
from harness.models.loading import LoadedModel
from harness.models.session import ModelSession
from harness.training.contract import Example, Start, TrainProgress, TrainResult, Workplace
from harness.training.recipe import Recipe
from harness.training.registry import ForeignTrainer, make_trainer


class LocalWorkbench:
    """A `Workbench` over a loaded model.

    Args:
        loaded: model, tokenizer and how they were loaded; ``policy.method`` says how it is trained.
        recipe: its LoRA shape is built in, and its trainer.
        batch_size: items evaluated together.
        seed: initialises fresh adapters.
        on_notice: told when memory forced a smaller batch.
        engine: what evaluates: ``auto`` (the pooled engine where it fits the model), ``harness`` (that one or none),
            ``hf`` or another of lm-eval's model names.
        cache: keeps answers and gives them again; ``None`` asks the model each time. Other backends are always asked.

    Raises:
        InputError, EnvironmentFault: the engine does not fit the model, is unknown or not installed; the recipe's
            trainer is unknown or broken.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        recipe: Recipe,
        batch_size: int,
        seed: int,
        on_notice: Callable[[str], None],
        engine: str = "auto",
        cache: ResponseCache | None = None,
    ) -> None:
        self._loaded, self._recipe = loaded, recipe
        self._cache = cache
        self._base_scope = fingerprint(loaded, ANSWERS_DEPEND_ON) if cache else {}
        self._lora = asdict(recipe.lora)  # its alpha scales the adapter, and is not in the file that is hashed
        self._trained: dict[str, Any] | None = {}  # the active weights beside the base; None: not known by a hash
        self._method = loaded.policy.method or "lora"
        self._session = ModelSession(loaded.model, self._method, asdict(recipe.lora), seed)
        self._on_notice = on_notice
        self._batch_size, self._chunk = batch_size, CHUNK
        self._backend = None
        if engine not in OURS:
            self._backend = Backend(engine, loaded, self._method, recipe.lora.rank, batch_size, on_notice)
        self._plain = engine == "hf"
        self._pooled = answers_alike(loaded.model)
        if not self._pooled:
            if engine == "harness":
                raise InputError("engine 'harness': cannot serve this architecture; use auto")
            if self._backend is None and not self._plain:
                on_notice("lm-eval's own engine evaluates this architecture: slower, the same answers")
        length = context_length(loaded.model.config)
        workplace = Workplace(self._session, loaded.tokenizer, length, on_notice, self._pooled)
        self._trainer = make_trainer(recipe.trainer, workplace)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Reference, hash of the base weights, dtype, quantisation, method, device kind, dtype of frozen products."""
        policy = self._loaded.policy
        return {
            "reference": self._loaded.reference.name,
            "weights_sha256": self._loaded.weights_sha256,
            "device": policy.device.partition(":")[0],
            "dtype": policy.dtype,
            "quantisation": policy.quantisation,
            "method": self._method,
            "products": self._trainer.products(self._recipe.optimiser),
            "chat_template": self._loaded.chat_template,
            **({"trainer": self._trainer.identity} if isinstance(self._trainer, ForeignTrainer) else {}),
        }

    @property
    def chat_template(self) -> ChatTemplate | None:
        """The tokenizer's own template, called as lm-eval calls it; ``None`` where it has none."""
        return chat_template_of(self._loaded.tokenizer)

    def activate(self, adapter: Path | None) -> None:
        """Swap the trained weights in ``adapter`` in; ``None`` restores the base."""
        if adapter != self._session.active or adapter is None:
            self._trained = None
            self._session.activate(adapter)
        if self._cache is not None and self._trained is None:
            lora = {"method": self._method, "lora": self._lora}
            self._trained = {} if adapter is None else {"adapter": adapter_hash(adapter), **lora}

    @contextmanager
    def asking(self) -> Iterator[Engine]:
        """The engine over the active weights, behind the cache; what memory halved stays halved."""
        if self._backend is not None:
            yield self._backend.engine(self._session.active)
            return
        try:
            with self._engine() as engine:
                if self._cache is None or self._trained is None:
                    yield engine
                    return
                scope = {"base": self._base_scope, "trained": self._trained}
                loaded = self._loaded
                yield CachedEngine(engine, self._cache, scope, loaded.weights_sha256, loaded.reference.name)
        finally:
            hand_back_freed_memory()

    @contextmanager
    def _engine(self) -> Iterator[Engine]:
        with self._session.evaluating() as model:
            tokenizer = self._loaded.tokenizer
            if self._plain or not self._pooled:
                plain = hugging_face(model, tokenizer, min(self._batch_size, PLAIN_ROWS), self._on_notice)
                try:
                    yield plain
                finally:
                    self._batch_size = plain.batch_size
                return
            pooled = PooledEngine(model, tokenizer, self._batch_size, self._chunk, self._on_notice)
            try:
                yield pooled
            finally:
                self._batch_size, self._chunk = pooled.batch_size, pooled.chunk

    def arithmetic(self) -> Arithmetic | None:
        """Operations of a token and what this machine can do, measured now; ``None`` where that cannot be told."""
        return measured(self._session.model, self._method, self._loaded.policy.dtype)

    def train(
        self,
        examples: Sequence[Example],
        recipe: Recipe,
        start: Start,
        out_dir: Path,
        seed: int,
        progress: TrainProgress | None,
    ) -> TrainResult:
        """Train through the recipe's trainer and leave the candidate active.

        Raises:
            InputError: an encoder-decoder, or an engine that could not evaluate the candidate.
        """
        if self._loaded.model.config.is_encoder_decoder:
            raise InputError(
                f"model '{self._loaded.reference.name}': encoder-decoder models are evaluated here, not trained; "
                "take a causal one to train"
            )
        if self._backend is not None:
            self._backend.check_trainable()
        self._trained = None  # until it is activated from its file, which has a hash
        # Layers in few operations free little between what they keep, and are quicker with what was freed at hand.
        few = self._method == "lora" and self._session.runs_few_operations
        try:
            with nullcontext() if few or self._loaded.policy.device != "cpu" else freed_memory_goes_back():
                return self._trainer.train(examples, recipe, start, out_dir, seed, progress)
        finally:
            hand_back_freed_memory()
