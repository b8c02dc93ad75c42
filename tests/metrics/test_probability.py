from __future__ import annotations

from collections.abc import Callable
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, mean_absolute_error, mean_squared_error, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from polyscene.metrics import probability

PREDICTIONS = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.01, 0.2, 0.2, 0.5, 0.77, 1.0])),
    min_size=1,
    max_size=40,
)
NUMBERS = st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=30)
Pairs = list[tuple[int, float]]


def split(pairs: Pairs) -> tuple[list[int], list[float]]:
    return [label for label, _ in pairs], [value for _, value in pairs]


@given(PREDICTIONS)
def test_auc_counts_ordered_pairs(pairs: Pairs) -> None:
    ones = [p for label, p in pairs if label]
    zeros = [p for label, p in pairs if not label]
    auc = probability.auc(*split(pairs))
    if not ones or not zeros:
        assert isnan(auc)
        return
    right = sum((a > b) + 0.5 * (a == b) for a in ones for b in zeros)
    assert auc == pytest.approx(right / (len(ones) * len(zeros)))
    assert auc == pytest.approx(roc_auc_score(*split(pairs)))


@given(PREDICTIONS)
def test_log_loss_and_brier_are_scikit_learns(pairs: Pairs) -> None:
    labels, values = split(pairs)
    assert probability.brier(labels, values) == pytest.approx(brier_score_loss(labels, values, pos_label=1))
    inner = np.clip(values, 1e-6, 1 - 1e-6)
    assert probability.log_loss(labels, inner) == pytest.approx(
        sklearn_log_loss(labels, inner, labels=[0, 1])
    )


def test_a_certain_mistake_costs_much_but_not_infinitely() -> None:
    assert probability.log_loss([1], [0.0]) == pytest.approx(34.54, abs=0.01)
    assert probability.log_loss([0], [1.0]) == pytest.approx(34.54, abs=0.01)


@given(NUMBERS)
def test_errors_of_ratings_are_scikit_learns(pairs: list[tuple[float, float]]) -> None:
    truth, predicted = [a for a, _ in pairs], [b for _, b in pairs]
    assert probability.rmse(truth, predicted) == pytest.approx(mean_squared_error(truth, predicted) ** 0.5)
    assert probability.mae(truth, predicted) == pytest.approx(mean_absolute_error(truth, predicted))


@given(PREDICTIONS, st.integers(1, 12), st.randoms(use_true_random=False))
def test_calibration_does_not_depend_on_the_order(
    pairs: Pairs, bins: int, dice: np.random.RandomState
) -> None:
    first = probability.expected_calibration_error(*split(pairs), bins)
    shuffled = list(pairs)
    dice.shuffle(shuffled)
    assert probability.expected_calibration_error(*split(shuffled), bins) == pytest.approx(first)


@given(st.lists(st.integers(0, 1), min_size=4, max_size=60), st.integers(1, 8))
def test_distinct_promises_are_binned_by_equal_mass(labels: list[int], bins: int) -> None:
    n = len(labels)
    promised = (np.arange(n) + 0.5) / n
    parts = [part for part in np.array_split(np.arange(n), bins) if len(part)]
    gaps = [abs(promised[part].mean() - np.array(labels)[part].mean()) * len(part) / n for part in parts]
    assert probability.expected_calibration_error(labels, promised, bins) == pytest.approx(sum(gaps))
    count = probability.calibration(labels, promised, bins).count
    assert count.sum() == n
    assert count.max() - count.min() <= 1


def test_honest_promises_have_no_calibration_error() -> None:
    labels, promised = [1, 0, 0, 0] * 5 + [1, 1, 1, 0] * 5, [0.25] * 20 + [0.75] * 20
    assert probability.expected_calibration_error(labels, promised, 2) == pytest.approx(0.0)
    assert probability.expected_calibration_error(labels, [0.5] * 40, 4) == pytest.approx(0.0)
    assert probability.expected_calibration_error(labels, [0.9] * 40, 4) == pytest.approx(0.4)


@pytest.mark.parametrize(
    "metric",
    [
        probability.auc,
        probability.log_loss,
        probability.brier,
        probability.rmse,
        probability.mae,
        probability.expected_calibration_error,
    ],
)
def test_no_prediction_no_answer_and_nan_is_refused(metric: Callable[..., float]) -> None:
    assert isnan(metric([], []))
    with pytest.raises(ValueError, match="NaN"):
        metric([1, 0], [0.5, float("nan")])
    with pytest.raises(ValueError, match="equal length"):
        metric([1, 0], [0.5])


def test_labels_and_probabilities_have_their_range() -> None:
    with pytest.raises(ValueError, match="labels"):
        probability.brier([2, 0], [0.1, 0.2])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        probability.log_loss([1, 0], [1.2, 0.2])
    with pytest.raises(ValueError, match="bin"):
        probability.calibration([1], [0.5], 0)
