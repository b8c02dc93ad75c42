"""Numbers that mean what they say: on worlds whose true probabilities are known."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.metrics.probability import expected_calibration_error
from polyscene.recommenders.multitask.calibration import Calibrator
from polyscene.recommenders.multitask.tasks import Task

YES = Task("t", "bce", "t")


def test_log_odds_that_are_too_sure_are_brought_down() -> None:
    draws = np.random.default_rng(0)
    truth = draws.normal(-1.0, 1.0, 20_000)
    labels = (draws.random(20_000) < 1 / (1 + np.exp(-truth))).astype(np.float32)
    outputs = (3.0 * truth + 2.0).astype(np.float32)[:, None]
    calibrator = Calibrator.of(YES, outputs[:10_000], labels[:10_000])
    assert calibrator.slope == pytest.approx(1 / 3, abs=0.03)
    assert calibrator.offset == pytest.approx(-2 / 3, abs=0.08)
    before = expected_calibration_error(labels[10_000:], Calibrator().predicted(YES, outputs[10_000:]))
    after = expected_calibration_error(labels[10_000:], calibrator.predicted(YES, outputs[10_000:]))
    assert before > 0.1
    assert after < 0.02


def test_what_is_told_apart_without_fail_stays_finite() -> None:
    outputs = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    calibrator = Calibrator.of(YES, outputs, (outputs[:, 0] > 0).astype(np.float32))
    assert np.isfinite(calibrator.numbers).all()
    assert calibrator.slope > 3


def test_few_examples_change_nothing_nor_does_an_order() -> None:
    outputs, labels = np.zeros((19, 1), np.float32), np.ones(19, np.float32)
    assert Calibrator.of(YES, outputs, labels) == Calibrator()
    order = Task("t", "softmax", None)
    assert Calibrator.of(order, np.zeros((50, 1), np.float32), np.ones(50, np.float32)) == Calibrator()


def test_values_are_drawn_in_to_what_held() -> None:
    task = Task("t", "mse", "t", mean=5.0, spread=2.0)
    z = np.random.default_rng(1).normal(size=(200, 1)).astype(np.float32)
    calibrator = Calibrator.of(task, z, 0.5 * z[:, 0] + 0.25)
    assert calibrator.numbers == pytest.approx((0.5, 0.25), abs=1e-5)
    np.testing.assert_allclose(calibrator.predicted(task, z), 5.0 + 2.0 * (0.5 * z[:, 0] + 0.25), rtol=1e-5)
    flat = Calibrator.of(task, np.ones((50, 1), np.float32), np.arange(50, dtype=np.float32))
    assert flat.numbers == pytest.approx((0.0, 24.5))


def test_classes_are_a_mean_of_their_values() -> None:
    task = Task("t", "classes", "t", classes=(1.0, 5.0))
    outputs = np.log(np.array([[0.75, 0.25]], np.float32))
    assert Calibrator().predicted(task, outputs).tolist() == pytest.approx([2.0])
    draws = np.random.default_rng(2)
    z = draws.normal(size=5000)
    labels = (draws.random(5000) < 1 / (1 + np.exp(-z))).astype(np.float32)
    sure = np.column_stack([np.zeros(5000), 4 * z]).astype(np.float32)
    assert Calibrator.of(task, sure, labels).slope == pytest.approx(0.25, abs=0.04)


def test_odds_of_the_catalogue_come_on_top() -> None:
    rare = Task("t", "bce", "t", odds=-np.log(9.0))
    assert Calibrator().predicted(rare, np.zeros((1, 1), np.float32)).tolist() == pytest.approx([0.1])
