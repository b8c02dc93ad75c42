"""What people did, as sums of item vectors: by sparse products on a processor, with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.autograd.function import once_differentiable

from polyscene.core.types import FloatArray, LongArray


def weighted_sums(vectors: Tensor, columns: LongArray, weights: FloatArray, offsets: LongArray) -> Tensor:
    """Return (B, d) sums of weighted vectors; the order of the additions is that of the entries.

    Args:
        vectors: (C, d).
        columns: (m,) which vector each entry stands for.
        weights: (m,) float32, what it counts.
        offsets: (B + 1,) row r's entries are `offsets[r]:offsets[r + 1]`.
    """
    if vectors.device.type == "cpu" and vectors.dtype == torch.float32:
        sums: Tensor = _SparseSums.apply(vectors, columns, weights, offsets)  # type: ignore[no-untyped-call]
        return sums
    rows = torch.from_numpy(_rows(offsets)).to(vectors.device)
    counts = torch.from_numpy(weights).to(vectors.device)
    weighed = vectors[torch.from_numpy(columns)] * counts[:, None]  # (m, d)
    empty = weighed.new_zeros((len(offsets) - 1, vectors.shape[1]))
    return empty.index_add(0, rows, weighed)


class _SparseSums(torch.autograd.Function):
    """`S = W V` and `∂L/∂V = Wᵀ ∂L/∂S`, with the sparse (B, C) matrix W of the entries."""

    @staticmethod
    def forward(
        context: Any,  # noqa: ANN401 - torch's
        vectors: Tensor,
        columns: LongArray,
        weights: FloatArray,
        offsets: LongArray,
    ) -> Tensor:
        context.entries = columns, weights, offsets, len(vectors)
        shape = (len(offsets) - 1, len(vectors))
        return _product(weights, columns, offsets, shape, vectors)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401 - torch's
        columns, weights, offsets, n_vectors = context.entries
        order = np.argsort(columns, kind="stable")
        borders = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=n_vectors))])
        shape = (n_vectors, len(offsets) - 1)
        rows = _rows(offsets)[order]
        return _product(weights[order], rows, borders, shape, gradient), None, None, None


def _product(
    weights: FloatArray, columns: LongArray, offsets: LongArray, shape: tuple[int, int], dense: Tensor
) -> Tensor:
    matrix = sparse.csr_array((weights, columns, offsets), shape=shape)
    return torch.from_numpy(np.asarray(matrix @ dense.detach().contiguous().numpy(), np.float32))


def _rows(offsets: LongArray) -> LongArray:
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
