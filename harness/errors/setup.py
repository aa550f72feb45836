"""Which classifiers a run has, and which of its categories counts first: defaults, domain and settings put together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config import ClassifierSettings
from harness.errors.contract import Classifier, ErrorRecord
from harness.errors.custom import NotRun, custom_classifiers, domain_classifiers
from harness.errors.proven import triggering
from harness.errors.registry import ON_REQUEST, classifier_names, load_classifiers
from harness.errors.taxonomy import PRECEDENCE, classify_all
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError, did_you_mean


@dataclass(frozen=True)
class Taxonomy:
    """The classifiers of a run, the order of precedence of their categories, and which of these may be targets."""

    classifiers: tuple[Classifier, ...]
    precedence: tuple[str, ...] = PRECEDENCE
    may_trigger: frozenset[str] | None = None  # all where left out

    def classify_all(self, items: Sequence[ItemResult]) -> list[ErrorRecord]:
        """The record of each of ``items``, in their order (`harness.errors.taxonomy.classify_all`)."""
        return classify_all(items, self.classifiers, self.precedence)

    @property
    def categories(self) -> dict[str, str]:
        """Every category that is looked for, to the name of the classifier that does; of several, of the first."""
        return {category: each.name for each in reversed(self.classifiers) for category in each.categories}

    def identity(self) -> dict[str, Any]:
        """What records and targets depend on."""
        return {
            "classifiers": {each.name: each.version for each in self.classifiers},
            "precedence": list(self.precedence),
            "may_trigger": None if self.may_trigger is None else sorted(self.may_trigger),
        }


def load_taxonomy(
    settings: ClassifierSettings | None = None, folders: Iterable[Path] = (), not_run: Collection[str] | None = None
) -> Taxonomy:
    """Put the classifiers together that are installed, that a domain brings and that ``harness.yaml`` declares.

    Args:
        settings: the ``classifiers`` section; the defaults where left out.
        folders: of the domain's tasks, whose ``utils.py`` may list ``CLASSIFIERS``.
        not_run: where given, no function and no model that ``settings`` name is loaded: a `NotRun` stands in for each,
            and for each of these names that nothing here has.

    Raises:
        InputError: an unknown classifier or category (the nearest is named), a name that is taken, a category of
            one's own that cannot be used.
    """
    settings = settings or ClassifierSettings()
    own = [*domain_classifiers(list(folders)), *custom_classifiers(settings.custom, not_run is None)]
    if settings.hallucination_model:
        from harness.errors.hallucination_model import CATEGORY, NAME, load_learned

        learned, what = settings.hallucination_model, "is a model of the run's own"
        own.append(load_learned(Path(learned)) if not_run is None else NotRun(NAME, what, (CATEGORY,)))
    installed = classifier_names()
    for name in sorted(set(not_run or ()) - {*installed, *(each.name for each in own)}):
        own.append(NotRun(name, "is not here, or of the domain's own"))
    known = [*installed, *(each.name for each in own)]
    for place, name in enumerate(known):
        if name in known[:place]:
            raise InputError(f"classifiers: there are two by the name of '{name}'; rename the one that is yours")
    for setting, names in (("only", settings.only), ("also", settings.also), ("disable", settings.disable)):
        for name in names:
            if name not in known:
                raise InputError(f"classifiers.{setting}: unknown classifier '{name}'.{did_you_mean(name, known)}")
    asked = set(settings.only or (name for name in known if name not in ON_REQUEST)) | set(settings.also)
    chosen = [name for name in known if name in asked and name not in settings.disable]
    classifiers = [*load_classifiers([name for name in chosen if name in installed])]
    classifiers += [each for each in own if each.name in chosen]
    precedence = _precedence(settings.precedence, [*classifiers, *own])
    return Taxonomy(tuple(classifiers), precedence, triggering(classifiers, override=settings.trigger))


def _precedence(first: Sequence[str], classifiers: Iterable[Classifier]) -> tuple[str, ...]:
    """The categories of ``first``, then the others in the default order."""
    categories = {category for each in classifiers for category in each.categories} | set(PRECEDENCE)
    for place, category in enumerate(first):
        if category not in categories:
            raise InputError(
                f"classifiers.precedence: unknown category '{category}'.{did_you_mean(category, categories)}"
            )
        if category in first[:place]:
            raise InputError(f"classifiers.precedence: '{category}' is named twice")
    return (*first, *(category for category in PRECEDENCE if category not in first))
