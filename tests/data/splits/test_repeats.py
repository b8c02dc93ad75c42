"""What people had is shown again where choosing again is usual, not where it happened once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.data.schema import EventLog
from polyscene.data.splits.repeats import ActionRepeats, repeated, repeats_note, repeats_of

MakeLog = Callable[..., EventLog]
Rows = list[tuple[int, int, int]]
ONCE: Rows = [(user, item, 100 * item + user) for user in range(20) for item in range(20)]


def again(count: int) -> Rows:
    """Return 400 choices of distinct things, and so many repeats."""
    return [*ONCE, *((row % 20, row // 20, 10_000 + row) for row in range(count))]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], False),
        (ONCE, False),
        (again(1), False),
        (again(15), False),
        (again(60), True),
        ([(0, 1, 1), (0, 1, 1)] * 50, False),  # at the same moment: one choice, written twice
        ([(0, item, item) for item in range(9)] + [(0, 0, 99)], False),  # one in ten proves nothing
        ([(0, item % 5, item) for item in range(10)], True),
    ],
)
def test_the_share_decides(make_log: MakeLog, rows: Sequence[tuple[int, int, int]], expected: bool) -> None:
    assert repeated(make_log(rows)) is expected


def test_figures_are_told_by_action(make_log: MakeLog) -> None:
    rows = [(0, item, item) for item in range(100)] + [(0, item, 200 + item) for item in range(30)]
    log = replace(
        make_log(rows),
        action=np.array([0] * 100 + [1] * 30, np.int8),
        actions=("view", "order", "never"),
    )
    assert repeats_of(log) == (ActionRepeats("view", 0, 100), ActionRepeats("order", 0, 30))
    assert not repeated(log), "to order what one looked at is no repeat"
    twice = replace(log, action=np.zeros(130, np.int8))
    assert repeats_of(twice) == (ActionRepeats("view", 30, 130),)
    assert repeated(twice)
    assert not repeated(replace(twice, choice=np.arange(130) < 100)), "only choices decide"
    assert not repeated(replace(twice, weight=(np.arange(130) >= 100).astype(np.float32))), (
        "what is ignored is not had"
    )


@given(rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)), max_size=40))
def test_repeats_are_counted_one_by_one(make_log: MakeLog, rows: Rows) -> None:
    log = make_log(rows)
    events = list(zip(log.user.tolist(), log.item.tolist(), log.time.tolist(), strict=True))
    expected = sum(any(one[:2] == other[:2] and other[2] < one[2] for other in events) for one in events)
    assert sum(action.again for action in repeats_of(log)) == expected


def test_what_was_decided_is_said_with_its_figures() -> None:
    one = [ActionRepeats("event", 1, 884)]
    assert repeats_note("shop", one, shown_again=False, by_hand=False) == (
        "shop: what a user has had is not shown again: 1 of 884 (0.1 %) choices were of something the "
        "user had had before (the limit is 5 %); [scenarios.shop] repeats = true decides otherwise"
    )
    two = [ActionRepeats("view", 300, 1000), ActionRepeats("buy", 0, 50)]
    note = repeats_note("shop", two, shown_again=True, by_hand=True)
    assert "may be shown again, as [scenarios.shop] repeats says" in note
    assert "view 300 of 1,000 (30.0 %), buy 0 of 50 (0.0 %)" in note
