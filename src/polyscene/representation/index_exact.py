"""Every vector is compared: nothing is missed, and a change costs no more than writing it."""

from __future__ import annotations

from typing import ClassVar

from polyscene.core.arrays import Arrays
from polyscene.core.types import BoolArray, FloatArray, LongArray
from polyscene.representation.index import VectorIndex


class ExactIndex(VectorIndex):
    """The nearest of n vectors, all of which are compared, block by block."""

    name: ClassVar[str] = "exact"
    exact: ClassVar[bool] = True

    def search(
        self, queries: FloatArray, k: int, closed: BoolArray | None = None
    ) -> tuple[LongArray, FloatArray]:
        """Compare every open vector; see `VectorIndex.search`."""
        return self.best_of_all(queries, k, closed)

    def _build(self) -> None:
        """Nothing is to be learned."""

    def _codes_near(self, query: FloatArray, wanted: int) -> LongArray:
        return self._everybody()

    def _take_out(self, codes: LongArray) -> None:
        """The vectors are all there is."""

    def _take_in(self, codes: LongArray) -> None:
        """The vectors are all there is."""

    def _facts(self) -> Arrays:
        return {}

    def _resume(self, facts: Arrays) -> None:
        """Nothing was learned."""
