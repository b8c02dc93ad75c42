"""What a log may hold, and that nothing else is read in silence."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.errors import DataError
from polyscene.evaluation.offpolicy.log import LoggedDecisions


def test_propensities_of_zero_or_none_are_refused_with_counts() -> None:
    with pytest.raises(DataError) as caught:
        LoggedDecisions.single([0, 1, 1, 0], [0.0, np.nan, 0.0, 0.5], [0.0, 1.0, 0.0, np.nan], 2)
    problems = {problem.what: problem.count for problem in caught.value.problems}
    assert problems == {
        "the log holds propensities that are missing": 1,
        "the log holds propensities that are zero or negative": 2,
        "the log holds rewards that are missing": 1,
    }
    assert "row 2" in str(caught.value)


@pytest.mark.parametrize(
    ("actions", "propensities", "what"),
    [([0, 2], [0.5, 0.5], "actions without a code"), ([0, 1], [0.5, 1.5], "above 1")],
)
def test_what_is_no_action_or_no_probability_is_refused(
    actions: list[int], propensities: list[float], what: str
) -> None:
    with pytest.raises(DataError, match=what):
        LoggedDecisions.single(actions, propensities, [0.0, 0.0], 2)


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(DataError, match=r"clusters does not fit.*\n.*\(2\)\n.*\(3\)"):
        LoggedDecisions.single([0, 1], [0.5, 0.5], [0.0, 0.0], 2, clusters=["u", "v", "w"])
    with pytest.raises(DataError, match="actions"):
        LoggedDecisions.single([], [], [], 2)


def test_where_a_slate_ended_nothing_is_asked_for() -> None:
    log = LoggedDecisions(np.array([[1, -1]]), np.array([[0.5, np.nan]]), np.array([[3.0, np.nan]]), 2)
    assert log.earned.tolist() == [[3.0, 0.0]]
    assert log.filled.tolist() == [[True, False]]
    assert log.at_logged(np.full((1, 2, 2), 0.25)).tolist() == [[0.25, 1.0]]


@pytest.mark.parametrize("row", [[0.5, 0.4], [1.5, -0.5], [np.nan, 1.0]])
def test_a_target_that_is_no_distribution_is_refused(row: list[float]) -> None:
    log = LoggedDecisions.single([0, 1], [0.5, 0.5], [0.0, 0.0], 2)
    with pytest.raises(DataError, match="no probabilities"):
        log.target_table([[0.5, 0.5], row])


def test_a_target_of_another_log_is_refused() -> None:
    log = LoggedDecisions.single([0, 1], [0.5, 0.5], [0.0, 0.0], 2)
    with pytest.raises(DataError, match="the target policy"):
        log.target_table([[0.5, 0.5]])


def test_marginals_are_the_propensities_of_one_place_and_unknown_of_more() -> None:
    log = LoggedDecisions.single([0, 1], [0.5, 0.25], [0.0, 0.0], 2)
    assert log.marginal_propensities().tolist() == [[0.5], [0.25]]
    slates = LoggedDecisions(np.array([[0, 1]]), np.array([[0.5, 1.0]]), np.zeros((1, 2)), 2)
    with pytest.raises(DataError, match="marginal propensities are unknown"):
        slates.marginal_propensities()


def test_clusters_are_numbered_whatever_they_are_called() -> None:
    log = LoggedDecisions.single([0, 0, 0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0], 1, clusters=["b", "a", "b"])
    assert log.owners.tolist() == [1, 0, 1]
