"""New items are lifted until they fare nearly as well as by the best signal, and no farther than is cheap."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from polyscene.learning.new_items import FAIR_SHARE, LIFTS, MAX_LOSS, MIN_NEW, Lift, fair_lift
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.training import Example

OLD_LEAD = 1.1
"""So many logits the old items that nobody chose stand before a new one that was chosen."""


def network() -> FusionNetwork:
    """Return one that adds up the scaled scores of two signals, and nothing else."""
    made = FusionNetwork(2, 1, 2)
    with torch.no_grad():
        made.base.zero_()
        made.base[:2] = 1.0
    return made


def choice(chosen: list[float], others: list[list[float]], new: list[bool], weight: float = 1.0) -> Example:
    """Return a choice of an item scored so by each signal; who is new among it and the others."""
    scores = np.array([chosen, *others], np.float16).T
    facts = np.zeros((scores.shape[1], 5), np.float16)
    facts[:, 1] = new
    weights = np.full(scores.shape[1], np.log(weight), np.float32)
    weights[0] = 0.0
    return Example(scores, facts, np.ones(2, np.float32), np.zeros(5, np.float32), weights)


def new_chosen(lead: float = OLD_LEAD, weight: float = 1.0) -> Example:
    """One signal finds a new item first, the other puts 20 old ones before it."""
    return choice([1.0, 0.0], [[0.0, 1.0 + lead]] * 20, [True] + [False] * 20, weight)


def old_chosen(lead: float) -> Example:
    """An old item is chosen and stands so far before 20 new ones."""
    return choice([0.0, 1.0 + lead], [[1.0, 0.0]] * 20, [False] + [True] * 20)


def test_the_smallest_lift_that_reaches_the_aim_is_taken() -> None:
    lift = fair_lift(network(), 0, [new_chosen()] * MIN_NEW + [old_chosen(3.0)] * 80)
    assert lift.size == 1.25  # the first above 1.1
    assert lift.new_choices == MIN_NEW
    assert lift.aim == pytest.approx(FAIR_SHARE)
    assert lift.new == (0.0, 1.0)
    assert lift.overall == pytest.approx((0.8, 1.0))


def test_what_already_fares_well_is_not_lifted() -> None:
    assert fair_lift(network(), 0, [new_chosen(lead=-0.5)] * MIN_NEW).size == 0.0


def test_old_items_are_not_given_up_for_new_ones() -> None:
    """From 0.6 on the lift costs more than it is worth: new ones would need 1.1."""
    lift = fair_lift(network(), 0, [new_chosen()] * MIN_NEW + [old_chosen(0.6)] * 200)
    assert lift.size == 0.5
    assert lift.overall[0] == lift.overall[1]
    cheap = fair_lift(network(), 0, [new_chosen()] * MIN_NEW + [old_chosen(0.6)] + [old_chosen(9.0)] * 200)
    assert cheap.size == 1.25
    assert MAX_LOSS > 1 / 201


def test_a_candidate_counts_as_often_as_its_weight_says() -> None:
    """20 items that count a hundredth each stand before the chosen one: it is nearly first as it is."""
    assert fair_lift(network(), 0, [new_chosen(weight=0.01)] * MIN_NEW).size == 0.0


def test_a_few_choices_lift_nothing() -> None:
    lift = fair_lift(network(), 0, [new_chosen()] * (MIN_NEW - 1) + [old_chosen(3.0)] * 100)
    assert lift == Lift(0.0, MIN_NEW - 1)
    assert lift.note("shop") == (
        f"shop: new items: {MIN_NEW - 1} choices of them are too few to tell how far to lift them"
    )


def test_nothing_is_lifted_without_choices() -> None:
    assert fair_lift(network(), 0, []) == Lift(0.0, 0)


def test_what_cannot_be_reached_is_tried_to_the_end() -> None:
    lift = fair_lift(network(), 0, [new_chosen(lead=9.0)] * MIN_NEW)
    assert lift.size == LIFTS[-1]


def test_the_note_tells_what_it_was_worth() -> None:
    lift = Lift(0.5, 1200, 0.02, (0.01, 0.018), (0.05, 0.0497))
    assert lift.note("shop") == (
        "shop: new items: lifted by 0.50: on 1,200 choices of them NDCG@10 0.0100 to 0.0180, "
        "aimed at 0.0200; over all choices 0.0500 to 0.0497"
    )
    assert (
        Lift(0.0, 20, 0.2, (0.3, 0.3), (0.5, 0.5)).note("shop").startswith("shop: new items: not lifted: on")
    )
