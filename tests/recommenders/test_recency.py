from __future__ import annotations

from collections.abc import Callable

import numpy as np

from polyscene.core.clock import HOUR
from polyscene.data.queries import Queries
from polyscene.data.schema import UNKNOWN_TIME
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.recency import OLDEST, Recency
from polyscene.recommenders.signal import Evidence

MakeEvidence = Callable[..., Evidence]
Asked = Callable[..., Queries]


def test_what_was_published_last_stands_first(make_evidence: MakeEvidence, asked: Asked) -> None:
    since = np.array([3, 9, 1, 7]) * HOUR
    signal = Recency().fit(make_evidence([(0, 2, 9 * HOUR)], 4, since=since))
    scores = signal.score(asked([[]], time=10 * HOUR))
    assert np.argsort(-scores[0]).tolist() == [1, 3, 0, 2]
    np.testing.assert_allclose(scores[0], -np.log1p([7, 1, 9, 3]), rtol=1e-6)


def test_an_item_without_a_date_appears_with_its_first_event(
    make_evidence: MakeEvidence, asked: Asked
) -> None:
    since = np.array([UNKNOWN_TIME, UNKNOWN_TIME, 2 * HOUR])
    rows = [(0, 0, 4 * HOUR), (0, 2, 5 * HOUR), (0, 0, 6 * HOUR)]
    scores = Recency().fit(make_evidence(rows, 3, since=since)).score(asked([[]], time=9 * HOUR))
    np.testing.assert_allclose(scores[0], -np.log1p([5, OLDEST, 7]), rtol=1e-6)


def test_age_is_told_at_the_moment_of_the_request(make_evidence: MakeEvidence, asked: Asked) -> None:
    signal = Recency().fit(make_evidence([], 2, since=np.array([0, 5]) * HOUR))
    ages = [np.expm1(-signal.score(asked([[]], time=hour * HOUR))[0]) for hour in (5, 8)]
    np.testing.assert_allclose(ages, [[5, 0], [8, 3]], rtol=1e-5, atol=1e-6)


def test_what_is_still_to_come_counts_as_brand_new(make_evidence: MakeEvidence, asked: Asked) -> None:
    signal = Recency().fit(make_evidence([], 2, since=np.array([8, 5]) * HOUR))
    assert signal.score(asked([[]], time=5 * HOUR)).tolist() == [[0.0, 0.0]]


def test_sequence_numbers_know_no_age(make_evidence: MakeEvidence, asked: Asked) -> None:
    signal = Recency().fit(make_evidence([(0, 0, 3)], 2, since=np.array([1, 2]), clock="sequence"))
    assert not signal.score(asked([[], []])).any()


def test_new_items_and_items_that_say_anew_when_they_appeared(
    make_evidence: MakeEvidence, asked: Asked
) -> None:
    """What says nothing keeps the moment that it had; what says something is judged by that from then on."""
    since = np.array([UNKNOWN_TIME, UNKNOWN_TIME, 2 * HOUR])
    signal = Recency().fit(make_evidence([(0, 0, 4 * HOUR), (0, 1, 4 * HOUR)], 3, since=since))
    dates = np.array([UNKNOWN_TIME, 6 * HOUR, UNKNOWN_TIME, UNKNOWN_TIME, 8 * HOUR])
    signal.extend(np.arange(5), dates)
    for item in range(5):
        signal.observe(Observation.alone(0, item, 3 * HOUR, 1.0))
    scores = signal.score(asked([[]], time=9 * HOUR))
    np.testing.assert_allclose(scores[0], -np.log1p([6, 3, 7, 6, 1]), rtol=1e-6)


def test_a_catalogue_may_begin_empty(make_evidence: MakeEvidence, asked: Asked) -> None:
    signal = Recency().fit(make_evidence([], 0))
    assert signal.score(asked([[]])).shape == (1, 0)
    signal.extend(np.array([0, 1]), np.array([UNKNOWN_TIME, HOUR]))
    np.testing.assert_allclose(signal.score(asked([[]], time=HOUR))[0], -np.log1p([OLDEST, 0]), rtol=1e-6)
