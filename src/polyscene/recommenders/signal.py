"""The shape every signal has: fit on evidence, score requests, give its state away and take it back.

A signal knows one scenario, the vectors of its items, and what happens there. It scores the whole catalogue,
or a list of candidates per request; both give the same numbers. It knows neither the fusion nor how it is
judged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel
from scipy import sparse

from polyscene.core.arrays import Arrays
from polyscene.core.contracts import Trainer
from polyscene.core.settings.block import Strict
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.links import KnowledgeGraph, SocialLinks
from polyscene.data.queries import LATEST, Queries
from polyscene.data.schema import UNKNOWN_TIME, Clock, EventLog
from polyscene.recommenders.abilities import Extends, Updates
from polyscene.recommenders.scores import DenseScores, Scores
from polyscene.representation.history_decay import history_decay
from polyscene.representation.item_space import ItemSpace
from polyscene.responsible.explanation import Sentences

if TYPE_CHECKING:  # which the signal `multitask` alone needs
    from polyscene.recommenders.multitask.inference import MultitaskWeights

MIN_SEQUENCES = 2000
"""With fewer choices that follow another, order is not learned by gradients."""
ENTRIES_AT_ONCE = 2**19
"""About so many entries of a sparse matrix are looked at together."""


class Need(StrEnum):
    """What a signal cannot do without."""

    TEXT = "text"
    MOMENTS = "moments"
    OTHER_SCENARIOS = "other scenarios"
    PRIOR = "prior"
    SEQUENCES = "enough choices that follow another"
    LINKS = "links between people"
    KNOWLEDGE = "a knowledge graph"
    PARTS = "attributes or vectors of items by which held-out choices are surely better explained"


class SignalSettings(Strict):
    """Hyperparameters of a signal: what `[signals.NAME]` may say. Kept with what was fitted."""


@dataclass(frozen=True)
class OtherScenario:
    """What another scenario offers as evidence: its log and its items' vectors.

    Attributes:
        comparable: whether its clock can be compared with the own one.
    """

    events: EventLog
    space: ItemSpace
    comparable: bool = False


@dataclass(frozen=True)
class Evidence:
    """What a signal may learn from, in one scenario.

    Attributes:
        events: the log to learn from, ordered by time.
        n_users, n_items: sizes of the numberings; items without events are part of the catalogue.
        space: the items' vectors.
        since: (n_items,) when each item became available; UNKNOWN_TIME where the catalogue does not say.
        clock: whether times are moments or positions.
        elsewhere: the other scenarios by name.
        seed: of the run.
        trainer: for signals that learn by gradients; None: these have nothing to say.
        decay_of: tells how fast taste fades in the place of this; None: this does.
        tuned_decay: the same by tuned vectors, where held-out choices told it.
        joint: returns what one network learned of all scenarios together, as this one sees it; None: nothing
            did, or nothing can be learned here.
        links: between people; None: no table names any.
        knowledge: what is told of the items' entities; None: nothing is.
    """

    events: EventLog
    n_users: int
    n_items: int
    space: ItemSpace
    since: LongArray
    clock: Clock
    elsewhere: Mapping[str, OtherScenario] = field(default_factory=dict)
    seed: int = 0
    trainer: Trainer | None = None
    decay_of: Evidence | None = None
    tuned_decay: float | None = None
    joint: Callable[[], MultitaskWeights | None] | None = None
    links: SocialLinks | None = None
    knowledge: KnowledgeGraph | None = None

    @property
    def born(self) -> LongArray:
        """Return (n_items,) when each item appeared: as it says, else its first event here, else unknown."""
        first = np.full(self.n_items, LATEST)
        np.minimum.at(first, self.events.item, self.events.time)
        of_events = np.where(first == LATEST, UNKNOWN_TIME, first)
        appeared: LongArray = np.where(self.since == UNKNOWN_TIME, of_events, self.since)
        return appeared

    @cached_property
    def decay(self) -> float:
        """Return what an event still counts in a person's profile after each later one.

        It is measured with the language model as it came, so that what it learned by heart does not count.
        """
        if self.decay_of is not None:
            return self.decay_of.decay
        vectors = self.space.view("prior").vectors
        return history_decay(self.positive, self.n_users, self.clock, vectors, self.seed)

    @property
    def positive(self) -> EventLog:
        """Return the events that count."""
        return self.events.take(self.events.weight > 0)

    @property
    def _follows(self) -> int:
        """Return how many events that count come after another of the same user."""
        users = self.events.user[self.events.weight > 0]
        return len(users) - len(np.unique(users))

    def meets(self, needs: frozenset[Need]) -> bool:
        """Return whether everything is there that a signal cannot do without."""
        there = {
            Need.TEXT: self.space.has_text,
            Need.MOMENTS: self.clock == "time",
            Need.OTHER_SCENARIOS: bool(self.elsewhere),
            Need.PRIOR: "prior" in self.space.views,
            Need.SEQUENCES: self._follows >= MIN_SEQUENCES,
            Need.LINKS: bool(self.links),
            Need.KNOWLEDGE: bool(self.knowledge),
            Need.PARTS: "described" in self.space.views,
        }
        return all(there[need] for need in needs)


class Signal(ABC):
    """One source of scores for (user, item).

    Attributes:
        name: as settings call it.
        needs: what it cannot do without.
        sentences: its reasons, as told to a person.
        tells_facts: whether `fact` has the reason, or nothing.

    Args:
        settings: hyperparameters, of the class that `Settings` names.
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[Need]] = frozenset()
    sentences: ClassVar[Sentences]
    tells_facts: ClassVar[bool] = False
    Settings: ClassVar[type[SignalSettings]] = SignalSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        self.settings: Any = self.Settings() if settings is None else settings

    @abstractmethod
    def fit(self, evidence: Evidence) -> Self:
        """Learn from the evidence and return self."""

    def prepare(self, queries: Queries) -> Scores:
        """Return what it says of B requests, ready to be asked of any items.

        By default everything is scored at once, by `score_all`; a signal that can be asked of a few items for
        less does better here.
        """
        return DenseScores(self.score_all(queries))

    def score_all(self, queries: Queries) -> FloatArray:
        """Return (B, n_items) scores over the whole catalogue; larger is better, always finite."""
        return self.prepare(queries).whole()

    def score(self, queries: Queries, candidates: IntArray | None = None) -> FloatArray:
        """Return (B, C) scores of the named items; None: (B, n_items), of the whole catalogue."""
        scores = self.prepare(queries)
        return scores.whole() if candidates is None else scores.at(candidates)

    def propose(self, queries: Queries, most: int, closed: BoolArray) -> list[IntArray | LongArray]:
        """Return each request's best open items; see `Scores.best`. `closed` is (B, n_items)."""
        scores = self.prepare(queries)
        return [scores.best(row, most, closed[row]) for row in range(len(queries))]

    def support(self, history: IntArray, items: IntArray | LongArray) -> FloatArray:
        """Return (m, h) how much each past item, oldest first, adds to the score of each of the items."""
        return np.zeros((len(items), len(history)), np.float32)

    def wording(self) -> Sentences:
        """Return the sentences that are true of the signal as it was fitted."""
        return self.sentences

    def fact(self, item: int) -> str | None:
        """Return a true sentence on an item that is the same for everybody; None: there is none to tell.

        A signal that knows no person says here why the item is special; where it says nothing of an item, the
        next signal gives the reason.
        """
        return None

    def personal(self, user: int, item: int) -> str | None:
        """Return a true sentence on an item that holds for one user alone; None: there is none to tell."""
        return None

    def shared(self, item: int, past: int) -> Sequence[str] | None:
        """Return what an item shares with a past one by what the signal knows, the most telling first.

        None: the signal knows nothing but vectors, and what the catalogue says of both is named.
        """
        return None

    @abstractmethod
    def state(self) -> Arrays:
        """Return what `restore` needs beside the settings and the items' vectors, as named arrays."""

    @abstractmethod
    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take back a state and return self.

        Args:
            state: from `state`.
            space: of the scenario's items.
            others: of the other scenarios' items, by name.
        """

    def changes(self) -> Arrays:
        """Return what `resume` needs to bring the signal from where it was fitted to where it is now.

        It is the same then to the last digit, so nothing is folded in. By default this is the whole state,
        and nothing where the signal takes in neither events nor items.
        """
        return self.state() if isinstance(self, Updates | Extends) else {}

    def resume(self, changes: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> None:
        """Take in `changes` after `fit` or `restore`.

        Args:
            changes: of the same signal, fitted or restored equally.
            space: of the scenario's items, those that came since among them.
            others: of the other scenarios' items, by name.
        """
        if changes:
            self.restore(changes, space, others)


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
    for rows in _of_like_length(np.flatnonzero(lengths > most), lengths):
        places = np.arange(lengths[rows[-1]])
        inside = places < lengths[rows][:, None]  # (m, longest)
        at = np.minimum(matrix.indptr[rows][:, None] + places, matrix.nnz - 1)
        values = np.where(inside, matrix.data[at], -np.inf)
        kept[at[inside]] = _largest(values, most)[inside]
    indptr = np.concatenate([[0], np.cumsum(np.minimum(lengths, most))])
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


def _of_like_length(rows: LongArray, lengths: IntArray) -> Iterator[LongArray]:
    """Yield the rows, the short ones first, in portions of about `ENTRIES_AT_ONCE`."""
    ordered = rows[np.argsort(lengths[rows], kind="stable")]
    start = 0
    while start < len(ordered):
        count = max(1, ENTRIES_AT_ONCE // int(lengths[ordered[start]]))
        yield ordered[start : start + count]
        start += count


def _largest(values: FloatArray, most: int) -> BoolArray:
    """Return (m, n) where the `most` largest of each row are; of equal ones the first."""
    place = values.shape[1] - most
    least = np.partition(values, place, axis=1)[:, place, None]
    above, level = values > least, values == least
    free = most - above.sum(axis=1, keepdims=True)
    largest: BoolArray = above | (level & (np.cumsum(level, axis=1, dtype=np.int32) <= free))
    return largest
