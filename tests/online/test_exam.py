"""Some old choices are never trained on, the same ones in every cycle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from polyscene.data.schema import EventLog
from polyscene.online.exam import held_out, of_the_exam


@pytest.fixture
def log(make_log: Callable[..., EventLog]) -> EventLog:
    draws = np.random.default_rng(0)
    rows = [(int(draws.integers(50)), int(draws.integers(90)), time) for time in range(4000)]
    return make_log(rows, choice=[time % 2 == 0 for time in range(4000)])


def test_a_share_of_the_choices_weighs_nothing_and_was_had(log: EventLog) -> None:
    kept = held_out(log, 0.1)
    exam = of_the_exam(kept)
    assert exam.sum() == pytest.approx(200, abs=45)
    assert log.choice[exam].all()
    assert (kept.weight[exam] == 0).all()
    np.testing.assert_array_equal(kept.weight[~exam], log.weight[~exam])
    assert kept.only_had().time.tolist() == log.time[exam].tolist()
    assert (log.weight > 0).all()


def test_more_events_change_nothing_of_it_and_more_share_adds_to_it(log: EventLog) -> None:
    exam = of_the_exam(held_out(log, 0.1))
    half = log.take(np.arange(2000))
    np.testing.assert_array_equal(of_the_exam(held_out(half, 0.1)), exam[:2000])
    again = held_out(held_out(log, 0.1), 0.1)
    np.testing.assert_array_equal(of_the_exam(again), exam)
    assert (of_the_exam(held_out(log, 0.3)) >= exam).all()
    assert not of_the_exam(held_out(log, 0.0)).any()


def test_every_third_of_users_and_times_has_its_part(log: EventLog) -> None:
    exam = of_the_exam(held_out(log, 0.5))
    for codes in (log.user, log.item, log.time):
        for rest in range(3):
            assert exam[(codes % 3 == rest) & log.choice].mean() == pytest.approx(0.5, abs=0.08)
