"""Predicts ratings, where ratings are asked for: not what somebody will choose, but how they will like it.

It stands apart from signals and fusion, which rank. Judged are the test part's rated events, by root mean
squared and mean absolute error, in the unit of the ratings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from polyscene.core.display import FrameLibrary, data_frame, html_table
from polyscene.core.errors import DataError, Problem
from polyscene.core.seeds import generator
from polyscene.core.types import BoolArray, IntArray
from polyscene.data.schema import EventLog, Part
from polyscene.data.splits.parts import mask_of
from polyscene.data.splits.phases import Phase
from polyscene.learning.training_data import TrainingData
from polyscene.metrics.probability import mae, rmse

Values = NDArray[np.float64]
MODELS = ("mean", "biases", "factors")
"""What is judged: the mean of all ratings, with biases of item and user, with factors beside them."""


@dataclass(frozen=True)
class RatingSettings:
    """How ratings are learned.

    Attributes:
        size: numbers in a user's or an item's vector.
        rounds: of alternating least squares.
        item_penalty, user_penalty: how many ratings of nothing special a bias is shrunk by.
        penalty: λ of the vectors, per rating.
    """

    size: int = 8
    rounds: int = 10
    item_penalty: float = 5.0
    user_penalty: float = 10.0
    penalty: float = 0.1


@dataclass(frozen=True, repr=False)
class RatingModel:
    """`r(u, i) = μ + b_i + b_u + x_uᵀ y_i`; of what it never met only μ and the biases it knows are left.

    Biases are shrunk means of residuals, the vectors ridge regressions of what is left, in turns.

    Source: Y. Koren, Factorization Meets the Neighborhood, KDD 2008, equations 1 and 2; Y. Zhou et al.,
    Large-scale Parallel Collaborative Filtering for the Netflix Prize, AAIM 2008 (λ per rating).
    """

    mean: float
    user_bias: Values
    item_bias: Values
    user_vectors: Values
    item_vectors: Values
    low: float
    high: float

    @classmethod
    def fit(cls, log: EventLog, n_users: int, n_items: int, settings: RatingSettings, seed: int) -> Self:
        """Learn from the rated events of a log, which must have some."""
        user, item, value = log.user, log.item, log.value.astype(np.float64)
        mean = float(value.mean())
        item_bias = _shrunk(item, value - mean, n_items, settings.item_penalty)
        user_bias = _shrunk(user, value - mean - item_bias[item], n_users, settings.user_penalty)
        rest = value - mean - item_bias[item] - user_bias[user]
        items = generator(seed, "ratings").normal(0.0, 0.1, (n_items, settings.size))
        items[np.bincount(item, minlength=n_items) == 0] = 0.0
        users = np.zeros((n_users, settings.size))
        for _ in range(settings.rounds):
            users = _solved(user, items[item], rest, n_users, settings.penalty)
            items = _solved(item, users[user], rest, n_items, settings.penalty)
        return cls(mean, user_bias, item_bias, users, items, float(value.min()), float(value.max()))

    def predict(self, user: IntArray, item: IntArray, model: str = "factors") -> Values:
        """Return (n,) ratings of pairs, within the range that was met; see `MODELS`."""
        ratings = np.full(len(user), self.mean)
        if model != "mean":
            ratings += self.item_bias[item] + self.user_bias[user]
        if model == "factors":
            ratings += np.einsum("nd,nd->n", self.user_vectors[user], self.item_vectors[item])
        clipped: Values = np.clip(ratings, self.low, self.high)
        return clipped


@dataclass(frozen=True, repr=False)
class RatingResults:
    """How far predicted ratings lie from the true ones.

    Attributes:
        errors: by scenario and model, `rmse` and `mae`.
        counts: by scenario, how many ratings were learned from and judged.
        models: by scenario, what was learned.
    """

    errors: Mapping[str, Mapping[str, Mapping[str, float]]]
    counts: Mapping[str, tuple[int, int]]
    models: Mapping[str, RatingModel] = field(default_factory=dict)

    def to_frame(self, library: FrameLibrary = "polars") -> Any:  # noqa: ANN401 - a frame of that library
        """Return a data frame with a row per scenario and model: rmse, mae, learned, judged.

        Args:
            library: `polars`, or `pandas` where that is installed.
        """
        names = ("scenario", "model", "rmse", "mae", "learned", "judged")
        rows = list(self._rows())
        return data_frame(
            {name: [row[place] for row in rows] for place, name in enumerate(names)}, {}, library
        )

    def __repr__(self) -> str:
        judged = (f"{name}: {number:,} judged" for name, (_, number) in self.counts.items())
        return f"RatingResults({'; '.join(judged)})"

    def _repr_html_(self) -> str:
        return html_table("ratings", ("scenario", "model", "rmse", "mae", "learned", "judged"), self._rows())

    def _rows(self) -> list[tuple[str, str, float, float, int, int]]:
        return [
            (scenario, model, row["rmse"], row["mae"], *self.counts[scenario])
            for scenario, models in self.errors.items()
            for model, row in models.items()
        ]


def judge_ratings(
    data: TrainingData, action: str | None, settings: RatingSettings, seed: int
) -> RatingResults:
    """Learn ratings from what may be learned from, and judge them on the test part's.

    Args:
        data: of a project.
        action: whose values are ratings; None: every event with a value.
        settings: how they are learned.
        seed: of the first vectors.

    Raises:
        DataError: no scenario has ratings on both sides of the split.
    """
    errors, counts, models = {}, {}, {}
    for name, scenario in data.dataset.scenarios.items():
        rated, parts = _rated(scenario.events, action), data.parts[name]
        learned = scenario.events.take(rated & mask_of(parts, *Phase.ALL.parts))
        judged = scenario.events.take(rated & (parts == Part.TEST))
        if not len(learned) or not len(judged):
            continue
        n_users, n_items = len(data.dataset.users), len(scenario.catalogue)
        model = models[name] = RatingModel.fit(learned, n_users, n_items, settings, seed)
        counts[name] = len(learned), len(judged)
        errors[name] = {kind: _errors(model, judged, kind) for kind in MODELS}
    if not errors:
        raise DataError(_no_ratings(action))
    return RatingResults(errors, counts, models)


def _rated(log: EventLog, action: str | None) -> BoolArray:
    rated = np.isfinite(log.value)
    if action is not None:
        rated &= log.action == (log.actions.index(action) if action in log.actions else -1)
    return rated


def _errors(model: RatingModel, judged: EventLog, kind: str) -> dict[str, float]:
    predicted, truth = model.predict(judged.user, judged.item, kind), judged.value.astype(np.float64)
    return {"rmse": rmse(truth, predicted), "mae": mae(truth, predicted)}


def _shrunk(rows: IntArray, values: Values, count: int, penalty: float) -> Values:
    """Return (count,) means of the values of each row, as if `penalty` more of 0 had been there."""
    sums = np.bincount(rows, values, count)
    means: Values = sums / (np.bincount(rows, minlength=count) + penalty)
    return means


def _solved(rows: IntArray, seen: Values, values: Values, count: int, penalty: float) -> Values:
    """Return (count, d) ridge regressions of each row's values on what was seen beside them."""
    size = seen.shape[1]
    vectors = np.zeros((count, size))
    order = np.argsort(rows, kind="stable")
    ends = np.cumsum(np.bincount(rows, minlength=count))
    for row in np.unique(rows).tolist():
        places = order[ends[row - 1] if row else 0 : ends[row]]
        part = seen[places]
        gram = part.T @ part + penalty * len(places) * np.eye(size)
        vectors[row] = np.linalg.solve(gram, part.T @ values[places])
    return vectors


def _no_ratings(action: str | None) -> Problem:
    whose = "events with a value" if action is None else f"events of the action '{action}' with a value"
    return Problem(
        "there are no ratings to learn from and to judge",
        f"{whose}, some before and some after the cut of the split",
        "a scenario without them on one of the two sides",
        "name the column with the ratings as 'value' of the events, and look at the split",
        key="scenarios.NAME.events.value",
    )
