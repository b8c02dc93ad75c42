from __future__ import annotations

from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.core.seeds import generator
from polyscene.evaluation import significance
from polyscene.evaluation.significance import Interval, bootstrap_interval, intervals, paired_bootstrap


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    dice = np.random.default_rng(11)
    covered = 0
    for trial in range(300):
        users = np.repeat(np.arange(80), 1 + np.arange(80) % 4)
        tastes = dice.normal(0.3, 1.0, 80)
        values = tastes[users] + dice.normal(0.0, 0.3, len(users))
        interval = bootstrap_interval(values, users, resamples=300, seed=trial)
        covered += interval.low <= 0.3 <= interval.high
    assert 0.91 <= covered / 300 <= 0.98


def test_whole_users_are_drawn_so_repeated_choices_do_not_add_certainty() -> None:
    values = np.random.default_rng(2).normal(size=50)
    once = bootstrap_interval(values, np.arange(50), seed=5)
    copied = bootstrap_interval(np.repeat(values, 20), np.repeat(np.arange(50), 20), seed=5)
    loose = bootstrap_interval(np.repeat(values, 20), None, seed=5)
    assert copied.low == pytest.approx(once.low)
    assert copied.high == pytest.approx(once.high)
    assert loose.high - loose.low < 0.5 * (once.high - once.low)


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-3, 3)), min_size=1, max_size=40), st.integers(0, 99))
@settings(max_examples=40)
def test_the_interval_is_the_percentile_of_literal_redraws(rows: list[tuple[int, float]], seed: int) -> None:
    users, values = np.array([u for u, _ in rows]), np.array([v for _, v in rows])
    interval = bootstrap_interval(values, users, resamples=50, seed=seed)
    assert interval.mean == pytest.approx(values.mean())
    names = np.unique(users)
    if len(names) < 2:
        assert not interval.known
        return
    draws = generator(seed, "bootstrap").integers(0, len(names), (50, len(names)))
    means = [np.concatenate([values[users == names[i]] for i in draw]).mean() for draw in draws]
    assert (interval.low, interval.high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=1e-9)


def test_a_pair_is_compared_on_the_same_draws() -> None:
    dice = np.random.default_rng(4)
    hard = dice.normal(0.0, 5.0, 200)
    lead = paired_bootstrap(hard + 0.1, hard, np.arange(200))
    assert lead.excludes_zero
    assert (lead.low, lead.high) == pytest.approx((0.1, 0.1))
    apart = bootstrap_interval(hard + 0.1, np.arange(200))
    assert not apart.excludes_zero


def test_equal_models_do_not_differ() -> None:
    values = np.random.default_rng(1).random(30)
    lead = paired_bootstrap(values, values, np.arange(30) // 2)
    assert lead == Interval(0.0, 0.0, 0.0)
    assert not lead.excludes_zero


def test_columns_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = np.random.default_rng(8)
    values, users = dice.random((60, 5)), dice.integers(0, 20, 60)
    whole = intervals(values, users, resamples=40, seed=3)
    alone = bootstrap_interval(values[:, 2], users, resamples=40, seed=3)
    assert (alone.low, alone.high) == pytest.approx((whole[2].low, whole[2].high))
    monkeypatch.setattr(significance, "MAX_BLOCK_NUMBERS", 50)
    monkeypatch.setattr(significance, "MAX_COLUMN_NUMBERS", 40)
    for one, other in zip(intervals(values, users, resamples=40, seed=3), whole, strict=True):
        assert (one.mean, one.low, one.high) == pytest.approx((other.mean, other.low, other.high))


def test_seeds_and_levels_matter_as_they_should() -> None:
    values = np.random.default_rng(0).normal(size=40)
    wide, narrow = bootstrap_interval(values, level=0.99), bootstrap_interval(values, level=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)


@pytest.mark.parametrize(
    ("values", "resamples"), [([0.5, 0.25], 0), ([0.5], 100)], ids=["no draws wanted", "one user"]
)
def test_unknown_bounds_exclude_nothing(values: list[float], resamples: int) -> None:
    interval = bootstrap_interval(values, resamples=resamples)
    assert interval.mean == np.mean(values)
    assert isnan(interval.low)
    assert isnan(interval.high)
    assert not interval.excludes_zero
    assert not interval.known


def test_no_choice_has_no_mean() -> None:
    assert isnan(bootstrap_interval([]).mean)


@pytest.mark.parametrize(
    ("low", "high", "excludes"), [(0.1, 0.2, True), (-2, -1, True), (-1, 1, False), (0, 1, False)]
)
def test_excluding_zero_means_lying_on_one_side(low: float, high: float, excludes: bool) -> None:
    assert Interval((low + high) / 2, low, high).excludes_zero is excludes


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        bootstrap_interval([0.1, nan])
    with pytest.raises(ValueError, match="level"):
        bootstrap_interval([0.1, 0.2], level=1.0)
    with pytest.raises(ValueError, match="users"):
        bootstrap_interval([0.1, 0.2], np.arange(3))
    with pytest.raises(ValueError, match="same choices"):
        paired_bootstrap([0.1, 0.2], [0.1])
