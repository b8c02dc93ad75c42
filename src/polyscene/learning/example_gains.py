"""How well a fusion and its signals rank choices that are kept as examples: each among its candidates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from polyscene.core.types import BoolArray
from polyscene.learning.fusion_learner import BATCH, FusionLearner
from polyscene.metrics.ranking import Scores, Values, ndcg
from polyscene.recommenders.fusion.features import ITEM_FACTS
from polyscene.recommenders.fusion.inference import lift_of
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.training import Example

CUTOFF = 10


def example_gains(
    network: FusionNetwork, scenario: int, choices: Sequence[Example], lifts: Sequence[tuple[float, float]]
) -> tuple[Values, Values]:
    """Return NDCG@10 of every choice by the fusion for each lift (n, L), and by each signal (n, K).

    Args:
        scenario: its number among the network's.
        lifts: L pairs of how far new items are lifted, and how that fades; see `inference.lift_of`.
    """
    learner = FusionLearner(network, scenario, (), ())
    lifted = [np.zeros((0, len(lifts)))]
    for start in range(0, len(choices), BATCH):
        batch = list(choices[start : start + BATCH])
        with torch.inference_mode():
            logits = learner.logits(batch).numpy()
        for row, example in zip(logits, batch, strict=True):
            weight = np.exp(example.log_weights)
            scores = row[: len(weight)] - example.log_weights
            item = example.facts[:, :ITEM_FACTS]
            added = np.stack([lift_of(item, size, fade) for size, fade in lifts])  # (L, C)
            lifted.append(_ranked(scores[None] + added, weight)[None])
    return np.concatenate(lifted), signal_gains(choices, network.n_signals)


def signal_gains(choices: Sequence[Example], n_signals: int) -> Values:
    """Return (n, K) NDCG@10 of every choice by each signal alone."""
    gains = [_ranked(example.signals, np.exp(example.log_weights))[None] for example in choices]
    return np.concatenate([np.zeros((0, n_signals)), *gains])


def _ranked(scores: Scores, weight: Scores) -> Values:
    """Return (M,) NDCG@10 of the first of (M, C) candidates; ties count half, a candidate its weight."""
    first = scores[:, :1]
    ahead: BoolArray = scores[:, 1:] > first
    ranks = 1 + ahead @ weight[1:] + ((scores[:, 1:] == first) @ weight[1:]) / 2
    return ndcg(ranks, CUTOFF)
