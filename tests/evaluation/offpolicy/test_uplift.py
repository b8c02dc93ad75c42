"""Planted effects are found, and what would have been taken anyway is not taken for one."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from polyscene.core.errors import ArgumentError
from polyscene.evaluation.offpolicy.log import Values
from polyscene.evaluation.offpolicy.uplift import Exposures, Learner, uplift


def _pairs(n: int, seed: int = 0, effect: float = 0.3) -> tuple[Exposures, Values]:
    """Return pairs and their true effects: fans take the item anyway and are shown it more often."""
    chance = np.random.default_rng(seed)
    fan, open_minded = chance.random(n) < 0.5, chance.random(n)
    anyway = np.where(fan, 0.6, 0.1)
    effects = np.where(fan, 0.0, effect * open_minded)
    propensities = np.where(fan, 0.7, 0.2)
    shown = chance.random(n) < propensities
    outcomes = (chance.random(n) < anyway + shown * effects).astype(np.float64)
    features = np.column_stack([fan, open_minded, ~fan * open_minded, chance.normal(size=n)]).astype(
        np.float64
    )
    return Exposures(shown, propensities, outcomes, features, chance.integers(0, n // 4, n)), effects


def test_what_was_taken_anyway_is_not_counted() -> None:
    pairs, effects = _pairs(8000)
    estimate = uplift(pairs)
    assert estimate.naive > 0.25, "fans, who are shown more, take more"
    assert estimate.mean.low < effects.mean() < estimate.mean.high
    assert estimate.mean.value == pytest.approx(effects.mean(), abs=0.025)
    groups = estimate.by_group(pairs.features[:, 0])
    assert groups[1.0].low < 0 < groups[1.0].high
    assert groups[0.0].low > 0.08
    assert groups[0.0].value == pytest.approx(effects[pairs.features[:, 0] == 0].mean(), abs=0.03)


@pytest.mark.parametrize("learner", get_args(Learner))
def test_every_learner_orders_pairs_by_their_effect(learner: Learner) -> None:
    pairs, effects = _pairs(8000, seed=1)
    estimate = uplift(pairs, learner)
    assert np.corrcoef(estimate.effects, effects)[0, 1] > 0.85
    parts = estimate.by_rank()
    assert parts[0].low > parts[3].high
    assert len(parts) == 4
    assert sum(part.n for part in parts) == 8000


def test_where_nothing_is_caused_nothing_is_found() -> None:
    pairs, _ = _pairs(4000, seed=2, effect=0.0)
    estimate = uplift(pairs)
    assert estimate.mean.low < 0 < estimate.mean.high
    assert estimate.naive > 0.2


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = 0
    for seed in range(60):
        pairs, effects = _pairs(600, seed=100 + seed)
        mean = uplift(pairs).mean
        held += mean.low < effects.mean() < mean.high
    assert 52 <= held <= 60


def test_what_chance_does_not_decide_is_refused() -> None:
    certain = np.array([0.5, 1.0])
    with pytest.raises(ArgumentError, match="found 1 with a probability"):
        Exposures(np.array([True, True]), certain, np.zeros(2), np.zeros((2, 1)))
    with pytest.raises(ArgumentError, match="finite"):
        Exposures(np.array([True]), np.array([0.5]), np.array([np.nan]), np.zeros((1, 1)))
    with pytest.raises(ArgumentError, match="n = 1"):
        Exposures(np.array([True]), np.array([0.5]), np.zeros(2), np.zeros((1, 1)))
    alone = Exposures(np.ones(8, np.bool_), np.full(8, 0.5), np.zeros(8), np.zeros((8, 1)))
    with pytest.raises(ArgumentError, match="one side"):
        uplift(alone)
