"""Rewards find their decisions, and whatever does not is counted."""

from __future__ import annotations

import numpy as np

from polyscene.evaluation.offpolicy import shown
from polyscene.evaluation.offpolicy.shown import Act, ShownSlate, join
from polyscene.policies.greedy import Greedy


def _slate(name: str, time: int, items: str, user: str = "ann", scenario: str = "shop") -> ShownSlate:
    k = len(items)
    return ShownSlate(
        name,
        time,
        user,
        scenario,
        tuple(items),
        np.arange(k),
        np.ones(k, np.float32),
        np.arange(k, 0, -1, dtype=np.float32),
        Greedy(),
    )


def _act(item: str, time: int | None, user: str = "ann", scenario: str = "shop") -> Act:
    return Act(user, item, scenario, time)


def test_an_act_belongs_to_the_latest_decision_that_showed_its_item() -> None:
    slates = [_slate("early", 10, "abc"), _slate("late", 20, "cb"), _slate("end", 200, "z")]
    joined = join(slates, [_act("b", 25), _act("a", 30), _act("b", 19), _act("z", 300)], window=50)
    assert [one.id for one in joined.slates] == ["early", "late", "end"]
    assert [row.tolist() for row in joined.rewards] == [[1, 1, 0], [0, 1], [0]]


def test_an_act_at_the_very_moment_counts_and_one_at_the_end_of_the_window_too() -> None:
    slates = [_slate("one", 10, "ab"), _slate("end", 1000, "q")]
    joined = join(slates, [_act("a", 10), _act("b", 60), _act("x", 2000)], window=50)
    assert joined.rewards[0].tolist() == [1, 1]


def test_every_decision_and_every_act_is_counted_once() -> None:
    slates = [
        _slate("judged", 100, "ab"),
        _slate("empty", 110, ""),
        _slate("open", 990, "a", user="bob"),
        _slate("elsewhere", 100, "c", scenario="news"),
    ]
    acts = [
        _act("a", 110),
        _act("a", 111),
        _act("b", 151),
        _act("b", 99),
        _act("c", 110),
        _act("a", 110, user="eve"),
        _act("a", None),
        _act("a", 1000, user="bob"),
    ]
    joined = join(slates, acts, window=50)
    assert joined.counts == {
        shown.JUDGED: 2,
        shown.EMPTY: 1,
        shown.OPEN: 1,
        shown.JOINED: 1,
        shown.AGAIN: 1,
        shown.TOO_LATE: 1,
        shown.NOT_SHOWN: 3,
        shown.OPEN_ACTS: 1,
        shown.WITHOUT_TIME: 1,
    }
    assert sum(joined.counts.values()) == len(slates) + len(acts)
    assert joined.stood == (0, 0, -1, -1, -1, -1, -1, 0)


def test_a_log_that_goes_on_closes_the_windows_of_its_decisions() -> None:
    slates = [_slate("one", 10, "a")]
    assert join(slates, [], window=50).slates == ()
    assert join(slates, [], window=50, end=60).slates == tuple(slates)


def test_nothing_gives_nothing() -> None:
    assert join([], [], window=1).slates == ()
