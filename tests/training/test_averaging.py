from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.training.averaging import fit_seeds, mean_weights, seeds_of
from polyscene.training.budget import Budget
from polyscene.training.loop import Curve, fit
from polyscene.training.plan import Plan


@given(st.lists(st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3), min_size=1, max_size=6))
def test_weights_are_averaged_by_name(rows: list[list[float]]) -> None:
    runs = [{"a": torch.tensor(row), "n": torch.tensor([7])} for row in rows]
    mean = mean_weights(runs)
    np.testing.assert_allclose(mean["a"], np.mean(rows, axis=0), rtol=1e-5, atol=1e-4)
    assert mean["a"].dtype == torch.float32
    assert mean["n"].tolist() == [7]


def test_many_small_weights_are_not_lost_beside_a_large_one() -> None:
    runs = [{"a": torch.tensor([1e8])}] + [{"a": torch.tensor([1.0])}] * 99 + [{"a": torch.tensor([-1e8])}]
    assert mean_weights(runs)["a"].item() == pytest.approx(99 / 101)


@pytest.mark.parametrize(
    "other",
    [
        {"a": torch.ones(3)},
        {"b": torch.ones(2), "n": torch.tensor(1)},
        {"a": torch.ones(2), "n": torch.tensor(2)},
        {"a": torch.ones(2).half(), "n": torch.tensor(1)},
    ],
)
def test_runs_of_different_models_are_refused(other: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="one model, found different"):
        mean_weights([{"a": torch.ones(2), "n": torch.tensor(1)}, other])


def test_no_run_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one run"):
        mean_weights([])


def test_seeds_follow_from_one_and_differ() -> None:
    assert seeds_of(3, 4)[:2] == seeds_of(3, 2)
    assert len({*seeds_of(3, 4), *seeds_of(4, 4)}) == 8


def trainer(learner: Any) -> Callable[[int], Curve]:
    plan = Plan(Budget(epochs=4), OptimiserSettings(learning_rate=0.02, schedule="linear", warmup=0.0))
    return lambda seed: fit({"a": learner}, {"a": 1.0}, plan, np.random.default_rng(seed))


def test_runs_from_one_start_are_averaged(
    reader: Callable[..., nn.Module], reading: Callable[..., Any]
) -> None:
    alone = []
    for seed in (1, 2, 3):
        one = reading(reader(0))
        trainer(one)(seed)
        alone.append(one)
    learner = reading(reader(0))
    result = fit_seeds({"a": learner}, {"a": 2.0}, [1, 2, 3], trainer(learner))
    assert len(result.curves) == 3
    assert result.averaged
    assert result.validation == 2.0 * learner.validate()
    assert result.validation <= 2.0 * np.mean([one.validate() for one in alone])
    expected = torch.stack([one.model.out.weight for one in alone]).mean(dim=0)
    torch.testing.assert_close(learner.model.out.weight, expected)


def test_where_the_mean_means_nothing_the_best_run_stays() -> None:
    class Mirror:
        """Its loss has two valleys, at -1 and 1: their mean lies on the ridge between them."""

        at = torch.zeros(1)

        def validate(self) -> float:
            return float((self.at**2 - 1.0) ** 2)

        def weights(self) -> dict[str, torch.Tensor]:
            return {"at": self.at.clone()}

        def load(self, weights: dict[str, torch.Tensor]) -> None:
            self.at = weights["at"].clone()

    learner: Any = Mirror()

    def run(seed: int) -> Curve:
        assert learner.at == 0.0
        learner.at = torch.tensor([-0.9 if seed else 1.0])
        return Curve()

    result = fit_seeds({"a": learner}, {"a": 1.0}, [0, 1], run)
    assert (result.averaged, result.validation) == (False, 0.0)
    assert learner.at == 1.0


def test_no_seed_is_refused(reader: Callable[..., nn.Module], reading: Callable[..., Any]) -> None:
    learner = reading(reader(0))
    with pytest.raises(ValueError, match="at least one run"):
        fit_seeds({"a": learner}, {"a": 1.0}, [], trainer(learner))
