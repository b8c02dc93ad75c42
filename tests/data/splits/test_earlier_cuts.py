from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.settings.evaluation import EvaluationSettings
from polyscene.data.schema import UNKNOWN_TIME, Catalogue, Clock, Dataset, EventLog, Ids, Part, Scenario
from polyscene.data.splits.earlier_cuts import earlier_cuts, splits_in_order
from polyscene.data.splits.parts import Parts
from polyscene.data.splits.protocol import split

TRAIN, VALID, TEST, CONTEXT = (int(part) for part in Part)
USERS, ITEMS = 4, 5
MakeLog = Callable[..., EventLog]
ORDER = EvaluationSettings(protocol="leave_last_out")
MOMENT = EvaluationSettings(protocol="temporal", test_share=0.2, valid_share=0.1)
events = st.lists(
    st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.integers(0, 30)), max_size=40
)


def dataset(*logs: EventLog, clock: Clock = "time", shared: bool = True) -> Dataset:
    ids = Ids(pl.Series([str(i) for i in range(ITEMS)]))
    words = tuple(ids.values)
    catalogue = Catalogue(ids, words, words, pl.DataFrame(), np.full(ITEMS, UNKNOWN_TIME))
    scenarios = {str(place): Scenario(str(place), catalogue, log, clock) for place, log in enumerate(logs)}
    return Dataset(Ids(pl.Series([f"u{i}" for i in range(USERS)])), scenarios, clocks_shared=shared)


def cuts_of(data: Dataset, settings: EvaluationSettings, limit: int = 8) -> list[dict[str, Parts]]:
    return earlier_cuts(data, split(data, settings), settings, limit)


def test_cuts_in_time_are_windows_that_go_back(make_log: MakeLog) -> None:
    log = make_log([(i % USERS, i % ITEMS, i) for i in range(100)])
    data = dataset(log)
    assert split(data, MOMENT)["0"].tolist() == [TRAIN] * 72 + [VALID] * 8 + [TEST] * 20
    first, second, *rest = cuts_of(data, MOMENT)
    assert first["0"].tolist() == [TRAIN] * 64 + [VALID] * 8 + [CONTEXT] * 8 + [TEST] * 20
    assert second["0"].tolist() == [TRAIN] * 56 + [VALID] * 8 + [CONTEXT] * 16 + [TEST] * 20
    assert len(rest) == 6
    assert cuts_of(data, MOMENT, 1)[0]["0"].tolist() == first["0"].tolist()
    assert cuts_of(data, MOMENT, 0) == []


def test_one_moment_cuts_all_scenarios(make_log: MakeLog) -> None:
    early = make_log([(i % USERS, i % ITEMS, i) for i in range(50)])
    late = make_log([(i % USERS, i % ITEMS, 50 + i) for i in range(50)])
    first = cuts_of(dataset(early, late), MOMENT)[0]
    assert first["0"].tolist() == [TRAIN] * 50
    assert first["1"].tolist() == [TRAIN] * 14 + [VALID] * 8 + [CONTEXT] * 8 + [TEST] * 20


def test_cuts_in_order_are_places_before_the_held_out_choices(make_log: MakeLog) -> None:
    log = make_log([(user, item, 10 * item + user) for user in range(2) for item in range(5)])
    (only,) = cuts_of(dataset(log), ORDER)
    assert only["0"][log.user == 0].tolist() == [TRAIN, TRAIN, VALID, CONTEXT, TEST]
    assert only["0"][log.user == 1].tolist() == [TRAIN, TRAIN, VALID, CONTEXT, TEST]


def test_who_has_done_too_little_teaches_nothing_more(make_log: MakeLog) -> None:
    log = make_log([(0, item, item) for item in range(4)])
    assert cuts_of(dataset(log), ORDER) == []


def test_clocks_that_cannot_be_compared_are_cut_in_order(make_log: MakeLog) -> None:
    log = make_log([(0, 0, 1)])
    assert splits_in_order(dataset(log, log, shared=False), MOMENT)
    assert not splits_in_order(dataset(log, log), MOMENT)
    assert splits_in_order(dataset(log), ORDER)
    assert splits_in_order(dataset(log, clock="sequence"), EvaluationSettings(protocol="given"))


@given(rows=events, settings=st.sampled_from([ORDER, MOMENT]), limit=st.integers(1, 8))
def test_no_signal_sees_a_choice_that_it_is_weighed_on(
    make_log: MakeLog, rows: list[tuple[int, int, int]], settings: EvaluationSettings, limit: int
) -> None:
    log = make_log(rows)
    data = dataset(log)
    whole = split(data, settings)["0"]
    taught = whole == Part.VALID
    for cut in cuts_of(data, settings, limit):
        part = cut["0"]
        teaches, learned = part == Part.VALID, part == Part.TRAIN
        assert teaches.any()
        assert not (teaches & taught).any()  # nothing teaches twice
        assert np.array_equal(part == Part.TEST, whole == Part.TEST)
        assert np.all(whole[learned | teaches] == Part.TRAIN)
        taught = taught | teaches
        if settings is MOMENT:
            assert log.time[learned].max(initial=-1) < log.time[teaches].min()
        for user in np.unique(log.user[teaches]):
            mine = log.user == user
            assert log.time[mine & learned].max(initial=-1) < log.time[mine & teaches].min()


def test_what_counts_nothing_teaches_nothing(make_log: MakeLog) -> None:
    log = make_log([(0, item % ITEMS, item) for item in range(8)])
    weightless = replace(log, weight=np.where(np.arange(8) == 5, 0.0, 1.0).astype(np.float32))
    first = cuts_of(dataset(weightless), ORDER)[0]["0"].tolist()
    assert first[4] == VALID
    assert first[5] == CONTEXT
