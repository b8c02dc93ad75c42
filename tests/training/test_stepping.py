from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import Parameter

from polyscene.core.errors import ModelError
from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.training.stepping import Stepper

PLAIN = OptimiserSettings(optimiser="sgd", learning_rate=1.0, weight_decay=0.0, momentum=0.0, clip=None)


class Pull:
    """Its loss is the inner product of a weight and the batch: the gradient is the batch."""

    def __init__(self) -> None:
        self.weight = Parameter(torch.zeros(2))
        self.types: list[torch.dtype] = []

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        return [("weight", self.weight)]

    def loss(self, batch: Tensor) -> Tensor:
        loss = (self.weight[None] @ batch[:, None])[0, 0]
        self.types.append(loss.dtype)
        return loss

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a step needs no {name}")


def moved(settings: OptimiserSettings, *batches: list[float], share: float = 1.0) -> tuple[Any, ...]:
    """Return how far the weight moved in one step over the batches, and what the step saw."""
    learner = Pull()
    stepper = Stepper({"a": learner}, settings)
    for batch in batches:
        stepper.gather("a", learner, torch.tensor(batch), share)
    step = stepper.step()
    return (-learner.weight.detach().numpy(), step, learner, stepper)


def test_a_step_averages_what_was_gathered_and_forgets_it() -> None:
    way, _, learner, stepper = moved(PLAIN, [3.0, 0.0], [0.0, 6.0], [0.0, 0.0])
    np.testing.assert_allclose(way, [1.0, 2.0])
    stepper.gather("a", learner, torch.tensor([1.0, 0.0]), 1.0)
    stepper.step()
    np.testing.assert_allclose(-learner.weight.detach().numpy(), [2.0, 2.0])


def test_the_share_scales_loss_and_slope() -> None:
    way, step, *_ = moved(PLAIN, [3.0, 4.0], share=0.5)
    np.testing.assert_allclose(way, [1.5, 2.0])
    assert step.gradient_norm == pytest.approx(2.5)


def test_the_gradient_is_clipped_by_the_norm_of_all_weights_together() -> None:
    way, step, *_ = moved(PLAIN.model_copy(update={"clip": 1.0}), [3.0, 4.0])
    np.testing.assert_allclose(way, [0.6, 0.8], rtol=1e-5)
    assert step.gradient_norm == pytest.approx(5.0)


def test_bfloat16_computes_the_loss_but_keeps_the_weights() -> None:
    for precision, expected in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        settings = PLAIN.model_copy(update={"precision": precision, "clip": 1.0})
        way, _, learner, _ = moved(settings, [0.25, 0.5])
        assert learner.types == [expected]
        assert learner.weight.dtype == torch.float32
        np.testing.assert_allclose(way, [0.25, 0.5])


def test_what_another_training_left_in_the_gradients_does_not_count() -> None:
    learner = Pull()
    learner.weight.grad = torch.full((2,), 100.0)
    stepper = Stepper({"a": learner}, PLAIN)
    stepper.gather("a", learner, torch.tensor([1.0, 1.0]), 1.0)
    stepper.step()
    assert learner.weight.tolist() == [-1.0, -1.0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_with_the_learners_name(value: float) -> None:
    learner = Pull()
    stepper = Stepper({"shop": learner}, PLAIN)
    with pytest.raises(ModelError, match="loss of 'shop'"):
        stepper.gather("shop", learner, torch.tensor([value, 0.0]), 1.0)


def test_a_gradient_that_is_not_finite_leaves_the_weights() -> None:
    class Root(Pull):
        def loss(self, batch: Tensor) -> Tensor:
            return self.weight.sqrt().sum()

    learner = Root()
    stepper = Stepper({"a": learner}, PLAIN)
    stepper.gather("a", learner, torch.zeros(2), 1.0)
    with pytest.raises(ModelError, match="finite gradient"):
        stepper.step()
    assert learner.weight.tolist() == [0.0, 0.0]


def test_parameters_on_the_processor_have_no_cuda_device() -> None:
    class Layer(Pull):
        def named_parameters(self) -> list[tuple[str, Parameter]]:
            return list(nn.Linear(2, 2).named_parameters())

    assert Stepper({"a": Layer()}, PLAIN).cuda_devices() == []
