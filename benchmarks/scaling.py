"""What the loop itself costs, by items and by rounds: everything but the model, which is scripted here.

    python benchmarks/scaling.py            # the whole grid, some minutes
    python benchmarks/scaling.py --quick    # its small end

No torch, no weights: `tests/fake_workbench.py` answers by rule, so what is left is reading, classifying, choosing,
testing, writing and reporting. Each point of the grid is a process of its own, so that its peak memory is its own.
``items`` are dev items; the train pool, the sealed gate items and test have as many each. A round mines and trains on
224 rows, whatever the items. Linear cost shows as a ratio of seconds at or below the ratio of the sizes.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fake_workbench import SURER, TOY_RECIPE, TOY_SETTINGS, Effect, FakeWorkbench, open_toy  # noqa: E402
from toy import GUARD_SIZES, LETTERS, SKILLS, ToyTask, gold, toy_docs, toy_handle  # noqa: E402

from harness.evaluation.domain import Domain  # noqa: E402
from harness.ledger import Ledger  # noqa: E402
from harness.loop.iterate import iterate  # noqa: E402
from harness.loop.prepare import prepare  # noqa: E402
from harness.loop.run import Run  # noqa: E402
from harness.reporting.interim import Reports  # noqa: E402
from harness.training.recipe import Data  # noqa: E402

BY_ITEMS = [(2_500, 5), (5_000, 5), (10_000, 5), (20_000, 5)]
BY_ROUNDS = [(2_500, 5), (2_500, 10), (2_500, 25), (2_500, 50)]
LARGEST = (20_000, 50)
SPLITS = {"train": 1, "validation": 2, "test": 1}  # in multiples of the dev items; validation is halved into dev, gate
RISE, FALL = Effect(gain=0.02), Effect(gain=-0.01)
SCRIPT = (RISE, RISE, FALL, SURER, RISE) * 10  # promotions, rejections and ties, and never all right


class Bench(FakeWorkbench):
    """The scripted model, without a memory of what it was asked, and with a watch on its own time."""

    def __init__(self) -> None:
        super().__init__(SCRIPT)
        self.seconds = 0.0

    def _note(self, kind: str, texts: Sequence[str] = (), start: Any = None) -> None:
        """Remember nothing: the history would be most of the memory."""

    def generate(self, requests: Any, progress: Any) -> Any:
        with timed(lambda seconds: self._add(seconds)):
            return super().generate(requests, progress)

    def loglikelihood(self, requests: Any, progress: Any) -> Any:
        with timed(lambda seconds: self._add(seconds)):
            return super().loglikelihood(requests, progress)

    def _add(self, seconds: float) -> None:
        self.seconds += seconds


@contextmanager
def timed(add: Callable[[float], None]) -> Any:
    """Tell ``add`` the seconds that the block took."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        add(time.perf_counter() - begun)


def synthetic(items: int) -> tuple[Domain, Domain]:
    """A domain of two skills with ``items`` dev items, and the toy's small guard."""
    tasks = {}
    for skill in SKILLS:
        docs: dict[str, list[dict[str, Any]]] = {}
        first = 0
        for split, multiple in SPLITS.items():
            docs[split] = [_doc(skill, split, first + place) for place in range(items * multiple // len(SKILLS))]
            first += len(docs[split])
        tasks[f"toy_{skill}"] = toy_handle(f"toy_{skill}", ToyTask(docs))
    guard = ToyTask({split: toy_docs("even", split) for split in GUARD_SIZES}, ["no", "yes"])
    return Domain("toy", tasks), Domain("toy_guard", {"toy_guard": toy_handle("toy_guard", guard)})


def _doc(skill: str, split: str, number: int) -> dict[str, Any]:
    word = "".join(LETTERS[(number >> shift) & 15] for shift in range(20, -1, -4))
    question = f"What is {number} + {number % 7}?" if skill == "add" else f"Write backwards: {word}"
    return {"skill": skill, "cluster": f"{skill}-{split}-{number // 4}", "input": question, "target": gold(question)}


def measure(items: int, rounds: int) -> dict[str, Any]:
    """One run in this process: seconds of each part, bytes written, peak memory."""
    spent: dict[str, float] = {"report": 0.0, "ledger": 0.0, "state": 0.0}

    def watch(owner: Any, name: str, part: str) -> None:
        original = getattr(owner, name)
        inner = original.fget if isinstance(original, property) else original

        def watched(*args: Any, **options: Any) -> Any:
            with timed(lambda seconds: spent.update({part: spent[part] + seconds})):
                return inner(*args, **options)

        setattr(owner, name, property(watched) if isinstance(original, property) else watched)

    watch(Ledger, "append", "ledger")
    watch(Run, "state", "state")
    begun = time.perf_counter()
    domain, guard = synthetic(items)
    bench = Bench()
    prepared = prepare(domain, guard, bench, None, TOY_SETTINGS.fewshot, None)
    recipe = replace(TOY_RECIPE, data=Data())
    settings = replace(TOY_SETTINGS, stop_after=1_000)
    reports: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        run = open_toy(run_dir, bench, settings=settings, recipe=recipe, clock=time.perf_counter, prepared=prepared)
        start = time.perf_counter() - begun

        reporter = Reports(run)

        def report() -> None:
            with timed(reports.append):
                reporter.interim()

        iterate(run, rounds, None, report)
        with timed(reports.append):
            reporter.final()
        total = time.perf_counter() - begun
        assert run.state.done == rounds, f"the script ended the run after {run.state.done} rounds"
        entries = [entry.data for entry in run.ledger.of_kind("round")]
        phases = {name: sum(data["seconds"][name] for data in entries) for name in entries[0]["seconds"]}
        finals = run.ledger.of_kind("final")[0].data["seconds"]
        return {
            "items": items,
            "rounds": rounds,
            "total": total,
            "start": start,
            "baseline": run.ledger.of_kind("baseline")[0].data["seconds"],
            **phases,
            "final": finals,
            "ledger": spent["ledger"],
            "state": spent["state"],
            "report": sum(reports),
            "last_report": reports[-1],
            "model": bench.seconds,
            "ledger_bytes": (run_dir / "ledger.jsonl").stat().st_size,
            "page_bytes": (run_dir / "report" / "index.html").stat().st_size,
            "run_bytes": sum(path.stat().st_size for path in run_dir.rglob("*") if path.is_file()),
            "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            * (1 if sys.platform == "darwin" else 1024),
        }


COLUMNS = ("total", "start", "baseline", "mine", "train", "evaluate", "other", "final", "ledger", "state", "report")


def table(points: Sequence[dict[str, Any]], size: str) -> str:
    """The points as a table, each followed by its ratios to the one before; ``size`` is what grows."""
    head = [*("items", "rounds"), *COLUMNS, "model", "ledger kB", "page kB", "peak MB"]
    lines = ["".join(f"{name:>10}" for name in head)]
    before: dict[str, Any] | None = None
    for point in points:
        sizes = [point["ledger_bytes"] / 1e3, point["page_bytes"] / 1e3, point["peak_bytes"] / 1e6]
        cells = [f"{point['items']:>10,}", f"{point['rounds']:>10}"]
        cells += [f"{point[name]:>10.2f}" for name in (*COLUMNS, "model")] + [f"{value:>10.0f}" for value in sizes]
        lines.append("".join(cells))
        if before is not None:
            ratio = {name: point[name] / before[name] if before[name] > 0.05 else None for name in (*COLUMNS, "model")}
            grown = [point[name] / before[name] for name in ("ledger_bytes", "page_bytes", "peak_bytes")]
            shown = [f"{'x ' + format(value, '.2f') if value else '':>10}" for value in [*ratio.values(), *grown]]
            lines.append(f"{'x ' + format(point[size] / before[size], 'g'):>20}" + "".join(shown))
        before = point
    return "\n".join(lines)


def main() -> None:
    """Run the grid, or one point of it where a process of this script asks for that."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the small end only")
    parser.add_argument("--largest", action="store_true", help="also 20,000 items in 50 rounds")
    parser.add_argument("--json", type=Path, help="write the points there too")
    parser.add_argument("--one", nargs=2, type=int, metavar=("ITEMS", "ROUNDS"), help="one point, as JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one)))
        return
    by_items, by_rounds = (BY_ITEMS[:2], BY_ROUNDS[:2]) if options.quick else (BY_ITEMS, BY_ROUNDS)
    wanted = list(dict.fromkeys([*by_items, *by_rounds, *([LARGEST] if options.largest else [])]))
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for items, rounds in wanted:
        command = [sys.executable, __file__, "--one", str(items), str(rounds)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[items, rounds] = json.loads(done.stdout)
        print(f"{items:,} items, {rounds} rounds: {found[items, rounds]['total']:.1f} s", file=sys.stderr)
    print("seconds by items\n" + table([found[point] for point in by_items], "items"))
    print("\nseconds by rounds\n" + table([found[point] for point in by_rounds], "rounds"))
    if options.largest:
        print("\n" + table([found[LARGEST]], "rounds"))
    if options.json:
        options.json.write_text(json.dumps(list(found.values()), indent=2) + "\n")


if __name__ == "__main__":
    main()
