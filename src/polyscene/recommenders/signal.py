"""The shape every signal has: fit on evidence, score requests, give its state away and take it back.

A signal knows one scenario. It scores the whole catalogue in blocks, or a list of candidates per request;
both give the same numbers. It knows neither the fusion nor how it is judged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel
from scipy import sparse

from polyscene.core.arrays import Arrays
from polyscene.core.settings.block import Strict
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import LATEST, Queries
from polyscene.data.schema import UNKNOWN_TIME, Clock, EventLog
from polyscene.representation.history_decay import history_decay
from polyscene.representation.items import centred


@dataclass(frozen=True)
class OtherScenario:
    """What another scenario offers as evidence: its log and its items' language-model vectors."""

    events: EventLog
    vectors: FloatArray


@dataclass(frozen=True)
class Evidence:
    """What a signal may learn from, in one scenario.

    Attributes:
        events: the log to learn from, ordered by time.
        n_users, n_items: sizes of the numberings; items without events are part of the catalogue.
        vectors: (n_items, d) unit language-model vectors; a zero row has no text.
        since: (n_items,) when each item became available; UNKNOWN_TIME where the catalogue does not say.
        clock: whether times are moments or positions.
        elsewhere: the other scenarios by name.
        seed: of the run.
        common: (n_items, d) vectors in the space that all scenarios share; None: `vectors` are.
        prior: (n_items, d) vectors of the language model as it came; None: it has learned nothing since.
    """

    events: EventLog
    n_users: int
    n_items: int
    vectors: FloatArray
    since: LongArray
    clock: Clock
    elsewhere: Mapping[str, OtherScenario] = field(default_factory=dict)
    seed: int = 0
    common: FloatArray | None = None
    prior: FloatArray | None = None

    @property
    def born(self) -> LongArray:
        """Return (n_items,) when each item appeared: as it says, else its first event here, else unknown."""
        first = np.full(self.n_items, LATEST)
        np.minimum.at(first, self.events.item, self.events.time)
        unsaid = np.where(first == LATEST, UNKNOWN_TIME, first)
        appeared: LongArray = np.where(self.since == UNKNOWN_TIME, unsaid, self.since)
        return appeared

    @cached_property
    def decay(self) -> float:
        """Return what an event still counts in a person's profile after each later one.

        It is measured with the language model as it came, so that what it learned by heart does not count.
        """
        plain = centred(self.vectors if self.prior is None else self.prior)
        return history_decay(self.positive, self.n_users, self.clock, plain, self.seed)

    @property
    def positive(self) -> EventLog:
        """Return the events that count."""
        return self.events.take(self.events.weight > 0)


class Signal(ABC):
    """One source of scores for (user, item)."""

    name: ClassVar[str]
    needs_language: ClassVar[bool] = False
    settings: ClassVar[type[BaseModel]] = Strict
    """What `[signals.NAME]` may say of it; nothing, unless a signal declares its own."""

    @abstractmethod
    def fit(self, evidence: Evidence) -> Self:
        """Learn from the evidence and return self."""

    @abstractmethod
    def score(self, queries: Queries) -> FloatArray:
        """Return (B, n_items) scores over the whole catalogue; larger is better, always finite."""

    def score_candidates(self, queries: Queries, candidates: IntArray) -> FloatArray:
        """Return (B, C) scores of the named items, equal to those columns of `score`."""
        return np.take_along_axis(self.score(queries), candidates.astype(np.int64), axis=1)

    def support(self, history: IntArray, item: int) -> FloatArray:
        """Return (h,) how much each past item, oldest first, speaks for `item`; zero where none does."""
        return np.zeros(len(history), np.float32)

    @abstractmethod
    def state(self) -> Arrays:
        """Return everything that `restore` needs, as named arrays."""

    @classmethod
    @abstractmethod
    def restore(cls, state: Arrays) -> Self:
        """Build the fitted signal from its state."""


def interactions(events: EventLog, n_users: int, n_items: int) -> sparse.csr_array:
    """Return the (n_users, n_items) matrix of summed weights."""
    shape = (n_users, n_items)
    matrix = sparse.coo_array((events.weight, (events.user, events.item)), shape=shape, dtype=np.float32)
    return matrix.tocsr()


def top_per_row(matrix: sparse.csr_array, most: int) -> sparse.csr_array:
    """Keep the `most` largest entries of each row; of equal ones the first."""
    lengths = np.diff(matrix.indptr)
    if not len(lengths) or lengths.max() <= most:
        return matrix
    kept = np.ones(matrix.nnz, np.bool_)
    for row in np.flatnonzero(lengths > most):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        values = matrix.data[part]
        least = np.partition(values, -most)[-most]
        chosen = values > least
        level = np.flatnonzero(values == least)
        chosen[level[: most - np.count_nonzero(chosen)]] = True
        kept[part] = chosen
    indptr = np.concatenate([[0], np.cumsum(np.minimum(lengths, most))])
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)
