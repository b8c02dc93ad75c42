"""Vectors of each cluster side by side in memory: reading them one by one would take longer."""

from __future__ import annotations

import numpy as np

from polyscene.core.compiled import kernels_for
from polyscene.core.growing import GrowingArray
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.representation.products import KERNELS, in_lanes

MIN_ROOM = 16
"""A cluster that grows gets room for at least so many."""


class PackedClusters:
    """Which codes belong to which cluster, and their vectors, with room for more.

    Args:
        clusters: (m,) of each row, below `count`.
        rows: (m,) their codes.
        count: of clusters.
        vectors: (n, d) of all codes; read when a code is added, and when vectors are first asked for.
    """

    def __init__(
        self, clusters: LongArray, rows: LongArray, count: int, vectors: GrowingArray[np.float32]
    ) -> None:
        order = np.argsort(clusters, kind="stable")
        borders = np.searchsorted(clusters[order], np.arange(count + 1))
        self._starts: LongArray = borders[:-1].astype(np.int64)
        self.sizes: LongArray = np.diff(borders).astype(np.int64)
        self._room = self.sizes.copy()
        self._codes: GrowingArray[np.int64] = GrowingArray(rows[order])
        self._source = vectors
        self._packed: GrowingArray[np.float32] | None = None

    def of(self, cluster: int) -> LongArray:
        """Return the codes of a cluster: a view that later changes show through."""
        start = self._starts[cluster]
        return self._codes.array[start : start + self.sizes[cluster]]

    def near(self, clusters: LongArray, query: FloatArray) -> tuple[LongArray, FloatArray]:
        """Return the codes of some clusters, cluster by cluster, and their products with a (d,) query."""
        vectors, query = self._vectors().array, query.astype(np.float32, copy=False)
        count = int(self.sizes[clusters].sum())
        codes, products = np.empty(count, np.int64), np.empty(count, np.float32)
        if (kernels := kernels_for(0, KERNELS)) is not None:
            place = self._codes.array, self._starts, self.sizes
            kernels.cluster_products(vectors, *place, clusters, query, codes, products)
            return codes, products
        stop = 0
        for cluster in clusters.tolist():
            start, size = self._starts[cluster], self.sizes[cluster]
            stop += size
            codes[stop - size : stop] = self.of(cluster)
            products[stop - size : stop] = in_lanes(vectors[start : start + size], query)
        return codes, products

    def add(self, cluster: int, code: int) -> None:
        """Let a code belong to a cluster."""
        if self.sizes[cluster] == self._room[cluster]:
            self._move(cluster)
        self._write(int(self._starts[cluster] + self.sizes[cluster]), np.array([code]))
        self.sizes[cluster] += 1

    def remove(self, cluster: int, code: int) -> None:
        """Let a code that belongs to a cluster do so no more; the last one takes its place."""
        place = int(np.flatnonzero(self.of(cluster) == code)[0])
        last = self.of(cluster)[-1:].copy()
        self.sizes[cluster] -= 1
        if place < self.sizes[cluster]:
            self._write(int(self._starts[cluster]) + place, last)

    def _move(self, cluster: int) -> None:
        """Give a cluster twice its room, behind all others."""
        codes, start = self.of(cluster).copy(), len(self._codes)
        self._room[cluster] = max(2 * len(codes), MIN_ROOM)
        self._starts[cluster] = start
        self._codes.reach(start + int(self._room[cluster]))
        if self._packed is not None:
            self._packed.reach(len(self._codes))
        self._write(start, codes)

    def _write(self, start: int, codes: IntArray | LongArray) -> None:
        rows = np.arange(start, start + len(codes))
        self._codes.put(rows, codes.astype(np.int64, copy=False))
        if self._packed is not None:
            self._packed.put(rows, self._source.array[codes])

    def _vectors(self) -> GrowingArray[np.float32]:
        if self._packed is None:
            self._packed = GrowingArray(self._source.array[self._codes.array])
        return self._packed
