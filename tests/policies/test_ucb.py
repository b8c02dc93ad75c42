from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.errors import DataError
from polyscene.policies.greedy import Greedy
from polyscene.policies.ucb import Ucb, UcbSettings

SCORES = np.array([0.3, 2.0, -np.inf, 1.1, 0.9], np.float32)
DEVIATIONS = np.array([1.5, 0.2, 9.0, 0.7, 0.1], np.float32)


@pytest.mark.parametrize(("width", "order"), [(0.0, [1, 3, 4, 0]), (1.0, [1, 0, 3, 4]), (2.0, [0, 3, 1, 4])])
def test_it_takes_the_largest_bounds_in_order(width: float, order: list[int]) -> None:
    policy = Ucb(UcbSettings(width=width)).knowing(DEVIATIONS)
    slate, propensities = policy.choose(SCORES, 9)
    assert slate.tolist() == order
    assert propensities.tolist() == [1.0] * 4
    assert policy.probability(SCORES, slate).tolist() == [1.0] * 4
    assert policy.conditional(SCORES).argmax() == order[0]


def test_one_deviation_for_all_changes_no_order_and_none_is_refused() -> None:
    slate, _ = Ucb(UcbSettings(deviation=3.0)).choose(SCORES, 4)
    assert slate.tolist() == Greedy().choose(SCORES, 4)[0].tolist()
    with pytest.raises(DataError, match="the policy 'ucb' cannot choose"):
        Ucb().choose(SCORES, 2)
