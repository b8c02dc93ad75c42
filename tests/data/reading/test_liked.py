"""Low grades are no choices and teach no liking, but whoever gave one has had the item."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.errors import ConfigError, Problem
from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.data.reading.actions import worth
from polyscene.data.reading.check import CheckReport
from polyscene.data.schema import Dataset, Part
from polyscene.data.splits.folds import Folds
from polyscene.data.splits.leave_last_out import LeaveLastOut
from polyscene.data.splits.repeats import repeats_of
from polyscene.data.splits.sufficiency import split_problems


class Shop(Protocol):
    folder: Path

    def write(self, name: str, content: str | bytes) -> Path: ...
    def settings(self, items: Any = ..., events: Any = ..., **scenario: Any) -> Any: ...
    def check(self, items: Any = ..., events: Any = ..., **scenario: Any) -> CheckReport: ...
    def problem(self, items: Any = ..., events: Any = ..., **scenario: Any) -> Problem: ...
    def read(self, items: Any = ..., events: Any = ..., **scenario: Any) -> Dataset: ...


LIKED = {"liked_from": 4, "action": None}
GRADES = ("a", 5), ("b", 2), ("c", 4), ("d", ""), ("e", 1), ("f", 5), ("b", 5)


@pytest.fixture
def graded(shop: Shop) -> Shop:
    shop.write("items.csv", "id,title,brand,price\n" + "".join(f"{i},{i} words,,1\n" for i in "abcdefg"))
    rows = [
        f"u1,{item},rate,{grade},2024-01-{day:02} 10:00:00" for day, (item, grade) in enumerate(GRADES, 1)
    ]
    shop.write("events.csv", "\n".join(["who,what,kind,stars,at", *rows, ""]))
    return shop


def test_a_low_grade_is_no_choice_and_is_had(graded: Shop) -> None:
    log = graded.read(events=LIKED).scenarios["shop"].events
    assert log.weight.tolist() == [1, 0, 1, 1, 0, 1, 1]
    assert log.choice.tolist() == [True, False, True, True, False, True, True]
    assert log.had is not None
    assert log.had.tolist() == [False, True, False, False, True, False, False]
    np.testing.assert_array_equal(log.value, np.array([5, 2, 4, np.nan, 1, 5, 5], np.float32))
    assert log.take(log.choice).had is not None
    assert log.only_had().item.tolist() == [1, 4]


def test_without_the_setting_every_grade_counts(graded: Shop) -> None:
    log = graded.read(events={"action": None}).scenarios["shop"].events
    assert log.choice.all()
    assert log.had is None
    assert len(log.only_had()) == 0


def test_what_is_ignored_is_not_had(graded: Shop) -> None:
    log = graded.read(events={"liked_from": 4}, actions={"rate": 0}).scenarios["shop"].events
    assert not log.weight.any()
    assert log.had is not None
    assert not log.had.any()


def test_a_value_is_needed() -> None:
    from polyscene.core.settings.project import Settings

    events = {"path": "e.csv", "user": "u", "item": "i", "liked_from": 3}
    with pytest.raises(ConfigError, match="name their column as 'value'"):
        Settings.parse({"scenarios": {"shop": {"items": {"path": "i.csv", "id": "id"}, "events": events}}})


def test_the_choice_of_a_sequence_is_graded_not_its_history(graded: Shop) -> None:
    graded.write("events.csv", "who,list,stars,at\nu1,a b,2,2024-01-01\nu1,a b c,5,2024-01-02\n")
    events = {"item": None, "items": "list", **LIKED}
    log = graded.read(events=events).scenarios["shop"].events
    assert log.item.tolist() == [0, 1, 2]
    assert log.choice.tolist() == [False, False, True]
    assert log.only_had().item.tolist() == [1]


def test_a_split_judges_liked_choices_and_tells_what_was_had(graded: Shop) -> None:
    data = graded.read(events=LIKED)
    settings = EvaluationSettings(protocol="leave_last_out")
    parts = LeaveLastOut().split(data, settings)
    assert parts["shop"].tolist() == [0, 0, 0, 0, 0, Part.VALID, Part.TEST]
    assert split_problems(data, parts, settings) is not None
    fold = Folds(data, parts, settings, whole=["shop"]).test("shop")
    assert fold.choices.target.tolist() == [1]
    queries = fold.choices.queries
    assert queries.history.items.tolist() == [0, 2, 3, 5]
    assert queries.had is not None
    assert queries.had.items.tolist() == [1, 4]
    rows, items = queries.seen()
    assert (rows.tolist(), items.tolist()) == ([0] * 6, [0, 2, 3, 5, 1, 4])
    again = queries.pick(np.array([0, 0]))
    assert again.had is not None
    assert again.had.items.tolist() == [1, 4, 1, 4]
    assert again.take(1, 2).seen()[1].tolist() == [0, 2, 3, 5, 1, 4]


def test_what_was_had_before_a_moment_only(graded: Shop) -> None:
    data = graded.read(events=LIKED)
    folds = Folds(data, {"shop": data.scenarios["shop"].events.part}, EvaluationSettings(), whole=["shop"])
    third = data.scenarios["shop"].events.time[[2]]
    queries = folds.queries("shop", np.zeros(1, np.int32), third)
    assert queries.seen()[1].tolist() == [0, 1]
    again = Folds(data, {"shop": data.scenarios["shop"].events.part}, EvaluationSettings())
    assert again.queries("shop", np.zeros(1, np.int32), third).had is None, "where things are shown again"


def test_to_choose_what_one_disliked_is_a_repeat(graded: Shop) -> None:
    (repeats,) = repeats_of(graded.read(events=LIKED).scenarios["shop"].events)
    assert (repeats.again, repeats.choices) == (1, 5)


def test_check_names_the_setting(shop: Shop) -> None:
    rows = [f"u{n % 7},{'abc'[n % 3]},rate,{1 + n % 5},2024-01-01 10:{n:02}:00" for n in range(50)]
    shop.write("events.csv", "\n".join(["who,what,kind,stars,at", *rows, ""]))
    (warning,) = shop.check(events={"action": None, "duplicates": "keep"}).problems
    assert warning.what == "every grade counts as a choice, low ones too"
    assert "liked_from = 4" in warning.remedy
    assert "60.0% of them below 4" in warning.found
    for decided in (4, 1):
        events = {"action": None, "duplicates": "keep", "liked_from": decided}
        assert shop.check(events=events).problems == ()


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 2.0]), st.booleans(), st.floats(0, 6) | st.just(np.nan))),
    st.none() | st.integers(0, 6),
)
def test_what_is_had_counts_for_nothing_else(
    rows: list[tuple[float, bool, float]], least: int | None
) -> None:
    weight, choice, value = (
        (np.array(column) for column in zip(*rows, strict=True)) if rows else [np.zeros(0)] * 3
    )
    counts = worth(weight.astype(np.float32), choice.astype(bool), value.astype(np.float32), least)
    had = np.zeros(len(rows), bool) if counts.had is None else counts.had
    assert not counts.weight[had].any()
    assert not counts.choice[had].any()
    np.testing.assert_array_equal(counts.weight[~had], weight[~had].astype(np.float32))
    np.testing.assert_array_equal(counts.choice[~had], choice[~had].astype(bool))
    for place, (own, _, grade) in enumerate(rows):
        low = least is not None and np.float32(grade) < np.float32(least) and own > 0
        assert bool(had[place]) is bool(low)
