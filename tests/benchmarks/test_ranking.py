from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyscene.evaluation.results import Judgement
from polyscene.metrics import ranking

Script = Callable[[str], ModuleType]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 12), items=st.integers(1, 30))
def test_the_peers_ranks_and_values_are_ours(script: Script, seed: int, rows: int, items: int) -> None:
    theirs = script("ranking")
    draws = np.random.default_rng(seed)
    scores = draws.integers(0, 4, (rows, items)).astype(np.float32)  # many ties
    target = draws.integers(0, items, rows)
    open_ = draws.random((rows, items)) < 0.7
    open_[np.arange(rows), target] = True
    ranks = theirs.mid_ranks(scores, target, open_)
    np.testing.assert_array_equal(ranks, ranking.mid_ranks(scores, target, open_))
    slices = {"new_items": draws.random(rows) < 0.3, "cold_items": draws.random(rows) < 0.6}
    counts = open_.sum(axis=1)
    row = theirs.row_of(ranks, counts, [1, 5], slices)
    users = np.arange(rows, dtype=np.int32)
    ours = Judgement("s", users, counts, {"peer": ranks.astype(np.float32)}, slices).table([1, 5])["peer"]
    assert row == pytest.approx(ours)


def test_scores_that_are_no_numbers_are_refused(script: Script) -> None:
    scores = np.array([[0.0, np.nan]])
    with pytest.raises(ValueError, match="finite"):
        script("ranking").mid_ranks(scores, np.array([0]), np.ones((1, 2), bool))
