"""Text ranker: what people choose, foretold from words alone, by a student that scores vectors.

    score(u, i) = vᵢ · (w + λ · taste_u)

Unlike `content`, whose weights are fixed, it learns what all people like (w) and how much taste counts (λ)
from who chose what. A slower reader of texts may reorder the student's best candidates. No text is read here.
"""

from __future__ import annotations

from typing import ClassVar, Protocol, Self

import numpy as np

from polyscene.core.seeds import generator
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Histories, Queries, Timeline
from polyscene.language.ranking.student import Profiles, Student, features
from polyscene.language.ranking.weights import Weights
from polyscene.recommenders.signal import Arrays, Evidence, Signal
from polyscene.representation.items import centred, unit
from polyscene.representation.users import taste

HISTORY_DECAY = 0.8
MOST_CHOICES = 2000
NEGATIVES = 4
TOP = 20
LIKENESS, LIKENESS_DEVIATION = 4.0, 4.0
"""Prior of λ: one of cosine similarity is worth four in log-odds, give or take four."""
ITEM_DEVIATION = 1.0


class CandidateReader(Protocol):
    """A slow and careful reader, such as a language model over filled templates."""

    def __call__(self, history: IntArray, candidates: IntArray) -> FloatArray:
        """Return (C,) log-odds of the candidates after (h,) past items, oldest first."""
        ...


class TextRanker(Signal):
    """Bayesian logistic regression on vectors: choices against items drawn from the catalogue.

    The prior alone, where nobody has chosen anything, is similarity to the person's history.

    Args:
        vectors: (n_items, d) centred unit vectors.
        student: scores them.
        reader: reorders the best 20 of each request, where one is given; it is no part of the state.
    """

    name: ClassVar[str] = "text_ranker"
    needs_language: ClassVar[bool] = True

    def __init__(
        self,
        vectors: FloatArray | None = None,
        student: Student | None = None,
        reader: CandidateReader | None = None,
    ) -> None:
        self.vectors = np.zeros((0, 0), np.float32) if vectors is None else vectors
        self.student = student or Student.of(_prior(self.vectors.shape[1]).mean)
        self.reader = reader

    def fit(self, evidence: Evidence) -> Self:
        """Learn from each user's latest choice, at most 2,000 of them, and four draws beside it."""
        self.vectors = centred(evidence.vectors)
        prior = _prior(self.vectors.shape[1])
        user, chosen, history = _latest_choices(evidence)
        if len(chosen) and evidence.n_items > 1:
            drawn = _negatives(chosen, evidence)  # (n, 1 + NEGATIVES)
            profiles = _profiles(self.users(history)).repeat(drawn.shape[1])
            rows = features(profiles, self.vectors[drawn.ravel()].astype(np.float64))
            labels = np.tile(np.r_[1.0, np.zeros(NEGATIVES)], len(user))
            prior = prior.after(rows, labels)
        self.student = Student.of(prior.mean)
        return self

    def users(self, history: Histories) -> FloatArray:
        """Return (B, d) unit profiles."""
        return unit(taste(history, self.vectors, HISTORY_DECAY))

    def score(self, queries: Queries) -> FloatArray:
        """Score the catalogue by the student; the reader, where there is one, orders its best."""
        profiles = _profiles(self.users(queries.history))
        scores = self.student.score(profiles, self.vectors.astype(np.float64))  # (B, n_items)
        return scores if self.reader is None else self._reread(scores, queries.history, self.reader)

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
        """Build from `state`; a reader has to be given anew."""
        return cls(state["vectors"], Student.restore(state))

    def _reread(self, scores: FloatArray, history: Histories, reader: CandidateReader) -> FloatArray:
        """Deal the best scores of each row out anew, in the reader's order: no other place changes."""
        most = min(TOP, scores.shape[1])
        best = np.argsort(-scores, axis=1, kind="stable")[:, :most]  # (B, most)
        for row, candidates in enumerate(best):
            past = history.items[history.offsets[row] : history.offsets[row + 1]]
            order = np.argsort(-reader(past, candidates.astype(np.int32)), kind="stable")
            scores[row, candidates[order]] = scores[row, candidates]
        return scores


def _prior(dimension: int) -> Weights:
    """Return weights in the order of `features`; habits and dislikes are not known here."""
    mean = np.r_[0.0, 0.0, LIKENESS, 0.0, np.zeros(dimension)]
    deviation = np.r_[2.0, 1e-3, LIKENESS_DEVIATION, 1e-3, np.full(dimension, ITEM_DEVIATION)]
    return Weights.prior(mean, deviation)


def _latest_choices(evidence: Evidence) -> tuple[IntArray, IntArray, Histories]:
    """Return who chose last what, after what; users who had done nothing before are left out."""
    log = evidence.positive
    last = {user: row for row, user in enumerate(log.user.tolist())}
    rows: LongArray = np.array(sorted(last.values()), np.int64)
    history = Timeline(log, evidence.n_users).before(log.user[rows], log.time[rows])
    kept = np.flatnonzero(history.lengths > 0)[-MOST_CHOICES:]
    return log.user[rows[kept]], log.item[rows[kept]], history.pick(kept)


def _negatives(chosen: IntArray, evidence: Evidence) -> LongArray:
    """Return (n, 1 + NEGATIVES) each choice and other items of the catalogue, drawn uniformly."""
    draws = generator(evidence.seed, "text_ranker")
    steps = draws.integers(1, evidence.n_items, (len(chosen), NEGATIVES))  # never 0: never the choice
    return np.column_stack([chosen, (chosen[:, None] + steps) % evidence.n_items]).astype(np.int64)


def _profiles(liked: FloatArray) -> Profiles:
    rows = liked.astype(np.float64)
    return Profiles(np.zeros(len(rows)), rows, np.zeros_like(rows))
