from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from polyscene.core.contracts import Trainer
from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.learning.signal_trainer import train_learner


class Slope:
    """Walks one weight to where the training wants it, past where the validation does.

    Args:
        wanted: by the training.
        judged: by the validation.
    """

    def __init__(self, wanted: float, judged: float) -> None:
        self.weight = Parameter(torch.zeros(1))
        self.wanted, self.judged, self.epochs = wanted, judged, 0
        self.orders: list[list[int]] = []

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        yield "weight", self.weight

    def batches(self, generator: np.random.Generator) -> Iterator[list[int]]:
        self.orders.append(generator.permutation(5).tolist())
        yield from ([row] for row in self.orders[-1])

    def loss(self, batch: list[int]) -> Tensor:
        return ((self.weight - self.wanted) ** 2).sum()

    def validate(self) -> float:
        self.epochs += 1
        return float((self.weight.detach() - self.judged) ** 2)

    def weights(self) -> Mapping[str, Tensor]:
        return {"weight": self.weight.detach().clone()}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            self.weight.copy_(weights["weight"])


FAST = OptimiserSettings(learning_rate=0.05, schedule="constant", warmup=0.0, weight_decay=0.0)


def test_it_is_a_trainer() -> None:
    trainer: Trainer = train_learner
    learner = Slope(1.0, 1.0)
    trainer(learner, FAST, epochs=20, patience=20, minutes=None, seed=0)
    assert abs(float(learner.weight.detach()) - 1.0) < 0.1


def test_the_weights_that_validated_best_are_left_and_patience_ends_it() -> None:
    learner = Slope(wanted=5.0, judged=1.0)
    train_learner(learner, FAST, epochs=50, patience=2, minutes=None, seed=0)
    assert abs(float(learner.weight.detach()) - 1.0) < 0.2
    assert learner.epochs < 12, "the first validation, about four better ones, and two that are not"


def test_epochs_bound_it_and_the_seed_orders_it() -> None:
    one, same, other = (Slope(5.0, 5.0) for _ in range(3))
    for learner, seed in ((one, 1), (same, 1), (other, 2)):
        train_learner(learner, FAST, epochs=3, patience=9, minutes=None, seed=seed)
    assert one.epochs == 4
    assert one.orders == same.orders
    assert one.orders != other.orders


def test_no_time_is_no_training() -> None:
    learner = Slope(5.0, 5.0)
    train_learner(learner, FAST, epochs=100, patience=100, minutes=1e-9, seed=0)
    assert learner.epochs <= 3
