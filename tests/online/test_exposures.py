"""What items earned for being shown, corrected for where they stood."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from polyscene.data.schema import EventLog
from polyscene.evaluation.offpolicy.shown import Joined, ShownSlate
from polyscene.online.exposures import LIMIT, exposure_of, forgotten, weighed
from polyscene.policies.greedy import Greedy


def _joined(*rows: tuple[str, list[int]]) -> Joined:
    slates = tuple(
        ShownSlate(
            str(number),
            number,
            "ann",
            "shop",
            tuple(items),
            np.arange(len(items)),
            np.ones(len(items), np.float32),
            np.zeros(len(items), np.float32),
            Greedy(),
        )
        for number, (items, _) in enumerate(rows)
    )
    return Joined(slates, tuple(np.array(rewards) for _, rewards in rows))


def test_a_choice_far_down_counts_more_than_one_on_top() -> None:
    exposure = exposure_of(_joined(("ab", [1, 0]), ("ba", [1, 0]), ("ab", [1, 0]), ("ba", [0, 1])), 1.0)
    assert exposure.rates.tolist() == [0.75, 0.25]
    assert (exposure.shown, exposure.chosen) == (8, 4)
    assert exposure.factors == {"a": pytest.approx(4 / 3), "b": pytest.approx(2 / 3)}
    assert exposure.facts()["least_factor"] == pytest.approx(2 / 3)


def test_the_prior_draws_to_one_and_the_limit_holds() -> None:
    rows = [("ab", [1, 0])] * 400
    assert exposure_of(_joined(*rows), 1e9).factors == {"a": pytest.approx(1), "b": pytest.approx(1)}
    swapped = _joined(*rows, *[("cb", [0, 0])] * 4000)
    factors = exposure_of(swapped, 1e-6).factors
    assert factors["a"] == LIMIT
    assert factors["c"] == 1 / LIMIT


def test_only_the_named_rows_weigh_otherwise(make_log: Callable[..., EventLog]) -> None:
    log = make_log([(0, 0, 1), (0, 1, 2), (1, 1, 3)], weight=[1.0, 2.0, 1.0])
    assert weighed(log, np.array([1]), np.array([0.5])).weight.tolist() == [1.0, 1.0, 1.0]
    assert log.weight.tolist() == [1.0, 2.0, 1.0]
    assert weighed(log, np.array([], np.int64), np.array([])).weight.tolist() == [1.0, 2.0, 1.0]


def test_what_is_older_counts_half_after_a_half_life(make_log: Callable[..., EventLog]) -> None:
    log = make_log([(0, 0, 0), (0, 1, 10), (1, 1, 20)])
    assert forgotten(log, 10.0, 20).weight.tolist() == [0.25, 0.5, 1.0]
