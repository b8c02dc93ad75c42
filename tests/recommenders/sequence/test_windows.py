from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.data.queries import LATEST, Timeline
from polyscene.data.schema import EventLog
from polyscene.recommenders.sequence.windows import Choosing, Windows

MakeLog = Callable[..., EventLog]


def told(windows: Windows) -> list[tuple[list[int], int]]:
    """Return each choice with what the window shows up to the place it is asked at."""
    asked = []
    for row, place, target in zip(windows.row, windows.place, windows.target, strict=True):
        start = int(windows.offsets[row])
        asked.append((windows.items[start : start + int(place) + 1].tolist(), int(target)))
    return asked


def every(choosing: Choosing) -> np.ndarray:
    return np.ones(len(choosing.user), bool)


def test_every_choice_is_asked_after_all_that_lay_before_it(make_log: MakeLog) -> None:
    log = make_log([(0, 5, 10), (1, 7, 11), (0, 6, 20), (0, 7, 30), (1, 5, 31)])
    choosing = Choosing.of(log)
    assert told(choosing.windows(every(choosing), 8)) == [([5], 6), ([5, 6], 7), ([7], 5)]


def test_events_of_one_moment_do_not_see_each_other(make_log: MakeLog) -> None:
    log = make_log([(0, 1, 10), (0, 2, 20), (0, 3, 20), (0, 4, 30), (1, 9, 5), (1, 8, 5)])
    choosing = Choosing.of(log)
    assert told(choosing.windows(every(choosing), 8)) == [([1], 2), ([1], 3), ([1, 2, 3], 4)]
    assert choosing.predictable.tolist() == [False, True, True, True, False, False]


def test_long_histories_are_cut_into_windows_that_overlap(make_log: MakeLog) -> None:
    log = make_log([(0, item, item) for item in range(10)])
    choosing = Choosing.of(log)
    windows = choosing.windows(every(choosing), 4)
    asked = told(windows)
    assert [target for _, target in asked] == list(range(1, 10)), "each once, in order"
    for history, target in asked:
        assert history == list(range(target - len(history), target)), "what came just before"
        assert len(history) >= min(target, 3)
    assert windows.lengths.max() == 4


@given(data=st.data(), length=st.integers(1, 6))
def test_what_is_asked_is_what_a_service_would_know(
    make_log: MakeLog, data: st.DataObject, length: int
) -> None:
    rows = data.draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 12)), max_size=40)
    )
    log = make_log(rows, weight=[1.0 + number for number in range(len(rows))])
    choosing = Choosing.of(log)
    windows = choosing.windows(every(choosing), length)
    assert len(windows) == choosing.predictable.sum()
    timeline = Timeline(log, 3)
    chosen = np.flatnonzero(choosing.predictable)
    singles = choosing.singles(chosen, length)
    before = timeline.before(choosing.user[chosen], choosing.time[chosen], length)
    np.testing.assert_array_equal(singles.items, before.items)
    np.testing.assert_array_equal(singles.offsets, before.offsets)
    whole = dict(zip(singles.weight.tolist(), told(singles), strict=True))
    assert len(whole) == len(windows), "every event weighs differently, so its weight names it"
    for number, (history, target) in zip(windows.weight.tolist(), told(windows), strict=True):
        known, chosen_item = whole[number]
        assert target == chosen_item
        assert history == known[len(known) - len(history) :], "what came just before"
        assert len(history) >= min(len(known), (length + 1) // 2)


def test_what_is_not_taught_is_no_target_but_stays_in_the_history(make_log: MakeLog) -> None:
    log = make_log([(0, 1, 1), (0, 2, 2), (0, 3, 3)])
    choosing = Choosing.of(log)
    assert told(choosing.windows(np.array([True, False, True]), 5)) == [([1, 2], 3)]


def test_the_last_choices_are_each_persons_last_that_follows_another(make_log: MakeLog) -> None:
    log = make_log([(0, 1, 1), (0, 2, 2), (1, 3, 3), (2, 4, 4), (2, 5, 4), (3, 6, 5), (3, 7, 6)])
    choosing = Choosing.of(log)
    assert choosing.item[choosing.last_choices()].tolist() == [2, 7]


def test_the_latest_are_kept(make_log: MakeLog) -> None:
    log = make_log([(0, 1, 1), (0, 2, 9), (1, 3, 2), (1, 4, 3), (1, 5, 8)])
    choosing = Choosing.of(log)
    assert choosing.item[choosing.latest(2)].tolist() == [2, 5]
    assert choosing.latest(10).sum() == 3


def test_picked_windows_keep_their_choices(make_log: MakeLog) -> None:
    log = make_log([(user, 10 * user + place, place) for user in range(4) for place in range(user + 2)])
    choosing = Choosing.of(log)
    windows = choosing.windows(every(choosing), 5)
    picked = windows.pick(np.array([3, 1]))
    assert told(picked) == [
        ([30], 31),
        ([30, 31], 32),
        ([30, 31, 32], 33),
        ([30, 31, 32, 33], 34),
        ([10], 11),
        ([10, 11], 12),
    ]
    assert picked.padded().tolist() == [[30, 31, 32, 33], [10, 11, 0, 0]]
    assert len(windows.pick(np.zeros(0, np.int64))) == 0


@pytest.mark.parametrize("weight", [0.5, 3.0])
def test_choices_keep_their_weight(make_log: MakeLog, weight: float) -> None:
    choosing = Choosing.of(make_log([(0, 1, 1), (0, 2, 2)], weight=[1.0, weight]))
    assert choosing.windows(every(choosing), 3).weight.tolist() == [weight]


def test_an_event_is_left_at_the_next_later_one(make_log: MakeLog) -> None:
    log = make_log([(0, 1, 10), (0, 2, 20), (0, 3, 20), (0, 4, 30), (1, 9, 5), (1, 8, 5)])
    choosing = Choosing.of(log)
    assert choosing.until.tolist() == [20, 30, 30, LATEST, LATEST, LATEST]
    windows = choosing.windows(every(choosing), 8)
    assert windows.times.tolist() == [10, 20, 20]
    assert windows.until.tolist() == [20, 30, 30]
    assert windows.padded(windows.until).tolist() == [[20, 30, 30]]


def test_windows_hear_what_lay_before_they_were_left(make_log: MakeLog) -> None:
    choosing = Choosing.of(make_log([(0, 1, 10), (0, 2, 20), (2, 3, 5), (2, 4, 25), (2, 5, 40)]))
    windows = choosing.windows(every(choosing), 8)
    assert windows.user.tolist() == [0, 2]
    there = Timeline(make_log([(0, 6, 19), (0, 7, 20), (2, 8, 39), (2, 9, 41), (1, 5, 1)]), 3)
    heard = windows.hearing({"near": (there, True), "far": (there, False)}).elsewhere
    assert heard["near"].items.tolist() == [6, 8], "strictly before the last choice"
    assert heard["far"].items.tolist() == [6, 7, 8, 9], "no clock tells what came first"
    picked = windows.hearing({"far": (there, False)}).pick(np.array([1])).elsewhere["far"]
    assert picked.items.tolist() == [8, 9]
