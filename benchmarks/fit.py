"""What `harness doctor --fit` estimates against what is measured: the peak of memory of each way to use a model.

    python benchmarks/fit.py                         # inference, lora, qlora and sft on the embedded model
    python benchmarks/fit.py --only lora --rows 24

Each is a process of its own, through the harness's own engine and trainer, on helpdesk items. The peak is the largest
resident set (VmHWM). Taken off is the floor: the peak of the same on a model of 0.1 million parameters and two short
rows, which is Python and the libraries. With qlora the system counts the file's pages that quantisation has read; it
takes them back when memory is short, so they stand beside the estimate. Memory does not depend on how busy the machine
is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import ROOT, parser, positive, report, say, table

sys.path.append(str(ROOT / "tests"))
from tiny import make_tiny_model

WAYS = ("inference", "lora", "qlora", "sft")
GB = 1e9


def memory(field: str) -> int:
    """``VmRSS`` (now) or ``VmHWM`` (the most so far) of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("needs Linux: /proc/self/status has the peak")


def measure(way: str, model: str, items: int, rows: int, batch: int, short: bool) -> dict[str, Any]:
    """Do it in this process; what it took at its peak, and the work that it was."""
    from dataclasses import asdict, replace

    from subjects import data_folder, generation_requests, load_model, open_workbench, quiet

    quiet()
    from harness.evaluation.domain import load_domain
    from harness.evaluation.engine import GenerationRequest
    from harness.evaluation.roles import subset
    from harness.models.fit import Setup, inference, training
    from harness.models.linear import multiplies_bfloat16
    from harness.models.shapes import shape_of_folder
    from harness.training.contract import Example, Start
    from harness.training.recipe import load_recipe

    domain = load_domain("helpdesk", [data_folder()])
    dev, pool = domain.items("validation", "dev"), domain.items("train", "train_pool")
    method = "lora" if way == "inference" else way
    recipe = load_recipe(method)
    recipe = replace(recipe, optimiser=replace(recipe.optimiser, batch_size=batch))
    loaded = load_model(model, method)
    wb = open_workbench(loaded, recipe)
    policy = loaded.policy
    setup = Setup(
        policy.device, policy.dtype, policy.quantisation, multiplies_bfloat16() and method == "lora", recipe.lora.rank
    )
    shape = shape_of_folder(loaded.folder)
    if way == "inference":
        requests = generation_requests(domain, subset(dev, items), wb.chat_template)
        if short:
            requests = [GenerationRequest(f"What is {number}?", (), 8, "sums") for number in range(2)]
        with wb.asking() as engine:
            engine.generate(requests, None)
            work = asked(loaded.tokenizer, requests, engine.batch_size)
        estimate = inference(shape, setup, work, method)
    else:
        examples = [
            Example(domain.context(item, wb.chat_template), domain.answer(item, wb.chat_template))
            for item in subset(pool, rows)
        ]
        if short:
            examples = [Example(f"What is {number}? ", "It is 7.") for number in range(2)]
        with tempfile.TemporaryDirectory() as folder:
            wb.train(examples, recipe, Start(), Path(folder), 0, None)
        tried = trained(loaded.tokenizer, examples, recipe)
        work = max(tried, key=lambda each: training(shape, method, setup, each).total)
        estimate = training(shape, method, setup, work)
    parts = dict(estimate.parts)
    if way == "qlora":
        parts["pages of the file"] = 4.0 * shape.linear
    return {
        "way": way,
        "peak": memory("VmHWM"),
        "estimated": sum(parts.values()),
        "parts": parts,
        "setup": asdict(setup),
        "work": asdict(work),
    }


def asked(tokenizer: Any, requests: Sequence[Any], most: int) -> Any:
    """The work of an evaluation: rows, and the tokens for whose keys and values there is room."""
    from harness.evaluation.decoding import encode_prompt
    from harness.evaluation.prefix import Row, trunks
    from harness.models.fit import Work

    prompts = [encode_prompt(tokenizer, request.prompt) for request in requests]
    shared = list(trunks([Row(index, tuple(prompt), len(prompt) - 1) for index, prompt in enumerate(prompts)]))
    room = max(
        len(row.tokens) - len(trunk.tokens) + requests[row.index].max_new_tokens
        for trunk in shared
        for row in trunk.rows
    )
    trunk_tokens = sum(len(trunk.tokens) for trunk in shared if len(trunk.rows) > 1)
    chunk = min(Work().chunk, trunk_tokens + sum(len(row.tokens) - len(t.tokens) for t in shared for row in t.rows))
    return Work(rows=min(most, len(requests)), row_tokens=room, trunk_tokens=trunk_tokens, chunk=chunk)


def trained(tokenizer: Any, examples: Sequence[Any], recipe: Any) -> list[Any]:
    """The work of each piece that training runs."""
    from training import tokenised

    from harness.evaluation.pooled_attention import PART
    from harness.evaluation.prefix import parts
    from harness.models.fit import Work
    from harness.training.sft import PIECE_TOKENS
    from harness.training.steps import arrange, pieces

    options = recipe.optimiser
    found = []
    for step in arrange(tokenised(tokenizer, examples), options.batch_size, options.epochs, 0):
        for number, piece in enumerate(pieces(step, options.weigh, PIECE_TOKENS)):
            cut = parts(piece.segment.parents, PART)
            size = [each.stop - each.start for each in cut]
            seen = sum(own + sum(size[above] for above in each.above) for own, each in zip(size, cut, strict=True))
            count = len(piece.segment.tokens)
            found.append(Work(piece=count, learned=len(piece.places), seen=seen / count, later=number > 0))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    options = parser(__doc__, items=32)
    options.add_argument("--rows", type=positive, default=24, help="train rows [default: %(default)s]")
    options.add_argument("--batch-size", type=positive, default=12, help="rows a step [default: %(default)s]")
    options.add_argument("--only", choices=WAYS, action="append", help="measure this alone; may be repeated")
    options.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    options.add_argument("--short", action="store_true", help=argparse.SUPPRESS)
    asked_for = options.parse_args(argv)
    if asked_for.measure:
        sizes = (asked_for.items, asked_for.rows, asked_for.batch_size, asked_for.short)
        print(json.dumps(measure(asked_for.measure, asked_for.model, *sizes)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        nothing = make_tiny_model(Path(folder))
        found = [measured(way, asked_for, nothing) for way in asked_for.only or WAYS]
    report("fit", summary(found), {"ways": found}, asked_for.results)
    return 0


def measured(way: str, options: argparse.Namespace, nothing: Path) -> dict[str, Any]:
    """`measure` in a process of its own, and the floor in another: on ``nothing``, a model of almost no weight."""

    def run(model: str, *more: str) -> dict[str, Any]:
        command = [sys.executable, str(Path(__file__).resolve()), "--measure", way, "--model", model, *more]
        command += ["--items", str(options.items), "--rows", str(options.rows), "--batch-size", str(options.batch_size)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        if done.returncode:
            raise SystemExit(f"{way}: {done.stderr.strip() or done.stdout}")
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    floor = run(str(nothing), "--short")["peak"]
    found = run(options.model)
    found |= {"floor": floor, "measured": found["peak"] - floor}
    say(f"{way}: measured {found['measured'] / GB:.2f} GB, estimated {found['estimated'] / GB:.2f}")
    return found


def summary(found: Sequence[Mapping[str, Any]]) -> str:
    """The table as Markdown, in GB."""
    rows = [
        [
            each["way"],
            f"{each['measured'] / GB:.2f}",
            f"{each['estimated'] / GB:.2f}",
            f"{100 * (each['estimated'] / each['measured'] - 1):+.0f}%",
            ", ".join(f"{name} {size / GB:.2f}" for name, size in each["parts"].items() if size >= 0.005 * GB),
        ]
        for each in found
    ]
    return table(["", "measured", "estimated", "difference", "of it"], rows)


if __name__ == "__main__":
    raise SystemExit(main())
