"""What the fusion sees: every signal's score for every candidate, and the context they are read in.

Nothing here is learned by gradient; the scales are measured once on the choices the fusion learns from. What
is counted (events of an item, when it appeared) is counted on while the system serves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.clock import HOUR
from polyscene.core.compiled import short_zeros
from polyscene.core.growing import GrowingArray
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.data.schema import UNKNOWN_TIME
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.fusion.trends import USER_TRENDS, Births, Trends, had_lately, user_trends
from polyscene.recommenders.scores import Scores
from polyscene.recommenders.signal import Evidence, Signal

NO_AGE = 0.0
SEEN_DECAY = 0.9
COLD_EVENTS = 3
"""An item with fewer is cold."""
ITEM_FACTS = 3
COUNT, NEW, COLD = 0, 1, 2
"""The columns of the item facts that tell the logarithm of 1 + events, items without, and with few."""
PAIR_FACTS = 2
HISTORY = 0
"""The column of the user's facts that tells how many events they have here."""
USER_FACTS = 3
LIVE_PAIR_FACTS = 2
"""Those of a fusion that learns live, beside what trends tell."""
TRENDS = "trends/"
MIN_PEAK = 1e-6

Signals = Sequence[Signal | None]
"""In the fusion's order; None where the scenario lacks a signal that another one has."""
Prepared = Sequence[Scores | None]
"""What the signals say of a block of requests, in the same order."""


@dataclass(frozen=True)
class Block:
    """The features of B requests over C candidates, or over the whole catalogue.

    Attributes:
        signals: (B, K, C) scores divided by their signal's scale; a signal that is absent here scores 0.
        peaks: (B, K) each signal's best scaled score over the catalogue, at least a small positive number.
        user: (B, 3 + K) log history length here, elsewhere, log popularity of the history, log peaks; for a
            fusion that learns live two more, see `trends.user_trends`.
        item: (B or 1, C, 3) log count, whether new, whether cold.
        pair: (B, C, P) log age at the request; how strongly the user already had it; for a fusion that learns
            live how lately they had it, how many items are newer, and what `Trends.facts` tells.
    """

    signals: FloatArray
    peaks: FloatArray
    user: FloatArray
    item: FloatArray
    pair: FloatArray


class Features:
    """Makes blocks out of requests, for one scenario.

    Args:
        counts: (n,) events of each item.
        since: (n,) when each item may first be shown.
        born: (n,) from when its age is told.
        moments: whether times are moments, so that there are ages at all.
        scales: (K,) the spread of each signal.
        removed: (n,) items that were taken out and are not shown to anybody; None: none was.
        trends: what goes on lately; None: the fusion did not learn live, so that nothing is told of it.
    """

    def __init__(
        self,
        counts: FloatArray,
        since: LongArray,
        born: LongArray,
        moments: bool,
        scales: FloatArray,
        removed: BoolArray | None = None,
        trends: Trends | None = None,
    ) -> None:
        self.moments, self.scales = moments, scales
        self._counts: GrowingArray[np.float32] = GrowingArray(counts)
        self._since: GrowingArray[np.int64] = GrowingArray(since)
        self._born: GrowingArray[np.int64] = GrowingArray(born)
        self._item: GrowingArray[np.float32] = GrowingArray(_item_facts(counts))
        nothing = np.zeros(len(counts), np.bool_)
        self._removed: GrowingArray[np.bool_] = GrowingArray(nothing if removed is None else removed)
        self._n_removed = int(self._removed.array.sum())
        self._latest = int(since.max(initial=UNKNOWN_TIME))
        self.trends = trends
        self._births = None if trends is None else Births(born)

    @classmethod
    def of(cls, evidence: Evidence, half_lives: Sequence[float] = ()) -> Self:
        """Take the facts about items from the evidence; the scales follow with `measure`.

        Args:
            half_lives: in days, of what goes on lately; none: nothing is told of it.
        """
        events, n_items = evidence.positive, evidence.n_items
        counts = np.bincount(events.item, minlength=n_items).astype(np.float32)
        trends = Trends.of(half_lives, events, n_items) if half_lives else None
        moments, scales = evidence.clock == "time", np.ones(0, np.float32)
        return cls(counts, evidence.since, evidence.born, moments, scales, trends=trends)

    @property
    def widths(self) -> tuple[int, int]:
        """Return how many facts there are about a user beside the peaks, and about a pair."""
        if self.trends is None:
            return USER_FACTS, PAIR_FACTS
        return USER_FACTS + USER_TRENDS, PAIR_FACTS + LIVE_PAIR_FACTS + self.trends.width

    def __len__(self) -> int:
        return len(self._counts)

    @property
    def counts(self) -> FloatArray:
        """Return (n,) events of each item."""
        return self._counts.array

    @property
    def since(self) -> LongArray:
        """Return (n,) when each item may first be shown."""
        return self._since.array

    @property
    def removed(self) -> BoolArray:
        """Return (n,) which items were taken out."""
        return self._removed.array

    @property
    def n_removed(self) -> int:
        """Return how many."""
        return self._n_removed

    def remove(self, rows: LongArray, out: bool = True) -> None:
        """Take items out, so that nobody is shown them; or bring them back."""
        self._removed.put(rows, np.full(len(rows), out))
        self._n_removed = int(self._removed.array.sum())

    @property
    def born(self) -> LongArray:
        """Return (n,) from when the age of each item is told; UNKNOWN_TIME where nothing tells it."""
        return self._born.array

    def measure(self, signals: Signals, queries: Queries) -> None:
        """Set each signal's scale to the spread of its non-zero scores on a few requests.

        A signal that hardly varies is measured by its size instead, so that noise is not blown up.
        """
        scales = []
        for signal in signals:
            scores = np.zeros(1) if signal is None else signal.score(queries)
            scores = scores[scores != 0]
            spread = max(float(scores.std()), 0.1 * float(np.abs(scores).mean())) if len(scores) else 0.0
            scales.append(spread or 1.0)
        self.scales = np.array(scales, np.float32)

    def block(self, signals: Signals, queries: Queries) -> Block:
        """Return the features of every request over the whole catalogue."""
        prepared = [None if signal is None else signal.prepare(queries) for signal in signals]
        scores = self.scaled(prepared, len(queries))
        return self.block_of(scores, np.maximum(scores.max(axis=2), MIN_PEAK), queries)

    def scaled(
        self, prepared: Prepared, requests: int, candidates: IntArray | LongArray | None = None
    ) -> FloatArray:
        """Return (B, K, C) scores of the candidates, or of the whole catalogue, divided by their scales."""
        width = len(self) if candidates is None else candidates.shape[1]
        scores = np.zeros((requests, len(prepared), width), np.float32)
        for place, one in enumerate(prepared):
            if one is not None:
                raw = one.whole() if candidates is None else one.at(candidates)
                np.divide(raw, self.scales[place], out=scores[:, place])
        return scores

    def peaks(self, prepared: Prepared, requests: int) -> FloatArray:
        """Return (B, K) each signal's best scaled score."""
        peaks = np.zeros((requests, len(prepared)), np.float32)
        for place, one in enumerate(prepared):
            if one is not None:
                peaks[:, place] = one.peaks() / self.scales[place]
        return np.maximum(peaks, MIN_PEAK)

    def block_of(
        self,
        scores: FloatArray,
        peaks: FloatArray,
        queries: Queries,
        candidates: IntArray | LongArray | None = None,
    ) -> Block:
        """Put (B, K, C) scaled scores into their context.

        Args:
            candidates: (B, C); None: the whole catalogue.
        """
        item = self._item.array
        facts = item[None] if candidates is None else item[candidates]
        return Block(scores, peaks, self._user(queries, peaks), facts, self._pair(queries, candidates))

    def _user(self, queries: Queries, peaks: FloatArray) -> FloatArray:
        history, requests = queries.history, len(queries)
        lengths = history.lengths
        popularity = np.bincount(history.rows, self._item.array[history.items, 0], requests)
        facts = np.zeros((requests, USER_FACTS))
        facts[:, 0] = lengths
        for rows in queries.elsewhere.values():
            facts[:, 1] += rows.lengths
        np.log1p(facts[:, :2], out=facts[:, :2])
        facts[:, 2] = popularity / np.maximum(lengths, 1)
        stop = USER_FACTS + peaks.shape[1]
        user = np.zeros((requests, stop if self.trends is None else stop + USER_TRENDS), np.float32)
        user[:, :USER_FACTS] = facts
        np.log1p(peaks, out=user[:, USER_FACTS:stop])
        if self.trends is not None and self.moments:
            user[:, stop:] = user_trends(queries)
        return user

    def _pair(self, queries: Queries, candidates: IntArray | LongArray | None) -> FloatArray:
        width = len(self) if candidates is None else candidates.shape[1]
        pair = np.zeros((len(queries), width, self.widths[1]), np.float32)
        if self.moments:
            pair[:, :, 0] = self._ages(queries.time, candidates)
            if self.trends is not None and self._births is not None:
                pair[:, :, 2] = had_lately(queries, len(self), candidates)
                pair[:, :, 3] = self._births.newer(queries.time, candidates)
                pair[:, :, 4:] = self.trends.facts(queries.time, candidates)
        history, worth = queries.history, SEEN_DECAY**queries.history.ages
        if len(queries) == 1 and candidates is not None:
            alone = short_zeros(len(self))
            np.add.at(alone, history.items, worth)
            pair[0, :, 1] = alone[candidates[0]]
            alone[history.items] = 0.0
            return pair
        had = np.zeros((len(queries), len(self)), np.float32)
        np.add.at(had, (history.rows, history.items), worth)
        pair[:, :, 1] = had if candidates is None else np.take_along_axis(had, candidates, axis=1)
        return pair

    def _ages(self, time: LongArray, candidates: IntArray | LongArray | None) -> FloatArray:
        """Return (B or 1, C) log hours since the candidates appeared; for one moment worked out once."""
        at_once = len(time) > 1 and bool(np.all(time == time[0]))
        born = self._born.array[None] if at_once or candidates is None else self._born.array[candidates]
        hours = ((time[:1] if at_once else time)[:, None].astype(np.float64) - born) / HOUR
        ages = np.where(born != UNKNOWN_TIME, np.log1p(np.maximum(hours, 0.0)), NO_AGE)
        return ages[0, candidates] if at_once and candidates is not None else ages

    def expects(self, queries: Queries) -> bool:
        """Return whether an item may come later than one of the requests."""
        latest = self._latest
        return self.moments and latest != UNKNOWN_TIME and latest > int(queries.time.min(initial=latest))

    def closed(self, queries: Queries, hide_seen: bool) -> BoolArray:
        """Return (B, n) which items may not be shown: taken out, not there yet, or had where that bars."""
        closed = np.zeros((len(queries), len(self)), np.bool_)
        if self.expects(queries):
            closed |= self.since > queries.time[:, None]
        if self._n_removed:
            closed |= self.removed
        if hide_seen:
            closed[queries.seen()] = True
        return closed

    def observe(self, event: Observation) -> None:
        """Count one event."""
        counts, facts, item = self._counts.writable(), self._item.writable(), event.item
        count = counts.item(item) + 1.0
        counts[item] = count
        facts[item, 0], facts[item, NEW], facts[item, COLD] = math.log1p(count), 0.0, count < COLD_EVENTS
        former = self._born.array.item(item)
        if (former == UNKNOWN_TIME or event.time < former) and self.since.item(item) == UNKNOWN_TIME:
            born = self._born.writable()
            born[item] = event.time
            if self._births is not None:
                self._births.changed(item, born)
        if self.trends is not None:
            self.trends.observe(item, event.time, event.weight)

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Take in new items, and say anew when known ones appeared where they say so; none stays out."""
        new = rows >= len(self)
        dated = ~new & (since != UNKNOWN_TIME)
        self._since.put(rows[dated], since[dated])
        self._born.put(rows[dated], since[dated])
        zero = np.zeros(int(new.sum()), np.float32)
        self._counts.extend(zero)
        self._item.extend(_item_facts(zero))
        self._removed.extend(np.zeros(int(new.sum()), np.bool_))
        if self._n_removed:
            self.remove(rows, out=False)
        self._since.extend(since[new])
        self._born.extend(since[new])
        if self.trends is not None and self._births is not None:
            self.trends.extend(int(new.sum()))
            self._births.extend(self._born.array, moved=bool(dated.any()))
        self._latest = max(self._latest, int(since.max(initial=UNKNOWN_TIME)))

    def state(self) -> Arrays:
        """Return everything that `restore` needs."""
        state: Arrays = {
            "counts": self.counts,
            "since": self.since,
            "born": self._born.array,
            "moments": np.array(self.moments),
            "scales": self.scales,
        }
        if self._n_removed:
            state["removed"] = self.removed
        if self.trends is not None:
            state |= {TRENDS + name: array for name, array in self.trends.state().items()}
        return state

    def changes(self) -> Arrays:
        """Return what `resume` needs to be the same to the last digit."""
        facts = {"item": self._item.array, "latest": np.array(self._latest)}
        return {name: np.array(array) for name, array in (self.state() | facts).items()}

    def resume(self, changes: Arrays) -> None:
        """Take in `changes`."""
        self.__dict__.update(type(self).restore(changes).__dict__)
        self._item, self._latest = GrowingArray(changes["item"]), int(changes["latest"])

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`."""
        removed = state.get("removed")
        moments = bool(state["moments"])
        trends = {name.removeprefix(TRENDS): one for name, one in state.items() if name.startswith(TRENDS)}
        counts, since, born, scales = (state[name] for name in ("counts", "since", "born", "scales"))
        lately = Trends.restore(trends) if trends else None
        return cls(counts, since, born, moments, scales, removed, lately)


def _item_facts(counts: FloatArray) -> FloatArray:
    """Return (n, 3) log count, whether new, whether cold."""
    facts = np.stack([np.log1p(counts), counts == 0, counts < COLD_EVENTS], axis=1)
    return facts.astype(np.float32)
