"""The whole loop: `harness iterate` against `scripted_loop.sh`, what a competent user would script today.

    python benchmarks/loop.py --rounds 2

Both get the same base model, the same dev, test and guard items, the same sample of train items to mine in each
round, the same number of training rows, LoRA shape, rows a step, learning rate and seed, and both do the same work: the
base on dev, test and guard; rounds of mining, training and dev; test and guard once more at the end. Each runs as one
command in fresh processes, with nothing kept from an earlier run but the base model. Few-shot prompts are left out of
both.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import Contender, parser, positive, race, ratio, report, say, table
from scripted_pick import accuracy, read
from subjects import data_folder, environment, load_model, open_workbench, private_cache, quiet, scratch, write_task

SCRIPT, OURS = "lm_eval run and trl", "harness iterate"
_HARNESS = "import sys; sys.argv[0] = 'harness'; from harness.cli.main import main; sys.exit(main())"


def prepare_work(work: Path, asked: Any) -> dict[str, int]:
    """Write what `scripted_loop.sh` needs into ``work``; return the numbers of items."""
    from harness.evaluation.domain import load_domain
    from harness.loop.prepare import prepare
    from harness.loop.rounds import mining_sample
    from harness.storage import write_jsonl
    from harness.training.recipe import load_recipe

    recipe = load_recipe("auto")
    loaded = load_model(asked.model)
    wb = open_workbench(loaded, recipe, asked.seed)
    template = wb.chat_template
    domain, guard = (load_domain(name, [data_folder()]) for name in ("helpdesk", "general"))
    with wb.asking() as engine:
        prepared = prepare(domain, guard, engine, template, 0, asked.items)
    tasks = work / "tasks"
    shutil.rmtree(tasks, ignore_errors=True)
    write_task(tasks, domain, prepared.dev, "loop_dev", "__dev")
    write_task(tasks, domain, prepared.test, "loop_test", "__test")
    write_task(tasks, guard, prepared.guard, "loop_guard", "__guard")
    for number in range(1, asked.rounds + 1):
        sample = mining_sample(prepared.pool, asked.seed, number, asked.rows, (number - 1) * asked.rows)
        write_task(tasks, domain, sample, f"loop_mine_{number}", f"__mine_{number}")
    general = [
        {"prompt": guard.context(item, template), "completion": guard.answer(item, template)}
        for item in prepared.general
    ]
    write_jsonl(work / "general.jsonl", general)
    base = work / "base"
    base.unlink(missing_ok=True)
    base.symlink_to(loaded.folder)
    return {"dev": len(prepared.dev), "test": len(prepared.test), "guard": len(prepared.guard), "mine": asked.rows}


def write_recipe(path: Path, rows: int) -> Path:
    """The recipe auto with ``rows`` items mined and trained on a round."""
    path.write_text(f"method: lora\ndata:\n  mine: {rows}\n  rows: {rows}\n  first_rows: {rows}\n", encoding="utf-8")
    return path


def scripted(work: Path, asked: Any) -> dict[str, Any]:
    """Run the script; its scores and the seconds of its phases."""
    for number in ["final", *map(str, range(asked.rounds + 1))]:
        shutil.rmtree(work / number, ignore_errors=True)
    env = {**environment(), "PYTHON": sys.executable, "BATCH": str(asked.batch), "MICRO": str(asked.micro)}
    env |= {"ROWS": str(asked.rows), "SEED": str(asked.seed)}
    script = Path(__file__).parent / "scripted_loop.sh"
    subprocess.run(["bash", str(script), str(work), str(asked.rounds)], env=env, check=True, stdout=sys.stderr)
    best = int((work / "best").read_text())
    dev = [accuracy(read(work / str(number) / "eval", "__dev_")) for number in range(asked.rounds + 1)]
    phases = [line.split("\t") for line in (work / "times.tsv").read_text().splitlines()]
    return {
        "dev": dev,
        "best": best,
        "test_before": accuracy(read(work / "0" / "eval", "__test_")),
        "test": accuracy(read(work / "final", "__test_")),
        "guard_before": accuracy(read(work / "0" / "eval", "__guard_")),
        "guard": accuracy(read(work / "final", "__guard_")),
        "seconds": [{"round": int(number), "phase": phase, "seconds": float(took)} for number, phase, took in phases],
    }


def ours(work: Path, asked: Any) -> dict[str, Any]:
    """Run ``harness iterate``; its scores and the seconds of its phases."""
    out, state = work / "harness", work / "state"
    for folder in (out, state):  # of an earlier measurement; four openings of test would hide its result
        shutil.rmtree(folder, ignore_errors=True)
    env = environment() | {"HARNESS_CACHE": str(private_cache(work / "cache")), "HARNESS_STATE": str(state)}
    command = [sys.executable, "-c", _HARNESS, "iterate", "--rounds", str(asked.rounds), "--fewshot", "0"]
    command += ["--recipe", str(write_recipe(work / "auto.yaml", asked.rows)), "--seed", str(asked.seed)]
    command += ["--model", asked.model, "--device", "cpu", "--out", str(out), "--json"]
    if asked.items:
        command += ["--limit", str(asked.items)]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True, cwd=work)
    summary = json.loads(done.stdout)
    return {
        "dev": [
            summary["baseline"]["dev"]["value"],
            *(r["dev"]["value"] if r["dev"] else None for r in summary["rounds"]),
        ],
        "best": summary["champion"]["round"],
        "test_before": summary["test"]["before"]["value"],
        "test": summary["test"]["after"]["value"],
        "guard_before": summary["guard"]["before"]["value"],
        "guard": summary["guard"]["after"]["value"],
        "seconds": [
            {"round": entry["round"], "phase": phase, "seconds": took}
            for entry in summary["rounds"]
            for phase, took in entry["seconds"].items()
        ],
    }


def rounds_only(result: Mapping[str, Any]) -> float:
    """Seconds of the rounds alone, without base and final evaluation.

    The script mines round ``n + 1`` in the process that evaluates round ``n``, so its first mining counts as baseline.
    """
    return sum(entry["seconds"] for entry in result["seconds"] if entry["round"] > 0 and entry["phase"] != "final")


def main(argv: Sequence[str] | None = None) -> int:
    options = parser(__doc__)
    options.set_defaults(repeats=1)
    options.add_argument("--rounds", type=positive, default=2)
    options.add_argument("--rows", type=positive, default=224, help="items mined and rows trained on a round")
    options.add_argument("--batch", type=positive, default=64, help="batch of lm_eval run")
    options.add_argument("--micro", type=positive, default=4, help="rows that trl runs at a time")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, help="folder to work in, kept [default: a temporary one]")
    options.add_argument("--prepare-only", action="store_true", help="write what scripted_loop.sh needs, and stop")
    asked = options.parse_args(argv)
    quiet()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with scratch(asked.out) as work:
        items = prepare_work(work, asked)
        if asked.prepare_only:
            say(f"{work}: ready for benchmarks/scripted_loop.sh {work} {asked.rounds}")
            return 0
        contenders = [
            Contender(OURS, lambda: ours(work, asked)),
            Contender(SCRIPT, lambda: scripted(work, asked)),
        ]
        times = race(contenders, asked.repeats)
    own, theirs = times[OURS], times[SCRIPT]
    rows: list[list[Any]] = [
        ["all, seconds", theirs.median, own.median, ratio(theirs.median, own.median)],
    ]
    alone = [rounds_only(timed.result) for timed in (theirs, own)]
    rows.append(["rounds alone, seconds (last run)", *alone, ratio(*alone)])
    for key, name in (("dev", "dev of the best round"), ("test", "test"), ("guard", "guard")):
        values = [r[key][r["best"]] if key == "dev" else r[key] for r in (theirs.result, own.result)]
        rows.append([f"{name}, % right", *(100 * value for value in values), None])
    asked_of = ", ".join(f"{name} {count}" for name, count in items.items())
    text = table([f"{asked.rounds} rounds; {asked_of}", SCRIPT, OURS, "ratio"], rows)
    data = {
        "rounds": asked.rounds,
        "items": items,
        "contenders": {name: {"seconds": timed.seconds, **timed.result} for name, timed in times.items()},
        "over_harness": theirs.median / own.median,
    }
    report("loop", text, data, asked.results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
