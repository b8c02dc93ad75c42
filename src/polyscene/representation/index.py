"""Which vectors are nearest to a request's: exactly in small sets, by clusters in large ones.

Large sets are cut into clusters around centroids (k-means); a request looks into the clusters whose centroids
suit it best. Vectors can be added and replaced while others ask, by one writer.

Source: the inverted file of H. Jégou, M. Douze, C. Schmid, Product Quantization for Nearest Neighbor Search,
TPAMI 2011, section IV, without the quantizer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from polyscene.core.seeds import generator
from polyscene.core.types import BoolArray, FloatArray, LongArray

EXACT = 4_096
"""Up to so many vectors all are compared."""
ROUNDS = 8
SAMPLE = 50
"""Vectors per centroid that k-means learns from."""
WANTED_PER_RESULT = 4
"""A request looks into clusters that hold so many times the vectors that are wanted."""
MIN_CLUSTERS = 8


class VectorIndex:
    """The nearest of n vectors.

    Args:
        vectors: (n, d) float32; zero rows are never returned.
    """

    def __init__(self, vectors: FloatArray) -> None:
        self._vectors = vectors
        self._members: list[list[int]] = []
        self._arrays: list[LongArray | None] = []
        self._blocks: list[FloatArray | None] = []
        self._cluster: list[int] = []
        self._centroids: FloatArray | None = None
        if len(vectors) > EXACT:
            self._build()

    @property
    def exact(self) -> bool:
        """Whether there are so few vectors that all are to be compared: there is nothing to search then."""
        return self._centroids is None

    def search(self, query: FloatArray, wanted: int) -> tuple[LongArray, FloatArray] | None:
        """Return rows and their inner products with a (d,) query; None: all vectors are to be compared.

        Most of the `wanted` largest are among them.
        """
        if self.exact:
            return None
        clusters = self._around(query, wanted)
        rows = np.concatenate([self._rows_of(cluster) for cluster in clusters])
        return rows, np.concatenate([self._block_of(cluster) @ query for cluster in clusters])

    def near(self, query: FloatArray, wanted: int) -> LongArray:
        """Return the rows that `search` finds."""
        return np.concatenate([self._rows_of(cluster) for cluster in self._around(query, wanted)])

    def _around(self, query: FloatArray, wanted: int) -> list[int]:
        """Return the clusters whose centroids suit a query best, with enough vectors in them."""
        assert self._centroids is not None
        clusters: list[int] = []
        size = 0
        for cluster in np.argsort(-(self._centroids @ query)).tolist():
            clusters.append(cluster)
            size += len(self._members[cluster])
            if size >= WANTED_PER_RESULT * wanted and len(clusters) >= MIN_CLUSTERS:
                break
        return clusters

    def surroundings(self, wanted: int) -> Iterator[tuple[LongArray, LongArray]]:
        """Yield each cluster's rows, and the rows of the clusters around it, ascending, at least `wanted`."""
        if self._centroids is None:
            return
        for cluster in range(len(self._centroids)):
            own = np.sort(self._rows_of(cluster))
            clusters = self._around(self._centroids[cluster], max(wanted // WANTED_PER_RESULT, 1))
            if len(own):
                around = np.concatenate([self._rows_of(other) for other in clusters])
                yield own, np.union1d(around, own)

    def put(self, rows: LongArray, vectors: FloatArray) -> None:
        """Take in changed or added vectors; `vectors` (n, d) is the whole array as it is now."""
        self._vectors = vectors
        if self._centroids is None:
            if len(vectors) > 2 * EXACT:
                self._build()
            return
        for row, cluster in zip(rows.tolist(), self._nearest(vectors[rows]).tolist(), strict=True):
            if row < len(self._cluster):
                self._leave(row)
            else:
                self._cluster.extend([-1] * (row + 1 - len(self._cluster)))
            if np.any(vectors[row]):
                self._members[cluster].append(row)
                self._forget(cluster)
                self._cluster[row] = cluster

    def _leave(self, row: int) -> None:
        cluster = self._cluster[row]
        if cluster >= 0:
            self._members[cluster].remove(row)
            self._forget(cluster)
            self._cluster[row] = -1

    def _forget(self, cluster: int) -> None:
        self._arrays[cluster] = self._blocks[cluster] = None

    def _rows_of(self, cluster: int) -> LongArray:
        rows = self._arrays[cluster]
        if rows is None:
            rows = np.array(self._members[cluster], np.int64)
            self._arrays[cluster] = rows
        return rows

    def _block_of(self, cluster: int) -> FloatArray:
        """Return a cluster's vectors side by side in memory: reading them one by one would take longer."""
        block = self._blocks[cluster]
        if block is None:
            block = self._blocks[cluster] = self._vectors[self._rows_of(cluster)]
        return block

    def _build(self) -> None:
        filled: BoolArray = np.any(self._vectors != 0, axis=1)
        rows = np.flatnonzero(filled)
        if not len(rows):
            return
        count = max(int(np.sqrt(len(rows))), 1)
        self._centroids = _centroids(self._vectors, rows, count)
        nearest = self._nearest(self._vectors[rows])
        self._cluster = np.full(len(self._vectors), -1).tolist()
        order = np.argsort(nearest, kind="stable")
        borders = np.searchsorted(nearest[order], np.arange(count + 1))
        self._members, self._arrays, self._blocks = [], [], [None] * count
        for cluster in range(count):
            members = rows[order[borders[cluster] : borders[cluster + 1]]]
            self._members.append(members.tolist())
            self._arrays.append(members)
            for row in members.tolist():
                self._cluster[row] = cluster

    def _nearest(self, vectors: FloatArray) -> LongArray:
        """Return (m,) the centroid nearest to each vector, in squared distance."""
        assert self._centroids is not None
        half = 0.5 * np.einsum("kd,kd->k", self._centroids, self._centroids)
        blocks = [
            np.argmax(vectors[start : start + EXACT] @ self._centroids.T - half, axis=1)
            for start in range(0, len(vectors), EXACT)
        ]
        return np.concatenate([np.zeros(0, np.int64), *blocks])


def _centroids(vectors: FloatArray, rows: LongArray, count: int) -> FloatArray:
    """Return (count, d) means by Lloyd's algorithm over a sample; an empty cluster keeps its centroid."""
    draws = generator(0, "index")
    sample = vectors[draws.choice(rows, min(len(rows), SAMPLE * count), replace=False)]
    centroids: FloatArray = sample[draws.choice(len(sample), count, replace=False)].copy()
    for _ in range(ROUNDS):
        half = 0.5 * np.einsum("kd,kd->k", centroids, centroids)
        nearest = np.argmax(sample @ centroids.T - half, axis=1)
        sums = np.zeros_like(centroids)
        np.add.at(sums, nearest, sample)
        sizes = np.bincount(nearest, minlength=count)
        kept = sizes > 0
        centroids[kept] = sums[kept] / sizes[kept, None]
    return centroids
