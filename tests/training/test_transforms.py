"""Gradients are changed before the weights move: in order, once per step, clipping last."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from polyscene.core.errors import ModelError
from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.training.budget import Budget
from polyscene.training.loop import fit
from polyscene.training.plan import Plan
from polyscene.training.transforms import Clipping, GradientTransform

PLAIN = OptimiserSettings(
    optimiser="sgd",
    learning_rate=1.0,
    momentum=0.0,
    weight_decay=0.0,
    schedule="constant",
    warmup=0.0,
    clip=None,
)


def trained(
    learner: Any, *transforms: GradientTransform, settings: OptimiserSettings = PLAIN, steps: int = 1
) -> dict[str, Tensor]:
    """Return how far the weights moved."""
    before = learner.weights()
    plan = Plan(Budget(steps=steps), settings, validate_every=100, transforms=transforms)
    learner.validations = [math.nan] * 9
    fit({"a": learner}, {"a": 1.0}, plan, np.random.default_rng(0))
    return {name: value - before[name] for name, value in learner.weights().items()}


def test_a_transform_sees_every_gradient_and_how_many_examples_made_it(
    reader: Callable[..., nn.Module], reading: Callable[..., Any]
) -> None:
    seen: list[tuple[int, int]] = []

    def watch(gradients: Sequence[Tensor], examples: int) -> None:
        seen.append((len(gradients), examples))

    learner = reading(reader(0))  # 22 examples in batches of 4: an epoch leaves one batch of 2
    trained(learner, watch, settings=PLAIN.model_copy(update={"accumulation": 2}), steps=4)
    parameters = len(list(learner.named_parameters()))
    assert seen == [(parameters, 8), (parameters, 8), (parameters, 6), (parameters, 8)]


def test_what_a_transform_makes_of_the_gradients_is_what_the_weights_follow(
    reader: Callable[..., nn.Module], reading: Callable[..., Any]
) -> None:
    def ones(gradients: Sequence[Tensor], examples: int) -> None:
        for gradient in gradients:
            gradient.fill_(1.0)

    def doubled(gradients: Sequence[Tensor], examples: int) -> None:
        for gradient in gradients:
            gradient.mul_(2.0)

    for moved in trained(reading(reader(0)), ones, doubled).values():
        torch.testing.assert_close(moved, torch.full_like(moved, -2.0))


def test_clipping_comes_after_what_the_plan_brings(
    reader: Callable[..., nn.Module], reading: Callable[..., Any]
) -> None:
    def huge(gradients: Sequence[Tensor], examples: int) -> None:
        for gradient in gradients:
            gradient.fill_(1e6)

    clipped = PLAIN.model_copy(update={"clip": 0.5})
    moved = trained(reading(reader(0)), huge, settings=clipped)
    length = torch.cat([each.flatten() for each in moved.values()]).norm()
    assert float(length) == pytest.approx(0.5, rel=1e-4)


def test_a_transform_that_breaks_the_gradient_is_noticed(
    reader: Callable[..., nn.Module], reading: Callable[..., Any]
) -> None:
    def broken(gradients: Sequence[Tensor], examples: int) -> None:
        gradients[0].fill_(math.nan)

    with pytest.raises(ModelError, match="finite gradient"):
        trained(reading(reader(0)), broken)


@pytest.mark.parametrize(("limit", "factor"), [(2.5, 0.5), (5.1, 1.0), (None, 1.0)])
def test_clipping_scales_all_gradients_alike_and_remembers_their_length(
    limit: float | None, factor: float
) -> None:
    gradients = [torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])]
    clipping = Clipping(limit)
    clipping(gradients, 1)
    assert clipping.norm == 5.0
    np.testing.assert_allclose(gradients[0].numpy(), [3.0 * factor, 0.0], rtol=1e-6)
    np.testing.assert_allclose(gradients[1].numpy(), [[4.0 * factor]], rtol=1e-6)
