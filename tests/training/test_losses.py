from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polyscene.training.losses import choice_loss

rows = st.lists(st.lists(st.floats(-30, 30), min_size=1, max_size=6), min_size=1, max_size=5)


def padded(rows: list[list[float]]) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor(
        [row + [-np.inf] * (longest - len(row)) for row in rows], dtype=torch.float64, requires_grad=True
    )


@given(rows)
def test_it_is_the_mean_negative_log_softmax_of_the_choice(rows: list[list[float]]) -> None:
    expected = np.mean([-np.log(np.exp(row[0]) / np.exp(row).sum()) for row in rows])
    assert choice_loss(padded(rows)).item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(rows)
def test_its_slope_is_the_softmax_less_the_choice(rows: list[list[float]]) -> None:
    logits = padded(rows)
    choice_loss(logits).backward()  # type: ignore[no-untyped-call]
    for row, values in enumerate(rows):
        softmax = np.exp(values) / np.exp(values).sum()
        softmax[0] -= 1.0
        assert logits.grad is not None
        np.testing.assert_allclose(logits.grad[row, : len(values)], softmax / len(rows), atol=1e-9)
        assert not logits.grad[row, len(values) :].any()


def test_extreme_logits_do_not_overflow() -> None:
    loss = choice_loss(torch.tensor([[0.0, 1e4], [1e4, 0.0]]))
    assert loss.item() == pytest.approx(5e3)
