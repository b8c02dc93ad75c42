"""The fusion: one score per item, out of all signals and the context they are read in.

As in a deployed system, every signal puts its best items forward and the network ranks these. For judging,
the rest of a large catalogue follows behind them in the order of the plain weighted signals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.recommenders.abilities import Extends, Forgets, Observation
from polyscene.recommenders.fusion.alone import alone, for_everybody, silent, with_new_people
from polyscene.recommenders.fusion.candidates import PER_SIGNAL, SMALL_CATALOGUE, padded, proposed
from polyscene.recommenders.fusion.features import MIN_PEAK, Block, Features, Prepared, Signals
from polyscene.recommenders.fusion.inference import VIEWS, FusionWeights, views
from polyscene.recommenders.fusion.moving import MovingWeights, query_before, teaches
from polyscene.recommenders.fusion.second_look import RERANKED, second_look
from polyscene.recommenders.fusion.stream import Learners
from polyscene.recommenders.reranker import Reranker
from polyscene.recommenders.signal import Signal

FLOATS_PER_CANDIDATE = 4
"""Working memory of one score, in floats per signal."""
FOR_EVERYBODY = "popularity"
"""The signal that speaks to people of whom nothing is known."""
AS_FITTED = "polyscene, weights as fitted"
"""What the fusion would say if its weights stood still; judged beside it where they move."""
MOVING = "moving/"


class Fusion:
    """Scores one scenario's catalogue.

    Args:
        names: of the signals, in the network's order.
        signals: fitted, in that order; None where the scenario lacks one.
        features: measured on the choices that the network learned from.
        weights: of the network; may be shared between scenarios.
        scenario: the scenario's place in the network's one-hot code.
        hide_seen: whether what a user already had is left out.
        fallback: the signal that is used alone, where the network did not beat it on held-out choices.
        reranker: looks again at the best of the text ranker, where there is one.
        moving: moves the weights with the stream; None: they stand still.
        fallback_of_new: the one used alone for people without events here; None: what answers all others.
    """

    def __init__(
        self,
        names: Sequence[str],
        signals: Signals,
        features: Features,
        weights: FusionWeights,
        scenario: int,
        hide_seen: bool,
        fallback: str | None = None,
        reranker: Reranker | None = None,
        moving: MovingWeights | None = None,
        fallback_of_new: str | None = None,
    ) -> None:
        self.moving = moving
        self._served: tuple[FusionWeights, int, FusionWeights] | None = None
        self.names, self.signals, self.features = tuple(names), tuple(signals), features
        self.weights, self.scenario, self.hide_seen = weights, scenario, hide_seen
        self.fallback, self.fallback_of_new, self.reranker = fallback, fallback_of_new, reranker
        self._learners = Learners(features, signals)
        every: list[object] = list(signals)
        self._extending = [signal for signal in every if isinstance(signal, Extends)]
        self._forgetting = [signal for signal in every if isinstance(signal, Forgets)]

    @property
    def row_bytes(self) -> int:
        """Return the working memory that one request needs when the whole catalogue is judged."""
        n_items = len(self.features)
        ranked = min(n_items, max(SMALL_CATALOGUE, PER_SIGNAL * len(self.names)))
        network = VIEWS * FLOATS_PER_CANDIDATE * len(self.names) + 2 * self.weights.hidden
        return 4 * (n_items * FLOATS_PER_CANDIDATE * len(self.names) + ranked * network)

    @property
    def small(self) -> bool:
        """Whether every open item is a candidate."""
        return len(self.features) <= SMALL_CATALOGUE

    def fitted(self) -> dict[str, int]:
        """Return the places of the signals that there are, by name."""
        return {name: place for place, name in enumerate(self.names) if self.signals[place] is not None}

    def present(self) -> dict[str, Signal]:
        """Return the signals that there are, by name."""
        pairs = zip(self.names, self.signals, strict=True)
        return {name: signal for name, signal in pairs if signal is not None}

    def prepare(self, queries: Queries) -> Prepared:
        """Let every signal look at the requests, once."""
        return [None if signal is None else signal.prepare(queries) for signal in self.signals]

    def closed(self, queries: Queries) -> BoolArray:
        """Return (B, n) which items may not be shown."""
        return self.features.closed(queries, self.hide_seen)

    def open(self, queries: Queries) -> BoolArray:
        """Return (B, n) which items may be shown."""
        return ~self.closed(queries)

    def candidates(self, prepared: Prepared, closed: BoolArray) -> tuple[IntArray, LongArray]:
        """Return (B, C) candidates, rows filled up, and (B,) how many of each row count; see `padded`."""
        return padded([proposed(prepared, row, shut, self.small) for row, shut in enumerate(closed)])

    def reread(
        self, scores: FloatArray, queries: Queries, candidates: IntArray | LongArray | None = None
    ) -> FloatArray:
        """Return the (B, K, C) scaled scores after the reranker looked at the text ranker's best again."""
        if self.reranker is None or RERANKED not in self.names:
            return scores
        look = second_look(self.reranker, self.features, self.names.index(RERANKED))
        return look(scores, queries, candidates)

    def fused(
        self,
        scores: FloatArray,
        prepared: Prepared,
        queries: Queries,
        candidates: IntArray | LongArray | None,
        weights: FusionWeights | None = None,
    ) -> tuple[FloatArray, Block]:
        """Return (B, C) fused scores of (B, K, C) signals' scores, and the block that they came from.

        Args:
            weights: of the network; None: those that answer.
        """
        peaks = self.features.peaks(prepared, len(queries))
        block = self.features.block_of(scores, peaks, queries, candidates)
        return self.combined(block, weights), block

    def combined(self, block: Block, weights: FusionWeights | None = None) -> FloatArray:
        """Return (B, C) scores of a block: the network's, or the fallback's."""
        popularity = self.fitted().get(FOR_EVERYBODY)
        if self.fallback is None:
            scores = (self.served if weights is None else weights).logits(block, self.scenario)
        else:
            scores = alone(block, self.names.index(self.fallback), popularity)
        if self.fallback_of_new is not None:
            scores = with_new_people(scores, block, self.names.index(self.fallback_of_new), popularity)
        if self.fallback is None and (quiet := self.silent(block)).any():
            scores[quiet] = for_everybody(block, popularity)[quiet]
        return scores

    @property
    def served(self) -> FusionWeights:
        """Return the weights that answer: the fitted ones, moved as far as evidence carries it."""
        moving, weights = self.moving, self.weights
        if moving is None or moving.share == 0.0:
            return weights
        if self._served is None or self._served[0] is not weights or self._served[1] != moving.learned:
            self._served = weights, moving.learned, weights.shifted(moving.share * moving.mean)
        return self._served[2]

    def silent(self, block: Block) -> BoolArray:
        """Return (B,) whether no signal that counts says anything to a request: it gets what suits all."""
        return silent(block, self._used())

    def quiet(self, peaks: FloatArray) -> BoolArray:
        """Return (B,) whether (B, K) peaks are nothing for all signals that count, or for one used alone."""
        nothing = peaks <= MIN_PEAK
        quiet: BoolArray = np.all(nothing[:, self._used()], axis=1) | np.any(
            nothing[:, self._alone()], axis=1
        )
        return quiet

    def used_alone(self, new: bool) -> str | None:
        """Return the signal that is used alone for people without events here, or with; None: none is."""
        return self.fallback_of_new or self.fallback if new else self.fallback

    def _alone(self) -> list[int]:
        """Return the places of what is used alone for people with events here, and for those without."""
        names = (self.fallback, self.fallback_of_new or self.fallback)
        return [self.names.index(name) for name in names if name is not None]

    def _used(self) -> list[int]:
        """Return the places of the signals that count."""
        return list(self.fitted().values()) if self.fallback is None else self._alone()

    def score(self, queries: Queries) -> FloatArray:
        """Return (B, n) scores over the whole catalogue."""
        return self.score_all(queries)["polyscene"]

    def score_all(self, queries: Queries) -> dict[str, FloatArray]:
        """Return (B, n) scores of every signal, and of the fusion under the name `polyscene`.

        Where its weights move, also of the fusion as it was fitted, under the name `AS_FITTED`.
        """
        prepared = self.prepare(queries)
        whole = self.reread(self.features.scaled(prepared, len(queries)), queries, None)
        scores = {name: whole[:, place] for name, place in self.fitted().items()}
        if self.moving is not None:
            scores[AS_FITTED] = self.ranked(whole, prepared, queries, self.weights)
        return scores | {"polyscene": self.ranked(whole, prepared, queries)}

    def ranked(
        self,
        whole: FloatArray,
        prepared: Prepared,
        queries: Queries,
        weights: FusionWeights | None = None,
    ) -> FloatArray:
        """Return (B, n) scores: the network ranks the candidates, what no signal puts forward follows behind.

        Args:
            whole: (B, K, n) the signals' scaled scores of the whole catalogue.
            prepared: what the signals say; None where one is absent.
            weights: of the network; None: those that answer.
        """
        weights = self.served if weights is None else weights
        if self.small or self.fallback is not None:
            return self.fused(whole, prepared, queries, None, weights)[0]
        candidates, lengths = self.candidates(prepared, self.closed(queries))
        short = np.take_along_axis(whole, candidates[:, None].astype(np.int64), axis=2)
        logits, _ = self.fused(short, prepared, queries, candidates, weights)
        scores: FloatArray = np.matmul(np.maximum(weights.signal_weights(), 0.0), whole)
        for row, length in enumerate(lengths.tolist()):
            if length:
                scores[row] += logits[row, :length].min() - scores[row].max() - 1.0
                scores[row, candidates[row, :length]] = logits[row, :length]
            else:  # nobody puts anything forward: what suits everybody
                scores[row] = np.log1p(self.features.counts)
        return scores

    def shares(self, block: Block, places: LongArray, usual: FloatArray) -> FloatArray:
        """Return (P, K): how much a candidate's score falls when a signal's score of it is taken away.

        Taken away means set to what is usual, which leaves what the signal says of all of them.

        Args:
            block: of one request.
            places: (P,) of the candidates in it.
            usual: (K,) mean scaled scores.
        """
        signals = block.signals[0][:, places]  # (K, P)
        n_signals = len(signals)
        without = np.repeat(signals[None], n_signals + 1, axis=0)  # (K + 1, K, P), the last one untouched
        each = np.arange(n_signals)
        without[each, each] = usual[:, None]
        shape = (n_signals + 1, len(places))
        item, pair = block.item[0][places], block.pair[0][places]
        scores = self.combined(
            replace(
                block,
                signals=without,
                peaks=np.broadcast_to(block.peaks[0], (n_signals + 1, n_signals)),
                user=np.broadcast_to(block.user[0], (n_signals + 1, block.user.shape[1])),
                item=np.broadcast_to(item, (*shape, item.shape[1])),
                pair=np.broadcast_to(pair, (*shape, pair.shape[1])),
            )
        )  # (K + 1, P)
        shares: FloatArray = (scores[-1] - scores[:-1]).T
        return shares

    def signal_weights(self) -> Mapping[str, float]:
        """Return the mean additive weight of every signal, for reports."""
        return dict(zip(self.names, self.weights.signal_weights().tolist(), strict=True))

    def observe(self, event: Observation) -> None:
        """Let features and every signal that learns from single events take one in.

        Weights that move learn from it first, by what was known before.
        """
        moving = self.moving
        if moving is not None and self.fallback is None and teaches(event) and moving.due(event.user):
            self._move(moving, event)
        self._learners.observe(event)

    def _move(self, moving: MovingWeights, event: Observation) -> None:
        """Learn a choice against the items that would have been put forward to its user."""
        queries = query_before(event)
        prepared, closed = self.prepare(queries), self.closed(queries)
        if closed[0, event.item]:  # nobody was shown it
            return
        others = proposed(prepared, 0, closed[0], self.small)
        rows: LongArray = np.concatenate([[event.item], others[others != event.item]])[None]
        scores = self.reread(self.features.scaled(prepared, 1, rows), queries, rows)
        block = self.features.block_of(scores, self.features.peaks(prepared, 1), queries, rows)
        logits = self.weights.logits(block, self.scenario)[0]
        time = event.time if self.features.moments else None
        moving.learn(views(block)[0], logits, 0, event.user, time)

    def state(self) -> Arrays:
        """Return what `features_of` and `moving_of` need."""
        return self.features.state() | self._moving_state()

    def changes(self) -> Arrays:
        """Return what `resume` needs to be the same to the last digit; signals give theirs themselves."""
        return self.features.changes() | self._moving_state()

    def resume(self, changes: Arrays) -> None:
        """Take in `changes`."""
        self.moving = moving_of(changes)
        self.features.resume({name: one for name, one in changes.items() if not name.startswith(MOVING)})

    def refit(self, weights: FusionWeights) -> None:
        """Take other weights as the fitted ones; the layer, learned beside others, begins at 0."""
        self.weights = weights
        if self.moving is not None:
            self.moving = MovingWeights(len(self.moving.mean), self.moving.every)

    def _moving_state(self) -> Arrays:
        state = {} if self.moving is None else self.moving.state()
        return {MOVING + name: array for name, array in state.items()}

    def notice(self, event: Observation) -> None:
        """Let every signal that learns from events which count for nothing take one in."""
        self._learners.notice(event)

    def forget(self, user: int) -> None:
        """Let every signal that keeps something about each user forget one."""
        for signal in self._forgetting:
            signal.forget(user)

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Let features and every signal that keeps something per item take in new and changed items."""
        self.features.extend(rows, since)
        for signal in self._extending:
            signal.extend(rows, since)


def moving_of(state: Arrays) -> MovingWeights | None:
    """Return the weights that move out of `Fusion.state` or `Fusion.changes`; None: they stand still."""
    own = {name.removeprefix(MOVING): one for name, one in state.items() if name.startswith(MOVING)}
    return MovingWeights.restore(own) if own else None
