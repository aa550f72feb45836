"""Supervised fine-tuning through trl and peft: LoRA, QLoRA and all weights.

trl's ``SFTTrainer`` runs the steps. Around it: rows tokenised exactly as evaluation tokenises the prompt, the
optimiser's state carried from round to round, a running mean of the weights, and non-finite losses seen at once.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.evaluation.decoding import encode_prompt
from harness.evaluation.prefix import Row
from harness.exceptions import EnvironmentFault, is_out_of_memory
from harness.models.linear import multiplies_bfloat16, packs
from harness.models.session import ModelSession, save_tensors
from harness.training.contract import (
    CANDIDATE,
    LEARNER,
    Example,
    NonFiniteWeights,
    Start,
    TrainingCrash,
    TrainProgress,
    TrainResult,
    Workplace,
)
from harness.training.recipe import Optimiser, Recipe
from harness.training.steps import Piece, arrange, pieces

if TYPE_CHECKING:
    import torch

OPTIMISER_STATE = "optimizer.safetensors"
MEAN_WEIGHTS, AVERAGED_STEPS = "mean.safetensors", "averaged_steps"
PIECE_TOKENS = 1_024
"""Tokens run at a time; a step adds up the gradients of several such pieces."""
_LEAST_TOKENS = 64


class SftTrainer:
    """The built-in `Trainer`.

    Args:
        session: the model in memory; its active weights are replaced by the candidate's.
        tokenizer: tokenizer of the model.
        context_length: examples with more tokens are left out, and said.
        on_notice: told in one line when memory forced fewer tokens at a time.
        packed: rows of a step share what they begin with; for models that `answers_alike` accepts.
    """

    def __init__(
        self,
        session: ModelSession,
        tokenizer: Any,
        context_length: int,
        on_notice: Callable[[str], None] = lambda _: None,
        packed: bool = True,
    ) -> None:
        self.packed = packed
        self.session = session
        self.tokenizer = tokenizer
        self.context_length = context_length
        self.on_notice = on_notice
        self.piece_tokens = PIECE_TOKENS

    def products(self, options: Optimiser) -> str:
        """What a LoRA layer multiplies its frozen weights in: ``float32``, ``bfloat16``, or as the weights are."""
        weights = next(self.session.base.parameters())
        if self.session.method != "lora" or not packs(weights):
            return str(weights.dtype).removeprefix("torch.")
        half = options.products == "bfloat16" or (options.products == "auto" and multiplies_bfloat16())
        return "bfloat16" if half else "float32"

    def tokenise(self, index: int, example: Example) -> Row:
        """The example's tokens; what lies behind ``shareable`` is learned, the end token included."""
        prompt = encode_prompt(self.tokenizer, example.prompt)
        answer = list(self.tokenizer.encode(example.completion, add_special_tokens=False))
        tokens = (*prompt, *answer, self.tokenizer.eos_token_id)
        return Row(index, tokens, max(1, len(prompt)))  # nothing stands before a first token to learn it from

    def train(
        self,
        examples: Sequence[Example],
        recipe: Recipe,
        start: Start,
        out_dir: Path,
        seed: int,
        progress: TrainProgress | None,
    ) -> TrainResult:
        """Train on ``examples``; see `Trainer`. Where memory does not suffice, fewer tokens are run at a time."""
        rows = [self.tokenise(index, example) for index, example in enumerate(examples)]
        skipped = tuple(row.index for row in rows if len(row.tokens) > self.context_length)
        rows = [row for row in rows if row.index not in set(skipped) and len(row.tokens) > row.shareable]
        if not rows:
            raise TrainingCrash("no training row fits the model's context")
        options = recipe.optimiser
        plan = arrange(rows, options.batch_size, options.epochs, seed)
        while True:
            packed = [pieces(step, options.weigh, self.piece_tokens, self.packed) for step in plan]
            try:
                steps = self._steps(packed, recipe, start, out_dir, seed, progress)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self.piece_tokens <= _LEAST_TOKENS or all(len(p.segment.rows) == 1 for step in packed for p in step):
                    raise EnvironmentFault(
                        "out of memory while training one row at a time; use qlora, a smaller model or shorter rows"
                    ) from error
                self.piece_tokens //= 2
            self.on_notice(f"out of memory: training runs {self.piece_tokens} tokens at a time")
        self.session.save(out_dir / CANDIDATE, steps.mean)
        self.session.activate(out_dir / CANDIDATE)
        return TrainResult(
            tokens=sum(len(row.tokens) for step in plan for row in step),
            steps=len(steps.losses),
            losses=tuple(steps.losses),
            skipped=skipped,
            details={
                "learning_rate": options.learning_rate * start.rate,
                "computed_tokens": sum(len(piece.segment.tokens) for step in packed for piece in step),
                "tokens_at_a_time": self.piece_tokens,
                "products": self.products(options),
                "trainable_parameters": sum(p.numel() for p in self.session.trainable().values()),
            },
        )

    def _steps(
        self,
        plan: Sequence[Sequence[Piece]],
        recipe: Recipe,
        start: Start,
        out_dir: Path,
        seed: int,
        progress: TrainProgress | None,
    ) -> _Steps:
        """Run the optimiser over the steps of ``plan`` and write the learner's state."""
        import torch
        from datasets import Dataset

        options, session = recipe.optimiser, self.session
        session.activate(start.weights)
        session.active = None  # from here on the weights in memory are those of no folder
        parameters = session.trainable()
        for parameter in session.model.parameters():
            parameter.requires_grad_(False)
        for parameter in parameters.values():
            parameter.requires_grad_(True)
        rate = options.learning_rate * start.rate
        optimizer = torch.optim.AdamW(parameters.values(), lr=rate, weight_decay=options.weight_decay)
        if start.state is not None:
            _load_state(optimizer, parameters, start.state)
        steps = len(plan)
        warm = math.ceil(steps * options.warmup) if start.state is None else 0
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: _rate_factor(step, steps, warm, options.schedule)
        )
        result = _Steps([], None)
        if options.average and start.state is not None:
            _load_mean(result, parameters, start.state)
        # trl iterates over steps; what a step holds is in the plan.
        dataset = Dataset.from_dict({"input_ids": [[step] for step in range(steps)]})
        start_weights = {name: p.detach().clone() for name, p in parameters.items()}
        session.model.train()
        with tempfile.TemporaryDirectory(prefix="harness-train-") as scratch, _unwrapped(session.model, session.base):
            trainer = _trainer_class(plan, self.packed)(
                model=session.model,
                args=self._arguments(options, steps, seed, scratch),
                train_dataset=dataset,
                processing_class=self.tokenizer,
                data_collator=lambda batch: {"step": batch[0]["input_ids"][0]},
                optimizers=(optimizer, scheduler),
                callbacks=[_watch(result, parameters, options.average, steps, progress)],
            )
            with torch.no_grad():  # trl casts a quantised model's adapters to bf16, which loses bits for good
                for name, parameter in parameters.items():
                    parameter.data = start_weights[name]
            _silence(trainer)
            with session.training(self.products(options) == "bfloat16"):
                trainer.train()
        session.model.eval()
        if not all(bool(torch.isfinite(p).all()) for p in parameters.values()):
            raise NonFiniteWeights("a trained weight is not finite; lower the recipe's learning_rate")
        if recipe.start == "latest":
            session.save(out_dir / LEARNER)
            _save_state(optimizer, parameters, out_dir / LEARNER)
            if result.mean is not None:
                count = torch.tensor([result.averaged])
                save_tensors(out_dir / LEARNER / MEAN_WEIGHTS, {**result.mean, AVERAGED_STEPS: count})
        return result

    def _arguments(self, options: Optimiser, steps: int, seed: int, scratch: str) -> Any:
        import torch
        from trl import SFTConfig

        device = self.session.base.device
        arguments = SFTConfig(
            output_dir=scratch,
            per_device_train_batch_size=1,
            train_sampling_strategy="sequential",
            max_steps=steps,
            max_grad_norm=options.max_grad_norm,
            seed=seed,
            data_seed=seed,
            # trl turns both on by default: checkpointing costs a second forward pass, and bf16 on a CPU without
            # its units is many times slower than float32.
            gradient_checkpointing=False,
            bf16=device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False),
            use_cpu=device.type == "cpu",
            max_length=None,
            logging_steps=1,
            logging_nan_inf_filter=False,  # it replaces NaN losses by the mean of the others
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            dataset_kwargs={"skip_prepare_dataset": True},
            dataloader_pin_memory=False,
        )
        if arguments.device.type == "cuda":
            # One process trains on one device; with more visible, the trainer would wrap the model in DataParallel.
            arguments._n_gpu = min(1, arguments.n_gpu)
        return arguments


def supervised(workplace: Workplace) -> SftTrainer:
    """The built-in trainer, as the registry makes it."""
    return SftTrainer(
        workplace.session, workplace.tokenizer, workplace.context_length, workplace.on_notice, workplace.packed
    )


def _trainer_class(plan: Sequence[Sequence[Piece]], packed: bool) -> Any:
    """trl's trainer, taking each step's loss over the packed pieces of ``plan``."""
    from trl import SFTTrainer

    from harness.training.packed_loss import piece_loss

    class PackedTrainer(SFTTrainer):
        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
            model.train()
            losses = []
            for piece in plan[inputs["step"]]:
                with self.compute_loss_context_manager():
                    loss = piece_loss(model, piece, packed)
                self.accelerator.backward(loss)
                losses.append(loss.detach())
            return sum(losses[1:], losses[0])

    return PackedTrainer


@dataclass
class _Steps:
    """What the optimiser's steps left: losses by step, and the running mean of the weights where asked for.

    ``averaged`` counts the steps in the mean, those of earlier rounds included.
    """

    losses: list[tuple[int, float]]
    mean: dict[str, torch.Tensor] | None
    averaged: int = 0


def _watch(
    result: _Steps, parameters: dict[str, Any], average: float, steps: int, progress: TrainProgress | None
) -> Any:
    """A trainer callback that keeps losses and the mean of the weights, and stops at a non-finite loss."""
    from transformers.trainer_callback import TrainerCallback

    class Watch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if not average:
                return
            result.averaged += 1
            if result.mean is None:
                result.mean = {name: p.detach().clone() for name, p in parameters.items()}
                return
            # The decay grows with the steps taken, so that the first ones are not over-weighted.
            decay = min(average, result.averaged / (result.averaged + 9))
            for name, parameter in parameters.items():
                result.mean[name].lerp_(parameter.detach(), 1 - decay)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            loss = (logs or {}).get("loss")
            if loss is None:
                return
            if not math.isfinite(loss):
                raise TrainingCrash(
                    f"non-finite loss at step {state.global_step} of {steps}; lower the recipe's learning_rate"
                )
            result.losses.append((state.global_step, float(loss)))
            if progress is not None:
                progress(state.global_step, steps, float(loss))

    return Watch()


@contextmanager
def _unwrapped(*modules: Any) -> Iterator[None]:
    """Take off again what trl and accelerate wrap around a model's forward, so that rounds do not pile up."""
    names = ("forward", "_original_forward", "_is_accelerate_prepared")
    kept = [(module, {name: module.__dict__[name] for name in names if name in module.__dict__}) for module in modules]
    try:
        yield
    finally:
        for module, before in kept:
            for name in names:
                module.__dict__.pop(name, None)
            module.__dict__.update(before)
            module.eval()


def _silence(trainer: Any) -> None:
    """Without its printer, the trainer leaves the terminal to the harness's own progress."""
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def _rate_factor(step: int, steps: int, warm: int, schedule: str) -> float:
    """Factor on the peak rate at ``step`` (from 0) of a round of ``steps``."""
    if step < warm:
        return (step + 1) / (warm + 1)
    if schedule == "constant":
        return 1.0
    done = min(1.0, (step - warm) / max(1, steps - warm))
    return 1.0 - done if schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))


def _save_state(optimizer: Any, parameters: dict[str, Any], folder: Path) -> None:
    """AdamW's moments as safetensors (never pickle), keyed by parameter name."""
    tensors = {}
    for name, parameter in parameters.items():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{name}|{key}"] = value.detach().cpu().contiguous().reshape(-1) if value.ndim == 0 else value.cpu()
    save_tensors(folder / OPTIMISER_STATE, tensors)


def _load_mean(result: _Steps, parameters: dict[str, Any], folder: Path) -> None:
    """Take up the running mean that the learner carries from round to round, where it has one."""
    from safetensors.torch import load_file

    path = folder / MEAN_WEIGHTS
    if path.is_file():
        tensors = load_file(path)
        result.averaged = int(tensors.pop(AVERAGED_STEPS))
        device = next(iter(parameters.values())).device
        result.mean = {name: tensor.to(device) for name, tensor in tensors.items()}


def _load_state(optimizer: Any, parameters: dict[str, Any], folder: Path) -> None:
    from safetensors.torch import load_file

    tensors = load_file(folder / OPTIMISER_STATE)
    for name, parameter in parameters.items():
        moments = {key: tensors.get(f"{name}|{key}") for key in ("step", "exp_avg", "exp_avg_sq")}
        if any(value is None for value in moments.values()):
            continue
        optimizer.state[parameter] = {
            key: value.reshape(()) if key == "step" else value.to(parameter.device)
            for key, value in moments.items()
            if value is not None
        }
