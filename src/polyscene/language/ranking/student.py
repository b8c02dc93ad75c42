"""A fast student of a text ranker: the same judgement from vectors alone, for whole catalogues.

    score(u, i) = bias + β · base_u + vᵢ · (w + λ · liked_u + μ · disliked_u)

base_u is the log-odds of the person's habit, vᵢ the item's vector, liked_u and disliked_u what the person's
history holds. The student reads no text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import FloatArray
from polyscene.language.ranking.examples import Prompt, base_logits
from polyscene.language.ranking.history_encoding import Encoder, read_texts

Values = NDArray[np.float64]

RIDGE = 1.0
SHRINKAGE = 2.0
"""A list counts as if it held two more texts of no direction."""


@dataclass(frozen=True)
class Profiles:
    """The histories of B people, as numbers.

    Attributes:
        base: (B,) log-odds of their habit.
        liked, disliked: (B, d) shrunk mean vectors of what they liked and did not.
    """

    base: Values
    liked: Values
    disliked: Values

    def repeat(self, times: int) -> Self:
        """Return each person `times` times in a row."""
        return type(self)(*(rows.repeat(times, axis=0) for rows in (self.base, self.liked, self.disliked)))


@dataclass(frozen=True)
class Student:
    """A scorer of vectors.

    Attributes:
        bias: of every score.
        base: β, weight of the habit.
        liked, disliked: λ and μ, how much likeness to either counts; μ is usually negative.
        item: (d,) w, what all people like.
    """

    bias: float
    base: float
    liked: float
    disliked: float
    item: Values

    @classmethod
    def distil(cls, logits: Values, profiles: Profiles, candidates: Values, ridge: float = RIDGE) -> Self:
        """Learn a teacher's log-odds by ridge regression; no label is needed.

        Source: Hinton, Vinyals and Dean, Distilling the knowledge in a neural network, 2015, on logits.

        Args:
            logits: (n,) the teacher's log-odds of n pairs.
            profiles: of the n people.
            candidates: (n, d) vectors of what is judged.
            ridge: penalty on all weights but the bias; positive.
        """
        rows = features(profiles, candidates)  # (n, d + 4)
        penalty = np.diag(np.r_[0.0, np.full(rows.shape[1] - 1, ridge)])
        penalty[0, 0] = 1e-9  # without any pair the bias is 0
        return cls.of(np.linalg.solve(rows.T @ rows + penalty, rows.T @ logits))

    @classmethod
    def of(cls, weights: Values) -> Self:
        """Build from (d + 4,) weights in the order of `features`."""
        bias, base, liked, disliked = (float(weight) for weight in weights[:4])
        return cls(bias, base, liked, disliked, weights[4:])

    @property
    def weights(self) -> Values:
        """Return (d + 4,) weights in the order of `features`."""
        return np.concatenate([[self.bias, self.base, self.liked, self.disliked], self.item])

    def score(self, profiles: Profiles, vectors: Values) -> FloatArray:
        """Return (B, m) log-odds for every person and each of (m, d) vectors."""
        taste = self.item + self.liked * profiles.liked + self.disliked * profiles.disliked  # (B, d)
        habit = self.bias + self.base * profiles.base  # (B,)
        return (habit[:, None] + taste @ vectors.T).astype(np.float32)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what `restore` needs."""
        return {"weights": self.weights}

    @classmethod
    def restore(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """Build from `state`."""
        return cls.of(state["weights"])


def features(profiles: Profiles, candidates: Values) -> Values:
    """Return (n, d + 4) one row per pair: 1, habit, likeness to what was liked and disliked, the vector."""
    return np.column_stack(
        [
            np.ones(len(candidates)),
            profiles.base,
            np.einsum("nd,nd->n", profiles.liked, candidates),
            np.einsum("nd,nd->n", profiles.disliked, candidates),
            candidates,
        ]
    )


def profiled(prompts: Sequence[Prompt], encoder: Encoder) -> tuple[Profiles, Values]:
    """Return the profiles behind n prompts and the (n, d) vectors of their candidates."""
    texts = (text for prompt in prompts for text in (*prompt.liked, *prompt.disliked, prompt.candidate))
    text_features = read_texts(texts, encoder)

    def mean(lists: Sequence[Sequence[str]]) -> Values:
        sums = [
            text_features.vectors[text_features.rows(row)].sum(axis=0) / (len(row) + SHRINKAGE)
            for row in lists
        ]
        return np.stack(sums) if sums else np.zeros((0, text_features.vectors.shape[1]))

    liked, disliked = mean([p.liked for p in prompts]), mean([p.disliked for p in prompts])
    vectors = text_features.vectors[text_features.rows(prompt.candidate for prompt in prompts)]
    return Profiles(base_logits(prompts), liked, disliked), vectors
