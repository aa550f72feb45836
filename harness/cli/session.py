"""Opening a run from the command line: settings, data, model, lock, in the order in which they can fail cheaply."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.progress import TerminalListener
from harness.config import Settings, load_settings
from harness.exceptions import EnvironmentFault, InputError
from harness.locate import RUNS as RUNS
from harness.loop.assemble import configured_domain as configured_domain
from harness.loop.assemble import make_workbench as make_workbench
from harness.loop.assemble import quiet_libraries as quiet_libraries

if TYPE_CHECKING:
    from harness.loop.run import Run
    from harness.training.recipe import Recipe

_PACKAGES = ("lm_eval", "torch", "transformers", "peft", "trl", "bitsandbytes", "datasets", "accelerate", "pandas")


def settings_from(config: Path | None, options: Mapping[str, Any]) -> Settings:
    """Settings from the file and the command line's options."""
    known = ("model", "domain", "guard", "recipe", "seed", "device", "fewshot", "batch_size", "limit", "stop_after")
    return load_settings(
        config, {key: options.get(key) for key in (*known, "engine", "cache", "prompt", "guard_limit", "train_from")}
    )


def environment() -> dict[str, Any]:
    """Versions, platform and command, for the manifest."""
    from harness import __version__
    from harness.models.fingerprint import library_versions

    versions = {"harness": __version__, "python": platform.python_version()}
    return {
        "versions": {**versions, **library_versions(_PACKAGES)},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "command": " ".join(["harness", *sys.argv[1:]]),
    }


def peak_memory() -> int:
    """Bytes of memory that this process has held at most; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


@contextmanager
def opened(settings: Settings, out: Path | None, listener: TerminalListener) -> Iterator[Run]:
    """A run, open or resumed, its directory locked for this process.

    Raises:
        InputError, EnvironmentFault: anything that can be checked before the first token.
    """
    quiet_libraries()
    run_dir = (out or Path(RUNS) / settings.domain.replace("/", "_").replace(",", "+")).absolute()
    from harness.errors.setup import load_taxonomy
    from harness.loop.lock import run_lock
    from harness.loop.prepare import prepare
    from harness.loop.run import open_run
    from harness.training.recipe import load_recipe

    recipe = load_recipe(settings.recipe)
    domain, guard, state = configured_domain(settings)
    taxonomy = load_taxonomy(settings.classifiers, domain.folders)
    with run_lock(run_dir):
        _check_disk(run_dir)
        recipe = _as_begun(run_dir, recipe)
        workbench, recipe = make_workbench(settings, recipe, listener)
        with workbench.asking() as engine:
            prepared = prepare(
                domain, guard, engine, workbench.chat_template, settings.fewshot, settings.limit, settings.guard_limit,
                state,
            )  # fmt: skip
        run = open_run(
            run_dir, settings, recipe, prepared, workbench, environment(), time.monotonic, listener,
            taxonomy=taxonomy, record=state,
        )  # fmt: skip
        run.peak_memory = peak_memory
        yield run


def _as_begun(run_dir: Path, recipe: Recipe) -> Recipe:
    """A resumed run keeps the method that ``auto`` chose for it, whatever memory is free now."""
    from harness.storage import read_json

    manifest = run_dir / "manifest.json"
    if recipe.method != "auto" or not manifest.is_file():
        return recipe
    try:
        return replace(recipe, method=read_json(manifest)["identity"]["recipe"]["method"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{manifest}: damaged; restore it or choose another folder with --out") from error


def _check_disk(run_dir: Path) -> None:
    import shutil

    free = shutil.disk_usage(run_dir).free
    if free < 200_000_000:
        raise EnvironmentFault(
            f"{run_dir}: only {free / 1e6:.0f} MB free on this disk; a run needs at least 200 MB, free some space"
        )
