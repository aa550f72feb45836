"""A LoRA training script as one writes it with trl and peft today; `scripted_loop.sh` calls it once a round.

    python benchmarks/scripted_train.py --model MODEL_DIR --rows rows.jsonl --out OUT [--adapter LAST_ROUND/adapter]

``rows.jsonl`` has a ``prompt`` (chat template applied) and a ``completion`` a line. Writes ``OUT/adapter`` and
``OUT/merged``, a plain model that ``lm_eval run`` loads: evaluating an unmerged adapter is slower by a third.

It knows nothing of this project. It is meant to be as good as such a script gets; each setting that matters has its
reason beside it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

Order = Literal["random", "sequential", "group_by_length"]


def build_trainer(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Mapping[str, str]],
    folder: Path,
    *,
    batch: int = 16,
    micro: int = 4,
    order: Order = "group_by_length",
    rate: float = 1e-3,
    warmup: float = 0.0,
    seed: int = 0,
) -> Any:
    """An ``SFTTrainer`` over a PEFT model, one epoch over ``rows``.

    Args:
        batch: rows of an optimiser step.
        micro: rows run at a time; their gradients add up to a step of ``batch``.
        order: of the rows. By length, little is padding.
        warmup: share of the steps over which the rate rises. With transformers' schedule the first of them runs at a
            rate of 0, which of a dozen steps is one lost; hence none by default.
    """
    import math

    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    steps = math.ceil(len(rows) / batch)
    arguments = SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=max(1, batch // micro),
        num_train_epochs=1,
        train_sampling_strategy=order,
        learning_rate=rate,
        lr_scheduler_type="constant_with_warmup" if warmup else "constant",
        warmup_steps=math.ceil(steps * warmup),
        weight_decay=0.0,
        max_grad_norm=1.0,
        completion_only_loss=True,
        max_length=None,  # nothing is cut; rows here are far shorter than the context
        # Both are on by default. Checkpointing computes everything twice to save memory that is not short here, and
        # bf16 on a CPU without its units is many times slower than float32.
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        seed=seed,
        data_seed=seed,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    dataset = Dataset.from_list([{"prompt": row["prompt"], "completion": row["completion"]} for row in rows])
    return SFTTrainer(model=model, args=arguments, train_dataset=dataset, processing_class=tokenizer)


def lora(model: Any, seed: int, rank: int = 16, alpha: int = 32) -> Any:
    """``model`` with fresh adapters on all linear layers but the head."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, config)


def main(argv: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", type=Path, required=True, help="folder of the base model")
    options.add_argument("--rows", type=Path, required=True, help="JSONL of prompt and completion")
    options.add_argument("--out", type=Path, required=True, help="folder for adapter and merged model")
    options.add_argument("--adapter", type=Path, help="adapter to go on from [default: a fresh one]")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--batch", type=int, default=16, help="rows of a step")
    options.add_argument("--micro", type=int, default=4, help="rows run at a time")
    options.add_argument("--rate", type=float, default=1e-3, help="learning rate, constant")
    options.add_argument("--warmup", type=float, default=0.0, help="share of the steps over which the rate rises")
    asked = options.parse_args(argv)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(asked.model)
    base = AutoModelForCausalLM.from_pretrained(asked.model, dtype=torch.float32)
    if asked.adapter is None:
        model = lora(base, asked.seed)
    else:
        model = PeftModel.from_pretrained(base, str(asked.adapter), is_trainable=True)
    rows = [json.loads(line) for line in asked.rows.read_text(encoding="utf-8").splitlines()]
    # The optimiser starts afresh each round: carrying it along would take a whole checkpoint of the trainer.
    trainer = build_trainer(
        model,
        tokenizer,
        rows,
        asked.out / "trainer",
        batch=asked.batch,
        micro=asked.micro,
        rate=asked.rate,
        warmup=asked.warmup,
        seed=asked.seed,
    )
    trainer.train()
    model.save_pretrained(asked.out / "adapter")
    model.merge_and_unload().save_pretrained(asked.out / "merged")
    tokenizer.save_pretrained(asked.out / "merged")
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    print(json.dumps({"rows": len(rows), "steps": len(losses), "losses": losses}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
