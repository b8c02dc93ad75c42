from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from polyscene.core.clock import HOUR
from polyscene.data.queries import Queries
from polyscene.data.schema import UNKNOWN_TIME
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.fusion.features import SEEN_DECAY, Features
from polyscene.recommenders.signal import Evidence, Signal

MakeEvidence = Callable[..., Evidence]
Asked = Callable[..., Queries]
MakeSignal = Callable[..., Signal]


@pytest.fixture
def evidence(make_evidence: MakeEvidence) -> Evidence:
    """Item 0 has three events, 1 has one, 2 and 3 none; 0 and 3 tell when they appeared."""
    rows = [(0, 0, HOUR), (1, 0, 2 * HOUR), (2, 0, 3 * HOUR), (0, 1, 4 * HOUR)]
    return make_evidence(rows, 4, since=np.array([0, UNKNOWN_TIME, UNKNOWN_TIME, 8 * HOUR]))


@pytest.fixture
def features(evidence: Evidence) -> Features:
    features = Features.of(evidence)
    features.scales = np.array([2.0, 1.0, 0.5], np.float32)
    return features


@pytest.fixture
def signals(table_signal: MakeSignal) -> list[Signal | None]:
    return [table_signal([[2, 4, 0, -2], [0, 0, 0, 0]]), None, table_signal([[1, 0, 0, 0], [0, 0, 3, -1]])]


def test_signals_are_scaled_and_an_absent_one_scores_zero(
    features: Features, signals: list[Signal | None], asked: Asked
) -> None:
    block = features.block(signals, asked([[], []]))
    assert block.signals.dtype == np.float32
    assert block.signals.tolist() == [
        [[1, 2, 0, -1], [0] * 4, [2, 0, 0, 0]],
        [[0] * 4, [0] * 4, [0, 0, 6, -2]],
    ]
    np.testing.assert_allclose(block.peaks, [[2, 1e-6, 2], [1e-6, 1e-6, 6]])


def test_the_context_counts_what_was_done_here_and_elsewhere(
    features: Features, signals: list[Signal | None], asked: Asked
) -> None:
    queries = asked([[0, 2, 0], []], {"b": [[1], [1, 1]], "c": [[0], []]})
    block = features.block(signals, queries)
    facts = [[np.log(4), np.log(3), 2 / 3 * np.log(4)], [0, np.log(3), 0]]
    np.testing.assert_allclose(block.user, np.hstack([facts, np.log1p(block.peaks)]), rtol=1e-6)


def test_item_facts_are_log_count_new_and_cold(
    features: Features, signals: list[Signal | None], asked: Asked
) -> None:
    block = features.block(signals, asked([[]]))
    expected = np.array([[np.log(4), 0, 0], [np.log(2), 0, 1], [0, 1, 1], [0, 1, 1]])
    np.testing.assert_allclose(block.item[0], expected, rtol=1e-6)


def test_pairs_know_the_age_and_how_freshly_the_user_had_the_item(
    features: Features, signals: list[Signal | None], asked: Asked
) -> None:
    block = features.block(signals, asked([[0, 1, 0], [3]], time=9 * HOUR))
    ages = np.log1p([9, 5, 0, 1])  # by what it says, by its first event, unknown, by what it says
    np.testing.assert_allclose(block.pair[:, :, 0], np.stack([ages, ages]), rtol=1e-6)
    had = np.array([[1 + SEEN_DECAY**2, SEEN_DECAY, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(block.pair[:, :, 1], had, rtol=1e-6)


def test_sequence_numbers_tell_no_age(
    make_evidence: MakeEvidence, signals: list[Signal | None], asked: Asked
) -> None:
    features = Features.of(make_evidence([(0, 0, 1)], 4, since=np.arange(4), clock="sequence"))
    features.measure(signals, asked([[], []]))
    assert not features.block(signals, asked([[0]], time=3)).pair[:, :, 0].any()


def test_the_scale_is_the_spread_of_the_scores(
    features: Features, signals: list[Signal | None], asked: Asked, table_signal: MakeSignal
) -> None:
    features.measure([*signals, table_signal(np.zeros((2, 4)))], asked([[], []]))
    expected = np.array([np.std([2, 4, -2]), 1.0, np.std([1, 3, -1]), 1.0])
    np.testing.assert_allclose(features.scales, expected, rtol=1e-6)


def test_a_signal_that_says_the_same_of_all_stays_finite(
    features: Features, asked: Asked, table_signal: MakeSignal
) -> None:
    flat = [table_signal(np.full((1, 4), 0.7))]
    features.measure(flat, asked([[]]))
    block = features.block(flat, asked([[]]))
    assert all(np.isfinite(part).all() for part in (block.signals, block.peaks, block.user))


def test_a_block_at_candidates_is_its_columns(
    features: Features, signals: list[Signal | None], asked: Asked
) -> None:
    queries = asked([[0, 1], [3]], time=9 * HOUR)
    block = features.block(signals, queries)
    candidates = np.array([[3, 0], [2, 2]], np.int32)
    prepared = [None if signal is None else signal.prepare(queries) for signal in signals]
    scores, peaks = features.scaled(prepared, 2, candidates), features.peaks(prepared, 2)
    actual = features.block_of(scores, peaks, queries, candidates)
    for row, wanted in enumerate(candidates):
        np.testing.assert_array_equal(actual.signals[row], block.signals[row][:, wanted])
        np.testing.assert_array_equal(actual.item[row], block.item[0, wanted])
        np.testing.assert_array_equal(actual.pair[row], block.pair[row, wanted])
    np.testing.assert_array_equal(actual.peaks, block.peaks)
    np.testing.assert_array_equal(actual.user, block.user)


def test_restored_features_make_the_same_blocks(
    features: Features, signals: list[Signal | None], asked: Asked
) -> None:
    queries = asked([[0, 1], [3]], time=9 * HOUR)
    one, other = (each.block(signals, queries) for each in (features, Features.restore(features.state())))
    for part in ("signals", "peaks", "user", "item", "pair"):
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part))


def test_items_are_open_once_they_are_there_and_until_they_are_had(features: Features, asked: Asked) -> None:
    early, late = asked([[0], []], time=HOUR), asked([[0], []], time=8 * HOUR)
    assert features.closed(early, hide_seen=False).tolist() == [[False, False, False, True]] * 2
    assert not features.closed(late, hide_seen=False).any()
    assert (features.expects(early), features.expects(late)) == (True, False)
    assert features.closed(late, hide_seen=True).tolist() == [[True, False, False, False], [False] * 4]


def test_new_items_are_open_once_they_are_there_and_an_edit_may_set_the_date(
    features: Features, asked: Asked
) -> None:
    features.extend(np.array([1, 4, 5]), np.array([7 * HOUR, UNKNOWN_TIME, 9 * HOUR]))
    assert len(features) == 6
    queries = asked([[]], time=6 * HOUR)
    assert features.closed(queries, hide_seen=False).tolist() == [[False, True, False, True, False, True]]
    assert not features.closed(asked([[]], time=9 * HOUR), hide_seen=False).any()
    block = features.block([], asked([[]], time=10 * HOUR))
    np.testing.assert_allclose(block.pair[0, :, 0], np.log1p([10, 3, 0, 2, 0, 1]), rtol=1e-6)
    np.testing.assert_allclose(block.item[0, 4:], [[0, 1, 1]] * 2)


def test_events_make_items_warm(features: Features, asked: Asked) -> None:
    for time in range(3):
        features.observe(Observation.alone(0, 2, (5 - time) * HOUR, 1.0))
    block = features.block([], asked([[2]], time=9 * HOUR))
    np.testing.assert_allclose(block.item[0, 2], [np.log(4), 0, 0], rtol=1e-6)
    np.testing.assert_allclose(block.pair[0, 2], [np.log1p(6), 1.0], rtol=1e-6)
    np.testing.assert_allclose(block.user[0, 2], np.log(4), rtol=1e-6)


def test_who_asks_at_one_moment_sees_the_ages_that_each_alone_sees(features: Features, asked: Asked) -> None:
    past = [[0, 2, 0], [], [1]]
    queries = replace(asked(past), time=np.full(3, 9 * HOUR))
    for candidates in (None, np.array([[0, 3], [1, 1], [3, 2]], np.int32)):
        width = 4 if candidates is None else 2
        scores, peaks = np.zeros((3, 3, width), np.float32), np.ones((3, 3), np.float32)
        pair = features.block_of(scores, peaks, queries, candidates).pair
        for row in range(3):
            alone = candidates if candidates is None else candidates[row : row + 1]
            block = features.block_of(scores[:1], peaks[:1], queries.take(row, row + 1), alone)
            np.testing.assert_array_equal(pair[row], block.pair[0])
    assert pair[0, 0].tolist() == pytest.approx([np.log1p(9.0), 1.0 + SEEN_DECAY**2])
    assert pair[0, 1].tolist() == pytest.approx([np.log1p(1.0), 0.0])
