"""Clicks and skips together: what an item earned for being shown, corrected for where it stood.

An item that was shown and skipped is a negative; how strong a one depends on its place: few look far down.
With c_p the rate at which place p of the log is chosen, an item that was shown at the places p of its slates
is expected to be chosen `E_i = Σ c_p` times, and was chosen `C_i` times. Its choices then count

    f_i = (C_i + m) / (E_i + m),   within [1 / LIMIT, LIMIT]

each: clicks over expected clicks (Zhang and Jones 2007, Comparing click logs and editorial labels for
training query rewriting; Chapelle and Zhang 2009, A dynamic Bayesian network click model, section 5), drawn
to 1 by m. The c_p are means over all items, so where better items always stand first they correct too much;
a policy that explores mends that.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import LongArray
from polyscene.data.schema import EventLog
from polyscene.evaluation.offpolicy.shown import Joined

LIMIT = 5.0


@dataclass(frozen=True)
class Exposure:
    """What was shown in a scenario, and what of it was chosen.

    Attributes:
        shown, chosen: places of slates; the rest were skipped.
        rates: (k,) share of the times that each place was chosen: the position model.
        factors: by item, how much a choice of it counts.
    """

    shown: int
    chosen: int
    rates: NDArray[np.float64]
    factors: dict[str, float]

    def facts(self) -> dict[str, Any]:
        """Return it for a report, without the items."""
        return {
            "shown": self.shown,
            "chosen": self.chosen,
            "rates": self.rates.tolist(),
            "least_factor": min(self.factors.values()),
            "largest_factor": max(self.factors.values()),
        }


def exposure_of(joined: Joined, prior: float) -> Exposure:
    """Return what items earned for being shown.

    Args:
        joined: slates of one scenario with their rewards.
        prior: m, in choices.
    """
    longest = max((len(one.items) for one in joined.slates), default=0)
    tries, wins = np.zeros(longest), np.zeros(longest)
    for one, rewards in zip(joined.slates, joined.rewards, strict=True):
        tries[: len(one.items)] += 1
        wins[: len(one.items)] += rewards
    rates = np.divide(wins, tries, out=np.zeros(longest), where=tries > 0)
    expected, earned = defaultdict[str, float](float), defaultdict[str, float](float)
    for one, rewards in zip(joined.slates, joined.rewards, strict=True):
        for place, item in enumerate(one.items):
            expected[item] += float(rates[place])
            earned[item] += float(rewards[place])
    factors = {item: (earned[item] + prior) / (expected[item] + prior) for item in expected}
    return Exposure(
        int(tries.sum()),
        int(wins.sum()),
        rates,
        {item: float(np.clip(factor, 1 / LIMIT, LIMIT)) for item, factor in factors.items()},
    )


def weighed(log: EventLog, rows: LongArray, factors: NDArray[np.float64]) -> EventLog:
    """Return a log in which some events count so many times as much.

    Args:
        rows: (m,) of the log.
        factors: (m,).
    """
    weight = log.weight.copy()
    weight[rows] *= factors.astype(np.float32)
    return replace(log, weight=weight)


def forgotten(log: EventLog, half_life: float, end: int) -> EventLog:
    """Return a log in which events count half after `half_life` microseconds before `end`, and so on."""
    ages = np.maximum(end - log.time, 0) / half_life
    return replace(log, weight=(log.weight * np.exp2(-ages)).astype(np.float32))
