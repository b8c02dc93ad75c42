"""How losses are balanced, against sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import Parameter

from polyscene.learning.task_weighting import WEIGHTINGS, TaskLosses, projected


def slopes(kind: str, losses: list[list[float]], weights: list[float]) -> tuple[float, list[float]]:
    """Return value and gradient of linear losses of two shared numbers at (1, 1)."""
    shared = Parameter(torch.ones(2))
    weighting = WEIGHTINGS[kind](len(losses), [], [shared], [shared], seed=0)  # type: ignore[index]
    each = {task: (shared * torch.tensor(slope)).sum() for task, slope in enumerate(losses)}
    total = weighting(TaskLosses(each, dict(enumerate(weights))))
    total.backward()  # type: ignore[no-untyped-call]
    assert shared.grad is not None
    return float(total.detach()), shared.grad.tolist()


def test_fixed_weights_are_a_sum() -> None:
    assert slopes("fixed", [[1.0, 0.0], [-1.0, 2.0]], [2.0, 3.0]) == (5.0, [-1.0, 6.0])


def test_conflicts_are_projected_away() -> None:
    value, gradient = slopes("pcgrad", [[1.0, 0.0], [-1.0, 1.0]], [1.0, 1.0])
    # g0 - (g0·g1 / |g1|²) g1 = (½, ½); g1 - (g1·g0 / |g0|²) g0 = (0, 1)
    assert value == pytest.approx(1.0)
    assert gradient == pytest.approx([0.5, 1.5])


def test_agreeing_gradients_stay_as_they_are() -> None:
    gradients = torch.tensor([[1.0, 0.5], [0.2, 2.0]])
    assert torch.equal(projected(gradients, np.random.default_rng(0)), gradients)


def test_projection_leaves_no_conflict_between_two() -> None:
    gradients = torch.randn(2, 40, generator=torch.Generator().manual_seed(3))
    gradients[1] -= 2 * gradients[0]
    freed = projected(gradients, np.random.default_rng(0))
    assert float(gradients[0] @ gradients[1]) < 0
    assert abs(float(freed[0] @ gradients[1])) < 1e-4
    assert abs(float(freed[1] @ gradients[0])) < 1e-4


def test_uncertainty_halves_what_measures_and_learns_to_trust_small_losses() -> None:
    weighting = WEIGHTINGS["uncertainty"](2, [1])
    (name, log_variance), *_ = weighting.named_parameters()
    assert name.endswith("bias")  # so that it is not decayed
    losses = {0: torch.tensor(0.1), 1: torch.tensor(8.0)}
    total = weighting(TaskLosses(losses, {0: 1.0, 1: 1.0}))
    assert float(total.detach()) == pytest.approx(0.1 + 4.0)
    total.backward()  # type: ignore[no-untyped-call]
    assert log_variance.grad is not None
    assert log_variance.grad.tolist() == pytest.approx([0.5 - 0.1, 0.5 - 4.0])


def test_gradnorm_lets_the_weaker_pull_harder_and_keeps_the_sum() -> None:
    shared = Parameter(torch.ones(2))
    weighting = WEIGHTINGS["gradnorm"](2, [], [shared], [shared])
    for _ in range(200):
        losses = {0: (shared * torch.tensor([10.0, 0.0])).sum(), 1: (shared * torch.tensor([0.0, 1.0])).sum()}
        weighting(TaskLosses(losses, {0: 1.0, 1: 1.0}))
    strong, weak = weighting.weights  # type: ignore[attr-defined]
    assert strong + weak == pytest.approx(2.0)
    assert 10 * strong == pytest.approx(weak, rel=0.6)  # equal losses left: equal pulls


@pytest.mark.parametrize("kind", WEIGHTINGS)
def test_a_task_alone_is_learned_by_its_loss(kind: str) -> None:
    value, gradient = slopes(kind, [[1.0, -2.0]], [3.0])
    assert value == pytest.approx(-3.0)
    assert gradient == pytest.approx([3.0, -6.0])


def losses_after_a_step(kind: str) -> tuple[list[float], list[float]]:
    """Return the losses of two tasks that pull apart, one of them hard, before and after a small step."""
    place = Parameter(torch.tensor([0.2, 0.1]))
    goals = torch.tensor([[1.0, 0.0], [-0.5, 1.0]])
    weighting = WEIGHTINGS[kind](2, [], [place], [place])  # type: ignore[index]

    def losses() -> dict[int, torch.Tensor]:
        return {0: 10 * (place - goals[0]).square().sum(), 1: (place - goals[1]).square().sum()}

    before = losses()
    weighting(TaskLosses(before, {0: 1.0, 1: 1.0})).backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        assert place.grad is not None
        place.sub_(0.01 * place.grad)
    return [float(loss.detach()) for loss in before.values()], [
        float(loss.detach()) for loss in losses().values()
    ]


def test_where_tasks_conflict_the_stronger_wins_unless_conflicts_are_projected_away() -> None:
    before, after = losses_after_a_step("fixed")
    assert after[0] < before[0]
    assert after[1] > before[1]
    before, after = losses_after_a_step("pcgrad")
    assert after[0] < before[0]
    assert after[1] < before[1]
