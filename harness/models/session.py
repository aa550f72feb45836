"""One base model kept in memory, its adapters swapped in place.

The base weights are never changed: for evaluation a float32 base and its adapter are merged into copies, laid out for
the processor, so the thousandth swap gives the bits of the first.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.exceptions import EnvironmentFault, InputError, is_out_of_memory
from harness.models.block import fused, linears, same
from harness.models.linear import Product, gates_by_silu, merged_weight, packs, product, replaced, trained_product
from harness.models.trained_block import trained_block
from harness.models.weights import check_adapter
from harness.storage import atomic_directory, sha256_file, writing

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

ADAPTER_WEIGHTS = "adapter_model.safetensors"
FULL_WEIGHTS = "model.safetensors"
_ADAPTER_NAME = re.compile(r"(?<=lora_A|lora_B)\.default(?=\.|$)|(?<=lora_embedding_[AB])\.default(?=\.|$)")


class ModelSession:
    """A loaded base with room for one set of trained weights.

    Args:
        model: transformers causal model, float32 / bfloat16 or NF4 / int8 quantised.
        method: ``lora`` or ``qlora`` (a LoRA adapter beside the base) or ``sft`` (the base's own weights).
        lora: rank, alpha, dropout and targets of the adapter; unused for ``sft``.
        seed: initialises fresh adapters.
    """

    def __init__(self, model: Any, method: str, lora: Mapping[str, Any], seed: int = 0) -> None:
        import torch

        self.base = model
        self.method = method
        self.seed = seed
        self._kept: dict[tuple[Any, str], Product] = {}  # of layers that no training changes
        self.active: Path | None = None
        # Merging loses bits in 16-bit weights and is not exact on quantised ones: only float32 is merged.
        self._merges = method == "lora" and next(model.parameters()).dtype == torch.float32
        self._names: dict[str, str] = {}  # of PEFT's files -> of the parameters, where they differ
        if method == "sft":
            self.model: Any = model
            self._fresh = {name: p.detach().clone() for name, p in model.named_parameters()}
            return
        from peft import LoraConfig, get_peft_model

        targets = lora["targets"]
        torch.manual_seed(seed)
        config = LoraConfig(
            r=lora["rank"],
            lora_alpha=lora["alpha"],
            lora_dropout=lora["dropout"],
            target_modules=targets if isinstance(targets, str) else list(targets),
            task_type="CAUSAL_LM",
        )
        try:
            self.model = get_peft_model(model, config)
        except ValueError as error:  # peft names the missing target modules
            raise InputError(f"recipe field 'lora.targets': {str(error).splitlines()[0]}") from error
        self._names = {self._outside(name): name for name in self.trainable()}
        for parameter in self.trainable().values():
            parameter.data = parameter.data.to(torch.float32)
        self._fresh = {name: p.detach().clone() for name, p in self.trainable().items()}

    def _layers(self) -> list[tuple[str, Any]]:
        from peft.tuners.lora import LoraLayer

        return [(name, module) for name, module in self.model.named_modules() if isinstance(module, LoraLayer)]

    def trainable(self) -> dict[str, torch.nn.Parameter]:
        """The parameters that training changes, by name."""
        if self.method == "sft":
            return dict(self.model.named_parameters())
        return {name: p for name, p in self.model.named_parameters() if "lora_" in name}

    def activate(self, folder: Path | None) -> None:
        """Put the weights saved in ``folder`` in place; ``None`` restores the untouched base.

        Raises:
            InputError: the folder's weights do not fit this model (keys, shapes, dtypes) or are not finite.
        """
        import torch

        weights = self._fresh if folder is None else self._read(folder)
        with torch.no_grad():
            for name, parameter in self.trainable().items():
                parameter.copy_(weights[name])
        self.active = folder

    def _read(self, folder: Path) -> dict[str, torch.Tensor]:
        from safetensors.torch import load_file

        path = folder / (FULL_WEIGHTS if self.method == "sft" else ADAPTER_WEIGHTS)
        expected = {
            self._outside(name): (tuple(p.shape), str(p.dtype).removeprefix("torch."))
            for name, p in self.trainable().items()
        }
        check_adapter(path, expected)
        return {self._names.get(name, name): tensor for name, tensor in load_file(path, device="cpu").items()}

    def _outside(self, name: str) -> str:
        """Parameter name -> the name that PEFT's own files use."""
        return name if self.method == "sft" else _ADAPTER_NAME.sub("", name)

    def save(self, folder: Path, weights: Mapping[str, torch.Tensor] | None = None) -> None:
        """Write the trained weights (or ``weights`` in their place) as a folder that PEFT or transformers loads.

        Raises:
            EnvironmentFault: the disk is full or the folder cannot be written.
        """
        source = weights if weights is not None else self.trainable()
        with atomic_directory(folder) as temporary:
            if self.method == "sft":
                save_tensors(temporary / FULL_WEIGHTS, source)
                self.base.config.save_pretrained(temporary)
            else:
                save_tensors(temporary / ADAPTER_WEIGHTS, {self._outside(name): t for name, t in source.items()})
                config = self.model.peft_config["default"]
                config.inference_mode = True
                config.save_pretrained(temporary)
        self.active = None

    @contextmanager
    def evaluating(self) -> Iterator[Any]:
        """The model ready to be asked: eval mode, adapters merged where that is exact enough and faster.

        Merged weights are copies in the layout that the processor multiplies fastest (`harness.models.linear`); the
        base is never written to, so the thousandth swap gives the bits of the first. Where the copies do not fit into
        memory, the model is asked as it is.
        """
        import torch

        was_training = self.model.training
        self.model.eval()
        try:
            forwards: dict[Any, Callable[..., Any]] = {}
            try:
                with torch.no_grad():
                    forwards = self._forwards()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._kept.clear()
                logger.warning("no memory for copies of the weights: the evaluation takes longer")
            with replaced(forwards):
                yield self.model if self.method != "sft" else self.base
        finally:
            self.model.train(was_training)

    @contextmanager
    def training(self, half: bool = False) -> Iterator[Any]:
        """The model ready to be trained: float32 layers that do not learn, and adapters, run by faster functions.

        Args:
            half: multiply with frozen weights beside adapters in bfloat16.
        """
        import torch

        self._kept.clear()  # training needs the memory
        layers = [layer for _, layer in self._layers()] if self.method != "sft" else []
        within = {child for layer in layers for child in layer.modules()}
        frozen = {
            module
            for module in self.model.modules()
            if type(module) is torch.nn.Linear and module not in within and not module.weight.requires_grad
        }
        forwards: dict[Any, Callable[..., Any]] = {}
        done: set[Any] = set()
        for stack, block in self._blocks() if self.method == "lora" else ():
            forward = trained_block(block, half)
            if forward is not None and same(block, forward, stack.rotary_emb, 0.03 if half else 1e-3):
                forwards[block] = forward
                done |= set(linears(block) or ())
        for module in (*layers, *frozen):
            if module in done:
                continue
            forward = trained_product(module, half)
            if forward is not None:
                forwards[module] = forward
        with replaced(forwards):
            yield self.model

    @property
    def runs_few_operations(self) -> bool:
        """Whether its decoder layers are of a kind that `harness.models.block` knows."""
        return bool(self._blocks())

    def _blocks(self) -> list[tuple[Any, Any]]:
        """Decoder layers of a kind that is known, each with the module that holds their rotary positions."""
        return [
            (stack, layer)
            for stack in self.model.modules()
            if hasattr(stack, "rotary_emb")
            for layer in getattr(stack, "layers", ())
            if linears(layer)
        ]

    def _forwards(self) -> dict[Any, Callable[..., Any]]:
        """Faster forward functions of the model's decoder layers, where they are known, and of its linear layers."""
        import torch

        layers = [layer for _, layer in self._layers()] if self.method != "sft" else []
        within = {child for layer in layers for child in layer.modules()}
        merged = {layer: merged_weight(layer) for layer in layers} if self._merges else {}
        replaceable = {layer for layer, weight in merged.items() if weight is not None}
        replaceable |= {
            module
            for module in self.model.modules()
            if type(module) is torch.nn.Linear and module not in within and packs(module.weight)
        }

        def weights(module: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
            merge = merged.get(module)
            return (merge(), module.get_base_layer().bias) if merge is not None else (module.weight, module.bias)

        forwards: dict[Any, Callable[..., Any]] = {}
        for stack, block in self._blocks():
            parts = set(linears(block) or ())
            if parts <= replaceable:
                forward = fused(block, weights)
                if same(block, forward, stack.rotary_emb):
                    forwards[block] = forward
                    replaceable -= parts
        gated = {
            module.gate_proj: module.act_fn
            for module in self.model.modules()
            if getattr(module, "gate_proj", None) in replaceable and gates_by_silu(module)
        }
        forwards.update(dict.fromkeys(gated.values(), _same))
        for module in replaceable:
            activation = "swish" if module in gated else "none"
            if module in merged or self.method == "sft":
                forwards[module] = product(*weights(module), activation)
            else:
                if (module, activation) not in self._kept:
                    self._kept[module, activation] = product(module.weight, module.bias, activation)
                forwards[module] = self._kept[module, activation]
        return forwards


def _same(x: Any) -> Any:
    return x


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write safetensors and fsync them.

    Raises:
        EnvironmentFault: the disk is full or the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with writing(path):
        try:
            save_file(plain, path, metadata={"format": "pt"})
        except SafetensorError as error:  # it hides the operating system's number in its text
            number = re.search(r"os error (\d+)", str(error))
            raise OSError(int(number[1]) if number else 0, str(error)) from error
        with path.open("rb") as stream:
            os.fsync(stream.fileno())


def weights_hash(folder: Path) -> str:
    """SHA-256 of the trained weights in ``folder``.

    Raises:
        EnvironmentFault: there are none.
    """
    for name in (ADAPTER_WEIGHTS, FULL_WEIGHTS):
        if (folder / name).is_file():
            return sha256_file(folder / name)
    raise EnvironmentFault(f"{folder}: holds no trained weights")
