from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.clock import DAY
from polyscene.core.errors import ConfigError
from polyscene.core.settings.evaluation import PROTOCOLS, EvaluationSettings
from polyscene.data.queries import HISTORY_LENGTH, LATEST, Histories
from polyscene.data.schema import UNKNOWN_TIME, Catalogue, Clock, Dataset, EventLog, Ids, Part, Scenario
from polyscene.data.splits.availability import available
from polyscene.data.splits.folds import Folds
from polyscene.data.splits.newcomers import newcomers
from polyscene.data.splits.parts import Parts, mask_of
from polyscene.data.splits.phases import Phase
from polyscene.data.splits.protocol import SplitProtocol, everything, split

TRAIN, VALID, TEST, CONTEXT = Part
USERS, ITEMS = 4, 5
MakeLog = Callable[..., EventLog]

events = st.lists(
    st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.integers(0, 15)), max_size=30
)


def scenario(name: str, log: EventLog, clock: Clock = "time", has_split: bool = False) -> Scenario:
    ids = Ids(pl.Series([str(i) for i in range(ITEMS)]))
    words = tuple(ids.values)
    catalogue = Catalogue(ids, words, words, pl.DataFrame(), np.full(ITEMS, UNKNOWN_TIME))
    return Scenario(name, catalogue, log, clock, has_split=has_split)


def dataset(*scenarios: Scenario, shared: bool = True) -> Dataset:
    users = Ids(pl.Series([f"u{i}" for i in range(USERS)]))
    return Dataset(users, {each.name: each for each in scenarios}, clocks_shared=shared)


def settings(protocol: str, **more: Any) -> EvaluationSettings:
    return EvaluationSettings.model_validate({"protocol": protocol, **more})


def parts_of(log: EventLog, protocol: str, has_split: bool = False, **more: Any) -> list[int]:
    parts = split(dataset(scenario("a", log, has_split=has_split)), settings(protocol, **more))["a"]
    assert parts.dtype == np.int8
    return [int(part) for part in parts]


def pairs(log: EventLog) -> list[tuple[int, int, int]]:
    return list(zip(log.user.tolist(), log.item.tolist(), log.time.tolist(), strict=True))


def stream(make_log: MakeLog, n: int = 100, first: int = 0) -> EventLog:
    return make_log([(i % USERS, i % ITEMS, first + i) for i in range(n)])


def test_temporal_takes_the_latest_shares(make_log: MakeLog) -> None:
    parts = parts_of(stream(make_log), "temporal", test_share=0.1, valid_share=0.2)
    assert parts == [TRAIN] * 72 + [VALID] * 18 + [TEST] * 10


def test_progressive_warms_up_on_the_first_share(make_log: MakeLog) -> None:
    parts = parts_of(stream(make_log), "progressive", warmup=0.4, valid_share=0.25)
    assert parts == [TRAIN] * 30 + [VALID] * 10 + [TEST] * 60


def test_one_cut_for_all_scenarios_keeps_every_future_hidden(make_log: MakeLog) -> None:
    early, late = stream(make_log, 50), stream(make_log, 50, first=50)
    parts = split(dataset(scenario("early", early), scenario("late", late)), settings("temporal"))
    assert set(parts["early"].tolist()) == {TRAIN}
    assert parts["late"].tolist() == [TRAIN] * 31 + [VALID] * 9 + [TEST] * 10


@given(rows=events, other=events, protocol=st.sampled_from(["temporal", "progressive"]), data=st.data())
def test_what_is_learned_lies_before_what_is_judged(
    make_log: MakeLog,
    rows: list[tuple[int, int, int]],
    other: list[tuple[int, int, int]],
    protocol: str,
    data: st.DataObject,
) -> None:
    share = st.floats(1e-17, 0.99)
    how = settings(
        protocol,
        test_share=data.draw(share, label="test"),
        valid_share=data.draw(share, label="valid"),
        warmup=data.draw(share, label="warmup"),
    )
    tables = dataset(scenario("a", make_log(rows)), scenario("b", make_log(other)))
    folds = Folds(tables, split(tables, how), how)
    for fold_of in (folds.tune, folds.test):
        judged = [fold_of(name).choices.queries.time for name in ("a", "b")]
        first = min((int(time.min()) for time in judged if len(time)), default=None)
        learned = [
            *fold_of("a").learn.time,
            *fold_of("b").learn.time,
            *folds.learned("a", Phase.PAST if fold_of == folds.tune else Phase.ALL).time,
        ]
        assert first is None or all(time < first for time in learned)


@given(rows=events, other=events)
def test_every_history_of_a_fold_lies_before_its_request(
    make_log: MakeLog, rows: list[tuple[int, int, int]], other: list[tuple[int, int, int]]
) -> None:
    how = settings("temporal", test_share=0.4)
    tables = dataset(scenario("a", make_log(rows)), scenario("b", make_log(other)))
    folds = Folds(tables, split(tables, how), how)
    queries = folds.test("a").choices.queries
    for histories in (queries.history, queries.elsewhere["b"]):
        assert np.all(histories.times < queries.time[histories.rows])


@pytest.mark.parametrize("protocol", ["temporal", "progressive", "leave_last_out"])
def test_no_events_give_no_parts_and_empty_folds(make_log: MakeLog, protocol: str) -> None:
    tables, how = dataset(scenario("a", make_log([]))), settings(protocol)
    parts = split(tables, how)
    assert parts["a"].tolist() == []
    fold = Folds(tables, parts, how).test("a")
    assert (len(fold.learn), len(fold.choices)) == (0, 0)


def test_last_out_holds_out_the_last_two_choices_of_each_user(make_log: MakeLog) -> None:
    log = make_log([(0, 0, 0), (1, 0, 1), (0, 1, 2), (1, 1, 3), (0, 2, 4), (0, 3, 5), (2, 0, 6)])
    by_row = dict(zip(pairs(log), parts_of(log, "leave_last_out"), strict=True))
    assert by_row == {
        (0, 0, 0): TRAIN,
        (0, 1, 2): TRAIN,
        (0, 2, 4): VALID,
        (0, 3, 5): TEST,
        (1, 0, 1): TRAIN,
        (1, 1, 3): TRAIN,
        (2, 0, 6): TRAIN,
    }


def test_last_out_takes_the_last_of_simultaneous_choices_in_the_order_of_the_file(make_log: MakeLog) -> None:
    log = make_log([(0, 0, 7), (0, 1, 7), (0, 2, 7)])
    assert parts_of(log, "leave_last_out") == [TRAIN, VALID, TEST]


def test_last_out_counts_choices_not_other_events(make_log: MakeLog) -> None:
    log = make_log([(0, 0, 0), (0, 1, 1), (0, 2, 2), (0, 3, 3)], choice=[False, True, False, True])
    assert parts_of(log, "leave_last_out") == [TRAIN] * 4


def test_nothing_after_a_held_out_choice_is_learned_before_it(make_log: MakeLog) -> None:
    # the user looks at each thing again after choosing it
    log = make_log(
        [(0, i // 2, i) for i in range(8)] + [(1, 0, 9)],
        choice=[True, False, True, False, True, False, True, False, True],
    )
    parts = parts_of(log, "leave_last_out")
    assert parts == [TRAIN, TRAIN, TRAIN, TRAIN, VALID, VALID, TEST, CONTEXT, TRAIN]
    tables, how = dataset(scenario("a", log)), settings("leave_last_out")
    folds = Folds(tables, split(tables, how), how)
    assert pairs(folds.tune("a").learn) == [(0, 0, 0), (0, 0, 1), (0, 1, 2), (0, 1, 3), (1, 0, 9)]
    assert folds.tune("a").choices.target.tolist() == [2]
    assert pairs(folds.test("a").learn) == [
        *[(0, 0, 0), (0, 0, 1), (0, 1, 2), (0, 1, 3), (0, 2, 4), (0, 2, 5)],
        (1, 0, 9),
    ]
    assert folds.test("a").choices.target.tolist() == [3]


@given(rows=events, data=st.data())
def test_last_out_never_learns_what_a_user_did_after_the_judged_choice(
    make_log: MakeLog, rows: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    choice = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)), label="choice")
    tables, how = dataset(scenario("a", make_log(rows, choice=choice))), settings("leave_last_out")
    folds = Folds(tables, split(tables, how), how)
    for fold in (folds.tune("a"), folds.test("a")):
        users = fold.choices.queries.user.tolist()
        assert len(set(users)) == len(users)
        for user, time in zip(users, fold.choices.queries.time, strict=True):
            assert np.all(fold.learn.time[fold.learn.user == user] <= time)


def test_given_uses_the_column(make_log: MakeLog) -> None:
    written = [TRAIN, CONTEXT, VALID, TEST, TRAIN]
    log = make_log([(0, i, i) for i in range(5)], part=written)
    assert parts_of(log, "given", has_split=True) == written


def test_given_without_valid_takes_the_latest_training_choices(make_log: MakeLog) -> None:
    written = [TRAIN] * 10 + [TEST, CONTEXT]
    log = make_log([(0, i % ITEMS, i) for i in range(12)], part=written)
    parts = parts_of(log, "given", has_split=True, valid_share=0.2)
    assert parts == [TRAIN] * 8 + [VALID] * 2 + [TEST, CONTEXT]
    assert log.part.tolist() == written, "the log itself is not changed"


def test_given_without_a_column_says_what_to_do(make_log: MakeLog) -> None:
    with pytest.raises(ConfigError) as caught:
        parts_of(stream(make_log), "given")
    (problem,) = caught.value.problems
    assert problem.key == "evaluation.protocol"
    assert problem.scenario == "a"
    assert "'given'" in problem.what
    assert "a split column" in problem.expected
    assert "[scenarios.a.events]" in problem.remedy
    assert 'protocol = "temporal"' in problem.remedy


@pytest.mark.parametrize("protocol", ["temporal", "progressive"])
def test_clocks_that_cannot_be_compared_cannot_be_cut(make_log: MakeLog, protocol: str) -> None:
    tables = dataset(
        scenario("a", stream(make_log)), scenario("b", stream(make_log), "sequence"), shared=False
    )
    with pytest.raises(ConfigError) as caught:
        split(tables, settings(protocol))
    (problem,) = caught.value.problems
    assert (problem.scenario, problem.found) == ("b", "sequence numbers")
    assert "time stamps" in problem.expected
    assert "leave_last_out" in problem.remedy


class FirstTwoJudged(SplitProtocol):
    gives_context = True

    def split(self, dataset: Dataset, settings: EvaluationSettings) -> dict[str, Parts]:
        parts = {
            name: np.full(len(each.events), CONTEXT, np.int8) for name, each in dataset.scenarios.items()
        }
        for part in parts.values():
            part[:2] = TEST
        return parts


def test_a_protocol_of_somebody_else_is_used_by_its_name(
    make_log: MakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PROTOCOLS, "_added", {"first_two": FirstTwoJudged})
    assert parts_of(stream(make_log, 4), "first_two") == [TEST, TEST, CONTEXT, CONTEXT]
    kept = everything(dataset(scenario("a", stream(make_log, 4))), settings("first_two"))["a"]
    assert kept.tolist() == [VALID, VALID, CONTEXT, CONTEXT]
    with pytest.raises(ValueError, match=r"temporal, leave_last_out, given, progressive, first_two"):
        settings("last_two")


def test_one_scenario_of_sequence_numbers_can_be_cut(make_log: MakeLog) -> None:
    tables = dataset(scenario("a", stream(make_log), "sequence"), shared=False)
    assert mask_of(split(tables, settings("temporal"))["a"], TEST).sum() == 10


@pytest.mark.parametrize("protocol", ["temporal", "progressive", "leave_last_out"])
def test_a_run_that_is_not_judged_learns_everything(make_log: MakeLog, protocol: str) -> None:
    log = make_log([(0, i // 2, i) for i in range(8)], choice=[True, False] * 4)
    tables, how = dataset(scenario("a", log)), settings(protocol)
    parts = everything(tables, how)
    assert parts["a"].dtype == np.int8
    folds = Folds(tables, parts, how)
    assert pairs(folds.learned("a", Phase.ALL)) == pairs(log)
    assert VALID in parts["a"]


def test_a_run_that_is_not_judged_still_never_learns_what_is_called_context(make_log: MakeLog) -> None:
    log = make_log([(0, i, i) for i in range(4)], part=[TRAIN, CONTEXT, VALID, TEST])
    tables = dataset(scenario("a", log, has_split=True))
    assert everything(tables, settings("given"))["a"].tolist() == [TRAIN, CONTEXT, VALID, VALID]


def test_context_is_known_when_scoring_and_never_learned(make_log: MakeLog) -> None:
    log = make_log([(0, 0, 0), (0, 1, 1), (0, 2, 2), (0, 3, 3)], part=[TRAIN, VALID, CONTEXT, TEST])
    tables, how = dataset(scenario("a", log, has_split=True)), settings("given")
    fold = Folds(tables, split(tables, how), how).test("a")
    assert fold.choices.queries.history.items.tolist() == [0, 1, 2]
    assert fold.learn.item.tolist() == [0, 1]


def test_events_that_are_no_choice_or_weigh_nothing_are_never_judged(make_log: MakeLog) -> None:
    log = make_log(
        [(0, i, i) for i in range(4)],
        part=[TRAIN, TEST, TEST, TEST],
        choice=[True, False, True, True],
        weight=[1, 1, 0, 1],
    )
    tables, how = dataset(scenario("a", log, has_split=True)), settings("given")
    assert Folds(tables, split(tables, how), how).test("a").choices.target.tolist() == [3]


def test_a_sample_of_cases_is_drawn_by_the_seed(make_log: MakeLog) -> None:
    tables, how = dataset(scenario("a", stream(make_log))), settings("temporal", test_share=0.5, max_cases=9)
    folds = Folds(tables, split(tables, how), how)
    times = [folds.test("a", seed).choices.queries.time.tolist() for seed in (1, 1, 2)]
    assert times[0] == times[1] != times[2]
    assert all(len(set(time)) == 9 and time == sorted(time) and time[0] >= 50 for time in times)
    assert len(folds.tune("a").choices) == 5


def test_the_fusion_learns_on_the_latest_choices_where_there_is_a_clock(make_log: MakeLog) -> None:
    how = settings("temporal", valid_share=0.5, test_share=0.2)
    tables = dataset(scenario("a", stream(make_log)))
    folds = Folds(tables, split(tables, how), how)
    assert folds.tune("a", most=3).choices.queries.time.tolist() == [77, 78, 79]
    assert len(folds.tune("a", most=1000).choices) == len(folds.tune("a").choices) == 40


def test_the_fusion_learns_on_any_choices_where_numbers_only_order_a_user(make_log: MakeLog) -> None:
    how = settings("temporal", valid_share=0.5, test_share=0.2)
    tables = dataset(scenario("a", stream(make_log), "sequence"))
    folds = Folds(tables, split(tables, how), how)
    drawn = [folds.tune("a", most=9, seed=seed).choices.queries.time.tolist() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len(set(times)) == 9 and times == sorted(times) for times in drawn)


def test_newcomers_are_chosen_and_remembered_and_not_learned_until_the_fusion_is_taught(
    make_log: MakeLog,
) -> None:
    how = settings("temporal", valid_share=0.5, test_share=0.2)
    tables = dataset(scenario("a", stream(make_log)))
    new = np.array([1, 3], np.int32)
    folds = Folds(tables, split(tables, how), how, newcomers={"a": new})
    early, choices = folds.tune("a").learn, folds.tune("a").choices
    assert set(early.item.tolist()) == {0, 2, 4}
    assert set(choices.target.tolist()) == set(range(ITEMS))
    assert set(choices.queries.history.items.tolist()) == set(range(ITEMS))
    assert set(folds.learned("a", Phase.ALL).item.tolist()) == set(range(ITEMS))
    assert set(folds.test("a").learn.item.tolist()) == set(range(ITEMS))


@pytest.mark.parametrize(
    ("protocol", "clock", "share", "many"),
    [
        ("temporal", "time", None, 0),
        ("given", "time", None, 0),
        ("leave_last_out", "time", None, 10),
        ("temporal", "sequence", None, 10),
        ("temporal", "time", 0.3, 30),
        ("leave_last_out", "sequence", 0.0, 0),
    ],
)
def test_new_items_are_made_up_where_the_split_brings_none(
    make_log: MakeLog, protocol: str, clock: Clock, share: float | None, many: int
) -> None:
    ids = Ids(pl.Series([str(i) for i in range(100)]))
    catalogue = Catalogue(ids, tuple(ids.values), tuple(ids.values), pl.DataFrame(), np.zeros(100, np.int64))
    place = Scenario("a", catalogue, stream(make_log), clock, has_split=False)
    items = newcomers(place, settings(protocol), share)
    assert len(set(items.tolist())) == len(items) == many
    np.testing.assert_array_equal(items, newcomers(place, settings(protocol), share))


def test_where_nothing_is_chosen_twice_everything_ever_done_is_told(make_log: MakeLog) -> None:
    log = make_log([(0, i % ITEMS, i) for i in range(HISTORY_LENGTH + 20)])
    tables, how = dataset(scenario("a", log), scenario("b", log)), settings("leave_last_out")
    folds = Folds(tables, split(tables, how), how, whole=["a"])
    asked = np.zeros(1, np.int32), np.array([LATEST])
    here, there = folds.queries("a", *asked), folds.queries("b", *asked)
    assert here.history.lengths.tolist() == [HISTORY_LENGTH + 20]
    assert there.history.lengths.tolist() == [HISTORY_LENGTH]


def test_what_was_done_elsewhere_is_seen_by_the_clock_they_share(make_log: MakeLog) -> None:
    here, there = make_log([(0, 0, 10), (1, 0, 30)]), make_log([(0, 1, 5), (0, 2, 10), (0, 3, 20)])
    how = settings("temporal", test_share=0.01)
    tables = dataset(scenario("a", here), scenario("b", there))
    queries = Folds(tables, split(tables, how), how).queries(
        "a", np.array([0, 0, 1, -1], np.int32), np.array([10, 11, 99, 99])
    )
    assert _listed(queries.elsewhere) == {"b": [[1], [1, 2], [], []]}


def test_clocks_that_cannot_be_compared_show_what_may_be_learned(make_log: MakeLog) -> None:
    here = make_log([(0, i, 100 + i) for i in range(4)])
    there = make_log([(0, i, i) for i in range(4)])
    tables = dataset(scenario("a", here), scenario("b", there, "sequence"), shared=False)
    how = settings("leave_last_out")
    folds = Folds(tables, split(tables, how), how)
    user, time = np.zeros(1, np.int32), np.zeros(1, np.int64)
    assert _listed(folds.queries("a", user, time, Phase.PAST).elsewhere) == {"b": [[0, 1]]}
    assert _listed(folds.queries("a", user, time).elsewhere) == {"b": [[0, 1, 2]]}


def _listed(histories: Mapping[str, Histories]) -> dict[str, list[list[int]]]:
    return {
        name: [rows.items[rows.rows == row].tolist() for row in range(len(rows))]
        for name, rows in histories.items()
    }


def test_items_are_available_from_the_moment_they_say(make_log: MakeLog) -> None:
    since = np.array([UNKNOWN_TIME, 5 * DAY + 7, 9])
    late = make_log([(0, 0, 1), (0, 1, 5 * DAY + 7), (0, 2, 9)])
    assert available(since, late).tolist() == since.tolist()


def test_what_was_chosen_before_its_own_time_was_there_and_nothing_else(make_log: MakeLog) -> None:
    since = np.array([UNKNOWN_TIME, 5 * DAY + 7, 5 * DAY + 7, 3 * DAY + 1])
    early = make_log([(0, 0, 1), (0, 1, 5 * DAY + 2), (1, 1, 5 * DAY + 3), (0, 2, 6 * DAY)])
    assert available(since, early).tolist() == [UNKNOWN_TIME, 5 * DAY + 2, 5 * DAY + 7, 3 * DAY + 1]
