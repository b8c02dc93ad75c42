from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from polyscene.core.progress import Advance, Silent
from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.training.budget import Budget
from polyscene.training.loop import Curve, fit
from polyscene.training.losses import choice_loss
from polyscene.training.plan import Plan

PATIENCE = 4


class Taste:
    """Learns one logit per item; everybody chooses the `favourite` most of the time."""

    def __init__(
        self,
        favourite: int = 0,
        logits: Parameter | None = None,
        losses: Sequence[float] = (),
        n_batches: int = 3,
    ) -> None:
        self.parameter = Parameter(torch.zeros(4)) if logits is None else logits
        self.order = [favourite, *(item for item in range(4) if item != favourite)]
        self.losses, self.n_batches = list(losses), n_batches
        self.validated: list[Tensor] = []
        self.shown: list[int] = []

    def named_parameters(self) -> Iterable[tuple[str, Parameter]]:
        return [("logits", self.parameter)]

    def batches(self, generator: np.random.Generator) -> Iterator[list[int]]:
        yield from generator.permutation(self.n_batches)[:, None].tolist()

    def loss(self, batch: list[int]) -> Tensor:
        self.shown += batch
        return choice_loss(self.parameter[self.order][None])

    def validate(self) -> float:
        self.validated.append(self.parameter.detach().clone())
        if self.losses:
            return self.losses.pop(0)
        return float(choice_loss(self.parameter[self.order][None]).detach())

    def weights(self) -> Mapping[str, Tensor]:
        return {"logits": self.parameter.detach().clone()}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            self.parameter.copy_(weights["logits"])


class Counting(Silent):
    def __init__(self) -> None:
        self.opened: list[tuple[str, int, str]] = []
        self.steps = 0

    @contextmanager
    def track(self, label: str, total: int, unit: str = "") -> Iterator[Advance]:
        self.opened.append((label, total, unit))

        def advance(steps: int) -> None:
            self.steps += steps

        yield advance


def planned(epochs: int, label: str = "taste") -> Plan:
    optimiser = OptimiserSettings(learning_rate=0.1, warmup=0.0, clip=5.0)
    return Plan(Budget(epochs=epochs), optimiser, label, stepping="epoch", patience=PATIENCE)


def trained(
    learners: Mapping[str, Taste], epochs: int = 6, shares: Mapping[str, float] | None = None, seed: int = 0
) -> Curve:
    plan = planned(epochs)
    return fit(learners, shares or dict.fromkeys(learners, 1.0), plan, np.random.default_rng(seed))


def test_the_loss_falls_and_the_favourite_rises() -> None:
    learner = Taste(favourite=2)
    curve = trained({"a": learner})
    assert curve.training == sorted(curve.training, reverse=True)
    assert curve.validation[-1] < curve.validation[0] < np.log(4)
    assert learner.parameter.argmax() == 2


def test_the_weights_that_validated_best_are_left_in_place() -> None:
    learner = Taste(losses=[5.0, 4.0, 2.0, 3.0, 3.0, 2.5])
    curve = trained({"a": learner}, epochs=5)
    assert curve.validation == [4.0, 2.0, 3.0, 3.0, 2.5]
    torch.testing.assert_close(learner.parameter.detach(), learner.validated[2])
    assert not torch.equal(learner.validated[2], learner.validated[-1])


def test_where_nothing_helps_the_weights_stay_as_they_were() -> None:
    learner = Taste(losses=[1.0, 2.0, 3.0, 4.0])
    trained({"a": learner}, epochs=3)
    assert learner.parameter.tolist() == [0.0] * 4


def test_it_stops_when_it_has_waited_long_enough() -> None:
    learner = Taste(losses=[5.0, 4.0, *[4.0] * PATIENCE, *[1.0] * 20])
    curve = trained({"a": learner}, epochs=20)
    assert len(curve.training) == len(curve.validation) == 1 + PATIENCE


def test_an_improvement_starts_the_waiting_anew() -> None:
    learner = Taste(losses=[5.0, *[6.0] * (PATIENCE - 1), 4.0, *[6.0] * (PATIENCE - 1), 3.0, *[6.0] * 20])
    curve = trained({"a": learner}, epochs=20)
    assert len(curve.validation) == 3 * PATIENCE


def test_a_shared_parameter_is_optimised_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    adam = torch.optim.AdamW

    def spy(groups: list[dict[str, Any]], **more: Any) -> torch.optim.AdamW:
        counts.append(sum(len(group["params"]) for group in groups))
        return adam(groups, **more)

    monkeypatch.setattr(torch.optim, "AdamW", spy)
    shared = Parameter(torch.zeros(4))
    trained({"a": Taste(0, shared), "b": Taste(1, shared), "c": Taste(2)})
    assert counts == [2]


@pytest.mark.parametrize(("first", "second"), [(0.9, 0.1), (0.1, 0.9)])
def test_the_scenario_with_the_greater_share_is_heard_more(first: float, second: float) -> None:
    shared = Parameter(torch.zeros(4))
    trained({"a": Taste(0, shared), "b": Taste(1, shared)}, epochs=20, shares={"a": first, "b": second})
    logits = shared.detach()
    assert bool(logits[0] > logits[1]) == (first > second)


def test_the_curve_is_the_weighted_sum_over_scenarios() -> None:
    learners = {"a": Taste(losses=[9.0, 2.0]), "b": Taste(losses=[9.0, 3.0])}
    curve = trained(learners, epochs=1, shares={"a": 0.5, "b": 2.0})
    assert curve.validation == [0.5 * 2.0 + 2.0 * 3.0]


def test_every_batch_is_shown_once_in_an_epoch_scenarios_in_turn() -> None:
    seen: list[str] = []

    class Noted(Taste):
        def __init__(self, name: str, n_batches: int) -> None:
            super().__init__(n_batches=n_batches)
            self.name = name

        def loss(self, batch: list[int]) -> Tensor:
            seen.append(self.name)
            return super().loss(batch)

    learners = {"a": Noted("a", 1), "b": Noted("b", 3), "none": Noted("none", 0)}
    trained(learners, epochs=1)
    assert seen == ["a", "b", "b", "b"]
    assert sorted(learners["b"].shown) == [0, 1, 2]


def test_the_same_generator_gives_the_same_weights() -> None:
    runs = []
    for seed in (1, 1, 2):
        learner = Taste(n_batches=6)
        trained({"a": learner}, seed=seed)
        runs.append((learner.shown, learner.parameter.tolist()))
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[2][0]


def test_progress_hears_of_every_epoch() -> None:
    listener = Counting()
    learner = Taste()
    plan = planned(3, "fusion: together")
    fit({"a": learner}, {"a": 1.0}, plan, np.random.default_rng(0), listener)
    assert listener.opened == [("fusion: together", 3, "epochs")]
    assert listener.steps == 3
