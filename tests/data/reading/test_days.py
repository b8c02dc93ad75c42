from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from polyscene.core.clock import DAY, HOUR
from polyscene.data.reading.days import MIN_EVENTS, at_ends_of_days
from polyscene.data.schema import UNKNOWN_TIME, EventLog

SINCE = np.full(2, UNKNOWN_TIME)


def log_of(coarse: int, fine: int) -> EventLog:
    """So many events of an action at the start of a day, and so many of another one at any hour, in time."""
    time = np.r_[np.arange(coarse) * DAY, np.arange(fine) * DAY + 5 * HOUR]
    order = np.argsort(time, kind="stable")
    n = len(time)
    log = EventLog(
        user=np.zeros(n, np.int32),
        item=np.r_[np.zeros(coarse), np.ones(fine)].astype(np.int32),
        action=np.r_[np.zeros(coarse), np.ones(fine)].astype(np.int8),
        value=np.full(n, np.nan, np.float32),
        weight=np.ones(n, np.float32),
        time=time,
        part=np.zeros(n, np.int8),
        choice=np.ones(n, np.bool_),
        actions=("favourite", "comment"),
    )
    return log.take(order)


def test_events_of_which_only_the_day_is_told_count_at_its_end_and_others_where_they_were() -> None:
    log = log_of(MIN_EVENTS, 30)
    ends, (note,) = at_ends_of_days(log, SINCE, "events.csv")
    assert np.all(np.diff(ends.time) >= 0)
    coarse = ends.action == 0
    assert ends.time[coarse].tolist() == [day * DAY + DAY - 1 for day in range(MIN_EVENTS)]
    assert ends.time[~coarse].tolist() == log.time[log.action == 1].tolist()
    assert ends.item[coarse].tolist() == [0] * MIN_EVENTS
    assert (note.count, note.severity) == (MIN_EVENTS, "repaired")
    assert "favourite" in note.what
    assert "comment" not in note.what


@pytest.mark.parametrize("coarse", [MIN_EVENTS - 1, 0])
def test_few_events_at_the_start_of_a_day_tell_nothing(coarse: int) -> None:
    log = log_of(coarse, 30)
    assert at_ends_of_days(log, SINCE, "events.csv") == (log, [])


def test_one_event_within_a_day_tells_that_more_than_days_are_known() -> None:
    log = log_of(MIN_EVENTS, 30)
    time = log.time.copy()
    time[np.flatnonzero(log.action == 0)[3]] += 1
    log = replace(log, time=time)
    assert at_ends_of_days(log, SINCE, "events.csv") == (log, [])


def test_where_nothing_is_told_finer_days_stay_days_and_the_items_may_tell_it() -> None:
    log = log_of(MIN_EVENTS, 0)
    assert at_ends_of_days(log, SINCE, "events.csv") == (log, [])
    assert at_ends_of_days(log, np.array([UNKNOWN_TIME, 3 * DAY]), "events.csv") == (log, [])
    ends, notes = at_ends_of_days(log, np.array([UNKNOWN_TIME, 3 * DAY + 1]), "events.csv")
    assert np.all(ends.time % DAY == DAY - 1)
    assert len(notes) == 1
