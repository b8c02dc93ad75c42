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
    model = FusionNetwork(2, 1, 2)
    with torch.no_grad():
        model.base.zero_()
        model.base[:2] = 1.0
    return model


def choice(
    chosen: list[float],
    others: list[list[float]],
    new: list[bool],
    weight: float = 1.0,
    events: float = 500.0,
) -> Example:
    """Return a choice of an item scored so by each signal; who is new among it and the others.

    Args:
        events: of the chosen one, unless it is new; others that are not new have 500.
    """
    scores = np.array([chosen, *others], np.float16).T
    facts = np.zeros((scores.shape[1], 5), np.float16)
    facts[:, 1] = new
    facts[:, 0] = np.where(new, 0.0, np.log1p([events, *[500.0] * len(others)]))
    weights = np.full(scores.shape[1], np.log(weight), np.float32)
    weights[0] = 0.0
    return Example(scores, facts, np.ones(2, np.float32), np.zeros(5, np.float32), weights)


def new_chosen(lead: float = OLD_LEAD, weight: float = 1.0) -> Example:
    """One signal finds a new item first, the other puts 20 old ones before it."""
    return choice([1.0, 0.0], [[0.0, 1.0 + lead]] * 20, [True] + [False] * 20, weight)


def old_chosen(lead: float) -> Example:
    """An old item is chosen and stands so far before 20 new ones."""
    return choice([0.0, 1.0 + lead], [[1.0, 0.0]] * 20, [False] + [True] * 20)


def young_chosen(events: float, lead: float) -> Example:
    """A young item is chosen, and 20 old ones stand before it."""
    return choice([1.0, 0.0], [[0.0, 1.0 + lead]] * 20, [False] * 21, events=events)


OLD = [old_chosen(9.0)] * 80


def test_the_lift_fades_as_fast_as_lets_young_items_fare_well_enough() -> None:
    """They need 0.6 of 1.25 after 2 events: 1.25 · 3/5 is 0.75, and 1.25 · 1/3 is 0.42."""
    lift = fair_lift(network(), 0, [new_chosen()] * MIN_NEW + [young_chosen(2.0, 0.6)] * MIN_NEW + OLD)
    assert (lift.size, lift.fade) == (1.25, 3.0)
    assert (lift.young_choices, lift.young) == (MIN_NEW, (0.0, 1.0))
    assert lift.young_aim == pytest.approx(FAIR_SHARE)
    assert lift.new == (0.0, 1.0)
    assert lift.overall == pytest.approx((80 / 120, 1.0))


def test_young_items_that_fare_well_already_are_not_lifted() -> None:
    lift = fair_lift(network(), 0, [new_chosen()] * MIN_NEW + [young_chosen(2.0, -0.5)] * MIN_NEW + OLD)
    assert (lift.size, lift.fade, lift.young) == (1.25, 0.0, (1.0, 1.0))


def test_young_items_are_to_fare_as_well_as_new_ones_at_least() -> None:
    """No signal finds them, so 80 % of the best of these would be nothing."""
    unknown = choice([0.0, 0.0], [[0.1, 0.6]] * 20, [False] * 21, events=2.0)
    lift = fair_lift(network(), 0, [new_chosen()] * MIN_NEW + [unknown] * MIN_NEW + OLD)
    assert lift.fade == 3.0  # 1.25 · 3/5 is above 0.6
    assert lift.young_aim == pytest.approx(FAIR_SHARE)


def test_a_lift_fades_no_slower_than_is_cheap() -> None:
    """With 10 events left of half of it, what was chosen once would bury what many chose."""
    dear = choice([0.0, 1.5], [[1.0, 0.0]] * 20, [False] * 21)
    dear.facts[1:, 0] = np.log1p(2.0)
    some = [new_chosen()] * MIN_NEW + [young_chosen(2.0, 0.9)] * MIN_NEW + OLD
    assert fair_lift(network(), 0, some).fade == 10.0
    costly = fair_lift(network(), 0, [*some, *[dear] * 200])
    assert costly.fade == 1.0, "1.25 · 3/5 is above 0.5, which stands between them"
    assert costly.overall[1] >= (1 - MAX_LOSS) * costly.overall[0]


def test_a_few_choices_of_young_items_leave_the_lift_as_long_as_nothing_is_known() -> None:
    lift = fair_lift(network(), 0, [new_chosen()] * MIN_NEW + [young_chosen(2.0, 0.6)] * (MIN_NEW - 1))
    assert (lift.size, lift.fade, lift.young_choices) == (1.25, 0.0, MIN_NEW - 1)
    assert "until their first event (19 choices of items with 1 to 10 are too few" in lift.note("shop")


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
    lift = Lift(0.5, 1200, 0.02, (0.01, 0.018), (0.05, 0.0497), 3.0, 40, 0.03, (0.02, 0.0312))
    assert lift.note("shop") == (
        "shop: new items: lifted by 0.50, half of it left after 3 events (40 choices of items with 1 to 10: "
        "0.0200 to 0.0312, aimed at 0.0300): on 1,200 choices of them NDCG@10 0.0100 to 0.0180, "
        "aimed at 0.0200; over all choices 0.0500 to 0.0497"
    )
    assert (
        Lift(0.0, 20, 0.2, (0.3, 0.3), (0.5, 0.5)).note("shop").startswith("shop: new items: not lifted: on")
    )
