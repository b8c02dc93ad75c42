from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polyscene.data.queries import HISTORY_LENGTH, LATEST, Choices, Histories, Queries, Timeline
from polyscene.data.schema import EventLog

USERS, ITEMS = 4, 6
MakeLog = Callable[..., EventLog]

events = st.lists(
    st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.integers(-3, 8)), max_size=40
)
requests = st.lists(st.tuples(st.integers(-1, USERS - 1), st.integers(-4, 10)), max_size=8)
lists = st.lists(st.lists(st.integers(0, ITEMS - 1), max_size=5), max_size=6)


def listed(histories: Histories) -> list[list[int]]:
    return [histories.items[histories.rows == row].tolist() for row in range(len(histories))]


@given(rows=events, asked=requests, length=st.integers(1, 5), data=st.data())
def test_a_history_is_the_latest_events_strictly_before(
    make_log: MakeLog,
    rows: list[tuple[int, int, int]],
    asked: list[tuple[int, int]],
    length: int,
    data: st.DataObject,
) -> None:
    weight = data.draw(
        st.lists(st.sampled_from([0.0, 0.5, 2.0]), min_size=len(rows), max_size=len(rows)), label="weight"
    )
    log = make_log(rows, weight=weight)
    user, time = np.array(asked, np.int64).reshape(-1, 2).T
    histories = Timeline(log, USERS).before(user.astype(np.int32), time, length)

    assert len(histories) == len(asked)
    for row, (who, when) in enumerate(asked):
        past = [
            (int(log.item[i]), int(log.time[i]), float(log.weight[i]))
            for i in range(len(log))
            if log.user[i] == who and log.time[i] < when and log.weight[i] > 0
        ][-length:]
        mine = histories.rows == row
        assert (
            list(
                zip(
                    histories.items[mine].tolist(),
                    histories.times[mine].tolist(),
                    histories.weights[mine],
                    strict=True,
                )
            )
            == past
        )
        assert histories.ages[mine].tolist() == list(range(len(past)))[::-1]


def test_items_of_one_basket_never_see_each_other(make_log: MakeLog) -> None:
    log = make_log([(0, 0, 1), (0, 1, 5), (0, 2, 5), (0, 3, 5), (0, 4, 9)])
    histories = Timeline(log, 1).before(log.user, log.time)
    assert listed(histories) == [[], [0], [0], [0], [0, 1, 2, 3]]


def test_a_history_is_capped_and_keeps_the_latest(make_log: MakeLog) -> None:
    log = make_log([(0, i % ITEMS, i) for i in range(HISTORY_LENGTH + 7)])
    histories = Timeline(log, 1).before(np.zeros(1, np.int32), np.array([LATEST]))
    assert histories.lengths.tolist() == [HISTORY_LENGTH]
    assert histories.times.tolist() == list(range(7, HISTORY_LENGTH + 7))
    whole = Timeline(log, 1).before(np.zeros(1, np.int32), np.array([LATEST]), None)
    assert whole.times.tolist() == list(range(HISTORY_LENGTH + 7))


def test_an_unknown_user_has_no_history_even_where_nobody_is_known(make_log: MakeLog) -> None:
    stranger = np.array([-1], np.int32)
    assert Timeline(make_log([(0, 0, 1)]), 1).before(stranger, np.array([LATEST])).lengths.tolist() == [0]
    assert Timeline(make_log([]), 0).before(stranger, np.array([LATEST])).lengths.tolist() == [0]
    assert Timeline(make_log([]), 3).before(np.arange(3, dtype=np.int32), np.full(3, 5)).lengths.sum() == 0


@given(rows=lists, data=st.data())
def test_taking_and_picking_agree_with_lists(rows: list[list[int]], data: st.DataObject) -> None:
    histories = Histories.of(rows)
    assert listed(histories) == rows
    start = data.draw(st.integers(0, len(rows)), label="start")
    stop = data.draw(st.integers(start, len(rows)), label="stop")
    assert listed(histories.take(start, stop)) == rows[start:stop]
    if rows:
        picks = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8), label="picks")
        picked = histories.pick(np.array(picks, np.int64))
        assert listed(picked) == [rows[pick] for pick in picks]
        assert picked.times.tolist() == [place for pick in picks for place in range(len(rows[pick]))]


@given(rows=lists, size=st.integers(1, 4))
def test_blocks_put_together_are_the_batch(rows: list[list[int]], size: int) -> None:
    n = len(rows)
    whole = Queries(
        np.arange(n, dtype=np.int32), np.arange(n), Histories.of(rows), {"b": Histories.of(rows[::-1])}
    )
    blocks = list(whole.blocks(size))
    assert [row for place, _ in blocks for row in range(n)[place]] == list(range(n))
    assert all(1 <= len(block) <= size for _, block in blocks)
    assert [row for _, block in blocks for row in listed(block.history)] == rows
    assert [row for _, block in blocks for row in listed(block.elsewhere["b"])] == rows[::-1]
    assert [user for _, block in blocks for user in block.user.tolist()] == list(range(n))


def test_picked_choices_keep_their_target_and_every_history() -> None:
    queries = Queries(
        np.array([5, 6, 7], np.int32),
        np.array([1, 2, 3]),
        Histories.of([[0], [1, 2], []]),
        {"b": Histories.of([[], [3], [4, 5]])},
    )
    picked = Choices(queries, np.array([10, 11, 12], np.int32)).pick(np.array([2, 1]))
    assert len(picked) == 2
    assert picked.target.tolist() == [12, 11]
    assert picked.queries.user.tolist() == [7, 6]
    assert picked.queries.time.tolist() == [3, 2]
    assert listed(picked.queries.history) == [[], [1, 2]]
    assert listed(picked.queries.elsewhere["b"]) == [[4, 5], [3]]


@given(times=st.lists(st.integers(-2, 3), max_size=20), size=st.integers(1, 4))
def test_moments_are_never_mixed_and_nothing_is_left_out(times: list[int], size: int) -> None:
    time = np.sort(np.array(times, np.int64))
    whole = Queries(np.arange(len(time), dtype=np.int32), time, Histories.of([[1]] * len(time)))
    blocks = list(whole.moments(size))
    assert [row for place, _ in blocks for row in range(len(time))[place]] == list(range(len(time)))
    assert all(1 <= len(block) <= size and len(set(block.time.tolist())) == 1 for _, block in blocks)
    full = sum(-(-times.count(moment) // size) for moment in set(times))
    assert len(blocks) == full


def test_histories_without_some_events_and_joined_again() -> None:
    past = Histories.of([[1, 2], [3], [], [4, 5, 6]])
    older = past.ages >= 1
    assert older.tolist() == [True, False, False, True, True, False]
    latest, dropped = past.without(older), past.without(~older)
    assert (latest.offsets.tolist(), latest.items.tolist()) == ([0, 1, 2, 2, 3], [2, 3, 6])
    assert (dropped.lengths.tolist(), dropped.times.tolist()) == ([1, 0, 0, 2], [0, 0, 1])
    whole = dropped.joined(latest)
    assert whole.offsets.tolist() == past.offsets.tolist()
    assert (whole.items.tolist(), whole.times.tolist()) == (past.items.tolist(), past.times.tolist())


def test_emptied_histories_keep_the_others_whole() -> None:
    past = Histories.of([[1, 2], [3], [], [4, 5]])
    left = past.emptied(np.array([True, False, True, False]))
    assert left.lengths.tolist() == [0, 1, 0, 2]
    assert (left.items.tolist(), left.times.tolist()) == ([3, 4, 5], [0, 0, 1])
