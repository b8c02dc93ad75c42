"""The fusion learns from some people and is judged on others, for all scenarios and then for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from tests.learning.planted import lessons, planted

from polyscene.core.progress import Silent
from polyscene.core.settings.project import Settings
from polyscene.data.queries import Queries
from polyscene.data.splits.phases import Phase
from polyscene.evaluation.significance import Interval
from polyscene.learning.fusion import (
    EARLIER,
    MIN_CHOICES,
    MIN_SPREAD,
    EarlierGain,
    FusionData,
    PastSignals,
    TrainedFusion,
    fusion_data,
    held_out_rows,
    train_fusion,
)
from polyscene.learning.fusion_learner import FusionLearner
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.training import Example
from polyscene.recommenders.popularity import Popularity
from polyscene.recommenders.scores import Scores
from polyscene.recommenders.signal import SignalSettings

MakeData = Callable[..., tuple[TrainingData, Settings]]
Walks = Callable[[int, int, int], Sequence[tuple[int, int, int]]]


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
    assert list(curves) == ["all scenarios", "a", "b"]
    assert len({id(network) for network in networks.values()}) == 3
    for number, name in enumerate("ab"):
        assert loss(networks[name], number, number) < loss(networks["few"], number, number) - 0.02


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


@pytest.mark.parametrize(("people", "expected"), [(1, 1), (4, 1), (10, 2), (100, 20)])
def test_a_fifth_of_the_people_is_held_out_with_all_their_choices(people: int, expected: int) -> None:
    user = np.random.default_rng(0).permutation(np.repeat(np.arange(people, dtype=np.int32), 3))
    held = held_out_rows(user, np.random.default_rng(1))
    assert len(set(user[held])) == expected
    assert not set(user[held]) & set(user[~held])


def test_earlier_choices_alone_teach_nothing() -> None:
    none_own = replace(lessons(0, 0, 1), earlier=planted(0, 100, 2))
    assert not none_own.enough
    assert replace(lessons(0, 1, 1), earlier=planted(0, MIN_CHOICES - 1, 2)).enough
    assert not replace(lessons(0, 1, 1), earlier=planted(0, MIN_CHOICES - 2, 2)).enough


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
    assert not plain.earlier_kept
    assert helped.earlier_kept
    before, after = loss(plain.networks["a"], 0, 0), loss(helped.networks["a"], 0, 0)
    assert after < before - 0.1
    curve = helped.curves[EARLIER]
    gain = helped.gains["a"]
    assert gain.every.mean == pytest.approx(curve.initial - min(curve.validation), abs=1e-5)
    assert 0 < gain.every.low < gain.every.mean < gain.every.high
    assert gain.own == pytest.approx(gain.every.mean)


def test_earlier_choices_that_mislead_change_nothing() -> None:
    own = lessons(0, 200, 1)
    misled = went_on(own, planted(1, 1000, 2))
    assert not misled.earlier_kept
    assert_same_weights(went_on(own, []), misled)


def test_earlier_choices_that_are_better_for_earlier_ones_alone_change_nothing() -> None:
    """The split's own choices held out, a tenth of them, go the other way."""
    own = lessons(0, 40, 1)
    mixed = replace(own, held_out=[*own.held_out, *planted(1, 360, 5)])
    misled = went_on(mixed, planted(1, 400, 2))
    assert misled.gains["a"].every.low > 0
    assert misled.gains["a"].own < 0
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
    trained = TrainedFusion({}, {}, {str(number): one for number, one in enumerate(gains)})
    assert trained.earlier_kept is expected


def test_the_interval_of_a_gain_is_over_people() -> None:
    """One person with many choices tells nothing."""
    own = lessons(0, 1, 1)
    alone = replace(own, held_out=[replace(one, person=3) for one in own.held_out])
    assert EarlierGain.of(np.ones(40), own).every.low == 1.0
    assert np.isnan(EarlierGain.of(np.ones(40), alone).every.low)


class Asked(Popularity):
    """Popularity that remembers who asked."""

    name: ClassVar[str] = "asked"

    def __init__(self, settings: SignalSettings | None = None) -> None:
        super().__init__(settings)
        self.users: list[set[int]] = []

    def prepare(self, queries: Queries) -> Scores:
        self.users.append(set(queries.user.tolist()))
        return super().prepare(queries)


def test_people_held_out_teach_neither_weights_nor_scales(make_data: MakeData, walks: Walks) -> None:
    """Everybody's history is of a length of their own, which an example tells."""
    rows = [row for row in walks(10, 44, 1) if row[2] // 10_000_000 >= 4 * row[0]]
    data, known = make_data({"a": rows}, 10, scenarios={"a": {"repeats": True}})
    past = data.evidence("a", Phase.PAST)
    signal = Asked().fit(past)
    found = fusion_data(data, "a", PastSignals(["asked"], [signal], past), known, Silent())
    held_out = set(found.judged.queries.user.tolist())
    assert len(held_out) == 2
    assert signal.users[0] == set(range(10)) - held_out
    lengths = [
        {round(float(np.expm1(example.user[0]))) for example in part}
        for part in (found.training, found.held_out)
    ]
    assert not lengths[0] & lengths[1]
    assert len(found.training) + len(found.held_out) == len(data.folds.tune("a").choices)
    assert len(found.judged) == len(found.held_out)
    assert set(found.held_people.tolist()) == held_out
    assert found.n_own == len(found.examples)


def test_the_limit_of_choices_is_kept(make_data: MakeData, walks: Walks) -> None:
    data, known = make_data({"a": walks(40, 10, 1)}, 40, fusion={"max_choices": 25})
    past = data.evidence("a", Phase.PAST)
    known_signals = PastSignals(["popularity"], [Popularity().fit(past)], past)
    found = fusion_data(data, "a", known_signals, known, Silent())
    assert len(found.training) + len(found.held_out) == 25


def test_choices_without_a_signal_are_as_if_it_had_never_been(make_data: MakeData, walks: Walks) -> None:
    data, known = make_data({"a": walks(40, 10, 1)}, 40, scenarios={"a": {"repeats": True}})
    past = data.evidence("a", Phase.PAST)
    fitted, names = Popularity().fit(past), ["popularity", "asked"]
    both = fusion_data(data, "a", PastSignals(names, [fitted, Asked().fit(past)], past), known, Silent())
    one = fusion_data(data, "a", PastSignals(names, [fitted, None], past), known, Silent())
    assert not np.array_equal(both.training[0].user, one.training[0].user)
    less = both.without(1)
    assert less.signals[0] is fitted
    assert less.signals[1] is None
    assert len(less.examples) == len(one.examples) > 0
    for found, expected in zip(less.examples, one.examples, strict=True):
        for name in ("signals", "facts", "peaks", "user", "log_weights"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def living(make_data: MakeData, live: bool | None) -> tuple[FusionData, Popularity]:
    """Return what a fusion learns from of one stream in which somebody new chooses every second."""
    rows = [(user, user % 3 if user < 48 else 5, 1_000_000 * user) for user in range(100)]
    blocks = {"evaluation": {"protocol": "progressive", "valid_share": 0.4, "warmup": 0.8}}
    data, known = make_data({"a": rows}, 100, fusion={"live": live}, **blocks)
    past = data.evidence("a", Phase.PAST)
    signal = Popularity().fit(past)
    return fusion_data(data, "a", PastSignals(["popularity"], [signal], past), known, Silent()), signal


@pytest.mark.parametrize("live", [True, None])
def test_signals_learn_on_while_choices_become_examples(make_data: MakeData, live: bool | None) -> None:
    learned, signal = living(make_data, live)
    n = len(learned.training) + len(learned.held_out)
    assert n == 32
    counts = sorted(round(float(np.expm1(example.facts[0, 0]))) for example in learned.examples)
    assert counts[0] == 0
    assert counts[-1] > 0, "later choices of the new item find it known"
    assert signal.score(learned.judged.queries)[:, 5].tolist() == [0.0] * len(learned.judged)
    assert learned.features.counts[5] == 0, "what is judged has not been learned"
    assert np.all(np.diff(learned.judged.queries.time) > 0)


def test_signals_that_stand_still_find_it_new_to_the_end(make_data: MakeData) -> None:
    learned, _ = living(make_data, live=False)
    assert {float(example.facts[0, 0]) for example in learned.examples} == {0.0}
