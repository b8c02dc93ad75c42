"""What a domain's people think of its texts, learned from histories alone: no question was ever answered.

    log-odds of liking i, beyond the person's habit = x_i · β + e_i

x_i is the language model's vector and the year, so a text that nobody has met is judged by β; e_i, normal
around 0, is what is true of one text alone, and small where few have met it. Answers enter by the first step
of Newton's method from the habits, so that ten thousand of them cost no more than their distinct texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.errors import ModelError
from polyscene.language.ranking.examples import Prompt, people
from polyscene.language.ranking.history_encoding import Encoder, FeatureScale, TextFeatures, read_texts

Values = NDArray[np.float64]

HABIT_ANSWERS = 2.0
"""A person's habit counts as if they had answered so many more questions, half of them with yes."""
RIDGES = (3.0, 10.0, 30.0, 100.0, 300.0)
FOLDS = 4
FIELDS = ("vector", "weights", "individual")


@dataclass(frozen=True)
class Opinions:
    """Opinions of texts, in log-odds.

    Attributes:
        scale: what is usual among the texts of the histories.
        weights: (d + 1,) β, of the unit vector and of the decade.
        individual: e of the texts that somebody met.
    """

    scale: FeatureScale
    weights: Values
    individual: Mapping[str, float]

    @classmethod
    def none(cls) -> Self:
        """Return no opinion of anything."""
        return cls(FeatureScale(np.zeros(0), float("nan")), np.zeros(0), {})

    @classmethod
    def of(cls, histories: Sequence[Prompt], encoder: Encoder) -> Self:
        """Learn from histories; candidates and labels are not looked at. Without an answer: no opinion.

        How strongly β is held is what foretells the answers about texts that were left out best.
        """
        texts, scores, information = _answers(histories)
        if not texts:
            return cls.none()
        features = read_texts(texts, encoder)
        scale = FeatureScale.of(features)
        rows, target = _rows(scale, features), scores / information
        variance = _variance(target, information)
        precision = 1.0 / (1.0 / information + variance)
        ridge = min(RIDGES, key=lambda ridge: _held_out_loss(rows, target, precision, ridge))
        weights = _solve(rows, target, precision, ridge)
        residual = target - rows @ weights
        variance = _variance(residual, information)
        own = residual * variance / (variance + 1.0 / information)
        return cls(scale, weights, dict(zip(texts, own.tolist(), strict=True)))

    def about(self, features: TextFeatures) -> Values:
        """Return (m,) opinions of texts that were read.

        Raises:
            ModelError: they were read by another language model.
        """
        if not len(self.weights):
            return np.zeros(len(features))
        if features.vectors.shape[1] != len(self.scale.vector):
            raise ModelError(
                f"expected vectors of {len(self.scale.vector)} numbers, found {features.vectors.shape[1]}; "
                "read with the language model that the opinions were learned with"
            )
        own = np.array([self.individual.get(text, 0.0) for text in features.place], np.float64)
        return np.asarray(_rows(self.scale, features) @ self.weights + own)

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return what `restore` needs: plain values for JSON, and arrays."""
        own = np.array(list(self.individual.values()), np.float64)
        arrays = dict(zip(FIELDS, (self.scale.vector, self.weights, own), strict=True))
        year = None if np.isnan(self.scale.year) else self.scale.year
        return {"texts": list(self.individual), "year": year}, arrays

    @classmethod
    def restore(cls, values: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Build from `state`."""
        vector, weights, own = (arrays[field] for field in FIELDS)
        year = float("nan") if values["year"] is None else float(values["year"])
        return cls(FeatureScale(vector, year), weights, dict(zip(values["texts"], own.tolist(), strict=True)))


def _answers(histories: Sequence[Prompt]) -> tuple[list[str], Values, Values]:
    """Return the m texts that were answered about, and (m,) score and information of each.

    With h the habit of whoever said y, the score is Σ (y - h), and the information Σ h (1 - h).
    """
    answers: dict[tuple[int, str], bool] = {}
    for person, prompt in zip(people(histories).tolist(), histories, strict=True):
        answers |= {(person, text): liked for text, liked in prompt.history}
    place: dict[str, int] = {}
    rows = np.array([place.setdefault(text, len(place)) for _, text in answers], np.int64)
    person = np.array([who for who, _ in answers], np.int64)
    liked = np.array(list(answers.values()), np.float64)
    if not len(rows):
        return [], np.zeros(0), np.zeros(0)
    yes = np.bincount(person, liked) + HABIT_ANSWERS / 2
    habit = (yes / (np.bincount(person) + HABIT_ANSWERS))[person]
    score: Values = np.asarray(np.bincount(rows, liked - habit), np.float64)
    return list(place), score, np.asarray(np.bincount(rows, habit * (1.0 - habit)), np.float64)


def _rows(scale: FeatureScale, features: TextFeatures) -> Values:
    """Return (m, d + 1) unit vectors and decades."""
    return np.column_stack([scale.unit_vectors(features.vectors), scale.decades(features.years)])


def _variance(values: Values, information: Values) -> float:
    """Return the variance of values beyond the 1 / information of chance, at least .01."""
    weight = information**2
    return max(float((weight * (values**2 - 1.0 / information)).sum() / weight.sum()), 0.01)


def _solve(rows: Values, target: Values, precision: Values, ridge: float) -> Values:
    scaled = rows.T * precision
    return np.asarray(np.linalg.solve(scaled @ rows + ridge * np.eye(rows.shape[1]), scaled @ target))


def _held_out_loss(rows: Values, target: Values, precision: Values, ridge: float) -> float:
    fold, loss = np.arange(len(rows)) % FOLDS, 0.0
    for part in range(FOLDS):
        kept, left = fold != part, fold == part
        weights = _solve(rows[kept], target[kept], precision[kept], ridge)
        loss += float((precision[left] * (target[left] - rows[left] @ weights) ** 2).sum())
    return loss
