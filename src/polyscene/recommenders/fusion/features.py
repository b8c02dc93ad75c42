"""What the fusion sees: every signal's score for every candidate, and the context they are read in.

Nothing here is learned by gradient; the scales are measured once on the choices the fusion learns from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.clock import HOUR
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.data.schema import UNKNOWN_TIME
from polyscene.recommenders.signal import Evidence, Signal

NO_AGE = 0.0
SEEN_DECAY = 0.9
ITEM_FACTS = 3
PAIR_FACTS = 2
USER_FACTS = 3


Signals = Sequence[Signal | None]
"""In the fusion's order; None where the scenario lacks a signal that another one has."""


@dataclass(frozen=True)
class Block:
    """The features of B requests over C candidates, or over the whole catalogue.

    Attributes:
        signals: (B, K, C) scores divided by their signal's scale; a signal that is absent here scores 0.
        peaks: (B, K) each signal's best scaled score over the catalogue, at least a small positive number.
        user: (B, 3 + K) log history length here, elsewhere, log popularity of the history, log peaks.
        item: (B or 1, C, 3) log count, whether new, whether cold.
        pair: (B, C, 2) log age at the request; how strongly the user already had it.
    """

    signals: FloatArray
    peaks: FloatArray
    user: FloatArray
    item: FloatArray
    pair: FloatArray

    def at(self, candidates: IntArray) -> Self:
        """Return the features of (B, C) named candidates."""
        index = candidates.astype(np.int64)
        return type(self)(
            np.take_along_axis(self.signals, index[:, None, :], axis=2),
            self.peaks,
            self.user,
            self.item[0][index],
            np.take_along_axis(self.pair, index[:, :, None], axis=1),
        )


class Features:
    """Makes blocks out of requests, for one scenario.

    Args:
        counts: (n,) events of each item.
        since: (n,) when each item may first be shown.
        born: (n,) from when its age is told.
        moments: whether times are moments, so that there are ages at all.
        scales: (K,) the spread of each signal.
    """

    def __init__(
        self, counts: FloatArray, since: LongArray, born: LongArray, moments: bool, scales: FloatArray
    ) -> None:
        self.counts, self.moments, self.scales = counts, moments, scales
        self.since, self.born = since, born
        log_count = np.log1p(counts)
        self._item = np.stack([log_count, counts == 0, counts < 3], axis=1).astype(np.float32)[None]

    @classmethod
    def of(cls, evidence: Evidence) -> Self:
        """Take the facts about items from the evidence; the scales follow with `measure`."""
        counts = np.bincount(evidence.positive.item, minlength=evidence.n_items).astype(np.float32)
        moments = evidence.clock == "time"
        return cls(counts, evidence.since, evidence.born, moments, np.ones(0, np.float32))

    def measure(self, signals: Signals, queries: Queries) -> None:
        """Set each signal's scale to the spread of its non-zero scores on a few requests.

        A signal that hardly varies is measured by its size instead, so that noise is not blown up.
        """
        scales = []
        for signal in signals:
            scores = np.zeros(1) if signal is None else signal.score(queries)
            spoken = scores[scores != 0]
            spread = max(float(spoken.std()), 0.1 * float(np.abs(spoken).mean())) if len(spoken) else 0.0
            scales.append(spread or 1.0)
        self.scales = np.array(scales, np.float32)

    def block(self, signals: Signals, queries: Queries) -> Block:
        """Return the features of every request over the whole catalogue."""
        scores = np.zeros((len(queries), len(signals), len(self.counts)), np.float32)
        for place, signal in enumerate(signals):
            if signal is not None:
                np.divide(signal.score(queries), self.scales[place], out=scores[:, place])
        peaks = np.maximum(scores.max(axis=2), 1e-6)
        return Block(scores, peaks, self._user(queries, peaks), self._item, self._pair(queries))

    def _user(self, queries: Queries, peaks: FloatArray) -> FloatArray:
        history = queries.history
        lengths = history.lengths
        popularity = np.bincount(
            history.rows, weights=self._item[0, history.items, 0], minlength=len(queries)
        ) / np.maximum(lengths, 1)
        abroad = sum((rows.lengths for rows in queries.elsewhere.values()), np.zeros(len(queries)))
        facts = np.stack([np.log1p(lengths), np.log1p(abroad), popularity], axis=1)
        strength = np.log1p(peaks)
        return np.concatenate([facts, strength], axis=1).astype(np.float32)

    def _pair(self, queries: Queries) -> FloatArray:
        pair = np.zeros((len(queries), len(self.counts), PAIR_FACTS), np.float32)
        if self.moments:
            hours = (queries.time[:, None].astype(np.float64) - self.born) / HOUR
            known = self.born != UNKNOWN_TIME
            pair[:, :, 0] = np.where(known, np.log1p(np.clip(hours, 0, None)), NO_AGE)
        history = queries.history
        strength = SEEN_DECAY**history.ages
        np.add.at(pair[:, :, 1], (history.rows, history.items), strength)
        return pair

    def state(self) -> Arrays:
        """Return everything that `restore` needs."""
        return {
            "counts": self.counts,
            "since": self.since,
            "born": self.born,
            "moments": np.array(self.moments),
            "scales": self.scales,
        }

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`."""
        return cls(state["counts"], state["since"], state["born"], bool(state["moments"]), state["scales"])
