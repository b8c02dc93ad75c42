"""The fusion learns from some people and is judged on others, for all scenarios and then for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from polyscene.core.progress import Silent
from polyscene.core.settings.project import Settings
from polyscene.data.queries import Choices, Histories, Queries
from polyscene.data.splits.phases import Phase
from polyscene.learning.fusion import (
    EARLIER,
    MIN_CHOICES,
    MIN_SPREAD,
    TRUSTED,
    FusionData,
    PastSignals,
    better_signal,
    fusion_data,
    held_out_gains,
    held_out_rows,
    mean_gains,
    train_fusion,
    used_alone_note,
)
from polyscene.learning.fusion_learner import FusionLearner
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders.fusion.features import Features
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.training import Example
from polyscene.recommenders.popularity import Popularity
from polyscene.recommenders.scores import Scores
from polyscene.recommenders.signal import Evidence, SignalSettings

MakeData = Callable[..., tuple[TrainingData, Settings]]
Walks = Callable[[int, int, int], Sequence[tuple[int, int, int]]]
NO_CHOICES = Choices(Queries(np.zeros(0, np.int32), np.zeros(0, np.int64), None), np.zeros(0, np.int32))  # type: ignore[arg-type]


def planted(right: int, count: int, seed: int, shift: float = 0.0) -> list[Example]:
    """Make choices among 6 items: signal `right` of two knows the chosen one, the other misleads."""
    draws = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        signals = draws.uniform(0, 0.5, (2, 6))
        signals[right, 0] = 1.0
        signals[1 - right, draws.integers(1, 6)] = 1.0
        user = draws.normal(shift, 1.0, 5)
        user[2] = 7.0
        made.append(
            Example(
                signals.astype(np.float16),
                np.zeros((6, 5), np.float16),
                np.ones(2, np.float32),
                user.astype(np.float32),
                np.zeros(6, np.float32),
            )
        )
    return made


def lessons(right: int, count: int, seed: int, shift: float = 0.0) -> FusionData:
    features = Features(
        np.zeros(6, np.float32), np.zeros(6, np.int64), np.zeros(6, np.int64), False, np.ones(2, np.float32)
    )
    held_out = planted(right, 40, seed + 1, shift)
    return FusionData((None, None), features, planted(right, count, seed, shift), held_out, NO_CHOICES)


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
    return train_fusion(OPPOSITES, 2, settings(a=a, b=b, few=1.0), 5, Silent())[0]


def test_scenarios_count_as_their_weights_say() -> None:
    more_of_a, more_of_b = (together(**weights)["few"] for weights in ({"a": 20.0}, {"b": 20.0}))
    assert loss(more_of_a, 0, 0) < loss(more_of_b, 0, 0) - 0.1
    assert loss(more_of_b, 1, 1) < loss(more_of_a, 1, 1) - 0.1


def test_each_scenario_gets_weights_of_its_own_that_suit_it_better() -> None:
    networks, curves = train_fusion(OPPOSITES, 2, settings(a=1.0, b=1.0, few=1.0), 5, Silent())
    assert list(curves) == ["all scenarios", "a", "b"]
    assert len({id(network) for network in networks.values()}) == 3
    for number, name in enumerate("ab"):
        assert loss(networks[name], number, number) < loss(networks["few"], number, number) - 0.02


def test_one_scenario_alone_is_trained_once() -> None:
    networks, curves = train_fusion(
        {"a": OPPOSITES["a"], "few": OPPOSITES["few"]}, 2, settings(a=1.0, few=1.0), 5, Silent()
    )
    assert list(curves) == ["all scenarios"]
    assert networks["a"] is networks["few"]
    assert loss(networks["a"], 0, 0) < 0.5 * np.log(6)


def test_without_choices_nothing_is_trained() -> None:
    networks, curves = train_fusion({"few": OPPOSITES["few"]}, 2, settings(few=1.0), 5, Silent())
    assert curves == {}
    assert torch.all(networks["few"].out.weight == 0)


def test_the_context_is_standardised_by_what_the_training_choices_show() -> None:
    shifted = {"a": lessons(0, 100, 1, shift=3.0), "few": lessons(1, 10, 7, shift=-3.0)}
    networks, _ = train_fusion(shifted, 2, settings(a=1.0, few=1.0), 5, Silent())
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


@pytest.mark.parametrize(
    ("count", "fusion", "expected"),
    [
        (MIN_CHOICES, 0.3, None),
        (MIN_CHOICES, 0.2, None),  # as good as the best signal: the fusion is kept
        (MIN_CHOICES, 0.1, "good"),
        (MIN_CHOICES - 1, 0.3, "good"),
    ],
)
def test_the_best_signal_is_used_alone_where_the_fusion_does_not_reach_it(
    count: int, fusion: float, expected: str | None
) -> None:
    gains = {"polyscene": [fusion] * 4, "bad": [0.05] * 4, "good": [0.2] * 4}
    judged = replace(judged_on(range(4)), training=planted(0, count, 1))
    assert better_signal(judged, gains) == expected


@pytest.mark.parametrize(
    ("earlier", "behind", "expected"),
    [
        (TRUSTED - MIN_CHOICES, [-0.3, 0.2, -0.3, 0.2, -0.1], None),
        (TRUSTED - MIN_CHOICES, [-0.3, -0.2, -0.3, -0.2, -0.1], "good"),
        (TRUSTED - MIN_CHOICES - 1, [-0.3, 0.2, -0.3, 0.2, -0.1], "good"),
    ],
)
def test_a_fusion_that_learned_from_many_is_given_up_only_on_evidence(
    earlier: int, behind: list[float], expected: str | None
) -> None:
    gains = {"polyscene": [0.5 + one for one in behind], "bad": [0.0] * 5, "good": [0.5] * 5}
    some = planted(0, 1, 1) * earlier
    judged = replace(judged_on(range(5)), training=planted(0, MIN_CHOICES, 1), earlier=some)
    assert better_signal(judged, gains) == expected


def test_earlier_choices_alone_teach_nothing() -> None:
    none_own = replace(lessons(0, 0, 1), earlier=planted(0, 100, 2))
    assert not none_own.enough
    assert replace(lessons(0, 1, 1), earlier=planted(0, MIN_CHOICES - 1, 2)).enough
    assert not replace(lessons(0, 1, 1), earlier=planted(0, MIN_CHOICES - 2, 2)).enough


def test_earlier_choices_that_agree_make_the_network_better() -> None:
    own = lessons(0, 40, 1)
    plain, curves = train_fusion({"a": own}, 2, settings(a=1.0), 5, Silent())
    assert EARLIER not in curves
    helped, curves = train_fusion(
        {"a": replace(own, earlier=planted(0, 400, 2))}, 2, settings(a=1.0), 5, Silent()
    )
    assert min(curves[EARLIER].validation) < curves[EARLIER].initial
    assert loss(helped["a"], 0, 0) < loss(plain["a"], 0, 0) - 0.1


def test_earlier_choices_that_mislead_change_nothing() -> None:
    own = lessons(0, 200, 1)
    plain, _ = train_fusion({"a": own}, 2, settings(a=1.0), 5, Silent())
    misled, curves = train_fusion(
        {"a": replace(own, earlier=planted(1, 1000, 2))}, 2, settings(a=1.0), 5, Silent()
    )
    assert min(curves[EARLIER].validation) >= curves[EARLIER].initial
    for one, other in zip(plain["a"].state_dict().values(), misled["a"].state_dict().values(), strict=True):
        assert torch.equal(one, other)


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


@pytest.mark.parametrize(("hide_seen", "rank"), [(False, 3), (True, 2)])
def test_validation_ranks_the_open_catalogue(
    make_evidence: Callable[..., Evidence], asked: Callable[..., Queries], hide_seen: bool, rank: int
) -> None:
    """Item 2 is chosen: 0 and 1 stand before it, and 0 was had before."""
    evidence = make_evidence([(0, 0, 0)], 4, clock="sequence")
    features = Features.of(evidence)
    counted = make_evidence([(0, item, 0) for item in range(4) for _ in range(4 - item)], 4, clock="sequence")
    signals = [Popularity().fit(counted), None]
    features.measure(signals, asked([[0]]))
    fusion = Fusion(
        ["popularity", "linear"], signals, features, FusionNetwork(2, 1, 2).fitted(), 0, hide_seen
    )
    found = mean_gains(held_out_gains(fusion, Choices(asked([[0], [0]]), np.array([2, 2], np.int32)), 16))
    assert set(found) == {"polyscene", "popularity"}
    assert found["popularity"] == pytest.approx(1 / np.log2(1 + rank))


def judged_on(users: Sequence[int]) -> FusionData:
    """Return what a fusion learned from 60 choices and is judged on: one choice per user that is named."""
    n = len(users)
    choices = Choices(
        Queries(np.array(users, np.int32), np.zeros(n, np.int64), Histories.of([[]] * n)),
        np.zeros(n, np.int32),
    )
    return replace(lessons(0, 60, 1), judged=choices)


@pytest.mark.parametrize("n", [1, 8, MIN_CHOICES - 1])
def test_a_handful_of_choices_is_said_to_tell_nothing(n: int) -> None:
    gains = {"polyscene": [0.0] * n, "linear": [1.0] * n}
    note = used_alone_note("shop", "linear", judged_on(range(n)), gains)
    assert f"on {n} held-out choices of {n} users it reached NDCG@10 1.0000, the fusion 0.0000" in note
    assert note.endswith(f": {n} choices are too few to tell anything")


def test_without_held_out_choices_nothing_is_told() -> None:
    note = used_alone_note("shop", "popularity", judged_on([]), {"polyscene": [], "popularity": []})
    assert note.endswith("no choice was held out, so nothing can be told; the fusion learned from 60")


def test_many_choices_tell_only_what_their_interval_does() -> None:
    draws, users = np.random.default_rng(0), list(range(200))
    ahead, noise = draws.uniform(0.2, 1.0, 200), draws.normal(0, 0.3, 200)
    clear = {"polyscene": (ahead - 0.2).tolist(), "linear": ahead.tolist()}
    assert used_alone_note("a", "linear", judged_on(users), clear).endswith(
        "difference -0.2000 [-0.2000 to -0.2000]"
    )
    open_ = {"polyscene": (ahead + noise).tolist(), "linear": ahead.tolist()}
    note = used_alone_note("a", "linear", judged_on(users), open_)
    assert note.endswith("which of them is better is not told by these choices")
