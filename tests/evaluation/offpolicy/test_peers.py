"""Values that contextualbandits 0.3.30 and coba 8.1.0 give, see `benchmarks/peers/off_policy_values.py`."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.evaluation.offpolicy.log import LoggedDecisions
from polyscene.evaluation.offpolicy.modelled import DoublyRobust
from polyscene.evaluation.offpolicy.weighting import Ips, Snips

CLOSE = 1e-9


def _shares(numbers: np.ndarray) -> np.ndarray:
    return np.asarray((1.0 + numbers) / (1.0 + numbers).sum(axis=1, keepdims=True))


def test_values_are_those_of_independent_implementations() -> None:
    row, column = np.arange(40), np.arange(3)
    logged = _shares((row[:, None] * 7 + column * 5) % 11)
    target = _shares((row[:, None] * 3 + column * 4) % 7)
    predictions = 0.1 + 0.8 * ((row[:, None] * 5 + column * 3) % 13) / 13
    actions = (row * row + row // 3) % 3
    log = LoggedDecisions.single(actions, logged[row, actions], (row * 13) % 5 < 2, 3)
    assert Ips()(log, target).value == pytest.approx(0.6109343983562734, abs=CLOSE)
    assert Snips()(log, target).value == pytest.approx(0.4557081276115174, abs=CLOSE)
    best = np.eye(3)[predictions.argmax(axis=1)]
    robust = DoublyRobust(predictions=predictions)(log, best)
    assert robust.value == pytest.approx(0.42923432817182816, abs=CLOSE)
