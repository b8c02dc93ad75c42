"""The loss of each kind of task, against sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polyscene.core.settings.scenarios import TaskLoss
from polyscene.core.types import FloatArray
from polyscene.learning.task_losses import Drawn, task_loss
from polyscene.recommenders.multitask.tasks import Task

MET = np.array([0, 1], np.int32)
DRAWN = Drawn(
    np.array([1, 2, 2]),
    np.log([0.5, 1.5, 1.5]).astype(np.float32),
    np.log([2.0, 4.0, 4.0]).astype(np.float32),
)
OUT = torch.tensor([[0.3, -0.2, 0.5, 0.1], [1.2, 0.4, -1.0, 0.7]])[:, :, None]


def loss_of(
    kind: TaskLoss, labels: list[float], out: torch.Tensor = OUT, drawn: bool = False, classes: int = 0
) -> float | None:
    task = Task("t", kind, "t", classes=tuple(map(float, range(classes))))
    loss = task_loss(task, out, np.array(labels, np.float32), MET, DRAWN, drawn)
    return None if loss is None else float(loss)


def softplus(x: FloatArray | float) -> FloatArray:
    return np.asarray(np.log1p(np.exp(x)))


def test_softmax_estimates_the_sum_over_the_catalogue() -> None:
    first = np.log(np.exp(0.3) + np.exp(-0.2) / 0.5 + (np.exp(0.5) + np.exp(0.1)) / 1.5) - 0.3
    second = np.log(np.exp(1.2) + (np.exp(-1.0) + np.exp(0.7)) / 1.5) - 1.2  # item 1 is no rival of itself
    assert loss_of("softmax", [1.0, 1.0]) == pytest.approx((first + second) / 2, rel=1e-5)
    assert loss_of("softmax", [np.nan, 1.0]) == pytest.approx(second, rel=1e-5)


def test_bpr_counts_what_is_drawn_too_often_less() -> None:
    losses = softplus(np.array([-0.5, 0.2, -0.2, -2.2, -0.5]))
    weights = np.array([1 / 2, 1 / 4, 1 / 4, 1 / 4, 1 / 4])
    assert loss_of("bpr", [1.0, 1.0]) == pytest.approx((weights * losses).sum() / weights.sum(), rel=1e-5)


def test_a_yes_is_held_against_a_no_or_against_what_is_drawn() -> None:
    assert loss_of("bce", [1.0, 0.0]) == pytest.approx((softplus(-0.3) + softplus(1.2)) / 2, rel=1e-5)
    drawn = softplus(-0.3) + softplus(-0.2) / 2 + (softplus(0.5) + softplus(0.1)) / 4
    assert loss_of("bce", [1.0, 0.0], drawn=True) == pytest.approx(drawn, rel=1e-5)


def test_values_are_squared_near_and_counted_far_away() -> None:
    assert loss_of("mse", [0.3, -1.8]) == pytest.approx(4.5, rel=1e-5)
    assert loss_of("huber", [0.8, -1.8]) == pytest.approx((0.125 + 2.5) / 2, rel=1e-5)


def test_classes_are_told_apart() -> None:
    out = torch.tensor([[[0.0, 1.0, 2.0]], [[3.0, 0.0, 0.0]]])
    wanted = np.log(np.exp([0.0, 1.0, 2.0]).sum()) - 2.0
    assert loss_of("classes", [2.0, np.nan], out, classes=3) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("kind", ["softmax", "bpr", "bce", "mse", "huber", "classes"])
def test_nobody_asked_is_no_loss(kind: TaskLoss) -> None:
    assert loss_of(kind, [np.nan, np.nan]) is None


def test_items_are_drawn_by_their_chances_and_these_are_told() -> None:
    drawn = Drawn.by(np.array([0.0, 0.25, 0.75], np.float32), 4000, np.random.default_rng(0))
    shares = np.bincount(drawn.items, minlength=3) / 4000
    assert shares == pytest.approx([0.0, 0.25, 0.75], abs=0.03)
    one = int(np.flatnonzero(drawn.items == 1)[0])
    assert drawn.log_share[one] == pytest.approx(np.log(4000 * 0.25), rel=1e-5)
    assert drawn.log_alike[one] == pytest.approx(np.log(3 * 0.25), rel=1e-5)
