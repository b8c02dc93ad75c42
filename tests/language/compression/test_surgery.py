"""Least squares against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from polyscene.language.compression import surgery
from polyscene.language.compression.surgery import (
    Moments,
    input_moments,
    keep_outputs,
    refit_inputs,
    removal_costs,
)
from polyscene.language.model.architecture import feed_forward, stack
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.encoding import tokenised


def _seen(rows: Tensor) -> Moments:
    moments = Moments.of(rows.shape[1])
    for part in torch.split(rows, 7):
        moments.add(part)
    return moments


@pytest.fixture
def rows() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(400, 6) @ torch.randn(6, 6) + torch.tensor([3.0, 0, 0, 0, 0, -2])


@pytest.fixture(autouse=True)
def _small_ridge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surgery, "RIDGE", 1e-9)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_groups_cost_is_what_is_lost_without_it(rows: Tensor, bias: bool, size: int) -> None:
    linear = nn.Linear(6, 4, bias=bias)
    prices = removal_costs(linear, _seen(rows), size)
    for group in range(6 // size):
        keep = torch.tensor([unit for unit in range(6) if unit // size != group])
        exact = linear(rows).detach()
        smaller = nn.Linear(6, 4, bias=bias)
        smaller.load_state_dict(linear.state_dict())
        refit_inputs(smaller, _seen(rows), keep)
        lost = (smaller(rows[:, keep]).detach() - exact).square().sum(1).mean()
        assert float(prices[group]) == pytest.approx(float(lost), rel=1e-3)


def test_what_takes_over_is_the_least_squares_answer(rows: Tensor) -> None:
    linear, keep = nn.Linear(6, 4), torch.tensor([0, 2, 5])
    exact = linear(rows).detach().numpy()
    with_one = np.concatenate([rows[:, keep].numpy(), np.ones((len(rows), 1))], axis=1)
    answer = np.linalg.lstsq(with_one, exact, rcond=None)[0]
    refit_inputs(linear, _seen(rows), keep)
    np.testing.assert_allclose(linear.weight.detach().numpy(), answer[:3].T, atol=1e-3)
    np.testing.assert_allclose(linear.bias.detach().numpy(), answer[3], atol=1e-3)
    assert linear.in_features == 3


def test_outputs_that_stay_say_the_same(rows: Tensor) -> None:
    linear, keep = nn.Linear(6, 4), torch.tensor([1, 3])
    exact = linear(rows)[:, keep]
    keep_outputs(linear, keep)
    torch.testing.assert_close(linear(rows), exact)


def test_padding_is_not_counted(bert: LanguageModel, texts: list[str]) -> None:
    parts = [feed_forward(layer).out for layer in stack(bert.module)]
    moments = input_moments(bert, parts, [*texts, ""])
    assert moments[0].count == sum(map(len, tokenised(bert, texts)))
    assert not parts[0]._forward_pre_hooks
    assert not bert.module._forward_pre_hooks
