"""The fusion: one score per item, out of all signals and the context they are read in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from polyscene.core.types import BoolArray, FloatArray, IntArray
from polyscene.data.queries import Queries
from polyscene.recommenders.features import Block, Features, Signals
from polyscene.recommenders.fusion_learning import open_candidates
from polyscene.recommenders.network import VIEWS, FusionNetwork, TorchBlock

FLOATS_PER_CANDIDATE = 12
"""Working memory of one score, in floats per signal: raw, views and the thin layer."""


class Fusion:
    """Scores one scenario's catalogue.

    Args:
        names: of the signals, in the network's order.
        signals: fitted, in that order; None where the scenario lacks one.
        features: measured on the choices that the network learned from.
        network: weighs the signals; may be shared between scenarios.
        scenario: the scenario's place in the network's one-hot code.
        hide_seen: whether what a user already had is left out.
        fallback: the signal that speaks alone, where the network did not beat it on held-out choices.
    """

    def __init__(
        self,
        names: Sequence[str],
        signals: Signals,
        features: Features,
        network: FusionNetwork,
        scenario: int,
        hide_seen: bool,
        fallback: str | None = None,
    ) -> None:
        self.names, self.signals, self.features = tuple(names), tuple(signals), features
        self.network, self.scenario, self.hide_seen = network, scenario, hide_seen
        self.fallback = fallback

    @property
    def row_bytes(self) -> int:
        """Return the working memory that one request needs."""
        per_item = FLOATS_PER_CANDIDATE * len(self.names) + 2 * self.network.hidden
        return 4 * len(self.features.counts) * per_item

    def score(self, queries: Queries) -> FloatArray:
        """Return (B, n) scores over the whole catalogue."""
        return self.score_block(self.features.block(self.signals, queries))

    def score_candidates(self, queries: Queries, candidates: IntArray) -> FloatArray:
        """Return (B, C) scores of the named items."""
        return self.score_block(self.features.block(self.signals, queries).at(candidates))

    def score_all(self, queries: Queries) -> dict[str, FloatArray]:
        """Return (B, n) scores of every signal, and of the fusion under the name `polyscene`."""
        block = self.features.block(self.signals, queries)
        scores = {
            name: block.signals[:, place]
            for place, name in enumerate(self.names)
            if self.signals[place] is not None
        }
        return scores | {"polyscene": self.score_block(block)}

    def score_block(self, block: Block) -> FloatArray:
        """Return the network's logits, or the fallback's scores."""
        if self.fallback is not None:
            return block.signals[:, self.names.index(self.fallback)]
        with torch.inference_mode():
            return self._logits(block).numpy()

    def open(self, queries: Queries) -> BoolArray:
        """Return (B, n) which items may be shown."""
        return open_candidates(self.features, queries, self.hide_seen)

    def shares(self, queries: Queries, candidates: IntArray) -> FloatArray:
        """Return (B, C, K): how much the score falls when a signal's word for the item is taken away.

        Taken away means set to its mean over the catalogue, which leaves what the signal says of everything.
        """
        whole = self.features.block(self.signals, queries)
        block = whole.at(candidates)
        full = self.score_block(block)
        usual = whole.signals.mean(axis=2)  # (B, K)
        shares = np.zeros((*full.shape, len(self.names)), np.float32)
        for place in range(len(self.names)):
            without = block.signals.copy()
            without[:, place] = usual[:, place, None]
            shares[:, :, place] = full - self.score_block(
                Block(without, block.peaks, block.user, block.item, block.pair)
            )
        return shares

    def _logits(self, block: Block) -> Tensor:
        logits: Tensor = self.network(TorchBlock(block, self.scenario, self.network.n_scenarios))
        return logits

    def weights(self) -> Mapping[str, float]:
        """Return the mean additive weight of every signal, for reports: its views' base weights summed."""
        base = self.network.base.detach()[: VIEWS * len(self.names)].reshape(VIEWS, -1).sum(dim=0)
        return {name: float(base[place]) for place, name in enumerate(self.names)}
