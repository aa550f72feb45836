"""What other packages bring as entry points: one door for classifiers, trainers, reporters and folders of domains.

What is built in comes through the same door: a name and ``module:attribute``, imported when it is asked for. Each kind
is a `Registry` beside what it is about (`harness.errors.registry`, `harness.training.registry`,
`harness.reporting.registry`, `harness.evaluation.folders`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from harness.exceptions import InputError, did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class PluginFault(InputError):
    """An entry point that cannot be used: it does not import, or is not what its group holds."""


@dataclass(frozen=True)
class Plugin:
    """One entry point, tried.

    Attributes:
        kind: ``classifier``, ``trainer``, ``reporter`` or ``domain``.
        name: by which it is asked for.
        value: ``module:attribute``.
        package, version: that it came with; empty where the entry point belongs to none.
        builtin: whether this package brings it itself.
        error: why it cannot be used, one line; empty where it can.
    """

    kind: str
    name: str
    value: str
    package: str
    version: str
    builtin: bool
    error: str = ""


class Registry(Generic[T]):
    """The things of one kind, by name.

    Args:
        kind: what messages call one of them.
        group: of the entry points.
        builtin: name to ``module:attribute``.
        accept: makes what the registry gives out of what an entry point loads, ``accept(loaded, name)``; raises
            anything where it is no such thing.

    Example::

        REPORTERS = Registry("reporter", "harness.reporters", {"html": "package.html:Reporter"}, as_reporter)
        REPORTERS.load("html")
    """

    def __init__(self, kind: str, group: str, builtin: Mapping[str, str], accept: Callable[[object, str], T]) -> None:
        self.kind, self.group, self.builtin = kind, group, builtin
        self._accept = accept

    def candidates(self) -> dict[str, list[EntryPoint]]:
        """Entry points by name, the built-in ones first, then by name; more than one where packages disagree."""
        from importlib import metadata  # 20 ms, and not needed to import what registers

        found = {name: [metadata.EntryPoint(name, value, self.group)] for name, value in self.builtin.items()}
        for point in sorted(metadata.entry_points(group=self.group), key=lambda point: (point.name, point.value)):
            others = found.setdefault(point.name, [])
            if all(other.value != point.value for other in others):  # one package seen through two paths is one
                others.append(point)
        return found

    def names(self) -> tuple[str, ...]:
        """Names of all that are installed, without loading any."""
        return tuple(self.candidates())

    def unambiguous(self) -> dict[str, EntryPoint]:
        """The entry point of each name.

        Raises:
            InputError: two packages bring the same name.
        """
        return {name: self._only(points) for name, points in self.candidates().items()}

    def point(self, name: str) -> EntryPoint:
        """The entry point called ``name``.

        Raises:
            InputError: unknown (the nearest is named), or two packages bring it.
        """
        found = self.candidates()
        if name not in found:
            raise InputError(f"unknown {self.kind} '{name}'.{did_you_mean(name, found)}")
        return self._only(found[name])

    def load(self, name: str) -> T:
        """Import what is called ``name``.

        Raises:
            InputError: as `point`.
            PluginFault: it cannot be used.
        """
        return self.load_point(self.point(name))

    def load_point(self, point: EntryPoint) -> T:
        """Import what ``point`` names; raises `PluginFault`."""
        try:
            return self._accept(point.load(), point.name)
        except (Exception, SystemExit) as error:  # a module may call sys.exit when it is imported
            reason = f"{self.describe(point)} cannot be used: {type(error).__name__}: {error}"
            raise PluginFault(" ".join(reason.split())) from error

    def describe(self, point: EntryPoint) -> str:
        """``classifier 'x' from module:attribute (package p 1.0)``, for messages."""
        return f"{self.kind} '{point.name}' from {self._origin(point)}"

    def survey(self) -> list[Plugin]:
        """Try everything that is installed; what fails says so and stops nothing."""
        plugins = []
        for points in self.candidates().values():
            for point in points:
                error = ""
                try:
                    self._only(points)
                    self.load_point(point)
                except InputError as fault:
                    error = str(fault)
                package, version = (point.dist.name, point.dist.version) if point.dist is not None else ("", "")
                builtin = self._is_builtin(point)
                plugins.append(Plugin(self.kind, point.name, point.value, package, version, builtin, error))
        return plugins

    def _only(self, points: list[EntryPoint]) -> EntryPoint:
        if len(points) > 1:
            raise InputError(
                f"{self.kind} '{points[0].name}' is registered twice: {self._origin(points[0])} and "
                f"{self._origin(points[1])}; uninstall one of the packages or rename its entry point"
            )
        return points[0]

    def _is_builtin(self, point: EntryPoint) -> bool:
        return self.builtin.get(point.name) == point.value

    def _origin(self, point: EntryPoint) -> str:
        if self._is_builtin(point):
            return f"{point.value} (built in)"
        package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "unknown"
        return f"{point.value} (package {package})"
