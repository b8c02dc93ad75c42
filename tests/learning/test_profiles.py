"""Sums of vectors by a sparse product are those of a dense one, and so are their slopes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from polyscene.learning.objectives.profiles import weighted_sums


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.integers(1, 5), st.integers(0, 2**16))
def test_sums_and_slopes_are_those_of_the_dense_product(
    lengths: list[int], n_vectors: int, seed: int
) -> None:
    draws = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths])
    columns = draws.integers(0, n_vectors, offsets[-1])
    weights = draws.uniform(0.1, 1.0, offsets[-1]).astype(np.float32)
    dense = np.zeros((len(lengths), n_vectors))
    for row, (start, stop) in enumerate(pairwise(offsets)):
        for column, weight in zip(columns[start:stop], weights[start:stop], strict=True):
            dense[row, column] += float(weight)
    values, pull = draws.normal(size=(n_vectors, 3)), draws.normal(size=(len(lengths), 3))
    vectors = torch.tensor(values, dtype=torch.float32, requires_grad=True)
    sums = weighted_sums(vectors, columns, weights, offsets)
    (sums * torch.from_numpy(pull)).sum().backward()  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(sums.detach().numpy(), dense @ values, atol=1e-5)
    assert vectors.grad is not None
    np.testing.assert_allclose(vectors.grad.numpy(), dense.T @ pull, atol=1e-5)
    wide = weighted_sums(vectors.double(), columns, weights, offsets)  # not by the sparse product
    np.testing.assert_allclose(wide.detach().numpy(), dense @ values, atol=1e-5)
