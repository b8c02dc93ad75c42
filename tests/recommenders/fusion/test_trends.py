from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from polyscene.core.clock import DAY, HOUR, MINUTE
from polyscene.data.queries import Queries
from polyscene.data.schema import UNKNOWN_TIME, EventLog
from polyscene.recommenders.fusion.features import PAIR_FACTS, USER_FACTS, Features
from polyscene.recommenders.fusion.inference import FACTS, FusionWeights
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.trends import GAIN, LONG_AGO, Births, Trends, had_lately
from polyscene.recommenders.signal import Evidence

MakeLog = Callable[..., EventLog]
MakeEvidence = Callable[..., Evidence]
Asked = Callable[..., Queries]


@pytest.fixture
def trends(make_log: MakeLog) -> Trends:
    """Item 0 was chosen on day 0 and day 2, item 1 on day 3, item 2 never."""
    return Trends.of((1.0, 2.0), make_log([(0, 0, 0), (1, 0, 2 * DAY), (0, 1, 3 * DAY)]), 3)


def test_heats_fade_by_their_half_lives_and_time_goes_on_since_the_last_event(trends: Trends) -> None:
    (facts,) = trends.facts(np.array([4 * DAY]), None)
    heats = [[2**-4 + 2**-2, 2**-2 + 2**-1], [2**-1, 2**-0.5], [0, 0]]
    np.testing.assert_allclose(facts[:, :2], np.log1p(GAIN * np.array(heats)), rtol=1e-5)
    hours = np.array([48, 24, LONG_AGO / HOUR])
    np.testing.assert_allclose(facts[:, 2], np.log1p(hours), rtol=1e-5)


def test_candidates_are_told_what_the_whole_catalogue_is(trends: Trends) -> None:
    candidates = np.array([[2, 0], [1, 1]])
    for moments in ([4 * DAY, 4 * DAY], [4 * DAY, 9 * DAY]):
        time = np.array(moments)
        every = np.broadcast_to(trends.facts(time, None), (2, 3, 3))
        expected = np.take_along_axis(every, candidates[:, :, None], axis=1)
        np.testing.assert_array_equal(trends.facts(time, candidates), expected)
        alone = trends.facts(time[1:], candidates[1:])
        np.testing.assert_array_equal(alone, expected[1:])


def test_a_late_event_counts_what_it_is_worth_and_does_not_turn_time_back(
    trends: Trends, make_log: MakeLog
) -> None:
    trends.observe(0, DAY, 0.5)
    trends.observe(2, 7 * DAY, 1.0)
    rows = [(0, 0, 0), (0, 0, DAY), (1, 0, 2 * DAY), (0, 1, 3 * DAY), (0, 2, 7 * DAY)]
    log = make_log(rows, weight=[1.0, 0.5, 1.0, 1.0, 1.0])
    again = Trends.of((1.0, 2.0), log, 3)
    for name, array in again.state().items():
        np.testing.assert_allclose(trends.state()[name], array)


def test_newer_items_are_counted_up_to_the_moment_and_equally_new_ones_among_them() -> None:
    births = Births(np.array([10, UNKNOWN_TIME, 30, 30, 50]))
    counts = np.exp(births.newer(np.array([40, 60]), None))
    np.testing.assert_allclose(counts, [[3, 4, 2, 2, 1], [4, 5, 3, 3, 1]], rtol=1e-6)
    np.testing.assert_allclose(np.exp(births.newer(np.array([60]), np.array([[4, 0]]))), [[1, 4]], rtol=1e-6)


@pytest.mark.parametrize("born", [50, 55, 20])
def test_an_item_that_appears_takes_its_place_wherever_that_is(born: int) -> None:
    since = np.array([10, UNKNOWN_TIME, 30, 50])
    births = Births(since)
    since[1] = born
    births.changed(1, since)
    time = np.array([15, 40, 60])
    np.testing.assert_array_equal(births.newer(time, None), Births(since).newer(time, None))


@pytest.mark.parametrize("new", [[60, 70], [70, 60], [50, 50], [UNKNOWN_TIME, 60], [20, 60], []])
def test_items_that_come_take_the_places_they_would_have_from_the_start(new: list[int]) -> None:
    since = np.array([10, UNKNOWN_TIME, 30, 50])
    births = Births(since)
    everything = np.concatenate([since, np.array(new, np.int64)])
    births.extend(everything)
    time = np.array([15, 40, 55, 65, 80])
    np.testing.assert_array_equal(births.newer(time, None), Births(everything).newer(time, None))


def test_one_request_is_told_what_it_would_be_told_among_others(asked: Asked) -> None:
    both, one = asked([[1, 0, 1], [2]], time=4 * HOUR), asked([[1, 0, 1]], time=4 * HOUR)
    candidates = np.array([[3, 2, 1, 0]])
    among = had_lately(both, 4, None)[:1, ::-1]
    assert (among > 0).tolist() == [[False, False, True, True]]
    for _ in range(2):  # what is worked with holds nothing of the request before
        np.testing.assert_array_equal(had_lately(one, 4, candidates), among)


def test_items_that_moved_are_placed_anew() -> None:
    since = np.array([10, 20, 30])
    births = Births(since)
    since[0] = 25
    births.extend(since, moved=True)
    np.testing.assert_array_equal(
        births.newer(np.array([40]), None), Births(since).newer(np.array([40]), None)
    )


def test_a_fusion_that_learns_live_is_told_more_and_only_then(
    make_evidence: MakeEvidence, asked: Asked
) -> None:
    evidence = make_evidence([(0, 0, HOUR), (1, 1, 2 * HOUR), (0, 1, 3 * HOUR)], 3)
    plain, live = Features.of(evidence), Features.of(evidence, (1.0,))
    queries = asked([[1, 0], []], time=4 * HOUR)
    usual, more = plain.block([], queries), live.block([], queries)
    assert (usual.user.shape[1], usual.pair.shape[2]) == plain.widths == (USER_FACTS, PAIR_FACTS)
    assert (more.user.shape[1], more.pair.shape[2]) == live.widths == (USER_FACTS + 2, PAIR_FACTS + 4)
    np.testing.assert_array_equal(more.pair[:, :, :PAIR_FACTS], usual.pair)
    np.testing.assert_allclose(np.exp(more.pair[0, :, 3]), [2, 1, 3])
    np.testing.assert_allclose(more.user[0, 3], 2 / (2 + 3))
    since = (4 * HOUR - queries.history.times[1]) / MINUTE
    np.testing.assert_allclose(more.user[0, 4], np.log1p(since), rtol=1e-6)
    assert more.user[1, 3] == 0.0
    hours = (4 * HOUR - queries.history.times[:2]) / HOUR
    np.testing.assert_allclose(more.pair[0, [1, 0], 2], 1 / (1 + np.log1p(hours)), rtol=1e-6)
    assert not more.pair[1, :, 2].any()


def test_where_times_are_only_an_order_nothing_is_told_of_what_goes_on(
    make_evidence: MakeEvidence, asked: Asked
) -> None:
    features = Features.of(make_evidence([(0, 0, 1), (1, 1, 2)], 2, clock="sequence"), (1.0,))
    block = features.block([], asked([[1], []], time=3))
    assert not block.pair[:, :, PAIR_FACTS:].any()
    assert not block.user[:, USER_FACTS:].any()


def test_weights_know_how_many_facts_they_were_taught_with() -> None:
    network = FusionNetwork(2, 3, 4, USER_FACTS + 2, PAIR_FACTS + 7)
    weights = FusionWeights.of(network.fitted().arrays)
    assert (weights.n_signals, weights.n_scenarios) == (2, 3)
    usual = FusionNetwork(2, 3, 4).fitted().arrays
    assert FACTS not in usual
    assert (FusionWeights.of(usual).n_signals, FusionWeights.of(usual).n_scenarios) == (2, 3)
