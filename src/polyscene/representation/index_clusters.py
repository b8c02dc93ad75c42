"""Clusters of vectors around centroids (k-means); a request looks into those whose centroids suit it best.

Nothing else is needed for it, vectors are added and replaced in place, and a request that wants more looks
into more clusters.

Source: the inverted file of H. Jégou, M. Douze, C. Schmid, Product Quantization for Nearest Neighbor Search,
TPAMI 2011, section IV, without the quantizer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.seeds import generator
from polyscene.core.types import FloatArray, LongArray
from polyscene.representation.index import VectorIndex
from polyscene.representation.packed import PackedClusters

BLOCK = 4_096
"""So many vectors are compared with all centroids at once."""
ROUNDS = 8
SAMPLE = 50
"""Vectors per centroid that k-means learns from."""
WANTED_PER_RESULT = 4
"""A request looks into clusters that hold so many times the vectors that are wanted."""
MIN_CLUSTERS = 8
NO_CLUSTER = -1


class ClusterIndex(VectorIndex):
    """The nearest of n vectors, by clusters of about the square root of n vectors each."""

    name: ClassVar[str] = "clusters"

    def surroundings(self, wanted: int) -> Iterator[tuple[LongArray, LongArray]]:
        """Yield each cluster's rows, and the rows of the clusters around it, ascending, at least `wanted`."""
        for cluster in range(len(self._centroids)):
            own = np.sort(self._packed.of(cluster))
            clusters = self._around(self._centroids[cluster], max(wanted // WANTED_PER_RESULT, 1))
            if len(own):
                around = np.concatenate([self._packed.of(other) for other in clusters.tolist()])
                yield own, np.union1d(around, own)

    def _near(self, query: FloatArray, wanted: int) -> tuple[LongArray, FloatArray]:
        """Read vectors cluster by cluster: they lie side by side in memory."""
        if wanted >= self._count or not len(self._centroids):
            return super()._near(query, wanted)
        return self._packed.near(self._around(query, wanted), query)

    def _codes_near(self, query: FloatArray, wanted: int) -> LongArray:
        clusters = self._around(query, wanted).tolist()
        return np.concatenate([np.zeros(0, np.int64), *(self._packed.of(cluster) for cluster in clusters)])

    def _around(self, query: FloatArray, wanted: int) -> LongArray:
        """Return the clusters whose centroids suit a query best, with enough vectors in them."""
        order: LongArray = (-(self._centroids @ query)).argsort()
        sizes = self._packed.sizes[order].cumsum()
        enough = int(sizes.searchsorted(self._effort * WANTED_PER_RESULT * wanted)) + 1
        return order[: max(enough, self._effort * MIN_CLUSTERS)]

    def _take_out(self, codes: LongArray) -> None:
        for code in codes.tolist():
            self._packed.remove(self._cluster[code], code)
            self._cluster[code] = NO_CLUSTER

    def _take_in(self, codes: LongArray) -> None:
        self._cluster.extend([NO_CLUSTER] * (len(self._rows) - len(self._cluster)))
        for code, cluster in zip(
            codes.tolist(), self._nearest(self._rows.array[codes]).tolist(), strict=True
        ):
            self._packed.add(cluster, code)
            self._cluster[code] = cluster

    def _build(self) -> None:
        rows = self._everybody()
        count = max(int(np.sqrt(len(rows))), 1) if len(rows) else 0
        self._centroids = _centroids(self._rows.array, rows, count)
        self._sort_in(self._nearest(self._rows.array[rows]), rows)

    def _sort_in(self, nearest: LongArray, rows: LongArray) -> None:
        """Put (m,) rows into the (m,) clusters that are nearest to them."""
        self._cluster: list[int] = np.full(len(self._rows), NO_CLUSTER).tolist()
        for row, cluster in zip(rows.tolist(), nearest.tolist(), strict=True):
            self._cluster[row] = cluster
        self._packed = PackedClusters(nearest, rows, len(self._centroids), self._rows)

    def _facts(self) -> Arrays:
        return {"centroids": self._centroids, "clusters": np.array(self._cluster, np.int64)}

    def _resume(self, facts: Arrays) -> None:
        self._centroids = facts["centroids"]
        rows = self._everybody()
        self._sort_in(facts["clusters"][rows], rows)

    def _nearest(self, vectors: FloatArray) -> LongArray:
        """Return (m,) the centroid nearest to each vector, in squared distance."""
        half = 0.5 * np.einsum("kd,kd->k", self._centroids, self._centroids)
        blocks = [
            np.argmax(vectors[start : start + BLOCK] @ self._centroids.T - half, axis=1)
            for start in range(0, len(vectors), BLOCK)
        ]
        return np.concatenate([np.zeros(0, np.int64), *blocks])


def _centroids(vectors: FloatArray, rows: LongArray, count: int) -> FloatArray:
    """Return (count, d) means by Lloyd's algorithm over a sample; an empty cluster keeps its centroid."""
    if not count:
        return np.zeros((0, vectors.shape[1]), np.float32)
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
