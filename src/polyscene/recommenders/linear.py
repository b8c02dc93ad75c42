"""Linear item model: one ridge regression that predicts every item from all the others (EASE)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import linalg, sparse

from polyscene.core.types import FloatArray, LongArray
from polyscene.recommenders.item_to_item import ItemToItem, ItemToItemSettings
from polyscene.recommenders.signal import Evidence, interactions
from polyscene.responsible.explanation import Sentences

BLOCK = 512


class LinearSettings(ItemToItemSettings):
    """`[signals.linear]`: see `Linear`."""

    ridge: float = Field(100.0, gt=0, description="λ, the penalty on weights")
    max_items: int = Field(
        20_000, ge=1, description="only the most chosen take part: a dense inverse is n² memory, n³ time"
    )


class Linear(ItemToItem):
    """`score(u, ·) = x_u B`, with `B = -P / diag(P)` off the diagonal and `P = (XᵀX + λI)⁻¹`.

    X (n_users, n_items) holds choices. The inverse is computed in place by Cholesky (spotrf, spotri), and
    each row of B keeps its 400 strongest weights; λ is 100.

    Live: the weights are those of the last fit; the history is the present one.

    Source: H. Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019, equation 8.
    """

    name: ClassVar[str] = "linear"
    sentences: ClassVar[Sentences] = Sentences(
        "People with a history like yours tend to choose it.",
        "People with {past} in their history tend to choose this too.",
    )
    Settings = LinearSettings

    def fit_links(self, evidence: Evidence) -> sparse.csr_array:
        """Solve the ridge regression of every item on all others."""
        chosen = interactions(evidence.positive, evidence.n_users, evidence.n_items)
        chosen.data = np.minimum(chosen.data, 1.0)
        kept = _most_chosen(chosen, self.settings.max_items)
        blocks = _regression(chosen[:, kept], self.settings.ridge)
        return _spread(blocks, kept, evidence.n_items, self.settings.max_links)


def _most_chosen(chosen: sparse.csr_array, max_items: int) -> LongArray:
    """Return the items with events, the most chosen of them, in the order of the catalogue."""
    counts = np.bincount(chosen.indices, minlength=chosen.shape[1])
    best = np.argsort(-counts, kind="stable")[:max_items]
    return np.sort(best[counts[best] > 0])


def _regression(chosen: sparse.csr_array, ridge: float) -> Iterator[tuple[LongArray, FloatArray]]:
    """Yield blocks of rows of the dense weights, zero on the diagonal; one (k, k) array is ever held."""
    gram = _gram(chosen)
    gram[np.diag_indices_from(gram)] += ridge
    factor, failed = linalg.lapack.spotrf(gram, lower=1, overwrite_a=1)
    inverse, singular = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    diagonal = np.diag(inverse).copy()
    if failed or singular or not np.isfinite(diagonal).all():
        raise FloatingPointError("the item Gram matrix is not positive definite; are there NaN weights?")
    for start in range(0, len(diagonal), BLOCK):
        stop = min(start + BLOCK, len(diagonal))
        block = _rows_of_lower(inverse, start, stop)
        block /= -diagonal
        rows = np.arange(start, stop)
        block[rows - start, rows] = 0.0
        yield rows, block


def _rows_of_lower(lower: FloatArray, start: int, stop: int) -> FloatArray:
    """Return the rows start to stop of a symmetric (k, k) matrix of which only the lower half is filled."""
    rows = np.empty((stop - start, len(lower)), np.float32)
    own = lower[start:stop, start:stop]
    rows[:, :start] = lower[start:stop, :start]
    rows[:, start:stop] = np.where(np.tri(len(own), dtype=np.bool_), own, own.T)
    rows[:, stop:] = lower[stop:, start:stop].T
    return rows


def _gram(chosen: sparse.csr_array) -> FloatArray:
    """Return the dense (k, k) products of columns in Fortran order, filled a block of columns at a time."""
    columns = chosen.tocsc()
    gram = np.empty((chosen.shape[1], chosen.shape[1]), np.float32, order="F")
    for start in range(0, chosen.shape[1], BLOCK):
        gram[:, start : start + BLOCK] = (columns.T @ columns[:, start : start + BLOCK]).toarray()
    return gram


def _spread(
    blocks: Iterable[tuple[LongArray, FloatArray]], kept: LongArray, n_items: int, max_links: int
) -> sparse.csr_array:
    """Keep the strongest weights of every row and put them where the items stand in the catalogue."""
    most = min(max_links, len(kept) - 1)
    shape = (n_items, n_items)
    if most <= 0:
        return sparse.csr_array(shape, dtype=np.float32)
    rows, columns, data = [], [], []
    for place, block in blocks:
        strongest = np.argpartition(-np.abs(block), most - 1, axis=1)[:, :most]
        rows.append(np.repeat(kept[place], most))
        columns.append(kept[strongest.ravel()])
        data.append(np.take_along_axis(block, strongest, axis=1).ravel())
    entries = (np.concatenate(data), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.coo_array(entries, shape=shape).tocsr()
