"""Vectors of items by row, and the index over them, built when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from polyscene.core.growing import GrowingArray
from polyscene.core.settings.index import IndexSettings
from polyscene.core.types import FloatArray, LongArray
from polyscene.representation.index import VectorIndex, put_rows
from polyscene.representation.index_choice import IndexCheck, checked, index_over, kind_for
from polyscene.representation.index_exact import ExactIndex

USUAL = IndexSettings()
OUTGROWN = 2
"""Another kind is taken where it suits half as many vectors too."""


class IndexedRows:
    """Vectors that grow and change, and what finds the nearest of them.

    Args:
        source: (n, d), a zero row is none; or what reads them, when they are first asked for.
    """

    def __init__(self, source: FloatArray | Callable[[], FloatArray]) -> None:
        self._source, self._settings = source, USUAL

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def array(self) -> FloatArray:
        """Return (n, d) as they are now."""
        return self._rows.array

    @cached_property
    def index(self) -> VectorIndex:
        """Finds the nearest."""
        return index_over(self._rows, self._settings)

    def index_by(self, settings: IndexSettings) -> None:
        """Choose the index by other settings, when it is next asked for."""
        if settings != self._settings:
            self._settings = settings
            self.__dict__.pop("index", None)

    def place(self, rows: LongArray, vectors: FloatArray) -> None:
        """Write (m, d) vectors into rows, those beyond the end too; the index finds them."""
        if "index" not in self.__dict__:
            put_rows(self._rows, rows, vectors)
            return
        self.index.put(rows, vectors)
        width = self.array.shape[1]
        if self.index.exact and not self._suits_exact(-(-len(self) // OUTGROWN), width):
            self.__dict__.pop("index")

    def check(self) -> IndexCheck:
        """Measure what the index finds; where it is too little, all vectors are compared from now on."""
        check = checked(self.index, self._settings)
        if check.kind == ExactIndex.name and not self.index.exact:
            self._settings = self._settings.model_copy(update={"kind": ExactIndex.name})
            self.__dict__["index"] = ExactIndex(self._rows)
        return check

    def _suits_exact(self, vectors: int, width: int) -> bool:
        return kind_for(vectors, width, self._settings) == ExactIndex.name

    @cached_property
    def _rows(self) -> GrowingArray[np.float32]:
        return GrowingArray(self._source() if callable(self._source) else self._source)
