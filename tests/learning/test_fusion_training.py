"""One network learns from all scenarios, then from each; a scenario that learns better alone keeps that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.learning.planted import lessons, planted

from polyscene.core.progress import Silent
from polyscene.core.settings.project import Settings
from polyscene.evaluation.significance import Interval
from polyscene.learning.fusion import MIN_CHOICES, FusionData
from polyscene.learning.fusion_learner import FusionLearner
from polyscene.learning.fusion_training import (
    EARLIER,
    MIN_SPREAD,
    EarlierGain,
    TrainedFusion,
    TrainedNetwork,
    train_fusion,
    training_notes,
)
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.training import Example


def settings(**weights: float) -> Settings:
    tables = {"items": {"path": "i", "id": "i"}, "events": {"path": "e", "user": "u", "item": "i"}}
    scenarios = {name: {**tables, "weight": weight} for name, weight in weights.items()}
    return Settings.parse({"scenarios": scenarios, "fusion": {"epochs": 6, "hidden": 4}})


def loss(network: FusionNetwork, number: int, right: int) -> float:
    """Return the mean loss on choices that nobody has learned from."""
    return FusionLearner(network, number, [], planted(right, 200, 99)).validate()


OPPOSITES = {"a": lessons(0, 200, 1), "b": lessons(1, 200, 3), "few": lessons(0, MIN_CHOICES - 1, 5)}
"""What is right in scenario a is wrong in b; the third learns too little for weights of its own."""


def together(a: float = 1.0, b: float = 1.0) -> dict[str, FusionNetwork]:
    return train_fusion(OPPOSITES, 2, settings(a=a, b=b, few=1.0), 5, Silent()).networks


def test_scenarios_count_as_their_weights_say() -> None:
    more_of_a, more_of_b = (together(**weights)["few"] for weights in ({"a": 20.0}, {"b": 20.0}))
    assert loss(more_of_a, 0, 0) < loss(more_of_b, 0, 0) - 0.1
    assert loss(more_of_b, 1, 1) < loss(more_of_a, 1, 1) - 0.1


def test_each_scenario_gets_weights_of_its_own_that_suit_it_better() -> None:
    trained = train_fusion(OPPOSITES, 2, settings(a=1.0, b=1.0, few=1.0), 5, Silent())
    networks, curves = trained.networks, trained.curves
    assert list(curves) == ["all scenarios", "a", "a alone", "b", "b alone"]
    assert len({id(network) for network in networks.values()}) == 3
    for number, name in enumerate("ab"):
        assert loss(networks[name], number, number) < loss(networks["few"], number, number) - 0.02


def test_scenarios_that_contradict_each_other_learn_alone() -> None:
    trained = train_fusion(OPPOSITES, 2, settings(a=1.0, b=20.0, few=1.0), 5, Silent())
    assert list(trained.joint) == ["a", "b"]
    assert trained.joint["a"].high < 0
    alone, joint = (min(trained.curves[label].validation) for label in ("a alone", "a"))
    assert trained.joint["a"].mean == pytest.approx(alone - joint, abs=1e-5)
    kept = FusionLearner(trained.networks["a"], 0, [], OPPOSITES["a"].held_out)
    assert kept.validate() == pytest.approx(alone, abs=1e-5)
    (note,) = training_notes(OPPOSITES, trained)
    apart = ", ".join(name for name, gain in trained.joint.items() if gain.mean < 0)
    assert note.endswith(f"{apart} learned better alone and keeps that")


def test_scenarios_that_agree_learn_together() -> None:
    alike = {"a": lessons(0, 400, 1), "b": lessons(0, MIN_CHOICES, 3)}
    trained = train_fusion(alike, 2, settings(a=1.0, b=1.0), 5, Silent())
    assert trained.joint["b"].low > 0
    few = train_fusion({"b": alike["b"]}, 2, settings(b=1.0), 5, Silent()).networks["b"]
    assert loss(trained.networks["b"], 1, 0) < loss(few, 0, 0) - 0.1
    (note,) = training_notes(alike, trained)
    gain = trained.joint["b"]
    assert f"b {-gain.mean:+.4f} [{-gain.high:+.4f} to {-gain.low:+.4f}]" in note


def test_one_scenario_alone_is_trained_once() -> None:
    trained = train_fusion(
        {"a": OPPOSITES["a"], "few": OPPOSITES["few"]}, 2, settings(a=1.0, few=1.0), 5, Silent()
    )
    networks, curves = trained.networks, trained.curves
    assert list(curves) == ["all scenarios"]
    assert networks["a"] is networks["few"]
    assert loss(networks["a"], 0, 0) < 0.5 * np.log(6)


def test_without_choices_nothing_is_trained() -> None:
    trained = train_fusion({"few": OPPOSITES["few"]}, 2, settings(few=1.0), 5, Silent())
    assert trained.curves == {}
    assert torch.all(trained.networks["few"].out.weight == 0)


def test_the_context_is_standardised_by_what_the_training_choices_show() -> None:
    shifted = {"a": lessons(0, 100, 1, shift=3.0), "few": lessons(1, 10, 7, shift=-3.0)}
    networks = train_fusion(shifted, 2, settings(a=1.0, few=1.0), 5, Silent()).networks
    rows = np.stack([example.user for data in shifted.values() for example in data.training])
    mean, spread = networks["a"].context_mean.numpy(), networks["a"].context_spread.numpy()
    np.testing.assert_allclose(mean[:5], rows.mean(axis=0), rtol=1e-5)
    varied = [0, 1, 3, 4]
    np.testing.assert_allclose(spread[varied], rows[:, varied].std(axis=0), rtol=1e-5)
    assert rows[:, 2].std() < MIN_SPREAD
    assert spread[2] == 1.0
    assert mean[5:].tolist() == [0, 0]
    assert spread[5:].tolist() == [1, 1]


def went_on(own: FusionData, earlier: list[Example]) -> TrainedFusion:
    return train_fusion({"a": replace(own, earlier=earlier)}, 2, settings(a=1.0), 5, Silent())


def assert_same_weights(one: TrainedFusion, other: TrainedFusion) -> None:
    pairs = zip(
        one.networks["a"].state_dict().values(), other.networks["a"].state_dict().values(), strict=True
    )
    assert all(torch.equal(*pair) for pair in pairs)


def test_earlier_choices_that_agree_make_the_network_better() -> None:
    own = lessons(0, 40, 1)
    plain, helped = went_on(own, []), went_on(own, planted(0, 400, 2))
    assert EARLIER not in plain.curves
    assert plain.earlier_kept == set()
    assert helped.earlier_kept == {"a"}
    before, after = loss(plain.networks["a"], 0, 0), loss(helped.networks["a"], 0, 0)
    assert after < before - 0.1
    curve = helped.curves[EARLIER]
    gain = helped.earlier["a"]
    assert gain.every.mean == pytest.approx(curve.initial - min(curve.validation), abs=1e-5)
    assert 0 < gain.every.low < gain.every.mean < gain.every.high
    assert gain.own == pytest.approx(gain.every.mean)


def test_earlier_choices_that_mislead_change_nothing() -> None:
    own = lessons(0, 200, 1)
    misled = went_on(own, planted(1, 1000, 2))
    assert misled.earlier_kept == set()
    assert_same_weights(went_on(own, []), misled)


def test_earlier_choices_that_are_better_for_earlier_ones_alone_change_nothing() -> None:
    """The split's own choices held out, a tenth of them, go the other way."""
    own = lessons(0, 40, 1)
    mixed = replace(own, held_out=[*own.held_out, *planted(1, 360, 5)])
    misled = went_on(mixed, planted(1, 400, 2))
    assert misled.earlier["a"].every.low > 0
    assert misled.earlier["a"].own < 0
    assert_same_weights(went_on(mixed, []), misled)


def gain(low: float, own: float) -> EarlierGain:
    return EarlierGain(Interval(low + 0.1, low, low + 0.2), own)


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ([], False),
        ([gain(0.01, 0.1)], True),
        ([gain(0.01, 0.0)], True),  # no choice of the split's own is held out
        ([gain(-0.01, 0.1)], False),
        ([gain(float("nan"), 0.1)], False),
        ([gain(0.01, 0.1), gain(-0.01, 0.0)], True),
        ([gain(0.01, 0.1), gain(0.01, -0.001)], False),
    ],
)
def test_earlier_choices_count_where_one_scenario_is_surely_better_and_none_worse(
    gains: list[EarlierGain], expected: bool
) -> None:
    network = FusionNetwork(2, 1, 4)
    trained = TrainedNetwork(network, {}, {str(number): one for number, one in enumerate(gains)})
    assert trained.earlier_kept is expected


def test_the_interval_of_a_gain_is_over_people() -> None:
    """One person with many choices tells nothing."""
    own = lessons(0, 1, 1)
    alone = replace(own, held_out=[replace(one, person=3) for one in own.held_out])
    assert EarlierGain.of(np.ones(40), own).every.low == 1.0
    assert np.isnan(EarlierGain.of(np.ones(40), alone).every.low)
