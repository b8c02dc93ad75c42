from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor, nn

from polyscene.core.errors import ModelError
from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.training.perturbation import shifted, shifts_of, watched, worst_shift
from polyscene.training.stepping import Stepper

slopes = arrays.arrays(np.float32, (3, 2, 4), elements=st.floats(-5, 5, width=32, allow_subnormal=False))


@given(slopes, st.floats(0.01, 10))
def test_every_example_is_moved_by_epsilon_along_its_slope(gradient: np.ndarray, epsilon: float) -> None:
    gradient[1] = 0.0
    shifts = worst_shift(torch.from_numpy(gradient), epsilon).numpy()
    for row, slope in zip(shifts, gradient, strict=True):
        length = np.linalg.norm(slope.astype(np.float64))
        expected = epsilon * slope / length if length else slope
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-6)


def test_on_a_plane_the_loss_rises_by_epsilon_times_the_slopes_length() -> None:
    entry = nn.Identity()
    slope, batch = torch.tensor([3.0, 4.0]), torch.randn(2, 2)
    with watched([entry]) as outputs:
        loss = (entry(batch) @ slope).sum()
    loss.backward()
    with shifted([entry], shifts_of(outputs, 0.1)):
        shifted_loss = (entry(batch) @ slope).sum()
    assert shifted_loss.item() == pytest.approx(loss.item() + 2 * 0.1 * 5.0, rel=1e-5)
    torch.testing.assert_close(entry(batch), batch, rtol=0, atol=0)


def test_the_outputs_of_several_calls_are_moved_in_their_order() -> None:
    embedding = nn.Embedding(4, 2)
    one, other = torch.tensor([0, 1]), torch.tensor([2])
    with watched([embedding]) as outputs:
        (embedding(one).sum() - embedding(other)[:, 0].sum()).backward()
    root = 0.5**0.5
    shifts = shifts_of(outputs, 1.0)
    torch.testing.assert_close(shifts[0], torch.full((2, 2), root))
    torch.testing.assert_close(shifts[1], torch.tensor([[-1.0, 0.0]]))
    with shifted([embedding], shifts):
        torch.testing.assert_close(embedding(one), embedding.weight[one] + root)
        torch.testing.assert_close(embedding(other), embedding.weight[other] + shifts[1])


def test_another_text_in_the_second_pass_is_refused_and_the_hooks_go() -> None:
    entry = nn.Identity()
    with watched([entry]) as outputs:
        entry(torch.ones(2, 3)).sum().backward()
    shifts = shifts_of(outputs, 1.0)
    with pytest.raises(ModelError, match="same embeddings"), shifted([entry], shifts):
        entry(torch.ones(3, 3))
    with pytest.raises(ModelError, match="same embeddings"), shifted([entry], shifts):
        entry(entry(torch.ones(2, 3)))
    assert entry(torch.ones(3, 3)).sum() == 9.0


def test_embeddings_that_the_loss_does_not_reach_are_refused() -> None:
    entry = nn.Identity()
    with pytest.raises(ModelError, match="no_grad"):
        shifts_of([], 1.0)
    with watched([entry]) as outputs:
        entry(torch.ones(2, 3))
    with pytest.raises(ModelError, match="no_grad"):
        shifts_of(outputs, 1.0)


def gradient(learner: Any, epsilon: float) -> dict[str, Tensor]:
    """Return what one batch adds to the gradients."""
    stepper = Stepper({"a": learner}, OptimiserSettings(perturbation=epsilon))
    stepper.gather("a", learner, np.arange(4), 1.0)
    gradients = {name: p.grad for name, p in learner.named_parameters() if p.grad is not None}
    return {name: slope.clone() for name, slope in gradients.items()}


@pytest.mark.parametrize("frozen", [False, True])
def test_a_step_learns_from_both_points(
    reader: Callable[..., nn.Module], reading: Callable[..., Any], frozen: bool
) -> None:
    learner = reading(reader(0, dropout=0.0))
    learner.model.embedding.weight.requires_grad_(not frozen)
    clean = gradient(learner, 0.0)
    near = gradient(learner, 1e-5)
    far = gradient(learner, 0.5)
    assert ("embedding.weight" in clean) == (not frozen)
    for name, slope in clean.items():
        torch.testing.assert_close(near[name], 2 * slope, rtol=1e-3, atol=1e-4)
    assert any(not torch.allclose(far[name], 2 * slope, rtol=1e-2) for name, slope in clean.items())


def test_a_learner_that_names_no_embeddings_is_refused() -> None:
    class Silent:
        def named_parameters(self) -> list[tuple[str, nn.Parameter]]:
            return [("weight", nn.Parameter(torch.ones(1)))]

    with pytest.raises(ModelError, match="'a'; set its perturbation to 0"):
        gradient(Silent(), 1.0)
