"""Text ranker: what people choose, foretold from words alone, by a student that scores vectors.

    score(u, i) = vᵢ · (w + λ · taste_u)

Unlike `content`, whose weights are fixed, it learns what all people like (w) and how much taste counts (λ)
from who chose what. A slower reader may look again at the student's best candidates. No text is read here.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.arrays import Arrays
from polyscene.core.seeds import generator
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Histories, Queries, Timeline
from polyscene.language.ranking.bayesian_logistic import BayesianLogistic
from polyscene.language.ranking.student import Profiles, Student, features
from polyscene.recommenders.reranker import Reranker
from polyscene.recommenders.signal import Evidence, Signal
from polyscene.representation.items import centred, unit
from polyscene.representation.users import taste

HISTORY_DECAY = 0.8
MOST_CHOICES = 2000
NEGATIVES = 4
LIKENESS, LIKENESS_DEVIATION = 4.0, 4.0
"""Prior of λ: one of cosine similarity is worth four in log-odds, give or take four."""
ITEM_DEVIATION = 1.0


class TextRanker(Signal):
    """Bayesian logistic regression on vectors: choices against items drawn from the catalogue.

    The prior alone, where nobody has chosen anything, is similarity to the person's history.

    Args:
        vectors: (n_items, d) centred unit vectors.
        student: scores them.
        second: looks again at each request's best, where one is given; it is no part of the state.
    """

    name: ClassVar[str] = "text_ranker"
    needs_language: ClassVar[bool] = True

    def __init__(
        self,
        vectors: FloatArray | None = None,
        student: Student | None = None,
        second: Reranker | None = None,
    ) -> None:
        self.vectors = np.zeros((0, 0), np.float32) if vectors is None else vectors
        self.student = student or Student.of(_prior(self.vectors.shape[1]).mean)
        self.second = second

    def fit(self, evidence: Evidence) -> Self:
        """Learn from each user's latest choice, at most 2,000 of them, and four draws beside it."""
        self.vectors = centred(evidence.vectors)
        prior = _prior(self.vectors.shape[1])
        chosen, history = latest_choices(evidence, MOST_CHOICES)
        if len(chosen) and evidence.n_items > 1:
            drawn = beside(chosen, evidence.n_items, generator(evidence.seed, "text_ranker"))
            prior = prior.after(self._features(history, drawn), labels_of(drawn))
        self.student = Student.of(prior.mean)
        return self

    def users(self, history: Histories) -> FloatArray:
        """Return (B, d) unit profiles."""
        return unit(taste(history, self.vectors, HISTORY_DECAY))

    def score(self, queries: Queries) -> FloatArray:
        """Score the catalogue by the student; the second look, where there is one, orders its best."""
        profiles = _profiles(self.users(queries.history))
        scores = self.student.score(profiles, self.vectors.astype(np.float64))  # (B, n_items)
        return scores if self.second is None else self.second.reorder(scores, queries.history)

    def log_odds(self, history: Histories, candidates: LongArray) -> NDArray[np.float64]:
        """Return (B, C) what the student alone says of (B, C) candidates."""
        said = self._features(history, candidates) @ self.student.weights
        return np.asarray(said.reshape(candidates.shape))

    def support(self, history: IntArray, item: int) -> FloatArray:
        """Return how much each past item's likeness adds to the item's score, decayed by age."""
        ages = np.arange(len(history))[::-1]
        cosines = self.vectors[history] @ self.vectors[item]
        support: FloatArray = (self.student.liked * cosines * HISTORY_DECAY**ages).astype(np.float32)
        return support

    def state(self) -> Arrays:
        """Return vectors and weights."""
        return {"vectors": self.vectors, **self.student.state()}

    @classmethod
    def restore(cls, state: Arrays) -> Self:
        """Build from `state`; a second look has to be given anew."""
        return cls(state["vectors"], Student.restore(state))

    def _features(self, history: Histories, candidates: LongArray) -> NDArray[np.float64]:
        """Return (B · C, d + 4) one row per request and candidate."""
        profiles = _profiles(self.users(history)).repeat(candidates.shape[1])
        return features(profiles, self.vectors[candidates.ravel()].astype(np.float64))


def _prior(dimension: int) -> BayesianLogistic:
    """Return weights in the order of `features`; habits and dislikes are not known here."""
    mean = np.r_[0.0, 0.0, LIKENESS, 0.0, np.zeros(dimension)]
    deviation = np.r_[2.0, 1e-3, LIKENESS_DEVIATION, 1e-3, np.full(dimension, ITEM_DEVIATION)]
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
