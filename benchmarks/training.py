"""Supervised fine-tuning: trl's SFTTrainer against the trainer of this project.

    python benchmarks/training.py [--rows 48] [--quantised] [--score 160]

The same train items of helpdesk, the same LoRA (fp32 adapters beside fp32 or, with ``--quantised``, NF4 weights), the
same number of rows a step. Timed is what a round does once the model is in memory: tokenise, train one epoch, save the
adapter. trl runs without checkpointing, in fp32, with the loss on the completion alone, at the quickest of the
micro-batches and orders that are tried. With ``--quantised`` there is also trl as it comes, with adapters in bf16.

Then both train once on equal batches in equal order, the loss weighed by token as trl does, and their losses are
compared step by step. ``--score N`` also asks N dev items of what each has trained.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import Contender, Timed, best_of, numbers, parser, positive, race, ratio, report, say, table
from scripted_train import build_trainer, lora
from subjects import data_folder, domain_items, load_model, open_workbench, quiet, scratch

TRL, AS_IT_COMES, OURS = "trl SFTTrainer", "trl, adapters in bf16", "harness"
ORDERS = ("random", "group_by_length")


def train_rows(domain: Any, wb: Any, count: int) -> list[Any]:
    """``count`` train examples, an even share a skill, as the loop hands them to the trainer."""
    from harness.evaluation.roles import subset
    from harness.training.contract import Example

    items = subset(domain.items("train", "train_pool"), count)
    return [Example(domain.context(item, wb.chat_template), domain.answer(item, wb.chat_template)) for item in items]


def tokenised(tokenizer: Any, examples: Sequence[Any]) -> list[Any]:
    """The examples as rows of tokens: prompt, answer, end."""
    from harness.evaluation.decoding import encode_prompt
    from harness.evaluation.prefix import Row

    rows = []
    for index, example in enumerate(examples):
        prompt = encode_prompt(tokenizer, example.prompt)
        answer = tokenizer.encode(example.completion, add_special_tokens=False)
        rows.append(Row(index, (*prompt, *answer, tokenizer.eos_token_id), len(prompt)))
    return rows


class Trl:
    """trl's side: a fresh model for each run, loaded without the clock."""

    def __init__(self, name: str, method: str, examples: Sequence[Any], recipe: Any, folder: Path, seed: int) -> None:
        self.name, self.method, self.recipe, self.folder, self.seed = name, method, recipe, folder, seed
        self.rows = [{"prompt": example.prompt, "completion": example.completion} for example in examples]

    def ready(self) -> Any:
        """The model with fresh adapters, the same as those of the workbench for the same seed."""
        gc.collect()
        loaded = load_model(self.name, self.method)
        return lora(loaded.model, self.seed, self.recipe.lora.rank, self.recipe.lora.alpha), loaded.tokenizer

    def train(
        self,
        made: Any,
        micro: int,
        order: str,
        out: str,
        rows: Sequence[Mapping[str, str]] | None = None,
        fp32: bool = True,
    ) -> list[float]:
        """Tokenise, train, save; return the losses by step."""
        from transformers.trainer_callback import PrinterCallback

        model, tokenizer = made
        options = self.recipe.optimiser
        own = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
        trainer = build_trainer(
            model,
            tokenizer,
            self.rows if rows is None else rows,
            self.folder / "trainer",
            batch=options.batch_size,
            micro=micro,
            order=order,  # type: ignore[arg-type]
            rate=options.learning_rate,
            seed=self.seed,
        )
        if fp32:  # trl casts the adapters of a quantised model to bf16, which is slow on a CPU and loses bits
            for name, parameter in model.named_parameters():
                if name in own:
                    parameter.data = own[name]
        trainer.remove_callback(PrinterCallback)  # standard output is for the table
        trainer.train()
        model.save_pretrained(self.folder / out)
        return [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]


def largest_gap(first: Sequence[float], second: Sequence[float]) -> float:
    """The largest difference of two loss curves of the same length."""
    return max(abs(a - b) for a, b in zip(first, second, strict=True))


def scored(domain: Any, wb: Any, items: Sequence[Any], adapter: Path | None) -> float:
    """Share of ``items`` answered right with ``adapter``."""
    from harness.evaluation.respond import respond

    wb.activate(adapter)
    with wb.asking() as engine:
        results = respond(domain, items, engine, wb.chat_template)
    return sum(result.correct for result in results) / len(results)


def main(argv: Sequence[str] | None = None) -> int:
    options = parser(__doc__)
    options.add_argument("--rows", type=positive, default=48, help="train rows; a multiple of the rows a step")
    options.add_argument("--quantised", action="store_true", help="NF4 weights (recipe qlora) in place of fp32 (lora)")
    options.add_argument("--micro", type=numbers, default=[16, 8, 4, 2], help="rows at a time that trl is tried with")
    options.add_argument("--batch-size", type=positive, help="rows a step [default: the recipe's]")
    options.add_argument("--score", type=positive, help="dev items asked of the trained adapters [default: none]")
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args(argv)
    quiet()
    from harness.evaluation.domain import load_domain
    from harness.training.contract import CANDIDATE, Start
    from harness.training.recipe import load_recipe
    from harness.training.steps import arrange

    method = "qlora" if asked.quantised else "lora"
    recipe = load_recipe(method)
    if asked.batch_size:
        recipe = replace(recipe, optimiser=replace(recipe.optimiser, batch_size=asked.batch_size))
    batch = recipe.optimiser.batch_size
    if asked.rows % batch:
        raise SystemExit(f"--rows {asked.rows} is no multiple of the {batch} rows of a step; equal batches need one")
    loaded = load_model(asked.model, method)
    wb = open_workbench(loaded, recipe, asked.seed)
    domain = load_domain("helpdesk", [data_folder()])
    examples = train_rows(domain, wb, asked.rows)
    rows = tokenised(loaded.tokenizer, examples)
    say(f"{len(rows)} rows, {sum(len(row.tokens) for row in rows)} tokens")

    with scratch() as folder:
        trl = Trl(asked.model, method, examples, recipe, folder, asked.seed)

        def by_trl(setting: tuple[int, str]) -> Contender:
            return Contender(TRL, lambda made: trl.train(made, *setting, out="trl"), prepare=trl.ready)

        def ours() -> Any:
            return wb.train(examples, recipe, Start(), folder / "ours", asked.seed, None)

        settings = [(micro, order) for micro in asked.micro if batch % micro == 0 for order in ORDERS]
        best = best_of(TRL, settings, by_trl)
        contenders = [by_trl(best), Contender(OURS, ours)]
        if asked.quantised:
            work = lambda made: trl.train(made, *best, out="bf16", fp32=False)  # noqa: E731
            contenders.insert(1, Contender(AS_IT_COMES, work, prepare=trl.ready))
        times = race(contenders, asked.repeats)

        say("equal batches, loss by token")
        plain = replace(recipe.optimiser, weigh="token", average=0.0, warmup=0.0, schedule="constant")
        order = [row.index for step in arrange(rows, batch, 1.0, asked.seed) for row in step]
        equal = wb.train(examples, replace(recipe, optimiser=plain), Start(), folder / "equal", asked.seed, None)
        curve = trl.train(trl.ready(), best[0], "sequential", "sequential", [trl.rows[index] for index in order])
        own = [loss for _, loss in equal.losses]
        scores = {}
        if asked.score:
            _, items = domain_items("helpdesk", wb, asked.score)
            trained = {
                "base": None,
                f"{TRL}, order {best[1]}": folder / "trl",
                f"{TRL}, equal batches": folder / "sequential",
                f"{OURS}, equal batches": folder / "equal" / CANDIDATE,
                f"{OURS}, recipe {recipe.name}": folder / "ours" / CANDIDATE,
            }
            for name, adapter in trained.items():
                scores[name] = scored(domain, wb, items, adapter)
                say(f"{name}: {100 * scores[name]:.1f}% of {len(items)}")
    name = "training_nf4" if asked.quantised else "training"
    text, data = summary(times, best, len(rows) // batch, own, curve, scores)
    counts = {
        "rows": len(rows),
        "rows_a_step": batch,
        "tokens": sum(len(row.tokens) for row in rows),
        "computed_by_harness": times[OURS].result.details.get("computed_tokens"),
    }
    report(name, text, {**counts, **data}, asked.results)
    return 0


def summary(
    times: Mapping[str, Timed],
    best: tuple[int, str],
    steps: int,
    own: Sequence[float],
    curve: Sequence[float],
    scores: Mapping[str, float],
) -> tuple[str, dict[str, Any]]:
    """The tables as Markdown, and the same as data."""
    base = times[OURS].median
    setting = f"{best[0]} rows at a time, {best[1]}"
    rows = [
        [
            name,
            None if name == OURS else setting,
            timed.median,
            timed.median / steps,
            " ".join(f"{seconds:.1f}" for seconds in timed.seconds),
            ratio(timed.median, base),
        ]
        for name, timed in times.items()
    ]
    text = table(["", "setting", "seconds, median", "a step", "runs", "times harness"], rows)
    gap = largest_gap(own, curve)
    text += f"\n\nEqual batches in equal order, largest difference of the losses {gap:.1e}:\n\n"
    numbered = range(1, len(own) + 1)
    text += table(
        ["step", *map(str, numbered)],
        [[name, *(f"{loss:.4f}" for loss in losses)] for name, losses in ((TRL, curve), (OURS, own))],
    )
    if scores:
        text += "\n\n" + table(["trained by", "dev, % right"], [[name, 100 * score] for name, score in scores.items()])
    data = {
        "setting": {"rows_at_a_time": best[0], "order": best[1]},
        "seconds": {name: timed.seconds for name, timed in times.items()},
        "median": {name: timed.median for name, timed in times.items()},
        "over_harness": {name: timed.median / base for name, timed in times.items()},
        "equal_batches": {TRL: list(curve), OURS: list(own), "largest_difference": gap},
        "scores": dict(scores),
    }
    return text, data


if __name__ == "__main__":
    raise SystemExit(main())
