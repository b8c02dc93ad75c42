"""How far an item may be moved: by one event, by one user, by a burst; and what bots gain by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from polyscene.core.clock import DAY, HOUR
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.posterior.events import repeat_shares, shares_of
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.recommenders.signal import Evidence

Make = Callable[..., Posterior]
MakeWorld = Callable[..., Evidence]
PUSHED, N_ITEMS = 11, 12
NO_LIMIT = 1e9


@pytest.fixture(scope="module")
def calm(make_world: MakeWorld, two_tastes: Callable[..., Any]) -> Evidence:
    """Return a world in which nobody chooses the last item."""
    return make_world([row for row in two_tastes(400) if row[1] != PUSHED])


def place_of(signal: Posterior, item: int) -> np.ndarray:
    items = signal.items_now(np.array([item]))
    return np.append(items.means[0], items.bias[0]).astype(float)


def push(signal: Posterior, users: list[int], times: int, item: int = PUSHED, weight: float = 1.0) -> None:
    """Let users choose an item again and again within a day."""
    start = (signal.latest // DAY + 1) * DAY
    for number in range(times):
        for user in users:
            event = Observation.alone(user, item, start + number, weight)
            event.past, event.past_weights = np.full(number, item, np.int32), np.ones(number, np.float32)
            signal.observe(event)


@pytest.mark.parametrize("negatives", [1, 4])
def test_no_event_moves_an_item_further_than_its_limit(
    negatives: int, calm: Evidence, posterior: Make
) -> None:
    settings = {"negatives": negatives, "burst_limit": NO_LIMIT, "bias_variance": 5.0, "half_lives": (1e9,)}
    free = posterior(event_limit=NO_LIMIT, **settings).fit(calm)
    held = posterior(event_limit=0.2, **settings).fit(calm)
    for signal, limit in ((free, None), (held, 0.2)):
        before = [place_of(signal, item) for item in range(N_ITEMS)]
        push(signal, [0], 1)
        moved = [float(np.linalg.norm(place_of(signal, item) - before[item])) for item in range(N_ITEMS)]
        if limit is None:
            assert moved[PUSHED] > 0.4
        else:
            assert max(moved) <= limit * 1.01
            assert moved[PUSHED] > limit * 0.5


def test_one_user_moves_an_item_by_all_choices_of_it_less_than_the_stated_sum(
    calm: Evidence, posterior: Make
) -> None:
    settings = {"event_limit": 0.02, "burst_limit": NO_LIMIT, "bias_variance": 3.0}
    signal = posterior(repeats=5.0, **settings).fit(calm)
    before = place_of(signal, PUSHED)
    push(signal, [0], 300)
    moved = float(np.linalg.norm(place_of(signal, PUSHED) - before))
    assert moved <= (1 + 5.0) * 0.02
    free = posterior(repeats=1e9, **settings).fit(calm)
    push(free, [0], 300)
    assert float(np.linalg.norm(place_of(free, PUSHED) - before)) > 10 * moved


def test_shares_of_repeats_add_up_to_less_than_the_stated_sum() -> None:
    for repeats in (0.5, 5.0, 50.0):
        assert shares_of(np.arange(100_000), repeats).sum(dtype=np.float64) < 1 + repeats
    user, item = np.array([0, 0, 1, 0, 0]), np.array([3, 3, 3, 4, 3])
    counted = np.array([True, False, True, True, True])
    actual = repeat_shares(user.astype(np.int32), item.astype(np.int32), counted, 1.0)
    np.testing.assert_allclose(actual, [1.0, 0.25, 1.0, 1.0, 0.25])
    nothing = np.zeros(0, np.int32)
    assert repeat_shares(nothing, nothing, nothing.astype(bool), 1.0).shape == (0,)


def test_a_burst_moves_an_item_no_further_than_its_limit_and_the_next_day_it_may_go_on(
    calm: Evidence, posterior: Make
) -> None:
    settings = {"event_limit": NO_LIMIT, "bias_variance": 3.0}
    signal, free = (
        posterior(burst_limit=0.3, **settings).fit(calm),
        posterior(burst_limit=NO_LIMIT, **settings).fit(calm),
    )
    for one in (signal, free):
        push(one, list(range(100, 140)), 1)
    before = float(posterior(**settings).fit(calm).biases()[PUSHED])
    assert signal.biases()[PUSHED] - before == pytest.approx(0.3, rel=0.05)
    assert free.biases()[PUSHED] - before > 1.0
    assert np.linalg.norm(signal.items_now().means[PUSHED] - signal.priors[PUSHED]) <= 0.31
    push(signal, list(range(200, 240)), 1)
    assert 0.4 < signal.biases()[PUSHED] - before <= 0.61


def test_bots_climb_less_with_the_limits_than_without(calm: Evidence, posterior: Make) -> None:
    """A hundredth of the people, here one of a hundred strangers and regulars, push one item all day."""
    settings = {"bias_variance": 1.0, "negatives": 2}
    bound = posterior(**settings).fit(calm)
    free = posterior(event_limit=NO_LIMIT, burst_limit=NO_LIMIT, repeats=NO_LIMIT, **settings).fit(calm)
    climbs = []
    for signal in (bound, free):
        before = float(signal.biases()[PUSHED])
        push(signal, [999], 200)
        climbs.append(float(signal.biases()[PUSHED]) - before)
    assert climbs[0] <= 2.0
    assert climbs[1] > 1.4 * climbs[0]


def test_honest_events_of_a_quiet_day_are_not_held_back(calm: Evidence, posterior: Make) -> None:
    usual = posterior().fit(calm)
    free = posterior(event_limit=NO_LIMIT, burst_limit=NO_LIMIT).fit(calm)
    np.testing.assert_array_equal(usual.biases(), free.biases())
    usual.observe(Observation.alone(0, 1, usual.latest + HOUR, 1.0))
    free.observe(Observation.alone(0, 1, free.latest + HOUR, 1.0))
    np.testing.assert_array_equal(usual.items_now().means, free.items_now().means)
