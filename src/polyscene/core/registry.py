"""Kinds of a thing by name, found through entry points: what comes with Polyscene and what a plug-in brings.

A package that declares an entry point in a group of `GROUPS` has its thing known by that name in
`polyscene.toml`; Polyscene's own are declared the same way. Names are known without loading anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from pydantic import AfterValidator

from polyscene.core.errors import MissingExtraError, UnknownIdError

T = TypeVar("T")

GROUPS = (
    "polyscene.signals",
    "polyscene.policies",
    "polyscene.contextual_policies",
    "polyscene.metrics",
    "polyscene.objectives",
    "polyscene.tuning_methods",
    "polyscene.split_protocols",
    "polyscene.table_formats",
    "polyscene.recorders",
    "polyscene.report_figures",
    "polyscene.indexes",
    "polyscene.estimators",
    "polyscene.sharing_forms",
)


class Registry(Generic[T]):
    """The kinds of one group.

    Args:
        group: of the entry points, one of `GROUPS`.
        order: names in the order in which they are listed; those it leaves out follow by alphabet.
    """

    def __init__(self, group: str, order: Sequence[str] = ()) -> None:
        self.group, self._order = group, {name: place for place, name in enumerate(order)}
        self._added: dict[str, T] = {}
        self._loaded: dict[str, T] = {}

    def __iter__(self) -> Iterator[str]:
        """Yield the names, in order."""
        names = {*self._declared, *self._added}
        yield from sorted(names, key=lambda name: (self._order.get(name, len(self._order)), name))

    def __contains__(self, name: object) -> bool:
        return name in self._added or name in self._declared

    def __getitem__(self, name: str) -> T:
        """Return the thing of that name, loading the module it is in.

        Raises:
            UnknownIdError: there is none.
            MissingExtraError: its module cannot be imported.
        """
        if name in self._added:
            return self._added[name]
        if name not in self._loaded:
            if name not in self._declared:
                raise UnknownIdError(
                    f"expected one of {', '.join(self)}, found '{name}'; a plug-in declares its own as an "
                    f"entry point of '{self.group}'"
                )
            try:
                self._loaded[name] = self._declared[name].load()
            except (ImportError, AttributeError) as error:
                raise MissingExtraError(
                    f"expected '{name}' of '{self.group}' in {self._declared[name].value}, found {error}; "
                    "install what it needs, or the plug-in's newest version"
                ) from error
        return self._loaded[name]

    def add(self, name: str, thing: T) -> None:
        """Make a thing known for as long as the process runs, before those of installed packages."""
        self._added[name] = thing

    @cached_property
    def _declared(self) -> Mapping[str, EntryPoint]:
        return _declared_kinds()[self.group]


@cache
def _declared_kinds() -> Mapping[str, Mapping[str, EntryPoint]]:
    """Return every installed package's entry points by group and name; looking for them takes a while."""
    points = entry_points()
    return {group: {point.name: point for point in points.select(group=group)} for group in GROUPS}


def known_to(registry: Registry[Any], renamed: Callable[[str], str] = str) -> AfterValidator:
    """Return what checks a setting: a name of the registry.

    Args:
        registry: that knows the names.
        renamed: from a name of earlier versions to the present one.
    """

    def check(name: str) -> str:
        present = renamed(name)
        if present not in registry:
            raise ValueError(f"Input should be one of {', '.join(registry)}")
        return present

    return AfterValidator(check)
