"""Supervised fine-tuning through trl and peft: LoRA, QLoRA and all weights.

trl's ``SFTTrainer`` runs the steps. Around it: rows tokenised exactly as evaluation tokenises the prompt, the
optimiser's state carried from round to round, a running mean of the weights, and non-finite losses seen at once.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.exceptions import EnvironmentFault, is_out_of_memory
from harness.models.session import ModelSession
from harness.training.contract import (
    CANDIDATE,
    LEARNER,
    Example,
    Start,
    TrainingCrash,
    TrainProgress,
    TrainResult,
)
from harness.training.recipe import Recipe

if TYPE_CHECKING:
    import torch

OPTIMISER_STATE = "optimizer.safetensors"
_IGNORED = -100  # label of a position that bears no loss


class SftTrainer:
    """The built-in `Trainer`.

    Args:
        session: the model in memory; its active weights are replaced by the candidate's.
        tokenizer: tokenizer of the model.
        context_length: examples with more tokens are left out, and said.
    """

    def __init__(self, session: ModelSession, tokenizer: Any, context_length: int) -> None:
        self.session = session
        self.tokenizer = tokenizer
        self.context_length = context_length

    def tokenise(self, example: Example) -> tuple[list[int], list[int]]:
        """``(input_ids, labels)``, both of shape (t,); labels are -100 on the prompt, the end token is learned."""
        prompt = list(self.tokenizer.encode(example.prompt, add_special_tokens=False))
        answer = list(self.tokenizer.encode(example.completion, add_special_tokens=False))
        answer.append(self.tokenizer.eos_token_id)
        return prompt + answer, [_IGNORED] * len(prompt) + answer

    def train(
        self,
        examples: Sequence[Example],
        recipe: Recipe,
        start: Start,
        out_dir: Path,
        seed: int,
        progress: TrainProgress | None,
    ) -> TrainResult:
        """Train on ``examples``; see `Trainer`."""
        from datasets import Dataset

        pairs = [self.tokenise(example) for example in examples]
        skipped = tuple(i for i, (ids, _) in enumerate(pairs) if len(ids) > self.context_length)
        kept = [pair for i, pair in enumerate(pairs) if i not in set(skipped)]
        if not kept:
            raise TrainingCrash("no training row fits the model's context")
        self.session.activate(start.weights)
        dataset = Dataset.from_dict({"input_ids": [ids for ids, _ in kept], "labels": [labels for _, labels in kept]})
        with tempfile.TemporaryDirectory(prefix="harness-train-") as scratch:
            losses, mean, rate = self._steps(dataset, recipe, start, out_dir, seed, progress, Path(scratch))
        self.session.save(out_dir / CANDIDATE, mean)
        self.session.activate(out_dir / CANDIDATE)
        epochs = recipe.optimiser.epochs
        return TrainResult(
            tokens=round(sum(len(ids) for ids, _ in kept) * epochs),
            steps=len(losses),
            losses=tuple(losses),
            skipped=skipped,
            details={
                "learning_rate": rate,
                "trainable_parameters": sum(p.numel() for p in self.session.trainable().values()),
            },
        )

    def _steps(
        self,
        dataset: Any,
        recipe: Recipe,
        start: Start,
        out_dir: Path,
        seed: int,
        progress: TrainProgress | None,
        scratch: Path,
    ) -> tuple[list[tuple[int, float]], dict[str, torch.Tensor] | None, float]:
        """Run the optimiser; write the learner's state; return losses, mean weights and learning rate."""
        import torch
        from transformers.trainer_callback import TrainerCallback
        from trl import SFTConfig, SFTTrainer

        options, session = recipe.optimiser, self.session
        rate = options.learning_rate * start.rate
        parameters = session.trainable()
        for parameter in session.model.parameters():
            parameter.requires_grad_(False)
        for parameter in parameters.values():
            parameter.requires_grad_(True)
        optimizer = torch.optim.AdamW(parameters.values(), lr=rate, weight_decay=options.weight_decay)
        if start.state is not None:
            _load_state(optimizer, parameters, start.state)
        steps = max(1, math.ceil(len(dataset) * options.epochs / options.batch_size))
        warm = math.ceil(steps * options.warmup) if start.state is None else 0
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: _rate_factor(step, steps, warm, options.schedule)
        )
        losses: list[tuple[int, float]] = []
        mean: dict[str, torch.Tensor] | None = None

        class Watch(TrainerCallback):  # type: ignore[misc, unused-ignore]
            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                nonlocal mean
                if not options.average:
                    return
                if mean is None:
                    mean = {name: p.detach().clone() for name, p in parameters.items()}
                    return
                # The decay grows with the steps taken, so that the first ones are not over-weighted.
                decay = min(options.average, (state.global_step) / (state.global_step + 9))
                for name, parameter in parameters.items():
                    mean[name].lerp_(parameter.detach(), 1 - decay)

            def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
                loss = (logs or {}).get("loss")
                if loss is None:
                    return
                if not math.isfinite(loss):
                    raise TrainingCrash(
                        f"non-finite loss at step {state.global_step} of {steps}; lower the recipe's learning_rate"
                    )
                losses.append((state.global_step, float(loss)))
                if progress is not None:
                    progress(state.global_step, steps, float(loss))

        arguments = SFTConfig(
            output_dir=str(scratch),
            per_device_train_batch_size=options.batch_size,
            max_steps=steps,
            max_grad_norm=options.max_grad_norm,
            seed=seed,
            data_seed=seed,
            # trl turns both on by default: checkpointing costs a second forward pass, and bf16 on a CPU without
            # its units is many times slower than float32.
            gradient_checkpointing=False,
            bf16=session.base.device.type == "cuda" and torch.cuda.is_bf16_supported(),
            use_cpu=session.base.device.type == "cpu",
            max_length=None,
            logging_steps=1,
            logging_nan_inf_filter=False,  # it replaces NaN losses by the mean of the others
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            dataset_kwargs={"skip_prepare_dataset": True},
            dataloader_pin_memory=False,
            remove_unused_columns=True,
        )
        forward = session.base.__dict__.get("forward")
        session.model.train()
        try:
            trainer = SFTTrainer(
                model=session.model,
                args=arguments,
                train_dataset=dataset,
                processing_class=self.tokenizer,
                optimizers=(optimizer, scheduler),
                callbacks=[Watch()],
            )
            for parameter in parameters.values():  # trl casts a quantised model's adapters to bf16
                parameter.data = parameter.data.to(torch.float32)
            _silence(trainer)
            trainer.train()
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise EnvironmentFault(
                    f"out of memory while training with batch_size {options.batch_size}; "
                    "halve optimiser.batch_size in the recipe or use qlora"
                ) from error
            raise
        finally:
            # trl wraps the forward method of the model it is given; unwrapped, so that rounds do not pile up.
            if forward is None:
                session.base.__dict__.pop("forward", None)
            else:
                session.base.forward = forward
            session.model.eval()
        if not all(bool(torch.isfinite(p).all()) for p in parameters.values()):
            raise TrainingCrash("a trained weight is not finite; lower the recipe's learning_rate")
        if recipe.start == "latest":
            session.save(out_dir / LEARNER)
            _save_state(optimizer, parameters, out_dir / LEARNER)
        return losses, mean, rate


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
    from safetensors.torch import save_file

    from harness.storage import writing

    tensors = {}
    for name, parameter in parameters.items():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{name}|{key}"] = value.detach().cpu().contiguous().reshape(-1) if value.ndim == 0 else value.cpu()
    with writing(folder / OPTIMISER_STATE):
        save_file(tensors, folder / OPTIMISER_STATE)


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
