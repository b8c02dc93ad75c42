"""What the controller holds, on traffic whose truth is planted."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.policies.controller import (
    Controller,
    ControllerSettings,
    Window,
    loss_error,
    measured_loss,
)

PER_WINDOW = 2000


def _run(controller: Controller, windows: int, greedy: float, explorer: float, seed: int = 0) -> None:
    """Let slates be clicked at the two rates, and the controller look after each window."""
    chance = np.random.default_rng(seed)
    for _ in range(windows):
        explored = int(chance.binomial(PER_WINDOW, controller.share))
        clicks = chance.binomial([explored, PER_WINDOW - explored], [explorer, greedy])
        controller.observe(Window(PER_WINDOW, explored, float(clicks[0]), float(clicks[1])))


def test_the_loss_and_its_error_by_hand() -> None:
    # 0.1 clicks a greedy slate: 100 explored ones lost 5 of 10, of 100 over all 1,000.
    window = Window(1000, 100, 5.0, 90.0)
    assert measured_loss(window) == pytest.approx(0.05)
    # Var(c_e / r - n_e) / n² with c_e = 5 and r = 0.1: (5 / 0.1² + 50² / 90) / 1000²
    assert loss_error(window) == pytest.approx(np.sqrt(500 + 2500 / 90) / 1000)
    assert measured_loss(Window(10, 10, 1.0, 0.0)) == loss_error(Window(0, 0, 0.0, 0.0)) == 0.0


def test_the_error_covers_what_chance_does() -> None:
    chance, outside = np.random.default_rng(5), 0
    for _ in range(400):
        clicks = chance.poisson([0.06 * 500, 0.1 * 9500])
        window = Window(10_000, 500, float(clicks[0]), float(clicks[1]))
        outside += abs(measured_loss(window) - 0.02) > 1.96 * loss_error(window)
    assert 5 <= outside <= 38


def test_exploration_that_costs_nothing_takes_its_whole_budget_and_no_more() -> None:
    controller = Controller(ControllerSettings(exploration=0.05, loss=0.02))
    _run(controller, 200, greedy=0.3, explorer=0.3)
    assert 0.045 < controller.spent["exploration"] <= 0.0505
    assert abs(controller.spent["loss"]) < 0.003


def test_exploration_that_costs_half_of_its_clicks_is_held_to_the_loss() -> None:
    controller = Controller(ControllerSettings(exploration=0.2, loss=0.02))
    _run(controller, 300, greedy=0.3, explorer=0.15)
    assert 0.015 < controller.spent["loss"] <= 0.0205, "half of 4 % of the traffic"
    assert controller.spent["exploration"] == pytest.approx(0.04, abs=0.006)
    free = Controller(ControllerSettings(exploration=0.2, loss=None))
    _run(free, 50, greedy=0.3, explorer=0.15)
    assert free.spent["exploration"] > 0.17
    assert {one.constraint for one in free.adjustments} == {"exploration"}


def test_a_spent_budget_stops_all_exploring_until_it_is_earned_again() -> None:
    controller = Controller(ControllerSettings(exploration=0.1, loss=0.02, certainty=0.0))
    adjustments = controller.observe(Window(1000, 100, 0.0, 270.0))
    assert controller.share == 0.0
    assert all(one.stopped for one in adjustments)
    while controller.share == 0.0:
        controller.observe(Window(1000, 0, 0.0, 300.0))
    assert measured_loss(Window(5000, 100, 0.0, 1470.0)) == pytest.approx(0.02)
    assert controller.adjustments[-1].step == 5


def test_every_look_is_written_down() -> None:
    controller = Controller(ControllerSettings(exploration=0.1, loss=0.02, integral=0.5, proportional=0.0))
    adjustments = controller.observe(Window(10_000, 1000, 285.0, 2700.0))  # 5 % of a tenth: 0.5 % of all
    exploration, loss = adjustments
    assert exploration.to_json() == {
        "step": 1, "constraint": "exploration", "measured": 0.1, "limit": 0.1, "multiplier": 0.0,
        "before": 0.1, "after": 0.1, "stopped": False,
    }  # fmt: skip
    assert loss.measured == pytest.approx(0.005)
    assert loss.multiplier == 0.0
    controller.observe(Window(10_000, 1000, 240.0, 2700.0))  # a fifth of a tenth: the limit is just met
    assert controller.adjustments[-1].measured == pytest.approx(0.02)
    controller.observe(Window(10_000, 900, 135.0, 2730.0))  # half of 9 %: 2.25 times the limit
    assert controller.adjustments[-1].multiplier == pytest.approx(0.5 * (0.045 / 0.02 - 1))
    assert len(controller.adjustments) == 6


def test_the_floor_rises_until_items_on_trial_have_their_share() -> None:
    controller = Controller(ControllerSettings(exposure=0.04))
    measured = []
    for _ in range(100):
        on_trial = round(controller.floor * 200)  # one place of five in each slate that keeps one
        controller.observe(Window(200, 10, 3.0, 57.0, 1000, on_trial, trial_left=True))
        measured.append(on_trial / 1000)
    assert np.mean(measured[-50:]) == pytest.approx(0.04, abs=0.002)
    before = controller.floor
    controller.observe(Window(200, 10, 3.0, 57.0, 1000, 0, trial_left=False))
    assert controller.floor == before, "nothing is on trial"
