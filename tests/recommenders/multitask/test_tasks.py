"""Tasks out of objectives: which there are, which event says what to them, and in what scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from polyscene.core.settings.scenarios import Objective
from polyscene.data.schema import EventLog
from polyscene.recommenders.multitask.tasks import CHOICE, Task, labelled, sampled_odds, tasks_of


@pytest.fixture
def log(make_log: Callable[..., EventLog]) -> EventLog:
    """Twelve ratings of 1 to 4, three clicks; the last one counts for nothing."""
    plain = make_log([(0, item, item) for item in range(15)], weight=[1.0] * 14 + [0.0])
    action = np.array([0] * 12 + [1] * 3, np.int8)
    value = np.array([1.0, 2.0, 3.0, 4.0] * 3 + [np.nan] * 3, np.float32)
    return replace(plain, action=action, value=value, actions=("rating", "click"))


def test_choices_are_put_in_order_where_no_objective_does(log: EventLog) -> None:
    tasks, notes = tasks_of([Objective(action="rating", loss="mse")], log, "bpr")
    assert [(task.name, task.loss, task.action) for task in tasks] == [
        (CHOICE, "bpr", None),
        ("rating", "mse", "rating"),
    ]
    assert notes == []
    own, _ = tasks_of([Objective(action="click", loss="softmax", weight=2.0)], log, "bpr")
    assert [(task.name, task.loss, task.weight) for task in own] == [("click", "softmax", 2.0)]


def test_a_task_without_events_is_left_out_and_said_to_be(log: EventLog) -> None:
    tasks, notes = tasks_of([Objective(action="click")], log, "softmax")
    assert [task.name for task in tasks] == [CHOICE]
    assert notes == ["the task 'click' is not learned: 3 events of its kind"]


def test_two_objectives_of_one_action_have_two_names(log: EventLog) -> None:
    objectives = [Objective(action="rating", loss="mse"), Objective(action="rating", loss="classes")]
    tasks, _ = tasks_of(objectives, log, "softmax")
    assert [task.name for task in tasks[1:]] == ["rating by mse", "rating by classes"]
    assert tasks[2].classes == (1.0, 2.0, 3.0, 4.0)
    assert tasks[2].width == 4


def test_events_say_yes_by_action_value_and_weight(log: EventLog) -> None:
    assert labelled(Task("t", "bce", "rating"), log).sum() == 12
    assert labelled(Task("t", "bce", "rating", at_least=3.0), log).sum() == 6
    assert labelled(Task("t", "bce", "click"), log).sum() == 3
    assert labelled(Task("t", "softmax", "click"), log).sum() == 2
    assert labelled(Task("t", "softmax", None), log).sum() == 14
    assert labelled(Task("t", "mse", "click"), log).sum() == 0
    assert not labelled(Task("t", "bce", "share"), log).any()


def test_values_are_standardised_and_come_back_in_their_unit(log: EventLog) -> None:
    (_, task), _ = tasks_of([Objective(action="rating", loss="huber", scale="log")], log, "softmax")
    scaled = task.scaled(log.value[:12])
    assert float(scaled.mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(scaled.std()) == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_allclose(task.measured(scaled), log.value[:12], rtol=1e-5)
    assert task.spread == pytest.approx(float(np.log1p([1.0, 2.0, 3.0, 4.0]).std()), rel=1e-5)


def test_odds_are_of_the_whole_catalogue() -> None:
    assert sampled_odds(101, 10) == pytest.approx(-np.log(10.0))


def test_a_task_survives_being_written() -> None:
    task = Task("t", "classes", "t", 0.5, None, False, 1.0, 2.0, (1.0, 3.0), -1.0)
    assert Task.of_json(task.to_json()) == task


@pytest.mark.parametrize("wrong", [{"loss": "mse", "at_least": 3.0}, {"loss": "bce", "scale": "log"}])
def test_an_objective_refuses_what_its_loss_has_no_use_for(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="should go with loss"):
        Objective(action="rating", **wrong)
