"""Gaussian beliefs about every user and item, that move with each event and know how sure they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from polyscene.core.addresses import Addresses
from polyscene.core.arrays import Arrays
from polyscene.core.clock import DAY
from polyscene.core.compiled import kernels
from polyscene.core.growing import GrowingArray
from polyscene.core.seeds import derived
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.data.schema import EventLog
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.posterior.events import (
    CHOSEN,
    Reader,
    Readings,
    powers,
    repeat_shares,
)
from polyscene.recommenders.posterior.prior import prior_means, projection
from polyscene.recommenders.posterior.settings import PosteriorSettings
from polyscene.recommenders.posterior.tables import (
    NEVER,
    STREAM_TYPES,
    Beliefs,
    GrowingBeliefs,
    Lessons,
    Rates,
    Stream,
    beliefs_named,
    columns,
    loosened,
    named,
    stream_named,
)
from polyscene.recommenders.posterior.uncertainty import Spread, deviations, drawn
from polyscene.recommenders.scores import DenseScores, Scores
from polyscene.recommenders.signal import Evidence, Signal
from polyscene.representation.item_space import ItemSpace
from polyscene.responsible.explanation import Sentences

PASSES = "polyscene.recommenders.posterior.passes"
EVENTS_PER_DAY = 1000
"""Where times are only an order, so many events stand for a day when bursts are counted."""
MEASURED_EVENTS = 100_000
"""Half-lives are compared on the latest events, at most so many."""
JUDGED_SHARE, MAX_JUDGED = 0.1, 2000
"""The share of these on which each half-life is judged, each event before it is learned; at most so many."""


class Posterior(Signal):
    """`score(u, i) = x_uᵀ w_i + b_i`: means of Gaussian beliefs with independent numbers.

    An item's vector begins as what the language model says of it, and its attributes and media where they
    count: a shrunk and whitened projection of length 1. Events move it from there; a user's begins at 0.
    Every choice is compared with recent items: one step of assumed-density filtering on the user, both items
    and both biases. Biases fade with the half-life under which the latest events are ranked best.

    No event moves an item further than `event_limit`; no user's choices of one item together further than
    `(1 + repeats) * event_limit`; nothing that happens within a span of `burst_days` moves its bias or its
    vector further than `burst_limit` from where they stood when the span began.

    Live: equal to a fit on all events in the order in which they came, with the half-life and the projection
    of the last fit. New items begin where their texts put them; an edit moves an item by what that moved.

    Source: D. Stern, R. Herbrich, T. Graepel, Matchbox, WWW 2009, with the vectors of a language model as
    prior means, and comparisons in place of ratings; see `gains` and `kernels`.
    """

    name: ClassVar[str] = "posterior"
    sentences: ClassVar[Sentences] = Sentences("What you and others chose of late speaks for it.")
    Settings = PosteriorSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self._reader = Reader(self.settings)
        self._negatives, self._repeats = self.settings.negatives, self.settings.repeats
        self._stream_places: Addresses | None = None
        self._rates: tuple[tuple[float, bool], Rates, NDArray[np.float64]] | None = None
        self._begin(ItemSpace.empty(0), np.zeros((0, self.settings.size), np.float32), True, 0)
        self.half_life = self.settings.half_lives[0]

    def _begin(self, space: ItemSpace, mapped: FloatArray, moments: bool, seed: int) -> None:
        """Believe what is believed before any event."""
        self.space, self.projection, self.moments = space, mapped, moments
        vectors = space.view("described").vectors
        priors = prior_means(vectors, np.arange(len(vectors)), mapped)
        self._prior_rows: GrowingArray[np.float32] = GrowingArray(priors)
        self._items = GrowingBeliefs(self.item_prior(priors))
        self._users = GrowingBeliefs(self._of_users(0))
        self._row_numbers: GrowingArray[np.int32] = GrowingArray(np.zeros(0, np.int32))
        self.stream = Stream.empty(self.settings.stream, len(priors), seed)
        self.latest = NEVER

    def item_prior(self, priors: FloatArray) -> Beliefs:
        """Return what is believed of items before any event: (n, size) where their texts put them."""
        return Beliefs.prior(priors, self.settings.item_variance, self.settings.bias_variance)

    def _of_users(self, count: int) -> Beliefs:
        means = np.zeros((count, self.settings.size), np.float32)
        return Beliefs.prior(means, self.settings.user_variance, self.settings.bias_variance)

    @property
    def priors(self) -> FloatArray:
        """Return (n_items, size) where the items' texts put them."""
        return self._prior_rows.array

    @property
    def rows(self) -> IntArray:
        """Return (m,) by user code the row of what is believed of them; -1: nothing is."""
        return self._row_numbers.array

    @property
    def rates(self) -> Rates:
        """Return how beliefs loosen and how far they may move."""
        key = self.half_life, self.moments
        if self._rates is None or self._rates[0] != key:
            rates = self.settings.rates(*key)
            self._rates = key, rates, np.array(rates, np.float64)
        return self._rates[1]

    @property
    def _bounds(self) -> NDArray[np.float64]:
        """Return the rates as a compiled step for one event takes them."""
        rates = self._rates
        if rates is not None and rates[0] == (self.half_life, self.moments):
            return rates[2]
        return np.array(self.rates, np.float64)

    def fit(self, evidence: Evidence) -> Self:
        """Measure the half-life of a bias, then learn every event in its order."""
        vectors, seed = evidence.space.view("described").vectors, derived(evidence.seed, self.name)
        mapped = projection(vectors, np.unique(evidence.positive.item), self.settings.size)
        self._reader = Reader.of(self.settings, evidence.events)
        readings = self._reader.read(evidence.events)
        self.half_life = self.settings.half_lives[0]
        self._begin(evidence.space, mapped, evidence.clock == "time", seed)
        if len(readings.rows):
            self.half_life = self._best_half_life(evidence, mapped)
            self._begin(evidence.space, mapped, evidence.clock == "time", seed)
            self._learn(evidence.events.take(readings.rows), readings)
        return self

    def _learn(self, events: EventLog, readings: Readings, start: int | None = None) -> float:
        """Learn events, and return the NDCG@10 of those from `start` on, each before it was learned."""
        times = self._moments_of(events.time, events.weight > 0)
        lessons = Lessons(
            self._rows_of(events.user),
            events.item,
            times,
            readings.kinds,
            readings.values,
            powers(events.weight),
            repeat_shares(events.user, events.item, events.weight > 0, self.settings.repeats),
        )
        self.latest = max(self.latest, int(times.max()))
        return self._step(lessons, len(times) if start is None else start)

    def _step(self, lessons: Lessons, start: int) -> float:
        users, items = self._users.writable(), self._items.writable()
        learn = kernels(PASSES).learn
        return float(learn(users, items, self.stream, lessons, self.settings.negatives, self.rates, start))

    def _best_half_life(self, evidence: Evidence, mapped: FloatArray) -> float:
        """Return the half-life under which the latest choices are ranked best, each before it is learned."""
        choices = evidence.positive
        if len(self.settings.half_lives) == 1 or not self.moments or not len(choices):
            return float(self.settings.half_lives[0])
        choices = choices.take(np.arange(max(len(choices) - MEASURED_EVENTS, 0), len(choices)))
        readings = Readings(
            np.arange(len(choices)), np.full(len(choices), CHOSEN), np.zeros(len(choices), np.float32)
        )
        gains, count = [], len(choices)
        start = max(int(count * (1 - JUDGED_SHARE)), count - MAX_JUDGED)
        for half_life in self.settings.half_lives:
            self._begin(evidence.space, mapped, True, derived(evidence.seed, self.name))
            self.half_life = half_life
            gains.append(self._learn(choices, readings, start))
        return float(self.settings.half_lives[int(np.argmax(gains))])

    def _moments_of(self, times: LongArray, choices: BoolArray) -> LongArray:
        """Return when events happened; where times are an order, by how many choices came before."""
        if self.moments:
            return times
        before: LongArray = self.stream.counts[0] + np.cumsum(choices) - choices
        return before * (DAY // EVENTS_PER_DAY)

    def _rows_of(self, users: IntArray) -> IntArray:
        """Return (m,) rows of users, who get one where they have none."""
        codes, first, place = np.unique(users, return_index=True, return_inverse=True)
        self._row_numbers.extend(np.full(max(int(codes[-1]) + 1 - len(self.rows), 0), -1, np.int32))
        rows = self._row_numbers.writable()
        strangers = codes[np.argsort(first, kind="stable")]
        strangers = strangers[rows[strangers] < 0]
        rows[strangers] = np.arange(len(self._users), len(self._users) + len(strangers), dtype=np.int32)
        self._users.extend(self._of_users(len(strangers)))
        known: IntArray = rows[codes][place]
        return known

    def _row_of(self, user: int) -> int:
        rows = self._row_numbers.array
        if user < len(rows):
            row: int = rows.item(user)
            if row >= 0:
                return row
        return int(self._rows_of(np.array([user], np.int32))[0])

    def observe(self, event: Observation) -> None:
        """Learn one event that counts."""
        weight = event.weight
        self._observe(event, weight if weight < 1.0 else 1.0, self._repeats)

    def notice(self, event: Observation) -> None:
        """Learn from an event that counts for nothing, where its action is named in the settings."""
        self._observe(event, 1.0, 0.0)

    def _observe(self, event: Observation, weight: float, repeats: float) -> None:
        kind, value = self._reader.kind(event.action, event.weight, event.value)
        if not kind:
            return
        now = event.time if self.moments else int(self.stream.counts[0]) * (DAY // EVENTS_PER_DAY)
        what = self._row_of(event.user), event.item, now, kind, value, weight, self._negatives
        tables = self._users.addresses, self._items.addresses, self._stream_addresses, self._bounds
        kernels(PASSES).learn_one(*tables, event.past, event.later, repeats, *what)
        self.latest = max(self.latest, now)

    @property
    def _stream_addresses(self) -> LongArray:
        if self._stream_places is None or not self._stream_places.tells(self.stream):
            self._stream_places = Addresses(self.stream, STREAM_TYPES)
        return self._stream_places.table

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Let new items begin with their text, and move known ones by what their text moved."""
        priors = prior_means(self.space.view("described").vectors, rows, self.projection)
        known = rows < len(self.priors)
        self._items.writable().means[rows[known]] += priors[known] - self.priors[rows[known]]
        self._prior_rows.put(rows[known], priors[known])
        self._prior_rows.extend(priors[~known])
        self._items.extend(self.item_prior(priors[~known]))
        self.stream = self.stream.grown(len(self.priors))

    def item_rows(self, rows: LongArray) -> Beliefs:
        """Return a copy of what was believed of the named items when each was last moved."""
        return self._items.now.take(rows)

    def put_item(self, row: int, beliefs: Beliefs) -> None:
        """Believe something else of one item; the beliefs are one row."""
        self._items.put(np.array([row], np.int64), beliefs)

    def forget(self, user: int) -> None:
        """Believe of a user what is believed of a stranger; what they taught of items stays learned."""
        if user < len(self.rows) and self.rows[user] >= 0:
            self._users.put(self.rows[[user]].astype(np.int64), self._of_users(1))

    def users_of(self, queries: Queries) -> Beliefs:
        """Return what is believed of (B,) users; of strangers what is believed of anybody."""
        return self.users_at(queries.user, self.latest)

    def users_at(self, users: IntArray | LongArray, moment: int) -> Beliefs:
        """Return what is believed of (B,) user codes, followed to a moment."""
        known = (users >= 0) & (users < len(self.rows))
        rows = np.full(len(users), -1)
        rows[known] = self.rows[users[known]]
        beliefs = self._of_users(len(users))
        for column, values in zip(columns(beliefs), columns(self._users.now), strict=True):
            column[rows >= 0] = values[rows[rows >= 0]]
        return loosened(beliefs, moment, self.rates.user_drift, self.rates.user_prior, self.rates)

    def items_now(self, rows: LongArray | None = None) -> Beliefs:
        """Return what is believed of the named items at the moment of the latest event; None: of all."""
        beliefs = self._items.now if rows is None else self._items.now.take(rows)
        return loosened(beliefs, self.latest, self.rates.item_drift, self.rates.item_prior, self.rates)

    def items_at(self, priors: FloatArray, moment: int) -> Beliefs:
        """Return what is believed of the items, and of those of `priors` beyond them, at a moment."""
        more = self.item_prior(priors[len(self.priors) :])
        pairs = zip(columns(self._items.now), columns(more), strict=True)
        beliefs = Beliefs._make(np.concatenate(pair) for pair in pairs)
        return loosened(beliefs, moment, self.rates.item_drift, self.rates.item_prior, self.rates)

    def biases(self) -> FloatArray:
        """Return (n_items,) expected biases at the moment of the latest event."""
        items = self._items.now
        elapsed = np.where(items.moments == NEVER, 0, self.latest - items.moments)
        biases: FloatArray = (items.bias * np.exp2(self.rates.fade * elapsed)).astype(np.float32)
        return biases

    def prepare(self, queries: Queries) -> Scores:
        """Return expected scores of every item."""
        users, items = self.users_of(queries), self._items.now
        return DenseScores(users.means @ items.means.T + self.biases())

    def deviation(self, queries: Queries, candidates: IntArray | LongArray | None = None) -> FloatArray:
        """Return (B, C) standard deviations of scores; None: (B, n_items), of the whole catalogue."""
        return deviations(self._spread(queries, candidates))

    def draw(
        self, queries: Queries, candidates: IntArray | LongArray | None, chance: np.random.Generator
    ) -> FloatArray:
        """Return (B, C) scores drawn from what is believed, those of a request from one and the same user."""
        return drawn(self._spread(queries, candidates), chance)

    def _spread(self, queries: Queries, candidates: IntArray | LongArray | None) -> Spread:
        if candidates is None:
            return Spread(self.users_of(queries), self.items_now(), None)
        rows, place = np.unique(candidates.astype(np.int64), return_inverse=True)
        return Spread(self.users_of(queries), self.items_now(rows), place.reshape(candidates.shape))

    def moved(self) -> FloatArray:
        """Return (n_items,) how far events have moved each item from where its text put it."""
        items = self._items.now
        vectors = ((items.means - self.priors) ** 2).sum(axis=1)
        distances: FloatArray = np.sqrt(vectors + self.biases() ** 2)
        return distances

    def state(self) -> Arrays:
        """Return all beliefs, the stream, and what makes priors of texts."""
        return {
            **named("items", self._items.now),
            **named("users", self._users.now),
            **named("stream", self.stream),
            **self._reader.state(),
            "priors": self.priors,
            "projection": self.projection,
            "rows": self.rows,
            "half_life": np.array(self.half_life),
            "clock": np.array([self.moments, self.latest], np.int64),
        }

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take everything back."""
        self.space, self.projection = space, state["projection"]
        self._reader = Reader.restore(self.settings, state)
        self._prior_rows, self._row_numbers = GrowingArray(state["priors"]), GrowingArray(state["rows"])
        self._items = GrowingBeliefs(beliefs_named("items", state))
        self._users = GrowingBeliefs(beliefs_named("users", state))
        self.stream = stream_named("stream", state)
        self.half_life = float(state["half_life"])
        self.moments, self.latest = bool(state["clock"][0]), int(state["clock"][1])
        return self
