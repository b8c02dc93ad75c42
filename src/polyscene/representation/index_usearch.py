"""A graph over half-precision copies of the vectors, by usearch: the extra `usearch`.

It is built and changed by one thread: concurrent additions lose vectors. A replaced vector is taken out of
the graph and put in again.

Source: Y. Malkov, D. Yashunin, Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical
Navigable Small World Graphs, TPAMI 2018.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, ClassVar

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, LongArray
from polyscene.representation.index import VectorIndex

LINKS = 16
"""Of a vector to others."""
LOOKED_AT_TO_ADD = 128
LOOKED_AT = 512
"""Vectors that a search keeps in mind; it is at least what is wanted."""


class UsearchIndex(VectorIndex):
    """The nearest of n vectors, by a walk through a graph of near ones."""

    name: ClassVar[str] = "usearch"
    library: ClassVar[str | None] = "usearch.index"

    def _build(self) -> None:
        self._index: Any = self._empty()
        self._searching = Lock()  # the library keeps room for as many searches as there are processors
        self._take_effort(self._effort)
        self._take_in(self._everybody())

    def _codes_near(self, query: FloatArray, wanted: int) -> LongArray:
        with self._searching:
            keys = self._index.search(query, wanted, threads=1).keys
        return np.unique(keys.astype(np.int64))

    def _take_out(self, codes: LongArray) -> None:
        for code in codes.tolist():
            self._index.remove(code)

    def _take_in(self, codes: LongArray) -> None:
        if len(codes):
            self._index.add(codes.astype(np.uint64), self._rows.array[codes], threads=1)

    def _take_effort(self, effort: int) -> None:
        super()._take_effort(effort)
        self._index.expansion_search = self._effort * LOOKED_AT

    def _facts(self) -> Arrays:
        return {"usearch": np.frombuffer(bytes(self._index.save()), np.uint8)}

    def _resume(self, facts: Arrays) -> None:
        self._index = self._empty()
        self._searching = Lock()
        self._index.load(facts["usearch"].tobytes())
        self._take_effort(self._effort)

    def _empty(self) -> Any:  # noqa: ANN401 - a library without types
        width = max(self._rows.array.shape[1], 1)
        return self._library().Index(
            ndim=width, metric="ip", dtype="f16", connectivity=LINKS, expansion_add=LOOKED_AT_TO_ADD
        )
