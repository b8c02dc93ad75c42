"""How far the fusion lifts new items: until they fare nearly as well as by the best signal, at a small cost.

An item without events has only its text to speak for it. The fusion learns what is likeliest, and so ranks
nearly every new item behind those of which more is known. `new_items = "fair"` adds one number to the score
of each item without events, found on the choices that taught the fusion; an item's first event ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polyscene.data.schema import UNKNOWN_TIME
from polyscene.data.splits.phases import Phase
from polyscene.learning.example_gains import CUTOFF, example_gains
from polyscene.learning.training_data import TrainingData
from polyscene.metrics.ranking import Values
from polyscene.recommenders.fusion.features import NEW
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.training import Example
from polyscene.recommenders.signal import Evidence

LIFTS = np.arange(0.0, 4.01, 0.25)
"""What is tried, in logits: 4 makes an item 55 times as likely."""
FAIR_SHARE = 0.8
"""Of the best signal's NDCG@10 on choices of new items: so much is aimed at."""
MAX_LOSS = 0.01
"""The share of the NDCG@10 over all choices that is given up for it at most."""
MIN_NEW = 20
"""Fewer choices of new items tell nothing."""


def new_share(data: TrainingData, name: str, evidence: Evidence) -> float:
    """Return how many of the items without events count as there when a choice is made, in (0, 1].

    Where the split is a moment of time, a catalogue that does not say since when its items are there holds
    those of the future too. As many are taken to be there as will be new to the finished system.
    """
    if data.in_order or not evidence.n_items:
        return 1.0
    undated = data.since[name] == UNKNOWN_TIME
    then = undated & (np.bincount(evidence.positive.item, minlength=evidence.n_items) == 0)
    later = data.folds_of_split.learned(name, Phase.ALL)
    now = undated & (np.bincount(later.item, minlength=evidence.n_items) == 0)
    return min(1.0, max(int(now.sum()), 1) / max(int(then.sum()), 1))


@dataclass(frozen=True)
class Lift:
    """What lifting new items by `size` logits does, on the choices that it was found on.

    Attributes:
        new_choices: of new items among them.
        aim: the NDCG@10 on these that is aimed at.
        new: NDCG@10 on them before and after.
        overall: NDCG@10 over all choices before and after.
    """

    size: float
    new_choices: int
    aim: float = 0.0
    new: tuple[float, float] = (0.0, 0.0)
    overall: tuple[float, float] = (0.0, 0.0)

    def note(self, name: str) -> str:
        """Return what is said of a scenario's lift."""
        head = f"{name}: new items: "
        if self.new_choices < MIN_NEW:
            return head + f"{self.new_choices} choices of them are too few to tell how far to lift them"
        figures = (
            f"on {self.new_choices:,} choices of them NDCG@{CUTOFF} {self.new[0]:.4f} to {self.new[1]:.4f}, "
            f"aimed at {self.aim:.4f}; over all choices {self.overall[0]:.4f} to {self.overall[1]:.4f}"
        )
        return head + (f"lifted by {self.size:.2f}: {figures}" if self.size else f"not lifted: {figures}")


def fair_lift(network: FusionNetwork, scenario: int, choices: Sequence[Example]) -> Lift:
    """Return the smallest lift with which new items fare well enough, or the largest that costs little.

    Args:
        scenario: its number among the network's.
        choices: what the signals that scored them have not learned from.
    """
    new = np.array([example.facts[0, NEW] > 0 for example in choices], np.bool_)
    count = int(new.sum())
    if count < MIN_NEW:
        return Lift(0.0, count)
    gains, signals = example_gains(network, scenario, choices, LIFTS)
    aim = FAIR_SHARE * float(signals[new].mean(axis=0).max())
    place = _place(gains[new].mean(axis=0), gains.mean(axis=0), aim)
    reached, overall = gains[new].mean(axis=0)[[0, place]], gains.mean(axis=0)[[0, place]]
    return Lift(float(LIFTS[place]), count, aim, _pair(reached), _pair(overall))


def _place(new: Values, overall: Values, aim: float) -> int:
    """Return the place of the lift to take, by (L,) gains on choices of new items and over all."""
    dear = np.flatnonzero(overall < (1 - MAX_LOSS) * overall[0])
    affordable = int(dear[0]) if len(dear) else len(LIFTS)
    enough = np.flatnonzero(new[:affordable] >= aim)
    return int(enough[0]) if len(enough) else affordable - 1


def _pair(values: Values) -> tuple[float, float]:
    return float(values[0]), float(values[1])
