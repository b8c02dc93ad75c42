"""Where the signal that is used alone has nothing to say, what everybody chooses comes next, or first."""

from __future__ import annotations

import numpy as np

from polyscene.core.types import FloatArray
from polyscene.recommenders.fusion.alone import alone, silent, with_new_people
from polyscene.recommenders.fusion.features import MIN_PEAK, Block

PERSONAL, POPULAR = 0, 1
LIKED = [0.1, 0.9, 0.5, 0.0]


def block_of(personal: list[list[float]], counts: list[float] | None = None) -> Block:
    """Return two signals' scores of four items: a personal one, and one that is the same for all."""
    own = np.array(personal, np.float32)
    signals = np.stack([own, np.tile(np.array(LIKED, np.float32), (len(own), 1))], axis=1)
    peaks = np.maximum(signals.max(axis=2), MIN_PEAK)
    item = np.zeros((1, own.shape[1], 3), np.float32)
    item[0, :, 0] = LIKED[::-1] if counts is None else counts
    user, pair = np.zeros((len(own), 5), np.float32), np.zeros((len(own), own.shape[1], 2), np.float32)
    return Block(signals, peaks, user, item, pair)


def order(scores: FloatArray) -> list[list[int]]:
    return np.argsort(-scores, axis=1, kind="stable").tolist()  # type: ignore[no-any-return]


def test_a_stranger_gets_what_everybody_chooses_not_the_first_rows() -> None:
    block = block_of([[0.0] * 4])
    assert silent(block, [PERSONAL]).tolist() == [True]
    np.testing.assert_array_equal(alone(block, PERSONAL, POPULAR), np.array([LIKED], np.float32))
    assert order(alone(block, PERSONAL, POPULAR)) == [[1, 2, 0, 3]]


def test_without_popularity_events_are_counted() -> None:
    assert order(alone(block_of([[0.0] * 4]), PERSONAL, None)) == [[2, 1, 3, 0]]


def test_what_the_signal_does_not_know_follows_in_the_order_of_popularity() -> None:
    block = block_of([[0.0, 0.0, 0.0, 2.0], [-1.0, 0.0, 0.0, 0.0]])
    scores = alone(block, PERSONAL, POPULAR)
    assert order(scores) == [[3, 1, 2, 0], [1, 2, 3, 0]]
    assert scores[0, 3] == 2.0
    assert scores[1, 0] == -1.0
    assert np.abs(scores[0, :3]).max() <= 1e-6


def test_a_signal_whose_best_is_below_zero_is_not_silent() -> None:
    block = block_of([[-3.0, -1.0, -2.0, -4.0]])
    assert silent(block, [PERSONAL]).tolist() == [False]
    np.testing.assert_array_equal(alone(block, PERSONAL, POPULAR), block.signals[:, PERSONAL])


def test_scores_that_are_all_known_stay_as_they_are() -> None:
    known = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_array_equal(alone(block_of(known.tolist()), PERSONAL, POPULAR), known)


def test_people_without_events_here_are_answered_by_their_own_signal() -> None:
    block = block_of([[3.0, 1.0, 0.0, 0.0], [3.0, 1.0, 0.0, 0.0], [0.0] * 4])
    block.user[1, 0] = np.log1p(2)
    fused = np.full((3, 4), 7.0, np.float32)
    scores = with_new_people(fused, block, PERSONAL, POPULAR)
    np.testing.assert_array_equal(scores[[0, 2]], alone(block, PERSONAL, POPULAR)[[0, 2]])
    assert scores[1].tolist() == [7.0] * 4
    block.user[:, 0] = 1.0
    whole = np.zeros((3, 4), np.float32)
    assert with_new_people(whole, block, PERSONAL, POPULAR) is whole
    assert not whole.any()
