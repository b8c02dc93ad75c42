"""How far new items are lifted, and how that fades: until they fare nearly as well as by the best signal.

An item without events has only its text to speak for it. The fusion learns what is likeliest, and so ranks
nearly every new item behind those of which more is known; and one with an event or two behind many that will
never have more. `new_items = "fair"` adds `size · fade / (fade + n)` to the score of an item with n events.
Both numbers are found on the choices that taught the fusion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyscene.data.schema import UNKNOWN_TIME
from polyscene.data.splits.phases import Phase
from polyscene.learning.example_gains import CUTOFF, example_gains
from polyscene.learning.training_data import TrainingData
from polyscene.metrics.ranking import Values
from polyscene.recommenders.fusion.features import COUNT
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.training import Example
from polyscene.recommenders.signal import Evidence

LIFTS = np.arange(0.0, 4.01, 0.25)
"""What is tried, in logits: 4 makes an item 55 times as likely."""
FADES = (0.0, 1.0, 3.0, 10.0, 30.0)
"""What is tried, in events after which half of the lift is left; 0: the first one ends it."""
YOUNG = 10
"""An item with so many events and fewer, but some, is young."""
FAIR_SHARE = 0.8
"""Of the best signal's NDCG@10 on choices of new items: so much is aimed at."""
MAX_LOSS = 0.01
"""The share of the NDCG@10 over all choices that is given up for it at most."""
MIN_NEW = 20
"""Fewer choices of new items, or of young ones, tell nothing."""


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
        new_choices, young_choices: of new items among them, and of young ones.
        aim, young_aim: the NDCG@10 on these that is aimed at.
        new, young: NDCG@10 on them before and after.
        overall: NDCG@10 over all choices before and after.
        fade: events after which half of the lift is left; 0: the first one ends it.
    """

    size: float
    new_choices: int
    aim: float = 0.0
    new: tuple[float, float] = (0.0, 0.0)
    overall: tuple[float, float] = (0.0, 0.0)
    fade: float = 0.0
    young_choices: int = 0
    young_aim: float = 0.0
    young: tuple[float, float] = (0.0, 0.0)

    def note(self, name: str) -> str:
        """Return what is said of a scenario's lift."""
        head = f"{name}: new items: "
        if self.new_choices < MIN_NEW:
            return head + f"{self.new_choices} choices of them are too few to tell how far to lift them"
        figures = (
            f"on {self.new_choices:,} choices of them NDCG@{CUTOFF} {self.new[0]:.4f} to {self.new[1]:.4f}, "
            f"aimed at {self.aim:.4f}; over all choices {self.overall[0]:.4f} to {self.overall[1]:.4f}"
        )
        return head + (
            f"lifted by {self.size:.2f}, {self._fading}: {figures}" if self.size else f"not lifted: {figures}"
        )

    @property
    def _fading(self) -> str:
        """Return how the lift fades, and what that does for young items."""
        if self.young_choices < MIN_NEW:
            few = f"{self.young_choices} choices of items with 1 to {YOUNG} are too few to tell it to fade"
            return f"until their first event ({few})"
        when = f"half of it left after {self.fade:.0f} events" if self.fade else "until their first event"
        return (
            f"{when} ({self.young_choices:,} choices of items with 1 to {YOUNG}: {self.young[0]:.4f} to "
            f"{self.young[1]:.4f}, aimed at {self.young_aim:.4f})"
        )


def fair_lift(network: FusionNetwork, scenario: int, choices: Sequence[Example]) -> Lift:
    """Return the smallest lift with which new items fare well enough, or the largest that costs little.

    It fades as fast as lets young items fare well enough, as good as new ones at least, so that no item
    pays for its first event; or as slowly as costs little.

    Args:
        scenario: its number among the network's.
        choices: what the signals that scored them have not learned from.
    """
    events = np.expm1(np.array([example.facts[0, COUNT] for example in choices], np.float64))
    new, young = events < 0.5, (events >= 0.5) & (events < YOUNG + 0.5)
    counts = int(new.sum()), int(young.sum())
    if counts[0] < MIN_NEW:
        return Lift(0.0, counts[0], young_choices=counts[1])
    gains, signals = example_gains(network, scenario, choices, [(size, 0.0) for size in LIFTS.tolist()])
    whole = gains.mean(axis=0)
    aim = FAIR_SHARE * float(signals[new].mean(axis=0).max())
    place = _place(gains[new].mean(axis=0), whole, whole[0], aim)
    size, reached = float(LIFTS[place]), gains[new].mean(axis=0)[[0, place]]
    lift = Lift(size, counts[0], aim, _pair(reached), _pair(whole[[0, place]]), young_choices=counts[1])
    if not size or counts[1] < MIN_NEW:
        return lift
    fading, _ = example_gains(network, scenario, choices, [(size, fade) for fade in FADES])
    young_aim = max(aim, FAIR_SHARE * float(signals[young].mean(axis=0).max()))
    after = fading.mean(axis=0)
    place = _place(fading[young].mean(axis=0), after, whole[0], young_aim)
    return replace(
        lift,
        new=(lift.new[0], float(fading[new, place].mean())),
        overall=(lift.overall[0], float(after[place])),
        fade=FADES[place],
        young_aim=young_aim,
        young=(float(gains[young, 0].mean()), float(fading[young, place].mean())),
    )


def _place(wanted: Values, overall: Values, before: float, aim: float) -> int:
    """Return the place of what to take, by (L,) gains on the choices it is for and over all.

    Args:
        before: over all without any of it.
    """
    dear = np.flatnonzero(overall < (1 - MAX_LOSS) * before)
    affordable = int(dear[0]) if len(dear) else len(overall)
    enough = np.flatnonzero(wanted[:affordable] >= aim)
    return int(enough[0]) if len(enough) else max(affordable - 1, 0)


def _pair(values: Values) -> tuple[float, float]:
    return float(values[0]), float(values[1])
