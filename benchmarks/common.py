"""What the benchmarks share: fair timing, the machine's description and its peak, tables and result files.

Nothing here imports torch before it is asked to, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"
sys.path.insert(0, str(ROOT))  # the tree beside the script is measured, installed or not

_Answer = TypeVar("_Answer")
_PACKAGES = ("lm-eval", "torch", "transformers", "peft", "trl", "bitsandbytes", "accelerate", "datasets", "numpy")


@dataclass(frozen=True)
class Contender:
    """Somebody who does the work.

    Attributes:
        name: its row in the table.
        work: does the whole of the work once and returns its result.
        prepare: what is made ready before each run and not timed.
    """

    name: str
    work: Callable[..., Any]
    prepare: Callable[[], Any] | None = None


@dataclass
class Timed:
    """What a contender took: seconds of each run, in order, and the last result."""

    seconds: list[float] = field(default_factory=list)
    result: Any = None

    @property
    def median(self) -> float:
        """Median of the runs."""
        return statistics.median(self.seconds)


def orders(names: Sequence[str], repeats: int) -> list[list[str]]:
    """Who runs when: every second repeat goes the way of the one before backwards, each pair starts with another.

    A machine that slows down or warms up over the minutes then hits all alike.
    """
    made = []
    for repeat in range(repeats):
        shift = (repeat // 2) % len(names) if names else 0
        order = [*names[shift:], *names[:shift]]
        made.append(order[::-1] if repeat % 2 else order)
    return made


def once(work: Callable[[], _Answer]) -> tuple[float, _Answer]:
    """Seconds that ``work`` takes, and what it returns."""
    begun = time.perf_counter()
    answer = work()
    return time.perf_counter() - begun, answer


def run_once(contender: Contender) -> tuple[float, Any]:
    """Prepare a contender without the clock, then time it."""
    if contender.prepare is None:
        return once(contender.work)
    ready = contender.prepare()
    return once(lambda: contender.work(ready))


def race(contenders: Sequence[Contender], repeats: int) -> dict[str, Timed]:
    """Run every contender ``repeats`` times, in the alternation of `orders`."""
    by_name = {contender.name: contender for contender in contenders}
    times = {contender.name: Timed() for contender in contenders}
    for number, order in enumerate(orders(list(by_name), repeats), 1):
        for name in order:
            seconds, times[name].result = run_once(by_name[name])
            times[name].seconds.append(seconds)
            say(f"repeat {number}/{repeats}  {name:<28} {seconds:8.1f} s")
    return times


def best_of(label: str, options: Sequence[_Answer], contender: Callable[[_Answer], Contender]) -> _Answer:
    """The option whose contender is quickest, each tried once; the only one without a trial."""
    if len(options) == 1:
        return options[0]
    tried = {}
    for option in options:
        tried[option], _ = run_once(contender(option))
        say(f"trial     {label}, {option}: {tried[option]:.1f} s")
    return min(tried, key=lambda option: tried[option])


def say(text: str) -> None:
    """A line for whoever watches; the results alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


# The machine


def machine() -> dict[str, Any]:
    """Versions, processor, cores, date, command and commit: what a figure is worth nothing without."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", *_from_root(sys.argv)]),
        "commit": commit(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": _threads(),
        "platform": platform.platform(),
        "versions": versions,
    }


def _from_root(argv: Sequence[str]) -> list[str]:
    script = Path(argv[0]).resolve()
    return [str(script.relative_to(ROOT)) if script.is_relative_to(ROOT) else argv[0], *argv[1:]]


def _threads() -> int | None:
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())


def commit() -> str | None:
    """Commit of the tree, with ``+changes`` where it has any; ``None`` outside git."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    known = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if flag in flags]
    return f"{name} ({', '.join(known)})" if known else name


def peak_matmul(
    shapes: Sequence[tuple[int, int]], rows: Sequence[int] = (512, 1024, 2048), least: float = 0.15
) -> float:
    """The most fp32 operations a second that a matrix product of these shapes reaches here.

    The better of plain ``mm`` and of oneDNN on weights packed beforehand; the best of many runs, since what the
    machine can do is asked, not what it does on average.

    Args:
        shapes: ``(out, in)`` of the model's linear layers.
        rows: how many tokens go through at a time.
        least: seconds spent on each of the combinations at least.

    Returns:
        operations (two a multiply-add) a second.
    """
    import torch

    best = 0.0
    with torch.inference_mode():
        for out, into in sorted(set(shapes)):
            weight = torch.randn(out, into)
            for count in rows:
                left = torch.randn(count, into)
                for product in _products(left, weight):
                    product()
                    seconds, begun = float("inf"), time.perf_counter()
                    while time.perf_counter() - begun < least:
                        seconds = min(seconds, once(product)[0])
                    best = max(best, 2.0 * count * out * into / seconds)
    return best


def _products(left: Any, weight: Any) -> list[Callable[[], Any]]:
    import torch

    transposed = weight.t()
    target = left.new_empty(len(left), len(weight))
    found: list[Callable[[], Any]] = [lambda: torch.mm(left, transposed, out=target)]
    if torch.backends.mkldnn.is_available():
        try:
            packed = torch.ops.mkldnn._reorder_linear_weight(weight.to_mkldnn(), len(left))
            linear = torch.ops.mkldnn._linear_pointwise
            linear(left, packed, None, "none", [], "")
        except (AttributeError, RuntimeError, NotImplementedError):
            return found
        found.append(lambda: linear(left, packed, None, "none", [], ""))
    return found


# Output


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; floats with one decimal, ``None`` as nothing, pipes and line breaks made harmless."""

    def cell(value: Any) -> str:
        if value is None:
            return ""
        text = f"{value:.1f}" if isinstance(value, float) else str(value)
        return text.replace("|", "\\|").replace("\n", " ")

    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def ratio(other: float, ours: float) -> str:
    """How many times as long the other takes."""
    return f"{other / ours:.2f}" if ours > 0 else "-"


def report(name: str, text: str, data: Mapping[str, Any], results: Path | None = None) -> Path:
    """Print ``text`` and write ``data`` with the machine's description to ``results/NAME.json``; return its path."""
    folder = results or RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"benchmark": name, "machine": machine(), **data}, indent=1, ensure_ascii=False) + "\n")
    print(text)
    say(f"written to {path}")
    return path


def parser(description: str | None, items: int | None = None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--repeats", type=positive, default=3, help="runs of each contender, of which the median counts")
    made.add_argument("--items", type=positive, default=items, help="items asked at most [default: %(default)s]")
    made.add_argument("--model", default="smollm2-135m-instruct", help="embedded model, folder or hub id")
    made.add_argument("--results", type=Path, help="folder of the JSON [default: benchmarks/results]")
    return made


def positive(text: str) -> int:
    """A whole number above 0, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def numbers(text: str) -> list[int]:
    """``8,16,32`` as a list, for argparse."""
    return [positive(part) for part in text.split(",")]
