"""What is bad about a log is said; what is good about it is passed over."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.evaluation.offpolicy.diagnostics import diagnose
from polyscene.evaluation.offpolicy.log import LoggedDecisions
from polyscene.evaluation.offpolicy.weighting import Ips


def _log(counts: list[int], propensities: list[float] | None = None) -> LoggedDecisions:
    actions = np.repeat(np.arange(len(counts)), counts)
    chances = np.array(counts) / sum(counts) if propensities is None else np.array(propensities)
    return LoggedDecisions.single(actions, chances[actions], np.ones(len(actions)), len(counts))


def test_a_good_log_is_not_warned_of() -> None:
    report = diagnose(_log([500, 300, 200]), np.tile([0.4, 0.3, 0.3], (1000, 1)))
    assert report.warnings == ()
    assert report.untried == report.rarely_tried == 0.0
    assert report.largest_weight == pytest.approx(1.5)
    assert report.share_of_largest == pytest.approx(1.5 / 1000)
    assert report.mean_weight == pytest.approx(1.0)
    assert report.mean_weight_low < 1.0 < report.mean_weight_high
    assert report.effective_sample_size == pytest.approx(1000 / (0.16 / 0.5 + 0.09 / 0.3 + 0.09 / 0.2))


def test_what_the_log_never_tried_is_told_by_share() -> None:
    log = _log([996, 4, 0], [0.996, 0.004, 0.0])
    target = np.tile([0.5, 0.3, 0.2], (1000, 1))
    report = diagnose(log, target)
    assert report.untried == pytest.approx(0.2)
    assert report.rarely_tried == pytest.approx(0.5)
    assert report.warnings[0].startswith("20.0% of what the target policy does was never tried")
    assert report.warnings[1].startswith("50.0% of what the target policy does was tried fewer than 10 times")
    assert Ips()(log, target).warnings[:2] == report.warnings[:2]


def test_an_action_counts_at_the_position_where_it_stood() -> None:
    positions = np.repeat([0, 1], 500)
    log = LoggedDecisions.single(positions, np.ones(1000), np.ones(1000), 2, positions=positions)
    assert diagnose(log, np.tile([1.0, 0.0], (1000, 1))).untried == 0.5


def test_a_known_distribution_decides_what_could_have_been_tried() -> None:
    spread = np.tile([0.5, 0.3, 0.2], (20, 1))
    log = LoggedDecisions.single([0, 1] * 10, [0.5, 0.3] * 10, np.ones(20), 3, distribution=spread)
    report = diagnose(log, np.tile([0.0, 0.0, 1.0], (20, 1)))
    assert report.untried == 0.0
    assert report.rarely_tried == 1.0


def test_false_propensities_are_betrayed_by_the_mean_weight() -> None:
    log = _log([500, 500], [0.25, 0.75])
    report = diagnose(log, np.tile([0.9, 0.1], (1000, 1)))
    assert report.mean_weight == pytest.approx((3.6 + 0.4 / 3) / 2)
    assert any(
        "mean weight is 1.867" in sentence and "should be 1" in sentence for sentence in report.warnings
    )


def test_a_value_that_hangs_on_one_decision_is_doubted() -> None:
    log = _log([999, 1])
    report = diagnose(log, np.tile([0.5, 0.5], (1000, 1)))
    assert report.share_of_largest == pytest.approx(0.5)
    assert any("One decision has 50.0% of all weight" in sentence for sentence in report.warnings)
    assert any("1,000 decisions say as much as 4.0 unweighted ones" in text for text in report.warnings)


def test_weights_of_slates_are_products() -> None:
    log = LoggedDecisions(np.array([[0, 1]] * 3), np.full((3, 2), 0.5), np.zeros((3, 2)), 2)
    assert diagnose(log, np.tile([[0.75, 0.25], [0.0, 1.0]], (3, 1, 1))).largest_weight == 1.5 * 2
