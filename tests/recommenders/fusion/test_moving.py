"""Moving weights follow a world that changes, are served only on evidence, and no burst carries them far."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from polyscene.core.clock import HOUR
from polyscene.core.types import FloatArray
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.fusion.moving import (
    APART,
    REACH,
    STEP,
    MovingWeights,
    query_before,
    teaches,
)

FITTED = np.array([2.0, 0.0])
"""The network trusts the first of two signals."""
ITEMS = 30


def choices(draws: np.random.Generator, true: FloatArray, count: int) -> list[tuple[FloatArray, int]]:
    """Return features of the candidates of choices, and what a world with these weights chooses."""
    world = []
    for _ in range(count):
        features = draws.normal(size=(2, ITEMS)).astype(np.float32)
        noise = draws.gumbel(size=ITEMS)
        world.append((features, int(np.argmax(true @ features + noise))))
    return world


def follow(moving: MovingWeights, world: list[tuple[FloatArray, int]], start: int = 0) -> list[float]:
    """Learn choices, each of another user and hour; return the nats that what was served gained on each."""
    gains = []
    for number, (features, chosen) in enumerate(world, start):
        logits = (FITTED @ features).astype(np.float32)
        served = logits + moving.share * (moving.mean @ features)
        gains.append(_log_share(served, chosen) - _log_share(logits, chosen))
        moving.learn(features, logits, chosen, number, number * HOUR)
    return gains


def _log_share(logits: NDArray[np.floating], chosen: int) -> float:
    return float(logits[chosen] - logits.max() - np.log(np.exp(logits - logits.max()).sum()))


def test_weights_follow_when_another_signal_becomes_the_best_one() -> None:
    draws = np.random.default_rng(3)
    moving = MovingWeights(2, 1)
    calm = follow(moving, choices(draws, np.array([2.0, 0.0]), 300))
    assert np.mean(calm) > -0.01  # nothing is lost while nothing changes
    assert moving.share < 0.9
    follow(moving, choices(draws, np.array([0.0, 2.0]), 400), 300)
    assert moving.share > 0.9
    after = follow(moving, choices(draws, np.array([0.0, 2.0]), 200), 700)
    assert np.mean(after) > 1.0  # nats a choice, which standing weights lose
    moved = FITTED + moving.mean
    assert moved[1] > 1.2 > 0.8 > moved[0]


def test_weights_fall_back_when_the_world_comes_back() -> None:
    draws = np.random.default_rng(4)
    moving = MovingWeights(2, 1)
    follow(moving, choices(draws, np.array([0.0, 2.0]), 600))
    back = follow(moving, choices(draws, np.array([2.0, 0.0]), 600), 600)
    assert np.mean(back[-200:]) > -0.05
    assert np.sum(back) > -60.0  # what is lost until evidence turns


def test_nothing_is_served_without_evidence() -> None:
    moving = MovingWeights(2, 1)
    moving.mean = np.array([5.0, -5.0])
    assert moving.share == 0.0
    moving.evidence = 6.0
    assert moving.share == pytest.approx(1 / (1 + np.exp(-3.0)))
    assert moving.note == "moved weights carry 0.95 after 0 choices"


def test_one_choice_and_one_hour_move_weights_no_further_than_stated() -> None:
    features = np.zeros((2, 4), np.float32)
    features[1, 0] = 8.0
    logits = np.zeros(4, np.float32)
    moving = MovingWeights(2, 1)
    spread = float(np.std(features[1]))
    moving.learn(features, logits, 0, 0, HOUR)
    assert 0 < moving.mean[1] * spread <= STEP * (1 + 1e-9)
    for user in range(1, 100):
        moving.learn(features, logits, 0, user, HOUR + user)
    assert moving.moved == pytest.approx(REACH)
    before = moving.mean.copy()
    moving.learn(features, logits, 0, 100, HOUR + 100)
    np.testing.assert_array_equal(moving.mean, before)
    moving.learn(features, logits, 0, 101, 2 * HOUR)
    assert moving.mean[1] > before[1]


def test_a_user_teaches_again_only_after_others_did() -> None:
    moving = MovingWeights(2, 1)
    (features, chosen), *_ = choices(np.random.default_rng(5), FITTED, 1)
    logits = (FITTED @ features).astype(np.float32)
    assert moving.due(7)
    moving.learn(features, logits, chosen, 7, 0)
    for other in range(100, 100 + APART - 1):
        assert not moving.due(7)
        moving.learn(features, logits, chosen, other, 0)
    moving.learn(features, logits, chosen, 99, 0)
    assert moving.due(7)


def test_each_so_manyth_choice_is_due() -> None:
    moving = MovingWeights(2, 3)
    assert [moving.due(user) for user in range(7)] == [False, False, True, False, False, True, False]


def test_kept_and_taken_back_it_goes_on_the_same() -> None:
    draws = np.random.default_rng(6)
    one = MovingWeights(2, 2)
    follow(one, choices(draws, np.array([0.0, 2.0]), 120))
    one.due(1)
    other = MovingWeights.restore(one.state())
    more = choices(draws, np.array([1.0, 1.0]), 60)
    assert follow(one, more, 120) == follow(other, more, 120)
    assert one.state().keys() == other.state().keys()
    for name, array in one.state().items():
        np.testing.assert_array_equal(array, other.state()[name])


def event(times: list[int], time: int, later: list[int] | None = None) -> Observation:
    past, after = np.arange(len(times), dtype=np.int32), np.array(later or [], np.int32)
    weights, more = np.ones(len(past), np.float32), np.ones(len(after), np.float32)
    return Observation(3, 9, time, 1.0, past, weights, after, more, past_times=np.array(times, np.int64))


def test_late_events_and_the_rest_of_a_basket_do_not_teach() -> None:
    assert teaches(event([], 5))
    assert teaches(event([1, 4], 5))
    assert not teaches(event([1, 5], 5))
    assert not teaches(event([1], 5, later=[2]))
    assert not teaches(Observation.alone(1, 2, 3, 1.0))  # when the past was is not told


def test_the_request_before_an_event_knows_what_its_user_did_before() -> None:
    queries = query_before(event([1, 4], 5))
    assert queries.user.tolist() == [3]
    assert queries.time.tolist() == [5]
    assert queries.history.items.tolist() == [0, 1]
    assert queries.history.times.tolist() == [1, 4]
    assert len(queries.elsewhere["another"].items) == 0
