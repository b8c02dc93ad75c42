"""A log that grows event by event, against one that is read at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polyscene.data.queries import Timeline
from polyscene.data.schema import EventLog
from polyscene.data.timeline import LiveTimeline

MakeLog = Callable[..., EventLog]
N_USERS = 3
rows = st.lists(st.tuples(st.integers(0, N_USERS - 1), st.integers(0, 5), st.integers(0, 8)), max_size=15)


@given(prefix=rows, rest=rows, length=st.none() | st.integers(0, 4))
def test_histories_are_those_of_the_whole_log(
    make_log: MakeLog,
    prefix: list[tuple[int, int, int]],
    rest: list[tuple[int, int, int]],
    length: int | None,
) -> None:
    live = LiveTimeline(make_log(prefix), N_USERS)
    for row in rest:
        live.add(*row, weight=1.0)
    whole = Timeline(make_log([*prefix, *rest]), N_USERS)
    for user in range(-1, N_USERS):
        one, other = live.history(user, length), whole.latest(user, length)
        for name in ("offsets", "items", "times", "weights"):
            actual, expected = getattr(one, name), getattr(other, name)
            np.testing.assert_array_equal(actual, expected)
            assert actual.dtype == expected.dtype
    users = np.array([2, -1, 0, 7, 0], np.int32)
    block = live.histories(users, length)
    for place, user in enumerate([2, -1, 0, -1, 0]):
        for name in ("offsets", "items", "times", "weights"):
            expected = getattr(whole.latest(user, length), name)
            np.testing.assert_array_equal(getattr(block.take(place, place + 1), name), expected)


@given(prefix=rows, rest=rows)
def test_an_event_is_told_what_stands_before_and_after_it(
    make_log: MakeLog, prefix: list[tuple[int, int, int]], rest: list[tuple[int, int, int]]
) -> None:
    live, known = LiveTimeline(make_log(prefix), N_USERS), sorted(prefix, key=lambda row: row[2])
    for place, (user, item, time) in enumerate(rest):
        around = live.add(user, item, time, weight=1.0 + place)
        mine = [row for row in known if row[0] == user]
        assert around.past.tolist() == [row[1] for row in mine if row[2] <= time]
        assert around.later.tolist() == [row[1] for row in mine if row[2] > time]
        assert len(around.past_weights) == len(around.past)
        assert len(around.later_weights) == len(around.later)
        known = sorted([*known, (user, item, time)], key=lambda row: row[2])


def test_weights_stand_beside_their_items(make_log: MakeLog) -> None:
    live = LiveTimeline(make_log([(0, 4, 1), (0, 5, 9)], weight=[0.5, 2.0]), 1)
    around = live.add(0, 3, 4, 0.25)
    assert [part.tolist() for part in around] == [[4], [0.5], [5], [2.0], [1]]
    assert live.history(0, None).weights.tolist() == [0.5, 0.25, 2.0]


def test_events_that_weigh_nothing_are_no_part_of_it(make_log: MakeLog) -> None:
    live = LiveTimeline(make_log([(0, 4, 1), (0, 5, 2)], weight=[0.0, 1.0]), 1)
    assert live.history(0, None).items.tolist() == [5]
    assert live.add(0, 3, 3, 1.0).past.tolist() == [5]


def test_people_who_come_later_have_a_history_of_their_own(make_log: MakeLog) -> None:
    live = LiveTimeline(make_log([]), 0)
    assert live.history(7, None).items.tolist() == []
    assert live.add(7, 1, 0, 1.0).past.tolist() == []
    live.add(8, 2, 0, 1.0)
    assert live.history(7, None).items.tolist() == [1]
    assert live.history(-1, None).items.tolist() == []


def test_what_was_told_of_an_event_does_not_change_with_later_ones(make_log: MakeLog) -> None:
    live = LiveTimeline(make_log([]), 1)
    live.add(0, 1, 0, 1.0)
    around = live.add(0, 2, 1, 1.0)
    history = live.history(0, None)
    live.add(0, 3, 0, 1.0)
    assert around.past.tolist() == [1]
    assert history.items.tolist() == [1, 2]


def test_what_was_read_stays_as_it_was(make_log: MakeLog) -> None:
    live = LiveTimeline(make_log([(0, 4, 1), (0, 5, 9)]), 1)
    before = live.history(0, None)
    live.add(0, 6, 10, 1.0)
    grown = live.history(0, None)
    live.add(0, 7, 3, 1.0)  # late
    assert before.items.tolist() == [4, 5]
    assert grown.items.tolist() == [4, 5, 6]
    assert live.history(0, None).items.tolist() == [4, 7, 5, 6]
