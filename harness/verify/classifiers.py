"""The classifiers of a finished run, as far as the present ones are the same, without lm-eval."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.config import Settings
from harness.errors.contract import Classifier, ErrorRecord
from harness.errors.custom import NotRun
from harness.errors.setup import Taxonomy, load_taxonomy
from harness.errors.taxonomy import PRECEDENCE, Known, classify_all
from harness.evaluation.folders import plugin_folders
from harness.evaluation.items import ItemResult
from harness.exceptions import HarnessError
from harness.locate import data_folder
from harness.verify.findings import UNREADABLE
from harness.yamlfile import read_yaml


@dataclass(frozen=True)
class RunClassifiers:
    """What classifies a run's responses anew.

    Attributes:
        classifiers: those that are here in the version of the run.
        precedence: the run's.
        whole: whether these are all of the run's, so that records can be compared as they are.
        categories: the categories that no other classifier of the run has a say in.
        differences: why the others are left out, one line each.
    """

    classifiers: tuple[Classifier, ...]
    precedence: tuple[str, ...]
    whole: bool
    categories: frozenset[str]
    differences: tuple[str, ...] = ()
    _known: Known = field(default_factory=dict, repr=False, compare=False)

    def classify(self, results: Sequence[ItemResult], parts: Sequence[int] = ()) -> list[ErrorRecord]:
        """The record of each of ``results``.

        Args:
            parts: sizes of the parts that were answered by one model each, where there were several.
        """
        records: list[ErrorRecord] = []
        for size in parts or (len(results),):
            part = results[len(records) : len(records) + size]
            records += classify_all(part, self.classifiers, self.precedence, self._known)
        return records


def present_taxonomy(run_dir: Path, manifest: Mapping[str, Any], trust_code: bool = False) -> Taxonomy:
    """The classifiers that the run's settings and domain ask for, as they are now.

    Args:
        trust_code: whether code and models that the run's settings point to may be loaded; without, what is installed
            judges, and so do patterns and schemas, and a `NotRun` stands in for each other one.

    Raises:
        InputError: the settings cannot be read, or name something that is not here any more.
    """
    settings: Settings = read_yaml(run_dir / "config.yaml").build(Settings)
    chosen = settings.classifiers
    if not trust_code:
        named = {*manifest["identity"].get("classifiers", {}), *chosen.only, *chosen.also, *chosen.disable}
        # A category that only such a classifier has is not known here; the order of the others stays.
        taxonomy = load_taxonomy(replace(chosen, precedence=[], trigger=[]), not_run=named)
        first = chosen.precedence
        return replace(taxonomy, precedence=(*first, *(each for each in PRECEDENCE if each not in first)))
    return load_taxonomy(chosen, task_folders(manifest["identity"]["data"]["tasks"], settings.include_path))


def run_classifiers(run_dir: Path, manifest: Mapping[str, Any], trust_code: bool = False) -> RunClassifiers:
    """Those of the run's classifiers that are here in the same version, and may be run (see `present_taxonomy`)."""
    identity = manifest["identity"]
    recorded: Mapping[str, str] = identity.get("classifiers", {})
    precedence = tuple(identity.get("precedence", PRECEDENCE))
    if not recorded:
        reason = "the run does not say which classifiers it had"
        return RunClassifiers((), precedence, False, frozenset(), (reason,))
    try:
        here = {each.name: each for each in present_taxonomy(run_dir, manifest, trust_code).classifiers}
    except (HarnessError, *UNREADABLE) as error:
        return RunClassifiers((), precedence, False, frozenset(), (f"the classifiers cannot be loaded: {error}",))
    same, differences = [], []
    others: set[str] = set()
    for name, version in recorded.items():
        own = here.get(name)
        if isinstance(own, NotRun):
            differences.append(f"classifier {name} {own.what}, its code is not run without --trust-code")
            others |= set(own.categories)
        elif own is not None and own.version == version:
            same.append(own)
        elif own is None:
            differences.append(f"classifier {name} is not here")
            others.add(name)  # its categories are not known; built-in ones are named like theirs
        else:
            differences.append(f"classifier {name} is version {own.version} here, {version} in the run")
            others |= set(own.categories)
    categories = frozenset(category for each in same for category in each.categories) - others
    return RunClassifiers(tuple(same), precedence, not differences, categories, tuple(differences))


def task_folders(tasks: Iterable[str], include_paths: Iterable[str | Path]) -> list[Path]:
    """Folders of the YAML files that define lm-eval ``tasks``, found without lm-eval; tasks not found have none."""
    wanted = set(tasks)
    folders: dict[Path, None] = {}
    for root in [*map(Path, include_paths), data_folder("tasks"), *plugin_folders().values()]:
        for path in sorted(root.rglob("*.yaml")) if root.is_dir() else []:
            named = re.findall(r"^task:[ \t]*[\"']?([^\s\"'#]+)", path.read_text("utf-8", "replace"), re.MULTILINE)
            if wanted & set(named):
                folders[path.parent] = None
    return list(folders)
