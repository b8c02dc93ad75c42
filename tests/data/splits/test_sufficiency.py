"""A split that leaves nothing to learn from is refused with the way out; little is warned of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from polyscene.core.errors import ConfigError, Problem
from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.data.schema import UNKNOWN_TIME, Catalogue, Dataset, EventLog, Ids, Scenario
from polyscene.data.splits.protocol import everything, split
from polyscene.data.splits.sufficiency import MIN_CHOICES, split_problems

MakeLog = Callable[..., EventLog]
ITEMS = 40


def dataset(*logs: EventLog, **more: Any) -> Dataset:
    ids = Ids(pl.Series([str(i) for i in range(ITEMS)]))
    words = ("",) * ITEMS
    catalogue = Catalogue(ids, words, words, pl.DataFrame(), np.full(ITEMS, UNKNOWN_TIME))
    scenarios = {f"s{n}": Scenario(f"s{n}", catalogue, log, "time", **more) for n, log in enumerate(logs)}
    return Dataset(Ids(pl.Series([f"u{i}" for i in range(400)])), scenarios)


def problems_of(data: Dataset, judged: bool = True, **settings: Any) -> list[Problem]:
    how = EvaluationSettings(**settings)
    parts = (split if judged else everything)(data, how)
    return split_problems(data, parts, how, judged)


def stream(make_log: MakeLog, n: int, first: int = 0) -> EventLog:
    return make_log([(row % 100, row % ITEMS, first + row) for row in range(n)])


def test_events_at_one_moment_leave_nothing_to_learn_from(make_log: MakeLog) -> None:
    data = dataset(make_log([(row % 60, row % ITEMS, 1_650_000_000_000_000) for row in range(884)]))
    (problem,) = problems_of(data)
    assert problem.severity == "error"
    assert problem.scenario == "s0"
    assert problem.what == "the split of 'temporal' leaves nothing to learn from"
    assert problem.found == (
        "all 884 events are at 2022-04-15 05:20:00: "
        "884 choices, of which 0 train, 0 valid, 884 test, 0 context"
    )
    assert "take 'time' out of [scenarios.s0.events]" in problem.remedy
    assert 'protocol = "leave_last_out"' in problem.remedy
    assert "train --all" in problem.remedy
    assert problems_of(data, judged=False) == [], "a run that is not judged learns from them all"


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_choices_are_refused(make_log: MakeLog, n: int) -> None:
    problems = problems_of(dataset(make_log([(0, 0, row) for row in range(n)])), test_share=0.9)
    assert problems[0].severity == "error" or n == 2
    assert "bring more events" in problems[0].remedy


def test_enough_choices_are_no_problem(make_log: MakeLog) -> None:
    assert problems_of(dataset(stream(make_log, 20 * MIN_CHOICES))) == []


def test_few_held_out_choices_are_warned_of(make_log: MakeLog) -> None:
    problems = problems_of(dataset(stream(make_log, 100)))
    assert [problem.severity for problem in problems] == ["warning"] * 2
    assert [problem.found for problem in problems] == ["9 of 100", "10 of 100"]
    assert len(problems_of(dataset(stream(make_log, 100)), judged=False)) == 1


def test_users_with_few_choices_leave_the_last_out_nothing(make_log: MakeLog) -> None:
    data = dataset(make_log([(row // 2, row % ITEMS, row) for row in range(200)]))
    problems = problems_of(data, protocol="leave_last_out")
    assert [problem.found for problem in problems] == ["0 of 200", "0 of 200"]
    assert all('"temporal"' in problem.remedy for problem in problems)


def test_a_scenario_that_begins_late_is_a_warning_where_another_one_learns(make_log: MakeLog) -> None:
    problems = problems_of(dataset(stream(make_log, 2000), stream(make_log, 100, first=5000)))
    nothing = [problem for problem in problems if "nothing to learn" in problem.what]
    assert [(problem.scenario, problem.severity) for problem in nothing] == [("s1", "warning")]


def test_a_scenario_that_has_yet_to_begin_is_no_fault(make_log: MakeLog) -> None:
    assert problems_of(dataset(stream(make_log, 2000), make_log([]))) == []


def test_many_events_at_the_moment_of_the_cut_are_warned_of(make_log: MakeLog) -> None:
    rows = [(row % 100, row % ITEMS, row if row < 500 else 999) for row in range(1000)]
    problems = problems_of(dataset(make_log(rows)))
    assert [problem.found for problem in problems] == ["50%, of which 500 at the same moment"]


@pytest.mark.parametrize("protocol", ["temporal", "progressive"])
def test_the_order_of_rows_is_no_time(make_log: MakeLog, protocol: str) -> None:
    log, how = stream(make_log, 500), EvaluationSettings(protocol=protocol)
    with pytest.raises(ConfigError, match="order of rows") as error:
        split(dataset(log, row_order=True), how)
    assert '"leave_last_out"' in error.value.problems[0].remedy
    split(dataset(log, row_order=True), EvaluationSettings(protocol="leave_last_out"))
    split(dataset(make_log([]), row_order=True), how)
