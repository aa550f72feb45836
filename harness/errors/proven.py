"""Which categories may trigger training: those whose classifiers were proved on responses labelled by hand.

A category that was not proved is shown like any other, but nothing is trained, targeted or gated for it: its wrong
responses count for the next category of theirs that may, ``wrong_answer`` in the end (`target_category`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors.contract import Classifier, ErrorRecord
from harness.errors.registry import classifier_names
from harness.errors.taxonomy import DOUBTFUL
from harness.exceptions import InputError, did_you_mean
from harness.storage import read_json, write_json

if TYPE_CHECKING:
    from harness.errors.proof.measure import Measured

ALWAYS = "wrong_answer"
"""May always trigger: it is what the task's own metric says, and needs no classifier."""
PACKAGED = Path(__file__).resolve().parent / "proven.json"
SCHEMA = 1


@dataclass(frozen=True)
class Floors:
    """What a category must reach on responses labelled by hand.

    Attributes:
        recall, precision: 0 to 1, as measured (not the ends of their intervals).
        cases: responses of the category that were labelled, at least.
    """

    recall: float = 0.8
    precision: float = 0.9
    cases: int = 10


@dataclass(frozen=True)
class Evidence:
    """What is known of one category.

    Attributes:
        versions: version by name of the classifiers that it was measured with.
        due, found, false_alarms: see `harness.errors.proof.measure.Figures`.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    due: int = 0
    found: int = 0
    false_alarms: int = 0

    @property
    def recall(self) -> float:
        """Found of due, 0 to 1; 0 where none was due."""
        return self.found / self.due if self.due else 0.0

    @property
    def precision(self) -> float:
        """Due of reported, 0 to 1; 0 where nothing was found."""
        return self.found / (self.found + self.false_alarms) if self.found else 0.0


@dataclass(frozen=True)
class Proven:
    """The committed figures.

    Attributes:
        measured_on: file, its SHA-256 and the number of responses; ``None`` before there was one.
        categories: evidence by category.
    """

    floors: Floors
    measured_on: Mapping[str, Any] | None
    categories: Mapping[str, Evidence]


@dataclass(frozen=True)
class Standing:
    """Whether a category may trigger training and gates, and why, in a few words."""

    may_trigger: bool
    why: str


def load_proven(path: Path = PACKAGED) -> Proven:
    """Read committed figures.

    Raises:
        InputError: the file is missing or malformed; says where.
    """
    raw = read_json(path)
    try:
        if raw["schema"] != SCHEMA:
            raise InputError(f"{path}: schema {raw['schema']} is not known here; write it anew")
        return Proven(
            Floors(**raw["floors"]),
            raw["measured_on"],
            {str(name): Evidence(**evidence) for name, evidence in raw["categories"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not a file of measured classifiers ({type(error).__name__}: {error}); write it anew with "
            "'harness classifiers --evaluate --labelled FILE --write'"
        ) from error


def write_proven(
    path: Path,
    measured: Measured,
    classifiers: Sequence[Classifier],
    measured_on: Mapping[str, Any],
    floors: Floors | None = None,
) -> None:
    """Write what was measured on responses labelled by hand; whatever ``path`` held before is replaced.

    Every category in ``measured`` gets an entry, those without a labelled response too.

    Raises:
        EnvironmentFault: the file cannot be written.
    """
    write_json(
        path,
        {
            "schema": SCHEMA,
            "floors": asdict(floors or Floors()),
            "measured_on": dict(measured_on),
            "categories": {
                each.category: {
                    "versions": versions_of(each.category, classifiers),
                    "due": each.due,
                    "found": each.found,
                    "false_alarms": each.false_alarms,
                }
                for each in measured.figures
                if each.category != ALWAYS
            },
        },
    )


def versions_of(category: str, classifiers: Iterable[Classifier]) -> dict[str, str]:
    """Version by name of the classifiers of ``category``."""
    return {each.name: each.version for each in classifiers if category in each.categories}


def standings(
    classifiers: Sequence[Classifier], proven: Proven | None = None, override: Collection[str] = ()
) -> dict[str, Standing]:
    """Whether each category of ``classifiers`` may trigger, by what was measured with the very same versions.

    Args:
        proven: the figures; the packaged ones where left out.
        override: categories that the user lets trigger all the same (``classifiers: {trigger: [...]}``).

    Returns:
        In the order of the classifiers, ``wrong_answer`` always among them.

    Raises:
        InputError: ``override`` names a category that no classifier has.
    """
    known = load_proven() if proven is None else proven
    names = [*dict.fromkeys(category for each in classifiers for category in each.categories)]
    for name in override:
        if name not in names:
            raise InputError(
                f"classifiers.trigger: no classifier has the category '{name}'.{did_you_mean(name, names)}"
            )
    installed = classifier_names()
    own = {each.name for each in classifiers} - set(installed)
    found = {}
    for name in dict.fromkeys([*names, ALWAYS]):
        versions = versions_of(name, classifiers)
        if name == ALWAYS:
            found[name] = Standing(True, "the task's own metric")
        elif name in override:
            found[name] = Standing(True, "set in harness.yaml")
        elif name not in known.categories and versions.keys() <= own:
            found[name] = Standing(True, "one's own, not measured")
        else:
            found[name] = _measured(known.categories.get(name), versions, known.floors)
    return found


def _measured(evidence: Evidence | None, versions: Mapping[str, str], floors: Floors) -> Standing:
    if evidence is None:
        return Standing(False, "unproven: never measured")
    if dict(evidence.versions) != versions:
        return Standing(False, f"unproven: measured with {_named(evidence.versions)}, installed is {_named(versions)}")
    if evidence.due < floors.cases:
        return Standing(False, f"unproven: {evidence.due} labelled responses, {floors.cases} are needed")
    figures = f"recall {evidence.recall:.2f}, precision {evidence.precision:.2f} on {evidence.due}"
    if evidence.recall < floors.recall or evidence.precision < floors.precision:
        return Standing(False, f"below {floors.recall:g} / {floors.precision:g}: {figures}")
    return Standing(True, f"proved: {figures}")


def _named(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) or "none"


def triggering(
    classifiers: Sequence[Classifier], proven: Proven | None = None, override: Collection[str] = ()
) -> frozenset[str]:
    """The categories of ``classifiers`` that may trigger training and gates; arguments and errors as `standings`."""
    found = standings(classifiers, proven, override)
    return frozenset(name for name, verdict in found.items() if verdict.may_trigger)


def target_category(record: ErrorRecord, may_trigger: Collection[str] | None = None) -> str | None:
    """The category for which a response is trained on.

    Its primary category where that may trigger; else the next label, in order of precedence and sure enough to be
    primary, that may; else ``wrong_answer``, so that a wrong response always counts for something.

    Args:
        may_trigger: see `triggering`; ``None`` lets every category trigger.

    Returns:
        ``None`` for a response without a primary category, which is a right one.
    """
    if record.primary is None or may_trigger is None or record.primary in may_trigger:
        return record.primary
    sure = (label.category for label in record.labels if label.confidence >= DOUBTFUL)
    return next((category for category in sure if category in may_trigger), ALWAYS)
