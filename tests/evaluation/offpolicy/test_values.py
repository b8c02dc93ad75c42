"""Every estimator on numbers small enough for pencil and paper."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.errors import ArgumentError, DataError
from polyscene.evaluation.offpolicy.estimator import ESTIMATORS, EstimatorSettings
from polyscene.evaluation.offpolicy.log import LoggedDecisions, Values
from polyscene.evaluation.offpolicy.modelled import Direct, DoublyRobust, SwitchDr, SwitchSettings
from polyscene.evaluation.offpolicy.slates import CascadeDr, IndependentIps, RewardInteractionIps, SlateIps
from polyscene.evaluation.offpolicy.weighting import ClippedIps, ClippedSettings, Ips, Snips

PREDICTIONS = np.tile([0.5, 0.25, 0.75], (4, 1))
"""Under the target: .5 * .5 + .25 * .25 + .25 * .75 = .5; of the third row .375."""


def test_ips_is_the_mean_of_weight_times_reward(log: LoggedDecisions, target: Values) -> None:
    assert Ips()(log, target).value == (2 + 0 + 0 + 4) / 4


def test_clipped_ips_states_clip_and_bias(log: LoggedDecisions, target: Values) -> None:
    interval = ClippedIps(ClippedSettings(clip=3))(log, target)
    assert interval.value == (2 + 0 + 0 + 3) / 4
    assert "clipped at 3 in 1 of 4 decisions" in interval.method
    assert interval.bias_bound == 0.0  # the mean cut weight, 5.5 / 4, is above 1
    tight = ClippedIps(ClippedSettings(clip=0.5, reward_range=(0, 2)))(log, target)
    assert tight.value == (0.5 + 0 + 0 + 0.5) / 4
    assert tight.bias_bound == 2 * (1 - 1.5 / 4)
    assert tight.widened == (tight.low - tight.bias_bound, tight.high + tight.bias_bound)


def test_the_usual_clip_is_the_root_of_n(log: LoggedDecisions, target: Values) -> None:
    assert ClippedIps()(log, target).value == (2 + 0 + 0 + 2) / 4
    assert "clipped at 2 in 1 of 4" in ClippedIps()(log, target).method


def test_snips_is_the_weighted_mean(log: LoggedDecisions, target: Values) -> None:
    assert Snips()(log, target).value == (2 + 4) / 6.5


def test_the_direct_method_reads_predictions_alone(log: LoggedDecisions, target: Values) -> None:
    interval = Direct(predictions=PREDICTIONS)(log, target)
    assert interval.value == (0.5 * 3 + 0.375) / 4
    assert interval.bias_bound is None
    assert "does not cover the error of the reward model" in interval.warnings[-1]


def test_doubly_robust_corrects_by_weighted_residuals(log: LoggedDecisions, target: Values) -> None:
    corrections = 2 * (1 - 0.5) + 0.5 * (0 - 0.25) + 0 + 4 * (1 - 0.5)
    expected = (1.875 + corrections) / 4
    assert DoublyRobust(predictions=PREDICTIONS)(log, target).value == pytest.approx(expected, abs=1e-15)


def test_switch_dr_trusts_the_model_beyond_its_threshold(log: LoggedDecisions, target: Values) -> None:
    interval = SwitchDr(SwitchSettings(threshold=2), PREDICTIONS)(log, target)
    assert interval.value == pytest.approx((1.875 + 1 - 0.125) / 4, abs=1e-15)
    assert interval.bias_bound == 4 / 4  # range of rewards 1, one decision of weight 4 beyond
    assert "beyond it, in 1 of 4 decisions" in interval.method


def test_switch_dr_ends_at_both_of_its_limits(log: LoggedDecisions, target: Values) -> None:
    wide, narrow = (SwitchDr(SwitchSettings(threshold=t), PREDICTIONS)(log, target) for t in (10, 0.1))
    assert wide.value == DoublyRobust(predictions=PREDICTIONS)(log, target).value
    assert narrow.value == Direct(predictions=PREDICTIONS)(log, target).value


def _rare(weight: float) -> str:
    """Say what is made of eight decisions, one with a large weight and a surprising reward."""
    propensities = np.array([1.0] * 7 + [1 / weight])
    log = LoggedDecisions.single([0] * 8, propensities, [0.0] * 7 + [1.0], 1)
    return SwitchDr(predictions=np.zeros((8, 1)))(log, np.ones((8, 1))).method


def test_the_threshold_has_the_least_estimated_error() -> None:
    """Cutting costs a bias of at most 1, keeping has the variance (W / 8)² · 7 / 8 of the mean."""
    assert "up to weight 8, chosen on the log; beyond it, in 0 of 8" in _rare(8)
    assert (
        "up to weight 1, chosen on the log; beyond it, in 1 of 8 decisions, the model alone (bias at most 1;"
        in (_rare(1000))
    )


@pytest.fixture
def slates() -> tuple[LoggedDecisions, Values]:
    """Return two slates with place weights (2, 1/2) and (1/2, 2)."""
    log = LoggedDecisions(
        np.array([[0, 1], [1, 2]]),
        np.array([[0.25, 0.5], [0.5, 0.25]]),
        np.array([[1.0, 1.0], [0.0, 1.0]]),
        3,
        marginals=np.array([[0.25, 0.25], [0.5, 0.5]]),
    )
    target = np.array([[[0.5, 0.25, 0.25], [0.0, 0.25, 0.75]], [[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]]])
    return log, target


def test_slates_are_weighted_as_each_estimator_says(slates: tuple[LoggedDecisions, Values]) -> None:
    log, target = slates
    assert SlateIps()(log, target).value == (1 * 2 + 1 * 1) / 2
    assert RewardInteractionIps()(log, target).value == (2 + 1 + 0 + 1) / 2
    assert IndependentIps()(log, target).value == (2 + 1 + 0 + 1) / 2


def test_cascade_dr_follows_its_recursion(slates: tuple[LoggedDecisions, Values]) -> None:
    log, target = slates
    returns = np.tile([[1.0, 0.5, 0.5], [0.5, 0.0, 1.0]], (2, 1, 1))
    first = 2 * (1 - 1.0) + 0.75 + 1 * (1 - 0.0) + 2 * 0.75
    second = 0.5 * (0 - 0.5) + 0.75 + 1 * (1 - 1.0) + 0.5 * (0.125 + 0.5)
    assert CascadeDr(predictions=returns)(log, target).value == pytest.approx((first + second) / 2, abs=1e-15)


def test_a_slate_that_ended_counts_as_it_stands() -> None:
    log = LoggedDecisions(np.array([[0, -1]]), np.array([[0.25, np.nan]]), np.array([[1.0, np.nan]]), 2)
    target = np.array([[[0.5, 0.5], [0.0, 0.0]]])
    for kind in (SlateIps, RewardInteractionIps):
        assert kind()(log, target).value == 2.0
    assert CascadeDr(predictions=np.full((1, 2, 2), 0.5))(log, target).value == 2 * 0.5 + 0.5


def test_estimators_of_single_actions_refuse_slates(slates: tuple[LoggedDecisions, Values]) -> None:
    for name in ESTIMATORS:
        if not ESTIMATORS[name].slates:
            with pytest.raises(ArgumentError, match="an estimator of slates"):
                ESTIMATORS[name]()(*slates)


def test_of_one_place_every_estimator_of_slates_is_ips(log: LoggedDecisions, target: Values) -> None:
    for kind in (SlateIps, RewardInteractionIps, IndependentIps):
        assert kind()(log, target).value == Ips()(log, target).value
    robust, cascade = (kind(predictions=PREDICTIONS)(log, target) for kind in (DoublyRobust, CascadeDr))
    assert cascade.value == pytest.approx(robust.value, abs=1e-15)


def test_a_weight_beyond_the_largest_that_was_said_is_refused(log: LoggedDecisions, target: Values) -> None:
    with pytest.raises(ArgumentError, match="max_weight = 3, found 4"):
        Ips(EstimatorSettings(max_weight=3))(log, target)


def test_a_reward_outside_the_range_that_was_said_is_refused(log: LoggedDecisions, target: Values) -> None:
    with pytest.raises(ArgumentError, match="found 3 outside"):
        Ips(EstimatorSettings(reward_range=(0, 0.5)))(log, target)


def test_predictions_of_another_shape_are_refused(log: LoggedDecisions, target: Values) -> None:
    with pytest.raises(ArgumentError, match="expected finite predictions"):
        DoublyRobust(predictions=PREDICTIONS[:3])(log, target)


def test_probabilities_of_what_was_logged_are_enough_for_weights(
    slates: tuple[LoggedDecisions, Values], log: LoggedDecisions, target: Values
) -> None:
    decisions, table = slates
    for name in ("slate_ips", "reward_interaction_ips", "independent_ips"):
        whole = ESTIMATORS[name]()(decisions, table)
        assert ESTIMATORS[name]()(decisions, decisions.at_logged(table)).value == whole.value
    for name in ("ips", "clipped_ips", "snips"):
        logged = log.at_logged(log.target_table(target))
        assert ESTIMATORS[name]()(log, logged).value == ESTIMATORS[name]()(log, target).value


def test_a_model_needs_all_of_the_target(log: LoggedDecisions) -> None:
    for name in ("direct", "doubly_robust", "switch_dr"):
        with pytest.raises(DataError, match="the target policy"):
            ESTIMATORS[name]()(log, np.full((4, 1), 0.5))


def test_a_logged_probability_that_is_none_is_refused(log: LoggedDecisions) -> None:
    with pytest.raises(DataError, match=r"no probabilities \(2 times\)"):
        Ips()(log, [[0.5], [-0.5], [np.nan], [1.0]])
