"""Other backends of lm-eval as engines of the loop, by their lm-eval names: ``--engine vllm``.

Training stays in this process; the backend evaluates. vllm takes a candidate's LoRA adapter by its own support, with
the base loaded once. The other backends evaluate the base alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.evaluation.lm_eval_engine import LmEvalEngine
from harness.exceptions import EnvironmentFault, HarnessError, InputError, did_you_mean
from harness.models.loading import LoadedModel
from harness.models.session import weights_hash

OURS = ("auto", "harness", "hf")
"""Engines over the model in this process: the fitting one, the pooled one, lm-eval's ``HFLM``."""
_PACKAGES = {"vllm": "lm-eval[vllm]"}  # what to install, where it is not the missing module's own name
_VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # the ranks that vllm has room for
_VLLM_SHARE = 0.5  # of the GPU's memory: the model that is trained lies there as well


def backend_class(name: str) -> Any:
    """lm-eval's model class of this name.

    Raises:
        InputError: lm-eval has none; the nearest is named.
        EnvironmentFault: the package that it needs is not installed.
    """
    import lm_eval.models  # noqa: F401  # fills the registry
    from lm_eval.api.registry import model_registry

    if name not in model_registry:
        raise InputError(f"engine '{name}': unknown.{did_you_mean(name, [*OURS, *model_registry.keys()])}")
    try:
        return model_registry.get(name)
    except ImportError as error:
        package = _PACKAGES.get(name, error.name or name)
        raise EnvironmentFault(
            f"engine '{name}': {error.name or 'a package'} is not installed; pip install '{package}', or use auto"
        ) from error


class Backend:
    """One backend, started when it is first asked and kept.

    Args:
        name: its lm-eval name.
        loaded: the model to evaluate; the backend loads its folder anew.
        method: how it is trained; vllm takes LoRA adapters, not whole models.
        rank: of the adapters.
        batch_size: for backends other than vllm, which batches by itself.
        on_notice: told when memory forced a smaller batch.

    Raises:
        InputError, EnvironmentFault: as `backend_class`.
    """

    def __init__(
        self,
        name: str,
        loaded: LoadedModel,
        method: str,
        rank: int,
        batch_size: int,
        on_notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name
        self._class = backend_class(name)
        self._loaded, self._method, self._rank = loaded, method, rank
        self._batch_size, self._on_notice = batch_size, on_notice
        self._engine: LmEvalEngine | None = None
        self._numbers: dict[str, int] = {}  # of adapters, by the hash of their weights

    def check_trainable(self) -> None:
        """Refuse, before anything is trained, a backend that could not evaluate the candidate.

        Raises:
            InputError: it takes no adapters, or not of this method.
        """
        if self.name != "vllm" or self._method == "sft":
            raise InputError(
                f"engine '{self.name}': cannot evaluate what method {self._method} trains; use auto, harness or hf"
                + (" (vllm takes lora and qlora)" if self.name == "vllm" else ", or vllm")
            )

    def engine(self, adapter: Path | None) -> LmEvalEngine:
        """The engine over the base, or over the adapter in this folder.

        Raises:
            InputError: there is an adapter, and the backend takes none.
            EnvironmentFault: the backend does not start here.
        """
        if adapter is not None:
            self.check_trainable()
        if self._engine is None:
            self._engine = LmEvalEngine(self._start(), self._on_notice)
        if self.name == "vllm":
            self._engine.lm.lora_request = None if adapter is None else self._lora(adapter)
        return self._engine

    def _start(self) -> Any:
        arguments: dict[str, Any] = {"pretrained": str(self._loaded.folder)}
        policy = self._loaded.policy
        if self.name == "vllm":
            rank = next((room for room in _VLLM_RANKS if room >= self._rank), self._rank)
            arguments |= {"dtype": policy.dtype, "batch_size": "auto", "enable_lora": True, "max_lora_rank": rank}
            arguments |= {"gpu_memory_utilization": _VLLM_SHARE}
        else:
            arguments |= {"batch_size": self._batch_size, "device": policy.device}
        try:
            return self._class.create_from_arg_obj(arguments)
        except HarnessError:
            raise
        except Exception as error:  # a backend may raise anything
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise EnvironmentFault(f"engine '{self.name}': does not start: {reason}; use auto instead") from error

    def _lora(self, adapter: Path) -> Any:
        # vllm keeps adapters by number: another candidate in the same folder must have another one.
        from vllm.lora.request import LoRARequest

        digest = weights_hash(adapter)
        number = self._numbers.setdefault(digest, len(self._numbers) + 1)
        return LoRARequest(f"candidate-{digest[:12]}", number, str(adapter))
