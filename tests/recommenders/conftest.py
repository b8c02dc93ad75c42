"""A signal that says what a test wants to hear."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray
from polyscene.data.queries import Queries
from polyscene.recommenders.signal import Evidence, Signal


class Told(Signal):
    """Row u of the (n_users, n_items) table is what user u hears."""

    name: ClassVar[str] = "told"

    def __init__(self, table: FloatArray) -> None:
        self.table = table

    def fit(self, evidence: Evidence) -> Self:
        return self

    def score(self, queries: Queries) -> FloatArray:
        return self.table[queries.user]

    def state(self) -> Arrays:
        return {"table": self.table}

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        return cls(state["table"])


@pytest.fixture(scope="session")
def told() -> Callable[[NDArray[np.float64]], Signal]:
    """Return what makes a signal of a table of scores."""
    return lambda table: Told(np.asarray(table, np.float32))
