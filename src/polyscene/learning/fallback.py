"""Which signal is used alone where the fusion does not reach it on people held out.

A handful of held-out choices picks the best of many signals by luck. So where the split's own are few, the
signals are compared on every choice that taught the fusion, none of which they have learned from, and the
fusion with the best of them on those held out at earlier cuts too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from polyscene.core.types import IntArray, LongArray
from polyscene.data.queries import Choices
from polyscene.evaluation.results import SYSTEM
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.learning.example_gains import CUTOFF, example_gains, signal_gains
from polyscene.learning.fusion import ENOUGH_HELD_OUT, MIN_CHOICES, FusionData
from polyscene.metrics.ranking import mid_ranks, ndcg
from polyscene.recommenders.fusion.blocks import block_size
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.training import LEARNED_AFTER, Learn

TRUSTED = 500
"""A fusion that has learned from so many choices is given up only on evidence."""
UNDECIDED = ": which of them is better is not told by these choices"


@dataclass(frozen=True)
class Comparison:
    """How well the fusion and its signals rank choices held out.

    Attributes:
        gains: NDCG@10 of every choice by model; the signals of this scenario and the fusion.
        users: (n,) who made them.
        signals: mean NDCG@10 by signal, on all the choices that tell which is the best of them.
    """

    gains: Mapping[str, list[float]]
    users: IntArray
    signals: Mapping[str, float]

    @property
    def best(self) -> str:
        """Return the best signal."""
        return max(self.signals, key=self.signals.__getitem__)


def compared(
    learned: FusionData,
    network: FusionNetwork,
    scenario: int,
    lift: tuple[float, float],
    names: Sequence[str],
    gains: Mapping[str, list[float]],
) -> Comparison:
    """Return the comparison on the split's own held-out choices, or on more where those are few.

    Args:
        scenario: its number among the network's.
        lift: how far new items are lifted, and how that fades.
        names: of all signals, in the network's order.
        gains: of the split's own held-out choices, as `held_out_gains` returns them.
    """
    if len(learned.judged) >= ENOUGH_HELD_OUT:
        means = mean_gains(gains)
        signals = {model: means[model] for model in means if model != SYSTEM}
        return Comparison(gains, learned.judged.queries.user, signals)
    places = {name: names.index(name) for name in gains if name != SYSTEM}
    held_out = learned.held_out
    system, by_signal = example_gains(network, scenario, held_out, [lift])
    of_training = signal_gains(learned.taught, len(names))
    means = np.concatenate([by_signal, of_training]).sum(axis=0) / max(len(learned.examples), 1)
    return Comparison(
        {SYSTEM: system[:, 0].tolist()} | {name: by_signal[:, k].tolist() for name, k in places.items()},
        np.array([example.person for example in held_out], np.int32),
        {name: float(means[k]) for name, k in places.items()},
    )


def better_signal(learned: FusionData, comparison: Comparison) -> str | None:
    """Return the best signal where the fusion has not learned enough or does not reach it, else None.

    The best of many signals on a few choices is partly luck. So a fusion that has learned from many is given
    up only where it lies behind beyond the interval.
    """
    best, gains = comparison.best, comparison.gains
    if not learned.enough:
        return best
    means = mean_gains(gains)
    if means[SYSTEM] >= means[best]:
        return None
    behind = paired_bootstrap(gains[SYSTEM], gains[best], comparison.users)
    return best if len(learned.taught) < TRUSTED or behind.excludes_zero else None


def mean_gains(gains: Mapping[str, list[float]]) -> dict[str, float]:
    """Return the mean by model; 0 without choices."""
    return {model: float(np.mean(values)) if values else 0.0 for model, values in gains.items()}


def held_out_gains(
    fusion: Fusion, choices: Choices, blocks_mb: int, learn: Learn | None = None
) -> dict[str, list[float]]:
    """Return NDCG@10 of every choice by model, the whole catalogue ranked.

    Args:
        learn: as of `examples`.
    """
    gains: dict[str, list[float]] = {model: [] for model in (SYSTEM, *fusion.fitted())}
    size = block_size(fusion, blocks_mb)
    for rows, queries in choices.queries.blocks(size if learn is None else min(size, LEARNED_AFTER)):
        if learn is not None:
            learn(int(queries.time[0]))
        open_ = fusion.open(queries)
        target: LongArray = choices.target[rows].astype(np.int64)
        open_[np.arange(len(target)), target] = True
        for model, scores in fusion.score_all(queries).items():
            gains[model] += ndcg(mid_ranks(scores, target, open_), CUTOFF).tolist()
    return gains


def used_alone_note(name: str, best: str, learned: FusionData, comparison: Comparison) -> str:
    """Return what is said where a signal is used alone: on how many choices, and whether they tell."""
    gains, users = comparison.gains, comparison.users
    judged, taught = len(users), len(learned.taught)
    head = f"{name}: '{best}' is used alone"
    if not judged:
        return f"{head}: no choice was held out, so nothing can be told; the fusion learned from {taught:,}"
    mean = {model: float(np.mean(gains[model])) for model in (best, SYSTEM)}
    against = paired_bootstrap(gains[SYSTEM], gains[best], users)
    bounds = f" [{against.low:+.4f} to {against.high:+.4f}]" if against.known else ""
    few = f": {judged:,} choices are too few to tell anything" if judged < MIN_CHOICES else UNDECIDED
    verdict = "" if against.excludes_zero and judged >= MIN_CHOICES else few
    return (
        f"{head}: on {judged:,} held-out choices of {len(np.unique(users)):,} users it reached "
        f"NDCG@{CUTOFF} {mean[best]:.4f}, the fusion {mean[SYSTEM]:.4f} after {taught:,} choices; "
        f"difference {against.mean:+.4f}{bounds}{verdict}"
    )
