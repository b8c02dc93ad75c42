"""The fusion: one score per item, out of all signals and the context they are read in.

As in a deployed system, every signal puts its best items forward and the network ranks these; the rest of a
large catalogue follows behind them in the order of the plain weighted signals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.recommenders.fusion.features import Block, Features, Signals
from polyscene.recommenders.fusion.network import VIEWS, FusionNetwork, TorchBlock
from polyscene.recommenders.fusion.training import open_candidates

SMALL_CATALOGUE = 2000
"""Up to this size the network ranks everything; above it, every signal's best."""
SHORTLIST = 200
FLOATS_PER_CANDIDATE = 4
"""Working memory of one score, in floats per signal."""


class Fusion:
    """Scores one scenario's catalogue.

    Args:
        names: of the signals, in the network's order.
        signals: fitted, in that order; None where the scenario lacks one.
        features: measured on the choices that the network learned from.
        network: weighs the signals; may be shared between scenarios.
        scenario: the scenario's place in the network's one-hot code.
        hide_seen: whether what a user already had is left out.
        fallback: the signal that is used alone, where the network did not beat it on held-out choices.
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
        n_items = len(self.features.counts)
        ranked = min(n_items, max(SMALL_CATALOGUE, SHORTLIST * len(self.names)))
        network = VIEWS * FLOATS_PER_CANDIDATE * len(self.names) + 2 * self.network.hidden
        return 4 * (n_items * FLOATS_PER_CANDIDATE * len(self.names) + ranked * network)

    def score(self, queries: Queries) -> FloatArray:
        """Return (B, n) scores over the whole catalogue."""
        return self._fused(self.features.block(self.signals, queries), self.open(queries))

    def score_candidates(self, queries: Queries, candidates: IntArray) -> FloatArray:
        """Return (B, C) scores of the named items."""
        return np.take_along_axis(self.score(queries), candidates.astype(np.int64), axis=1)

    def score_all(self, queries: Queries) -> dict[str, FloatArray]:
        """Return (B, n) scores of every signal, and of the fusion under the name `polyscene`."""
        block = self.features.block(self.signals, queries)
        scores = {
            name: block.signals[:, place]
            for place, name in enumerate(self.names)
            if self.signals[place] is not None
        }
        return scores | {"polyscene": self._fused(block, self.open(queries))}

    def _fused(self, block: Block, open_: BoolArray) -> FloatArray:
        """Let the network rank the shortlist; what no signal puts forward follows behind it."""
        if self.fallback is not None:
            return block.signals[:, self.names.index(self.fallback)]
        if len(self.features.counts) <= SMALL_CATALOGUE:
            return self._logits(block)
        short, rows, columns = shortlist(block.signals, open_)
        places = np.arange(len(rows)) - np.searchsorted(rows, rows)
        logits = self._logits(block.at(short))[rows, places]
        weights = np.array(list(self.weights().values()), np.float32)
        scores = np.einsum("bkc,k->bc", block.signals, np.maximum(weights, 0.0))
        lowest = np.minimum.reduceat(logits, np.searchsorted(rows, np.arange(len(short))))
        scores += (lowest - scores.max(axis=1) - 1.0)[:, None]
        scores[rows, columns] = logits
        fused: FloatArray = scores
        return fused

    def open(self, queries: Queries) -> BoolArray:
        """Return (B, n) which items may be shown."""
        return open_candidates(self.features, queries, self.hide_seen)

    def shares(self, queries: Queries, candidates: IntArray) -> FloatArray:
        """Return (B, C, K): how much the score falls when a signal's word for the item is taken away.

        Taken away means set to its mean over the catalogue, which leaves what the signal says of everything.
        """
        whole = self.features.block(self.signals, queries)
        block = whole.at(candidates)
        full = self._spoken(block)
        usual = whole.signals.mean(axis=2)  # (B, K)
        shares = np.zeros((*full.shape, len(self.names)), np.float32)
        for place in range(len(self.names)):
            without = block.signals.copy()
            without[:, place] = usual[:, place, None]
            shares[:, :, place] = full - self._spoken(replace(block, signals=without))
        return shares

    def _spoken(self, block: Block) -> FloatArray:
        if self.fallback is not None:
            return block.signals[:, self.names.index(self.fallback)]
        return self._logits(block)

    def _logits(self, block: Block) -> FloatArray:
        with torch.inference_mode():
            logits = self.network(TorchBlock(block, self.scenario, self.network.n_scenarios))
        scores: FloatArray = logits.numpy()
        return scores

    def weights(self) -> Mapping[str, float]:
        """Return the mean additive weight of every signal, for reports: its views' base weights summed."""
        base = self.network.base.detach()[: VIEWS * len(self.names)].reshape(VIEWS, -1).sum(dim=0)
        return {name: float(base[place]) for place, name in enumerate(self.names)}


def shortlist(signals: FloatArray, open_: BoolArray) -> tuple[IntArray, LongArray, LongArray]:
    """Return each request's candidates: the best items of every signal.

    Args:
        signals: (B, K, n) scores.
        open_: (B, n) which items may be shown.

    Returns:
        (B, C) candidates, rows padded with their first; and (m,) rows and (m,) columns of all of them.
    """
    shown = torch.from_numpy(np.where(open_[:, None], signals, -np.inf))  # (B, K, n)
    top = torch.topk(shown, min(SHORTLIST, open_.shape[1]), dim=2, sorted=False).indices.numpy()
    best = np.zeros(open_.shape, bool)
    np.put_along_axis(best, top.reshape(len(top), top.shape[1] * top.shape[2]), True, axis=1)
    rows, columns = np.nonzero(best)
    sizes = np.bincount(rows, minlength=len(best))
    starts = np.cumsum(sizes) - sizes
    short = np.repeat(columns[starts][:, None], sizes.max(initial=0), axis=1)
    short[rows, np.arange(len(rows)) - starts[rows]] = columns
    return short.astype(np.int32), rows, columns
