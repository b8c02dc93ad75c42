"""The nouns of a recommender: what is recommended, what happened, what was answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int32]
LongArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

Attribute: TypeAlias = str | float | None


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


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One place of a slate.

    Attributes:
        item: the item with its text and attributes.
        score: the model's score; larger is better, comparable within one slate only.
        propensity: probability in (0, 1] with which the policy put the item here.
        reason: one sentence for a person.
        signals: each signal's share of the score relative to the average candidate.
    """

    item: Item
    score: float
    propensity: float
    reason: str
    signals: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
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

    @property
    def ids(self) -> list[str]:
        """The item ids, best first."""
        return [place.item.id for place in self.items]
