"""A signal whose scores a test writes down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray
from polyscene.data.queries import Queries
from polyscene.recommenders.signal import Evidence, Signal
from polyscene.representation.item_space import ItemSpace
from polyscene.responsible.explanation import Sentences


class TableSignal(Signal):
    """Row u of the (n_users, n_items) table holds the scores of user u."""

    name: ClassVar[str] = "table"
    sentences: ClassVar[Sentences] = Sentences("The table says so.")

    def __init__(self, table: FloatArray) -> None:
        super().__init__()
        self.table = table

    def fit(self, evidence: Evidence) -> Self:
        return self

    def score_all(self, queries: Queries) -> FloatArray:
        return self.table[queries.user]

    def state(self) -> Arrays:
        return {"table": self.table}

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        self.table = state["table"]
        return self


@pytest.fixture(scope="session")
def table_signal() -> Callable[[NDArray[np.float64]], Signal]:
    """Return what makes a signal of a table of scores."""
    return lambda table: TableSignal(np.asarray(table, np.float32))
