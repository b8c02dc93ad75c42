"""The nouns of a recommender: what is recommended, what happened, what was answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from polyscene.core.display import FrameLibrary, data_frame, html_table, listed
from polyscene.core.text import one_line

FloatArray: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int32]
LongArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

Attribute: TypeAlias = str | float | None

SLATE_TYPES: Mapping[str, type] = {
    "rank": int,
    "item": str,
    "title": str,
    "score": float,
    "propensity": float,
    "reason": str,
}
"""The columns of a slate as a data frame."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be recommended in one scenario."""

    id: str
    scenario: str
    text: str
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """A user did something to an item in a scenario.

    Attributes:
        user, item: ids; whole numbers count as their digits.
        value: a rating, seconds of dwell time, an amount: whatever the action measures.
        time: when it happened; None means now.
    """

    user: str | int
    item: str | int
    scenario: str
    action: str = "click"
    value: float | None = None
    time: datetime | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Recommendation:
    """One place of a slate.

    Attributes:
        item: the item with its text and attributes.
        score: the model's score; larger is better, comparable within one slate only.
        propensity: probability in (0, 1] with which the policy put the item here, given the places before.
        reason: one sentence for a person.
        signals: each signal's share of the score relative to the average candidate.
        rules: what rules did to this place, each in a few words; propensity is 1 where one pinned the item.
    """

    item: Item
    score: float
    propensity: float
    reason: str
    signals: Mapping[str, float] = field(default_factory=dict)
    rules: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Recommendation({self.item.id!r:.60}, {self.score:.4f}, {one_line(self.item.text, 40)!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Slate:
    """The ordered list that is returned for one request.

    Attributes:
        user_known: whether the user's id was met before; somebody unknown gets what suits everybody.
        notes: what should be known of this slate, each a sentence: why it suits everybody, why it is short.
    """

    user: str
    scenario: str
    items: tuple[Recommendation, ...]
    run: str
    user_known: bool = True
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Recommendation]:
        return iter(self.items)

    @overload
    def __getitem__(self, place: int) -> Recommendation: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Recommendation, ...]: ...
    def __getitem__(self, place: int | slice) -> Recommendation | tuple[Recommendation, ...]:
        """Return one place, 0 is the best; or several."""
        return self.items[place]

    def __repr__(self) -> str:
        return (
            f"Slate({one_line(self.user, 40)!r}, {one_line(self.scenario, 40)!r}, "
            f"{len(self)} items: {listed(self.ids)})"
        )

    def _repr_html_(self) -> str:
        return places_html(f"{self.scenario} for {self.user}", self.items, self.notes)

    def to_frame(self, library: FrameLibrary = "polars") -> Any:  # noqa: ANN401 - a frame of that library
        """Return a data frame with a row per place: rank, item, title, score, propensity, reason.

        Args:
            library: `polars`, or `pandas` where that is installed.
        """
        return places_frame(self.items, library)

    @property
    def ids(self) -> list[str]:
        """The item ids, best first."""
        return [place.item.id for place in self.items]


def places_html(title: str, places: Sequence[Recommendation], notes: Sequence[str] = ()) -> str:
    """Return recommended items as an HTML table, notes below it; every text in it is escaped."""
    rows = [
        (rank, place.item.id, place.item.text, place.score, place.reason)
        for rank, place in enumerate(places, 1)
    ]
    return html_table(title, ("", "item", "title", "score", "why"), rows, notes)


def places_frame(places: Sequence[Recommendation], library: FrameLibrary = "polars") -> Any:  # noqa: ANN401 - a frame of that library
    """Return recommended items as a data frame, a row per place."""
    columns = {
        "rank": list(range(1, len(places) + 1)),
        "item": [place.item.id for place in places],
        "title": [place.item.text for place in places],
        "score": [place.score for place in places],
        "propensity": [place.propensity for place in places],
        "reason": [place.reason for place in places],
    }
    return data_frame(columns, SLATE_TYPES, library)
