"""How well a fusion and its signals rank choices that are kept as examples: each among its candidates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from polyscene.core.types import BoolArray
from polyscene.learning.fusion_learner import BATCH, FusionLearner
from polyscene.metrics.ranking import Scores, Values, ndcg
from polyscene.recommenders.fusion.features import NEW
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.training import Example

CUTOFF = 10


def example_gains(
    network: FusionNetwork, scenario: int, choices: Sequence[Example], lifts: Values
) -> tuple[Values, Values]:
    """Return NDCG@10 of every choice by the fusion for each lift (n, L), and by each signal (n, K).

    Args:
        scenario: its number among the network's.
        lifts: (L,) logits that are added to new items.
    """
    learner = FusionLearner(network, scenario, (), ())
    lifted = [np.zeros((0, len(lifts)))]
    for start in range(0, len(choices), BATCH):
        batch = list(choices[start : start + BATCH])
        with torch.inference_mode():
            logits = learner.logits(batch).numpy()
        for row, example in zip(logits, batch, strict=True):
            n, new = len(example.log_weights), example.facts[:, NEW] > 0
            weight = np.exp(example.log_weights)
            scores = row[:n] - example.log_weights
            lifted.append(_ranked(scores[None] + lifts[:, None] * new, weight)[None])
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
