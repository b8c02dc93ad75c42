"""What is shown and done becomes streams, and a change in one of them is told once."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.settings.drift import DriftSettings
from polyscene.online import drift
from polyscene.online.drift import Drift, DriftWatch

SCORES = np.log(np.array([0.5, 0.3, 0.2], np.float32))
ITEMS = ("a", "b", "c")


class _Heard:
    """A detector that keeps what it hears."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def update(self, value: float) -> None:
        self.values.append(round(value, 6))


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> DriftWatch:
    monkeypatch.setattr(drift, "DETECTORS", {"adwin": lambda chance: _Heard()})
    return DriftWatch(DriftSettings(minutes=1), lambda change: None)


def _values(watch: DriftWatch, scenario: str = "shop") -> dict[str, list[float]]:
    heard = watch._detectors.items()
    return {stream: one.values for (name, stream), one in heard if name == scenario}  # type: ignore[attr-defined]


def test_slates_and_events_become_streams(streams: DriftWatch) -> None:
    streams.shown("shop", "ann", ITEMS, SCORES, True, 0.0)
    streams.shown("news", "ann", ITEMS, SCORES, True, 0.0)
    streams.acted("shop", "ann", "b", True)
    streams.acted("shop", "ann", "a", True)
    streams.acted("shop", "ann", "a", False)
    streams.acted("shop", "bob", "a", True)
    streams.shown("shop", "bob", ITEMS, SCORES, False, 1.0)
    streams.acted("shop", "bob", "z", True)
    streams.shown("shop", "bob", ITEMS, SCORES, False, 2.0)
    streams.acted("shop", "bob", "a", True)
    assert _values(streams) == {
        "strangers": [0.0, 1.0, 1.0],
        "choices": [1.0, 1.0, 0.0, 1.0, 1.0, 1.0],
        "calibration": [0.5, -0.5],
        "click_rate": [0.0],
    }
    streams.shown("shop", "eve", ITEMS, SCORES, True, 61.0)
    assert _values(streams)["click_rate"] == [0.0, 1.0]
    assert _values(streams, "news") == {"strangers": [0.0], "click_rate": [0.0]}
    streams.shown("shop", "eve", (), SCORES[:0], True, 62.0)
    assert len(_values(streams)["strangers"]) == 4


def test_who_is_forgotten_waits_for_nothing(streams: DriftWatch) -> None:
    streams.shown("shop", "ann", ITEMS, SCORES, True, 0.0)
    streams.shown("news", "ann", ITEMS, SCORES, True, 0.0)
    streams.shown("shop", "bob", ITEMS, SCORES, True, 0.0)
    streams.forget("ann")
    streams.acted("shop", "ann", "a", True)
    streams.shown("shop", "eve", ITEMS, SCORES, True, 61.0)
    assert _values(streams)["click_rate"] == [0.0]
    assert "calibration" not in _values(streams)


def test_so_many_slates_wait_and_no_more(streams: DriftWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "MAX_OPEN", 2)
    for user in range(4):
        streams.shown("shop", f"u{user}", ITEMS, SCORES, True, 0.0)
    assert _values(streams)["click_rate"] == [0.0, 0.0]


@pytest.mark.parametrize("detector", ["adwin", "page_hinkley", "none"])
def test_a_change_of_the_click_rate_is_told(detector: str) -> None:
    drifts: list[Drift] = []
    watch = DriftWatch(DriftSettings.model_validate({"detector": detector}), drifts.append)
    generator = np.random.default_rng(3)
    for number in range(3000):
        user = f"u{number % 50}"
        watch.shown("shop", user, ITEMS, SCORES, True, float(number))
        if generator.random() < (0.4 if number < 1500 else 0.05):
            watch.acted("shop", user, str(generator.choice(ITEMS, p=[0.5, 0.3, 0.2])), True)
    assert {one.stream for one in drifts} == ({"click_rate"} if detector != "none" else set())
    for one in drifts[:1]:
        assert one.before > 0.3
        assert one.after < 0.3
        assert "click_rate of 'shop' went from" in str(one)
