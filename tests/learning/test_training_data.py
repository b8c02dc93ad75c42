"""What may be learned from in each phase, and what the events answer where the user left it open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from polyscene.core.settings.project import Settings
from polyscene.data.splits.phases import Phase
from polyscene.learning.training_data import ItemVectors, TrainingData
from polyscene.representation.items import centred

MakeData = Callable[..., tuple[TrainingData, Settings]]

ROWS = [(step % 4, step % 10, step) for step in range(100)]
"""Times are 0 to 99: under the shares below, 60 rows are TRAIN, 20 VALID and 20 TEST."""
EVALUATION = {"test_share": 0.2, "valid_share": 0.25}


@pytest.fixture
def data(make_data: MakeData) -> TrainingData:
    return make_data({"a": ROWS, "b": ROWS}, 4, evaluation=EVALUATION)[0]


@pytest.mark.parametrize(("phase", "learned"), [(Phase.PAST, 60), (Phase.ALL, 80)])
def test_each_phase_learns_up_to_its_moment_here_and_elsewhere(
    data: TrainingData, phase: Phase, learned: int
) -> None:
    evidence = data.evidence("a", phase)
    assert evidence.events.time.tolist() == list(range(learned))
    assert list(evidence.elsewhere) == ["b"]
    assert evidence.elsewhere["b"].events.time.tolist() == list(range(learned))
    assert (evidence.n_users, evidence.n_items) == (4, 12)


def test_evidence_tells_whether_clocks_can_be_compared(data: TrainingData) -> None:
    assert data.dataset.clocks_shared
    assert data.evidence("a", Phase.PAST).elsewhere["b"].comparable
    apart = replace(data, dataset=replace(data.dataset, clocks_shared=False))
    assert not apart.evidence("a", Phase.PAST).elsewhere["b"].comparable
    other = replace(data.dataset.scenarios["b"], clock="sequence")
    mixed = replace(data, dataset=replace(data.dataset, scenarios={**data.dataset.scenarios, "b": other}))
    assert not mixed.evidence("a", Phase.PAST).elsewhere["b"].comparable


def test_the_fusion_ranks_what_came_after_the_past_and_the_judge_what_came_last(data: TrainingData) -> None:
    tune, test = data.folds.tune("a"), data.folds.test("a")
    assert tune.choices.queries.time.tolist() == list(range(60, 80))
    assert tune.choices.target.tolist() == [row[1] for row in ROWS[60:80]]
    assert test.choices.queries.time.tolist() == list(range(80, 100))
    assert (len(tune.learn), len(test.learn)) == (60, 80)


def test_new_items_are_kept_from_the_past_alone(make_data: MakeData) -> None:
    data, _ = make_data({"a": ROWS}, 4, evaluation=EVALUATION, fusion={"hidden_items": 0.5})
    assert len(set(data.evidence("a", Phase.PAST).events.item.tolist())) < 10
    assert set(data.evidence("a", Phase.ALL).events.item.tolist()) == set(range(10))


def test_vectors_know_no_more_than_their_phase(data: TrainingData) -> None:
    draws = np.random.default_rng(0)
    early, final, common, prior = draws.normal(size=(4, 12, 2)).astype(np.float32)
    there = replace(data, vectors={"a": ItemVectors(early, final, common, prior)})
    past, everything = there.evidence("a", Phase.PAST), there.evidence("a", Phase.ALL)
    for space, tuned in ((past.space, early), (everything.space, final)):
        np.testing.assert_array_equal(space.view("tuned").vectors, centred(tuned))
        np.testing.assert_array_equal(space.view("common").vectors, centred(common))
        np.testing.assert_array_equal(space.view("prior").vectors, centred(prior))
    for phase, evidence in ((Phase.PAST, past), (Phase.ALL, everything)):
        elsewhere = there.evidence("b", phase).elsewhere["a"]
        assert elsewhere.space is evidence.space, "one space in one phase, whoever asks"
    assert there.evidence("b", Phase.PAST).space.view("tuned").vectors.shape == (12, 0)


ONCE = [(user, item, 10 * item + user) for user in range(4) for item in range(10)]
LATE = [*ONCE, *((user, item, 100 + user) for user in range(4) for item in range(4))]
RATED_AGAIN = [*ONCE, (0, 0, 5)]
OFTEN = [*ONCE, *((user, item, 50 + user) for user in range(4) for item in range(4))]


@pytest.mark.parametrize(
    ("rows", "repeats", "hidden"),
    [
        (ONCE, None, True),
        (RATED_AGAIN, None, True),  # one among dozens is no habit
        (OFTEN, None, False),
        (LATE, None, True),  # what only the test part shows is not known
        (ONCE, True, False),
        (OFTEN, False, True),
    ],
)
def test_what_was_had_is_hidden_unless_repeats_are_usual(
    make_data: MakeData, rows: list[tuple[int, int, int]], repeats: bool | None, hidden: bool
) -> None:
    own = {"a": {} if repeats is None else {"repeats": repeats}}
    data, _ = make_data({"a": rows}, 4, scenarios=own, evaluation=EVALUATION)
    assert data.hide_seen == {"a": hidden}
    decision = "is not shown again" if hidden else "may be shown again"
    assert data.notes[0].startswith(f"a: what a user has had {decision}")


@pytest.mark.parametrize(("repeats", "known"), [(False, 70), (True, 50)])
def test_where_nothing_is_had_twice_the_whole_history_bars(
    make_data: MakeData, repeats: bool, known: int
) -> None:
    rows = [(0, step, step) for step in range(100)]
    data, _ = make_data({"a": rows}, 1, 100, scenarios={"a": {"repeats": repeats}}, evaluation=EVALUATION)
    queries = data.folds.queries("a", np.array([0], np.int32), np.array([70], np.int64))
    assert queries.history.lengths.tolist() == [known]
