from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from polyscene.core.clock import DAY
from polyscene.core.types import FloatArray
from polyscene.data.queries import LATEST, Histories, Queries
from polyscene.data.schema import EventLog
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.popularity import Popularity, PopularitySettings
from polyscene.recommenders.signal import Evidence
from polyscene.representation.item_space import ItemSpace

MakeLog = Callable[..., EventLog]
MakeEvidence = Callable[..., Evidence]
Asked = Callable[..., Queries]


def shared_scores(signal: Popularity) -> FloatArray:
    """Return (n,) the scores of everybody."""
    strangers = Queries(np.array([-1], np.int32), np.array([LATEST]), Histories.of([[]]))
    scores: FloatArray = signal.score(strangers)[0]
    return scores


def test_without_a_clock_it_counts_weights(
    make_log: MakeLog, make_evidence: MakeEvidence, asked: Asked
) -> None:
    log = make_log([(0, 0, 0), (1, 0, 1), (0, 2, 2), (1, 3, 3)], weight=[1, 2, 0.5, 0])
    signal = Popularity().fit(make_evidence(log, 5, clock="sequence"))
    np.testing.assert_allclose(signal.score(asked([[], [0]])), np.log1p([[3, 0, 0.5, 0, 0]] * 2), rtol=1e-6)


def test_an_event_counts_half_after_a_half_life(make_evidence: MakeEvidence) -> None:
    rows = [(0, 0, 0)] * 60 + [(0, 1, 5 * DAY)] * 60
    signal = Popularity().fit(make_evidence(rows, 2))
    old = 60 * 0.5 ** (5 / signal.half_life)
    np.testing.assert_allclose(shared_scores(signal), np.log1p([old, 60]), rtol=1e-5)


@pytest.mark.parametrize("start", [0, 20_000 * DAY, -20_000 * DAY], ids=["1970", "2024", "1915"])
def test_when_it_happened_does_not_matter_only_how_long_before_the_end(
    make_evidence: MakeEvidence, start: int
) -> None:
    generator = np.random.default_rng(0)
    rows = [(0, int(generator.integers(5)), day * DAY) for day in range(150)]
    there = Popularity().fit(make_evidence([(u, i, start + t) for u, i, t in rows], 5))
    here = Popularity().fit(make_evidence(rows, 5))
    assert there.half_life == here.half_life
    np.testing.assert_allclose(shared_scores(there), shared_scores(here), rtol=1e-5)


def test_where_fashions_changed_lately_a_short_half_life_foretells(make_evidence: MakeEvidence) -> None:
    rows = [
        (0, place % 10 + 10 * (day >= 70), day * DAY + place) for day in range(100) for place in range(20)
    ]
    signal = Popularity().fit(make_evidence(rows, 20))
    assert signal.half_life <= 2.0
    scores = shared_scores(signal)
    assert scores[10:].min() > 10 * scores[:10].max()


def test_where_taste_never_changes_the_longest_half_life_foretells(make_evidence: MakeEvidence) -> None:
    share = np.arange(1, 21) / np.arange(1, 21).sum()
    generator = np.random.default_rng(1)
    rows = [(0, int(item), day * DAY) for day, item in enumerate(generator.choice(20, 1000, p=share))]
    assert Popularity().fit(make_evidence(rows, 20)).half_life == max(PopularitySettings().half_lives)


def test_few_events_choose_no_half_life(make_evidence: MakeEvidence) -> None:
    rows = [(0, 0, 0), (0, 1, 400 * DAY)]
    signal = Popularity().fit(make_evidence(rows, 2))
    assert signal.half_life == np.inf
    assert len(set(shared_scores(signal).tolist())) == 1


def test_years_of_events_with_a_short_half_life_stay_finite() -> None:
    """Counts are written anew before they outgrow what a number can hold."""
    moments = np.array([0.5, 0.0, 0.0])
    signal = Popularity().restore({"counts": np.zeros(3), "moments": moments}, ItemSpace.empty(3), {})
    for day in range(0, 2000, 50):
        signal.observe(Observation.alone(0, 0, day * DAY, 1.0))
    signal.observe(Observation.alone(0, 1, 1951 * DAY, 3.0))
    signal.observe(Observation.alone(0, 2, 1950 * DAY, 1.0))  # late
    np.testing.assert_allclose(shared_scores(signal), np.log1p([0.25, 3.0, 0.25]), rtol=1e-5)


def test_days_before_1970_are_counted_on(make_evidence: MakeEvidence) -> None:
    start = -20_000 * DAY
    signal = Popularity().fit(make_evidence([(0, 0, start)] * 120, 2))
    assert np.isfinite(signal.half_life)
    signal.observe(Observation.alone(0, 1, start + int(signal.half_life * DAY), 1.0))
    np.testing.assert_allclose(shared_scores(signal), np.log1p([60.0, 1.0]), rtol=1e-4)
