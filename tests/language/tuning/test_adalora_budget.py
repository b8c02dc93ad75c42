"""AdaLoRA's budget falls along a cubic, and what matters least falls first."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from polyscene.language.tuning.adalora_budget import SMOOTHING, RankBudget


class LowRank(nn.Module):
    """`y = x + 0.3 B diag(λ) A x`, named as peft names it."""

    def __init__(self, size: int, triplets: int, seed: int) -> None:
        super().__init__()
        stream = torch.Generator().manual_seed(seed)
        self.lora_A = nn.ParameterDict({"one": torch.randn(triplets, size, generator=stream)})
        self.lora_E = nn.ParameterDict({"one": torch.randn(triplets, 1, generator=stream)})
        self.lora_B = nn.ParameterDict({"one": torch.randn(size, triplets, generator=stream)})

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, size) of (n, size)."""
        moved: Tensor = x @ (self.lora_A["one"] * self.lora_E["one"]).T @ self.lora_B["one"].T
        return x + 0.3 * moved


def step(worn: nn.Module, optimiser: torch.optim.Optimizer, passes: int = 1, seed: int = 0) -> None:
    worn.train()
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(seed))
    for _ in range(passes):
        worn(x).tanh().mean().backward()
    optimiser.step()
    optimiser.zero_grad()


def made(steps: int) -> tuple[nn.Sequential, RankBudget, torch.optim.Optimizer]:
    worn = nn.Sequential(LowRank(5, 4, 0), LowRank(5, 4, 1))
    return worn, RankBudget(worn, 2, steps), torch.optim.SGD(worn.parameters(), 0.01)


def test_budget_falls_from_all_to_its_rank_along_a_cubic() -> None:
    _, budget, _ = made(100)
    budgets = [budget.budget(number) for number in range(120)]
    assert budgets[:11] == [8] * 11
    assert budgets[75:] == [4] * 45
    assert budgets == sorted(budgets, reverse=True)
    assert budgets[42] == round(4 + 4 * ((75 - 42) / 65) ** 3)


@pytest.mark.parametrize("passes", [1, 3])
def test_steps_are_counted_not_passes(passes: int) -> None:
    worn, budget, optimiser = made(10)
    for number in range(4):
        step(worn, optimiser, passes, number)
    assert float(budget.steps) == 4


def test_importance_is_that_of_the_paper() -> None:
    worn, budget, optimiser = made(1000)
    parts = [worn[0], worn[1]]
    names = ("lora_E", "lora_A", "lora_B")
    mean = {(at, name): np.zeros(()) for at in (0, 1) for name in names}
    spread = dict(mean)
    for number in range(3):
        worn.train()
        x = torch.randn(8, 5, generator=torch.Generator().manual_seed(number))
        worn(x).tanh().mean().backward()
        for at, part in enumerate(parts):
            for name in names:
                weight = getattr(part, name)["one"]
                sensitivity = (weight * weight.grad).abs().detach().numpy()
                mean[at, name] = SMOOTHING * mean[at, name] + (1 - SMOOTHING) * sensitivity
                away = np.abs(sensitivity - mean[at, name])
                spread[at, name] = SMOOTHING * spread[at, name] + (1 - SMOOTHING) * away
        optimiser.step()
        optimiser.zero_grad()
    wanted = []
    for at in (0, 1):
        e, a, b = (mean[at, name] * spread[at, name] for name in names)
        wanted.append(e[:, 0] + a.mean(axis=1) + b.mean(axis=0))
    np.testing.assert_allclose(budget.importance(), np.concatenate(wanted), rtol=1e-4, atol=1e-9)


def test_what_matters_least_falls_and_stays_fallen() -> None:
    worn, budget, optimiser = made(8)
    for number in range(8):
        step(worn, optimiser, seed=number)
    assert int(budget.standing.sum()) == 4
    budget.prune()
    values = torch.cat([p[:, 0] for name, p in worn.named_parameters() if "lora_E" in name])
    assert ((values != 0) == (budget.standing > 0)).all()
    importance = budget.importance()
    assert importance[budget.standing > 0].min() >= importance[budget.standing == 0].max()


def test_reading_moves_nothing_and_counts_nothing() -> None:
    worn, budget, _ = made(8)
    before = {name: tensor.clone() for name, tensor in worn.state_dict().items()}
    worn.eval()
    with torch.inference_mode():
        worn(torch.ones(2, 5))
    assert float(budget.steps) == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in worn.state_dict().items())


def test_several_passes_before_one_way_back() -> None:
    """Texts are read in portions: pruning in the second must not spoil the first."""
    worn, budget, optimiser = made(4)
    for number in range(6):
        worn.train()
        x = torch.randn(8, 5, generator=torch.Generator().manual_seed(number))
        (worn(x).tanh().mean() + worn(2 * x).tanh().mean()).backward()
        optimiser.step()
        optimiser.zero_grad()
    assert int(budget.standing.sum()) == 4
