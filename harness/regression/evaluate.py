"""A model's answers to the domain's dev items, made once and kept: unchanged, nothing is loaded and nothing asked."""

from __future__ import annotations

import gc
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.config import Settings
from harness.exceptions import InputError
from harness.loop.listener import Silent
from harness.regression import memo
from harness.regression.adapter import recipe_for
from harness.regression.answers import Answer, AnswerSet, Identity, from_evaluation
from harness.regression.identity import weights_id
from harness.storage import canonical_json, sha256_text

if TYPE_CHECKING:
    from harness.evaluation.domain import Domain
    from harness.evaluation.items import Item
    from harness.loop.workbench import Workbench
    from harness.training.recipe import Recipe


class Listener(Protocol):
    """Told of progress and of what should be known; `harness.cli.progress.TerminalListener` is one."""

    def phase(self, round: int, rounds: int, name: str) -> None:
        """A set of items is asked: ``dev`` or ``guard``."""
        ...

    def step(self, done: int, total: int, text: str = "") -> None:
        """``done`` of ``total`` items are answered."""
        ...

    def line(self, text: str) -> None:
        """An ordinary line."""
        ...

    def notice(self, text: str) -> None:
        """A line that should not be missed."""
        ...


class Unheard(Silent):
    """Tells nobody."""

    def line(self, text: str) -> None:
        """Say nothing."""


def evaluate(
    settings: Settings,
    model: str | None = None,
    adapter: Path | None = None,
    guard: bool = False,
    fresh: bool = False,
    *,
    timed: bool = False,
    folder: Path | None = None,
    listener: Listener | None = None,
) -> AnswerSet:
    """The answers of a model to the domain's dev items, zero-shot, classified; and to the guards' items.

    They are kept on disk under the hash of all that they hang on (`harness.regression.inputs`) and given again while
    nothing of it has changed, without torch and without lm-eval. Of several processes that ask for the same one
    evaluates and the others wait.

    Args:
        model: in place of the settings' own.
        adapter: folder of trained weights for it.
        guard: whether the guards of the settings are asked, too; those without right and wrong never are.
        fresh: whether kept answer sets are passed over (a new one is kept).
        timed: whether `AnswerSet.seconds` is wanted: kept responses are then not reused, which would take no time.
        folder: where answer sets are kept; by default beside the response cache, and nowhere with ``cache: false``.
        listener: told of progress.

    Raises:
        InputError: settings, tasks, record, model or adapter cannot be used.
        EnvironmentFault: no memory, no disk, no network.
    """
    from harness.models.loading import materialise
    from harness.models.reference import resolve
    from harness.regression.inputs import fixed_inputs, state_input
    from harness.training.recipe import load_recipe

    listener = listener or Unheard()
    settings = replace(settings, model=model or settings.model, guard=settings.guard if guard else "")
    if folder is None and settings.cache:
        folder = memo.default_folder()
    recipe, merged = recipe_for(load_recipe(settings.recipe), adapter)
    files = materialise(resolve(settings.model), progress=not isinstance(listener, Unheard))
    fixed = canonical_json(fixed_inputs(settings, recipe, files, adapter))

    def key() -> str:
        return sha256_text(f"{memo.SCHEMA}\0{fixed}\0{state_input(settings)}")

    with memo.alone(folder, sha256_text(fixed)[:16]):
        before = key()
        found = memo.find(folder, before) if folder is not None and not fresh else None
        if found is not None and (found.seconds is not None or not timed):
            return replace(found, source=_source(settings, adapter))
        asked = replace(settings, cache=settings.cache and not timed)
        with _quietly():
            answers = _ask(asked, recipe, adapter, merged, listener)
        if folder is not None:
            memo.keep(folder, (before, key()), answers)  # dealing new items their roles changes the record
        return answers


def _source(settings: Settings, adapter: Path | None) -> str:
    return settings.model + (f" with {adapter}" if adapter else "")


def _ask(settings: Settings, recipe: Recipe, adapter: Path | None, merged: bool, listener: Listener) -> AnswerSet:
    from harness.errors.setup import load_taxonomy
    from harness.evaluation.engine import ANSWERS_DEPEND_ON
    from harness.evaluation.guards import guard_items
    from harness.evaluation.roles import subset
    from harness.loop.assemble import configured_domain, make_workbench
    from harness.loop.prepare import dealt_roles
    from harness.models.fingerprint import adapter_hash, library_versions

    domain, guards, state = configured_domain(settings)
    taxonomy = load_taxonomy(settings.classifiers, domain.folders)
    dealt = dealt_roles(domain, state)
    for notice in dealt.notices:
        listener.notice(notice)
    parts: list[tuple[Domain, Sequence[Item], str, int]] = [
        (domain, subset(dealt.items["dev"], settings.limit), "dev", settings.fewshot)
    ]
    if guards is not None:
        parts.append((guards, subset(guard_items(guards, settings.guard_limit)[0], settings.limit), "guard", 0))
    if not parts[0][1]:
        raise InputError(
            f"domain '{domain.name}': no dev items; it has too few items or clusters to give each role some"
        )
    workbench, _ = make_workbench(settings, recipe, listener, adapter if merged else None)
    workbench.activate(None if merged else adapter)
    answers: list[Answer] = []
    seconds = 0.0
    reused = False
    size = None
    for owner, items, name, shots in parts:
        evaluation, cached, size = _answered(owner, items, name, shots, workbench, taxonomy, listener)
        answers += from_evaluation(evaluation, "guard" if name == "guard" else "domain")
        seconds += evaluation.seconds
        reused = reused or cached
    kept = settings.identity()
    model = workbench.identity
    identity = Identity(
        model=_source(settings, adapter),
        weights=weights_id(str(model["weights_sha256"]), adapter_hash(adapter) if adapter and not merged else ""),
        tasks={
            task: handle.config_hash
            for owner, *_ in parts
            for task, handle in owner.tasks.items()
            if any(answer.task == task for answer in answers)
        },
        classifiers={each.name: each.version for each in taxonomy.classifiers},
        categories=taxonomy.categories,
        settings={**{name: kept[name] for name in ("prompt", "engine", "limit")}, "fewshot": 0, "batch_size": size},
        environment=library_versions(ANSWERS_DEPEND_ON),
    )
    del workbench
    gc.collect()  # a model has cycles, and whoever gates it may go on for long
    return AnswerSet(_source(settings, adapter), tuple(answers), identity, None if reused else seconds)


def _answered(
    domain: Domain,
    items: Sequence[Item],
    name: str,
    fewshot: int,
    workbench: Workbench,
    taxonomy: Any,
    listener: Listener,
) -> tuple[Any, bool, int | None]:
    """The evaluation of ``items``, whether kept responses were reused, and the batch size that memory left.

    Items that are too long with ``fewshot`` examples are left out, as a run leaves them out.
    """
    from harness.evaluated import Evaluation
    from harness.evaluation.respond import respond, too_long

    listener.phase(0, 0, name)
    with workbench.asking() as engine:
        gone = {each.item_id for each in too_long(domain, items, engine, workbench.chat_template, fewshot)}
        if gone:
            listener.notice(f"{len(gone)} {name} items exceed the model's {engine.context_length} tokens: left out")
        fitting = [item for item in items if item.item_id not in gone]
        if not fitting:
            raise InputError(
                f"every {name} item is longer than the model's {engine.context_length} tokens; "
                "use a model with a longer context, shorter items or fewer few-shot examples"
            )
        begun = time.monotonic()
        results = respond(
            domain, fitting, engine, workbench.chat_template,
            progress=lambda done, total: listener.step(done, total, name),
        )  # fmt: skip
        seconds = time.monotonic() - begun
        size = getattr(engine, "batch_size", None)
        cached = bool(getattr(engine, "hits", 0))
    errors = taxonomy.classify_all(results)
    return Evaluation(name, tuple(results), tuple(errors), seconds), cached, size


@contextmanager
def _quietly() -> Iterator[None]:
    """Libraries print and warn nothing, and their environment variables are gone afterwards: this may be a guest."""
    from harness.loop.assemble import quiet_libraries

    before = dict(os.environ)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quiet_libraries()
        try:
            yield
        finally:
            for name in os.environ.keys() - before.keys():
                del os.environ[name]
