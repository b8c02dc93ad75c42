"""The indexes of a system: how they are chosen, and whether they find enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from polyscene.core.settings.index import AUTO, IndexSettings
from polyscene.engine.state import System
from polyscene.recommenders.factors import Factors
from polyscene.recommenders.sequence.sequence import Sequence
from polyscene.representation.index_choice import INDEXES, IndexCheck
from polyscene.representation.index_rows import IndexedRows

IndexChecks: TypeAlias = Mapping[tuple[str, str], IndexCheck]
"""What indexes were found to find, by scenario and view."""


def index_by(system: System, settings: IndexSettings) -> None:
    """Choose how the nearest vectors are found, in every scenario.

    Raises:
        MissingExtraError: the library of that kind is not installed.
    """
    if settings.kind != AUTO:
        INDEXES[settings.kind].demand_library()
    for _, _, rows in _rows_of(system):
        rows.index_by(settings)


def check_indexes(system: System) -> IndexChecks:
    """Measure what every index finds, by scenario and view; those that find too little are replaced.

    Nobody else may use the system meanwhile but for reading its facts.
    """
    with system.lock.writing():
        return {(scenario, view): rows.check() for scenario, view, rows in _rows_of(system)}


def _rows_of(system: System) -> Iterator[tuple[str, str, IndexedRows]]:
    """Yield all vectors that are searched, with the scenario and the name of the view."""
    for name, state in system.scenarios.items():
        for view, vectors in state.space.distinct().items():
            yield name, view, vectors.rows
        for signal in state.fusion.present().values():
            if isinstance(signal, Factors | Sequence):
                yield name, signal.name, signal.rows
