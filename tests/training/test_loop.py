from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from polyscene.core.errors import DataError
from polyscene.core.progress import Advance, Silent
from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.training.budget import Budget
from polyscene.training.loop import Curve, fit
from polyscene.training.optimisation import rate
from polyscene.training.plan import Plan

MakeReader = Callable[..., nn.Module]
MakeLearner = Callable[..., Any]
PLAIN = OptimiserSettings(learning_rate=0.02, schedule="constant", warmup=0.0)


class Taken(Silent):
    """Takes down what is recorded, and how the progress moves."""

    def __init__(self) -> None:
        self.values: dict[str, list[tuple[int, float]]] = {}
        self.opened: list[tuple[str, int, str]] = []
        self.moves: list[int] = []

    def scalar(self, name: str, value: float, step: int) -> None:
        self.values.setdefault(name, []).append((step, value))

    def close(self) -> None:
        raise AssertionError("the recorder is the caller's to close")

    @contextmanager
    def track(self, label: str, total: int, unit: str = "") -> Iterator[Advance]:
        self.opened.append((label, total, unit))
        yield self.moves.append


def run(
    learner: Any,
    budget: Budget,
    settings: OptimiserSettings = PLAIN,
    seed: int = 0,
    progress: Silent | None = None,
    **more: Any,
) -> Curve:
    plan = Plan(budget, settings, **more)
    return fit({"a": learner}, {"a": 1.0}, plan, np.random.default_rng(seed), progress)


def test_the_learner_learns(reader: MakeReader, reading: MakeLearner) -> None:
    learner = reading(reader(0, dropout=0.0))
    curve = run(learner, Budget(epochs=25))
    assert min(curve.validation) < 0.3 * curve.initial
    assert learner.validate() == min(curve.validation)
    assert curve.steps == [6 * epoch for epoch in range(1, 26)]


@pytest.mark.parametrize(
    ("budget", "steps", "total", "unit"),
    [
        (Budget(steps=8), 8, 8, "steps"),
        (Budget(epochs=2), 12, 2, "epochs"),
        (Budget(steps=20, epochs=2), 12, 20, "steps"),
        (Budget(steps=7, epochs=2), 7, 7, "steps"),
        (Budget(epochs=0), 0, 0, "epochs"),
    ],
)
def test_the_first_bound_of_the_budget_ends_it(
    reader: MakeReader, reading: MakeLearner, budget: Budget, steps: int, total: int, unit: str
) -> None:
    taken, learner = Taken(), reading(reader(0))
    curve = run(learner, budget, progress=taken, recorder=taken, label="reader")
    assert learner.losses == steps
    assert curve.steps[-1:] == ([steps] if steps else [])
    assert taken.opened == [("reader", total, unit)]
    assert sum(taken.moves) == (total if unit == "epochs" else steps)


def test_minutes_end_it_and_lower_the_rate(
    reader: MakeReader, reading: MakeLearner, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner, taken = reading(reader(0)), Taken()
    # A clock that moves by ten seconds with every batch.
    monkeypatch.setattr("polyscene.training.loop.time.monotonic", lambda: 10.0 * learner.losses)
    settings = OptimiserSettings(schedule="linear", learning_rate=1.0, optimiser="sgd", warmup=0.0)
    run(learner, Budget(minutes=1.5), settings, progress=taken, recorder=taken)
    assert learner.losses == 9
    np.testing.assert_allclose([value for _, value in taken.values["learning_rate"]], 1 - np.arange(9) / 9)
    assert taken.opened == [("training", 90, "seconds")]
    assert taken.moves[0] == 0
    assert sum(taken.moves) == 90


@pytest.mark.parametrize("bounds", [{}, {"steps": -1}, {"minutes": math.nan}, {"epochs": math.inf}])
def test_a_budget_that_bounds_nothing_is_refused(bounds: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="steps, epochs or minutes"):
        Budget(**bounds)


@pytest.mark.parametrize(("budget", "total"), [(Budget(steps=9), 9), (Budget(epochs=3), 9)])
def test_the_rate_follows_the_schedule_step_by_step(
    reader: MakeReader, reading: MakeLearner, budget: Budget, total: int
) -> None:
    taken = Taken()
    settings = OptimiserSettings(learning_rate=0.1, schedule="linear", warmup=0.3, accumulation=2)
    run(reading(reader(0)), budget, settings, recorder=taken)
    expected = [0.1 * rate(settings, step / total, 1 / total) for step in range(total)]
    np.testing.assert_allclose([value for _, value in taken.values["learning_rate"]], expected)


def test_the_rate_follows_the_schedule_epoch_by_epoch(reader: MakeReader, reading: MakeLearner) -> None:
    taken = Taken()
    settings = OptimiserSettings(learning_rate=0.1, schedule="cosine", warmup=0.0)
    run(reading(reader(0)), Budget(epochs=3), settings, recorder=taken, stepping="epoch")
    expected = np.repeat(0.1 * np.cos(np.pi * np.arange(3) / 6) ** 2, 6)
    np.testing.assert_allclose([value for _, value in taken.values["learning_rate"]], expected)


def test_a_warm_up_by_epochs_moves_from_the_first_one(reader: MakeReader, reading: MakeLearner) -> None:
    taken = Taken()
    settings = OptimiserSettings(learning_rate=0.1, schedule="linear", warmup=0.5)
    run(reading(reader(0)), Budget(epochs=4), settings, recorder=taken, stepping="epoch")
    rates = [value for _, value in taken.values["learning_rate"]]
    np.testing.assert_allclose(rates[::6], [0.05, 0.1, 0.1, 0.05])


def test_what_is_left_of_an_epoch_is_a_step_of_its_own(reader: MakeReader, reading: MakeLearner) -> None:
    learner = reading(reader(0))
    settings = OptimiserSettings(accumulation=4, warmup=0.0)
    curve = run(learner, Budget(epochs=2), settings)
    assert curve.steps == [2, 4]
    assert sorted(row for batch in learner.shown[:6] for row in batch) == list(range(22))


def test_accumulated_small_batches_are_one_large_batch(reader: MakeReader, reading: MakeLearner) -> None:
    small, large = (reading(reader(0, dropout=0.0), n=20, batch=batch) for batch in (4, 20))
    run(small, Budget(steps=3), OptimiserSettings(learning_rate=0.05, accumulation=5, warmup=0.0))
    run(large, Budget(steps=3), OptimiserSettings(learning_rate=0.05, warmup=0.0))
    for one, other in zip(small.weights().values(), large.weights().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_what_validated_best_is_left_and_patience_ends_it(reader: MakeReader, reading: MakeLearner) -> None:
    learner = reading(reader(0), validations=[5.0, 4.0, 2.0, 3.0, 3.0, 1.0])
    seen: list[torch.Tensor] = []
    validate = learner.validate

    def watching() -> float:
        seen.append(learner.model.out.weight.detach().clone())
        return float(validate())

    learner.validate = watching
    curve = run(learner, Budget(steps=100), patience=2, validate_every=3)
    assert (curve.initial, curve.validation, curve.steps) == (5.0, [4.0, 2.0, 3.0, 3.0], [3, 6, 9, 12])
    assert learner.losses == 12
    assert torch.equal(learner.model.out.weight, seen[2])
    assert not torch.equal(seen[2], seen[-1])


def test_where_nothing_is_held_out_the_last_weights_stay(reader: MakeReader, reading: MakeLearner) -> None:
    learner = reading(reader(0), validations=[math.nan] * 9)
    start = learner.weights()
    curve = run(learner, Budget(epochs=4), patience=1)
    assert len(curve.validation) == 4
    again = reading(reader(0), validations=[math.nan] * 2)
    run(again, Budget(steps=24), validate_every=24)
    assert not torch.equal(start["out.weight"], learner.weights()["out.weight"])
    assert torch.equal(again.weights()["out.weight"], learner.weights()["out.weight"])


def test_a_validation_is_one_entry_and_the_training_between_its_mean(
    reader: MakeReader, reading: MakeLearner
) -> None:
    taken = Taken()
    curve = run(reading(reader(0)), Budget(steps=5), validate_every=2, recorder=taken)
    losses = [value for _, value in taken.values["loss"]]
    assert curve.steps == [2, 4, 5]
    assert curve.training == pytest.approx([np.mean(losses[:2]), np.mean(losses[2:4]), losses[4]])
    assert taken.values["validation"] == [
        (0, curve.initial),
        *zip(curve.steps, curve.validation, strict=True),
    ]
    assert taken.values["validation/a"] == taken.values["validation"]
    assert [step for step, _ in taken.values["gradient_norm"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("budget", [Budget(steps=3), Budget(epochs=3), Budget(minutes=3)])
def test_nothing_to_learn_from_is_said(reader: MakeReader, reading: MakeLearner, budget: Budget) -> None:
    with pytest.raises(DataError, match="nothing to learn from"):
        run(reading(reader(0), n=0, validations=[1.0] * 5), budget)


def test_the_generator_alone_decides(reader: MakeReader, reading: MakeLearner) -> None:
    weights = []
    for seed, elsewhere in ((1, 0), (1, 5), (2, 0)):
        learner = reading(reader(0))
        torch.manual_seed(elsewhere)
        before = torch.get_rng_state()
        run(learner, Budget(steps=8), seed=seed)
        assert torch.equal(torch.get_rng_state(), before)
        weights.append(learner.weights()["out.weight"])
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_every_optimiser_learns_and_perturbation_changes_what_is_learned(
    reader: MakeReader, reading: MakeLearner
) -> None:
    weights = {}
    for name, highest in (("adamw", 0.02), ("sgd", 0.05), ("adafactor", 0.05)):
        for epsilon in (0.0, 0.3):
            settings = OptimiserSettings.model_validate(
                {"optimiser": name, "learning_rate": highest, "perturbation": epsilon, "warmup": 0.0}
            )
            learner = reading(reader(0, dropout=0.0))
            curve = run(learner, Budget(epochs=10), settings)
            assert min(curve.validation) < 0.7 * curve.initial, (name, epsilon)
            weights[name, epsilon] = learner.weights()["embedding.weight"]
    assert not torch.allclose(weights["adamw", 0.0], weights["adamw", 0.3])
