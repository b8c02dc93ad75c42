"""Half-precision copies of the vectors in inverted lists, by faiss: the extra `faiss`.

Up to `FLAT` vectors stand in one list, which is searched whole; more stand in about as many lists as the
square root of their number, of which a search reads those that hold a few times what is wanted.

Source: M. Douze et al., The Faiss library, arXiv 2401.08281, sections 4 and 5.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, LongArray
from polyscene.representation.index import VectorIndex

FLAT = 10_000
ROUNDS = 8
SAMPLE = 50
"""Vectors per list that k-means learns from."""
MIN_LISTS = 8
WANTED_PER_RESULT = 4
"""A search reads lists that hold about so many times the vectors that are wanted."""


class FaissIndex(VectorIndex):
    """The nearest of n vectors, by half-precision inner products in inverted lists."""

    name: ClassVar[str] = "faiss"
    library: ClassVar[str | None] = "faiss"

    def _build(self) -> None:
        faiss, codes, width = self._library(), self._everybody(), self._rows.array.shape[1]
        lists = max(int(np.sqrt(len(codes))), 1) if len(codes) > FLAT else 1
        coarse = faiss.IndexFlatIP(width)
        kind, metric = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        index = faiss.IndexIVFScalarQuantizer(coarse, width, lists, kind, metric, False)
        index.cp.niter, index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = ROUNDS, 1, SAMPLE
        vectors = self._rows.array[codes]
        index.train(vectors if len(codes) else np.zeros((1, width), np.float32))
        index.set_direct_map_type(faiss.DirectMap.Hashtable)  # a vector is taken out without a walk over all
        self._index: Any = index
        self._add(codes, vectors)

    def _codes_near(self, query: FloatArray, wanted: int) -> LongArray:
        lists = self._index.nlist
        share = WANTED_PER_RESULT * wanted / max(self._count, 1)
        probes = min(self._effort * max(MIN_LISTS, int(np.ceil(share * lists))), lists)
        how = self._library().SearchParametersIVF(nprobe=probes)
        _, codes = self._index.search(np.ascontiguousarray(query[None]), wanted, params=how)
        near: LongArray = codes[0][codes[0] >= 0]
        return near

    def _take_out(self, codes: LongArray) -> None:
        if len(codes):
            self._index.remove_ids(codes)

    def _take_in(self, codes: LongArray) -> None:
        self._add(codes, self._rows.array[codes])

    def _add(self, codes: LongArray, vectors: FloatArray) -> None:
        if len(codes):
            self._index.add_with_ids(np.ascontiguousarray(vectors), codes)

    def _facts(self) -> Arrays:
        return {"faiss": self._library().serialize_index(self._index)}

    def _resume(self, facts: Arrays) -> None:
        self._index = self._library().deserialize_index(facts["faiss"])
