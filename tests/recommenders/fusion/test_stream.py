"""A stream is learned in the order of time, each event once, and never what lies at the moment asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polyscene.data.schema import EventLog
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.fusion.stream import Stream

MakeLog = Callable[..., EventLog]


class Heard(list[Observation]):
    """What was observed; what was noticed apart."""

    def __init__(self) -> None:
        super().__init__()
        self.noticed: list[Observation] = []

    def observe(self, event: Observation) -> None:
        self.append(event)

    def notice(self, event: Observation) -> None:
        self.noticed.append(event)


KNOWN = [(0, 1, 1), (1, 2, 2)]


def test_what_lies_before_a_moment_is_learned_once(make_log: MakeLog) -> None:
    events = Heard()
    later = make_log([(0, 3, 30), (1, 4, 10), (0, 5, 20), (0, 6, 20)])
    stream = Stream(events, make_log(KNOWN), later, 2)
    assert stream.learn_before(10).item.tolist() == []
    assert stream.learn_before(21).item.tolist() == [4, 5, 6]
    assert stream.learn_before(15).item.tolist() == []
    assert stream.learn_before(21).item.tolist() == []
    assert stream.learn_before(99).item.tolist() == [3]
    assert [(one.user, one.item, one.time) for one in events] == [
        (1, 4, 10),
        (0, 5, 20),
        (0, 6, 20),
        (0, 3, 30),
    ]
    assert [one.past.tolist() for one in events] == [[2], [1], [1, 5], [1, 5, 6]]
    assert all(len(one.later) == 0 for one in events)


def test_what_counts_for_nothing_is_only_noticed(make_log: MakeLog) -> None:
    events = Heard()
    later = make_log([(0, 3, 5), (0, 4, 6)], weight=[0.0, 2.0])
    passed = Stream(events, make_log(KNOWN), later, 2).learn_before(10)
    assert passed.item.tolist() == [3, 4]
    assert [(one.item, one.weight) for one in events] == [(4, 2.0)]
    assert events[0].past.tolist() == [1]
    assert [(one.item, one.weight, len(one.past)) for one in events.noticed] == [(3, 0.0, 0)]


@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(3, 20)), max_size=30),
    moments=st.lists(st.integers(0, 25), max_size=8),
)
def test_any_steps_learn_what_one_step_learns(
    make_log: MakeLog, rows: list[tuple[int, int, int]], moments: list[int]
) -> None:
    at_once, by_steps = Heard(), Heard()
    Stream(at_once, make_log(KNOWN), make_log(rows), 3).learn_before(99)
    stream = Stream(by_steps, make_log(KNOWN), make_log(rows), 3)
    for moment in moments:
        stream.learn_before(moment)
        assert all(one.time < max(moments) for one in by_steps)
    stream.learn_before(99)
    assert [(one.user, one.item, one.time) for one in by_steps] == [
        (one.user, one.item, one.time) for one in at_once
    ]
    for one, other in zip(by_steps, at_once, strict=True):
        np.testing.assert_array_equal(one.past, other.past)
