"""Text ranker: what people choose, predicted from words alone, by a student that scores vectors.

    score(u, i) = vᵢ · (w + λ · taste_u)

Unlike `content`, whose weights are fixed, it learns what all people like (w) and how much taste counts (λ)
from who chose what. A slower reader may look again at the student's best candidates. No text is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from polyscene.core.arrays import Arrays
from polyscene.core.seeds import generator
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Histories, Queries, Timeline
from polyscene.language.ranking.bayesian_logistic import BayesianLogistic
from polyscene.language.ranking.student import Profiles, Student, features
from polyscene.recommenders.scores import Scores, VectorScores
from polyscene.recommenders.signal import Evidence, Need, Signal, SignalSettings
from polyscene.representation.item_space import ItemSpace
from polyscene.representation.items import unit
from polyscene.representation.users import taste
from polyscene.responsible.explanation import Sentences

NEGATIVES = 4
SIMILARITY, SIMILARITY_DEVIATION = 4.0, 4.0
"""Prior of λ: one of cosine similarity is worth four in log-odds, give or take four."""
ITEM_DEVIATION = 1.0


class TextRankerSignalSettings(SignalSettings):
    """`[signals.text_ranker]`: see `TextRanker`."""

    decay: float = Field(0.8, gt=0, lt=1, description="what an event still counts after each later one")
    max_choices: int = Field(2000, ge=0, description="latest choices that it learns from")


class TextRanker(Signal):
    """Bayesian logistic regression on vectors: choices against items drawn from the catalogue.

    The prior alone, where nobody has chosen anything, is similarity to the person's history.

    Live: the weights are those of the last fit; history and vectors are the present ones.
    """

    name: ClassVar[str] = "text_ranker"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.TEXT})
    sentences: ClassVar[Sentences] = Sentences(
        "Its words make it likely, after what you chose.",
        "Its words make it likely, after {past}, which you chose.",
        "It has {trait} in common with {past}, which you chose.",
    )
    Settings = TextRankerSignalSettings

    def __init__(
        self,
        settings: BaseModel | None = None,
        space: ItemSpace | None = None,
        student: Student | None = None,
    ) -> None:
        super().__init__(settings)
        self.space = ItemSpace.empty(0) if space is None else space
        self.student = student or Student.of(_prior(self.vectors.shape[1]).mean)

    @property
    def vectors(self) -> FloatArray:
        """Return (n_items, d) centred unit vectors."""
        return self.space.view("tuned").vectors

    def fit(self, evidence: Evidence) -> Self:
        """Learn from each user's latest choice, at most `max_choices` of them, and four draws beside it."""
        self.space = evidence.space
        prior = _prior(self.vectors.shape[1])
        chosen, history = latest_choices(evidence, self.settings.max_choices)
        if len(chosen) and evidence.n_items > 1:
            drawn = beside(chosen, evidence.n_items, generator(evidence.seed, "text_ranker"))
            prior = prior.posterior(self._features(history, drawn), labels_of(drawn))
        self.student = Student.of(prior.mean)
        return self

    def users(self, history: Histories) -> FloatArray:
        """Return (B, d) unit profiles."""
        return unit(taste(history, self.vectors, self.settings.decay))

    def prepare(self, queries: Queries) -> Scores:
        """Score by the student: one vector per request, what all like plus how much taste counts."""
        student = self.student
        wanted = student.item + student.liked * self.users(queries.history).astype(np.float64)
        view = self.space.view("tuned")
        return VectorScores(wanted.astype(np.float32), view.vectors, view.index, student.bias)

    def log_odds(self, history: Histories, candidates: LongArray) -> NDArray[np.float64]:
        """Return (B, C) what the student says of (B, C) candidates."""
        log_odds = self._features(history, candidates) @ self.student.weights
        return np.asarray(log_odds.reshape(candidates.shape))

    def support(self, history: IntArray, items: IntArray | LongArray) -> FloatArray:
        """Return how much each past item's likeness adds to each item's score, decayed by age."""
        ages = np.arange(len(history))[::-1]
        cosines = self.vectors[items] @ self.vectors[history].T
        support: FloatArray = (self.student.liked * cosines * self.settings.decay**ages).astype(np.float32)
        return support

    def state(self) -> Arrays:
        """Return the weights; the vectors are the item space's."""
        return self.student.state()

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take weights and vectors back."""
        self.space, self.student = space, Student.restore(state)
        return self

    def _features(self, history: Histories, candidates: LongArray) -> NDArray[np.float64]:
        """Return (B · C, d + 4) one row per request and candidate."""
        profiles = _profiles(self.users(history)).repeat(candidates.shape[1])
        return features(profiles, self.vectors[candidates.ravel()].astype(np.float64))


def _prior(dimension: int) -> BayesianLogistic:
    """Return weights in the order of `features`; habits and dislikes are not known here."""
    mean = np.r_[0.0, 0.0, SIMILARITY, 0.0, np.zeros(dimension)]
    deviation = np.r_[2.0, 1e-3, SIMILARITY_DEVIATION, 1e-3, np.full(dimension, ITEM_DEVIATION)]
    return BayesianLogistic.prior(mean, deviation)


def latest_choices(evidence: Evidence, most: int) -> tuple[IntArray, Histories]:
    """Return what users chose last, and after what; the latest `most` of those who had a past by then."""
    log = evidence.positive
    last = {user: row for row, user in enumerate(log.user.tolist())}
    rows: LongArray = np.array(sorted(last.values()), np.int64)
    history = Timeline(log, evidence.n_users).before(log.user[rows], log.time[rows])
    kept = np.flatnonzero(history.lengths > 0)
    kept = kept[max(len(kept) - most, 0) :]
    return log.item[rows[kept]], history.pick(kept)


def beside(chosen: IntArray, n_items: int, draws: np.random.Generator) -> LongArray:
    """Return (n, 1 + NEGATIVES) each choice, and others drawn from a catalogue of more than one item."""
    steps = draws.integers(1, n_items, (len(chosen), NEGATIVES))  # never 0: never the choice
    return np.column_stack([chosen, (chosen[:, None] + steps) % n_items]).astype(np.int64)


def labels_of(drawn: LongArray) -> NDArray[np.float64]:
    """Return (n · C,) 1 for the first of each row, which was chosen, 0 for those beside it."""
    return np.tile(np.r_[1.0, np.zeros(drawn.shape[1] - 1)], len(drawn))


def _profiles(liked: FloatArray) -> Profiles:
    rows = liked.astype(np.float64)
    return Profiles(np.zeros(len(rows)), rows, np.zeros_like(rows))
