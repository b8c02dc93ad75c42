"""Ratings: whether numbers are grades on a scale, and which grades say that something was liked."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.data.schema import EventLog

_WORDS = re.compile(r"(?<![a-z])(rating|score|star|overall|grade|bewertung|sterne)s?(?![a-z])", re.IGNORECASE)
_TOPS = (3, 5, 6, 7, 10, 20, 100)
_MAX_GRADES, _MIN_GRADES, _MIN_ROWS = 21, 2, 20
_LIKED = 0.7
"""The share of the highest grade from which on a grade says 'liked'."""
_MANY_ZEROS = 0.15


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale of grades.

    Attributes:
        low: the lowest grade there is.
        high: the highest grade that the scale has.
        liked: the grade from which on something was liked.
        kept: the share of the grades that are as high.
        zeros: the share that is 0 on a scale which otherwise begins at 1: perhaps no grade at all.
    """

    low: float
    high: float
    liked: int
    kept: float
    zeros: float

    @property
    def zero_is_none(self) -> bool:
        """Whether so many grades are 0 that it may mean 'not rated'."""
        return self.zeros > _MANY_ZEROS


def is_rating(name: str) -> bool:
    """Return whether a column's name speaks of grades: `rating`, `Book-Rating`, `review_score`, `stars`."""
    return _WORDS.search(re.sub(r"([a-z])([A-Z])", r"\1 \2", name).replace("_", " ")) is not None


def scale_of(values: pl.Series) -> Scale | None:
    """Return the scale that numbers lie on: few grades, whole or half, up to 5, 10 or the like; or None."""
    grades = values.drop_nulls().drop_nans()
    if len(grades) < _MIN_ROWS or not _MIN_GRADES <= grades.n_unique() <= _MAX_GRADES:
        return None
    low, most = float(grades.min()), float(grades.max())  # type: ignore[arg-type]
    high = next((top for top in _TOPS if top >= most), None)
    if high is None or low < 0 or low > 0.4 * high or most < 0.8 * high:
        return None
    if bool((grades * 2 != (grades * 2).round()).any()):
        return None
    liked = math.ceil(_LIKED * high)
    zeros = _share(grades == 0) if _begins_at_one(grades) else 0.0
    return Scale(low, high, liked, _share(grades >= liked), zeros)


def _share(mask: pl.Series) -> float:
    return int(mask.sum()) / len(mask)


def _begins_at_one(grades: pl.Series) -> bool:
    return not (grades.is_between(0, 1, closed="none")).any()


def grades_as_choices(settings: ScenarioSettings, log: EventLog, file: str) -> list[Problem]:
    """Return a warning where low grades count as choices like high ones and the settings do not say so.

    Whoever names objectives or actions, or filters by the grade, has said what counts.
    """
    name = settings.events.value
    decision = settings.objectives or settings.actions or settings.events.liked_from is not None
    if decision or name is None or name in (settings.events.where or "") or not is_rating(name):
        return []
    scale = scale_of(pl.Series(log.value.astype(np.float64)))
    if scale is None or scale.kept == 1.0:
        return []
    return [
        Problem(
            "every grade counts as a choice, low ones too",
            "only what was liked, or a word that every grade is meant",
            f"grades from {scale.low:g} to {scale.high:g}, {1 - scale.kept:.1%} of them below {scale.liked}",
            f"liked_from = {scale.liked} in 'events', or {scale.low:g} if all of them are meant",
            file=file,
            column=name,
            key="events.liked_from",
            count=int((log.value < scale.liked).sum()),
            severity="warning",
        )
    ]
