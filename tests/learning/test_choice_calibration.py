"""Scores become the probabilities that choices were drawn with, and say so where they cannot."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from polyscene.core.types import FloatArray
from polyscene.learning.choice_calibration import MIN_CALIBRATED, choice_calibration
from polyscene.learning.fusion import FusionData
from polyscene.recommenders.fusion.calibration import Temperatures
from polyscene.recommenders.fusion.features import HISTORY, ITEM_FACTS, PAIR_FACTS, USER_FACTS, Block
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.training import Example

N_ITEMS = 20


class Says:
    """A fusion that answers with the first signal, new items lifted far unless that is taken back."""

    def __init__(self) -> None:
        self.served = SimpleNamespace(lifted=lambda size: size)

    def combined(self, block: Block, lift: float) -> FloatArray:
        return block.signals[:, 0] + np.float32(lift)


def drawn(
    count: int, temperature: float, history: float = 1.0, n_items: int = N_ITEMS, shown: int = N_ITEMS
) -> list[Example]:
    """Return choices drawn from the softmax of scores over a temperature, the chosen one first.

    Args:
        history: what the user's facts say of events here.
        shown: how many of the items are candidates; those but the chosen one stand for the rest.
    """
    draws = np.random.default_rng(count)
    rows: list[Example] = []
    facts = np.zeros((shown, ITEM_FACTS + PAIR_FACTS), np.float16)
    log_weights = np.full(shown, np.log((n_items - 1) / (shown - 1)), np.float32)
    log_weights[0] = 0.0
    user = np.zeros(USER_FACTS + 1, np.float32)
    user[HISTORY] = history
    for _ in range(count):
        scores = draws.normal(0.0, 3.0, n_items).astype(np.float16)
        shares = np.exp(scores.astype(float) / temperature)
        chosen = int(draws.choice(n_items, p=shares / shares.sum()))
        order = [chosen, *draws.permutation(np.delete(np.arange(n_items), chosen))[: shown - 1]]
        rows.append(Example(scores[None, order], facts, np.ones(1, np.float32), user, log_weights, len(rows)))
    return rows


def calibrated(held_out: Sequence[Example], strangers: Sequence[Example] = ()) -> Any:
    learned = SimpleNamespace(held_out=list(held_out), strangers=list(strangers))
    return choice_calibration(cast(Fusion, Says()), cast(FusionData, learned))


@pytest.mark.parametrize("temperature", [0.3, 0.8, 4.0])
def test_the_temperature_that_choices_were_drawn_with_comes_back(temperature: float) -> None:
    calibration = calibrated(drawn(1500, temperature))
    assert calibration.temperatures.known == pytest.approx(temperature, rel=0.12)
    assert calibration.after <= calibration.before
    assert f"scores divided by {calibration.temperatures.known:.2f} (1,500" in calibration.note("shop")


def test_scores_stay_as_they_are_unless_another_temperature_is_surely_better() -> None:
    calibration = calibrated(drawn(400, 1.0))
    assert calibration.temperatures == Temperatures(1.0, 1.0)
    assert "no temperature is surely better than none (400 held-out" in calibration.note("shop")


def test_people_without_events_have_their_own() -> None:
    calibration = calibrated(drawn(1200, 1.0), drawn(1100, 3.0, history=0.0))
    assert calibration.temperatures.known == 1.0
    assert calibration.temperatures.new == pytest.approx(3.0, rel=0.15)
    assert "of people without events here by" in calibration.note("shop")


def test_few_of_them_take_what_holds_for_the_others() -> None:
    calibration = calibrated(drawn(400, 2.0), drawn(MIN_CALIBRATED - 1, 9.0, history=0.0))
    assert calibration.temperatures == Temperatures(*[calibration.temperatures.known] * 2)
    assert "without events" not in calibration.note("shop")


def test_candidates_count_for_the_items_that_they_stand_for() -> None:
    whole = calibrated(drawn(1500, 2.0, n_items=300, shown=300))
    sampled = drawn(1500, 2.0, n_items=300, shown=60)
    assert calibrated(sampled).after == pytest.approx(whole.after, abs=0.15)
    for example in sampled:
        example.log_weights[:] = 0.0
    assert calibrated(sampled).after < whole.after - 1


def test_with_too_few_choices_nothing_is_claimed() -> None:
    calibration = calibrated(drawn(MIN_CALIBRATED - 1, 1.0))
    assert calibration.temperatures is None
    assert "not calibrated: 49 held-out choices, 50 are needed" in calibration.note("shop")
