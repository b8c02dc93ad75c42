"""A change is noticed, and where nothing changes nearly nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.online.detectors import DETECTORS, Adwin, Change, Detector, PageHinkley


def _heard(detector: Detector, values: np.ndarray) -> list[tuple[int, Change]]:
    changes = ((number, detector.update(float(value))) for number, value in enumerate(values))
    return [(number, change) for number, change in changes if change is not None]


def _clicks(rate: float, n: int, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(n) < rate).astype(float)


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize(("first", "second"), [(0.5, 0.2), (0.2, 0.5)])
def test_a_change_is_noticed_soon_with_its_means(name: str, first: float, second: float) -> None:
    values = np.concatenate([_clicks(first, 2000, 1), _clicks(second, 2000, 2)])
    changes = _heard(DETECTORS[name](0.0001), values)
    assert changes
    number, change = changes[0]
    assert 2000 < number < 2400
    assert change.before == pytest.approx(first, abs=0.06)
    assert change.after == pytest.approx(second, abs=0.2)
    assert change.seen == number + 1


@pytest.mark.parametrize("name", DETECTORS)
def test_a_quiet_stream_alarms_seldom(name: str) -> None:
    alarms = sum(len(_heard(DETECTORS[name](0.0001), _clicks(0.3, 4000, seed))) for seed in range(6))
    assert alarms <= 1


def test_a_window_keeps_count_and_mean_in_few_buckets() -> None:
    values = np.random.default_rng(0).random(1000)
    adwin = Adwin()
    assert not _heard(adwin, values)
    assert adwin.size == 1000
    assert adwin.mean == pytest.approx(values.mean())
    sizes = [one.count for one in adwin._buckets]
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes.count(size) for size in sizes) <= Adwin.MAX_PER_SIZE
    assert len(sizes) <= 5 * 9


def test_a_window_drops_what_was_before_the_change() -> None:
    adwin = Adwin()
    _heard(adwin, np.concatenate([np.zeros(1024), np.ones(256)]))
    assert adwin.mean > 0.95
    assert adwin.size < 300


def test_page_hinkley_waits_for_enough_and_begins_anew() -> None:
    detector = PageHinkley(0.5, tolerance=0.001, least=30)
    detector.threshold = 0.5
    values = np.concatenate([np.zeros(10), np.ones(30)])
    (number, change), *_ = _heard(detector, values)
    assert number == 29
    assert change.after == 1.0
    assert change.before == pytest.approx(0, abs=1e-9)
    assert detector.update(1.0) is None


def test_streams_of_one_value_never_change() -> None:
    for make in DETECTORS.values():
        assert not _heard(make(0.001), np.full(500, 0.7))
