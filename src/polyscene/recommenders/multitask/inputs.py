"""From requests and items to what a network is told of them, in training and in service alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import HISTORY_LENGTH, Histories, Queries
from polyscene.recommenders.multitask.forward import Items, Requests
from polyscene.recommenders.multitask.tables import AttributeTable
from polyscene.representation.history_decay import DEFAULT_DECAY
from polyscene.representation.item_space import ItemSpace
from polyscene.representation.items import unit
from polyscene.representation.users import taste

PAST = 20
"""So many items a person had last count by their own vectors."""
NOBODY = 0
"""The place of the vector of everybody who has none of their own."""


@dataclass(frozen=True)
class ScenarioInputs:
    """What is known of one scenario's people and items.

    Attributes:
        space: of its items.
        others: of the other scenarios', by name.
        users, items: their attributes.
        user_places: (n_users,) places of own vectors among the network's.
        item_places: (n_items,) the same.
        foreign_width: t' of a network that knows another scenario's own view of texts; None: it knows this.
    """

    space: ItemSpace
    others: Mapping[str, ItemSpace]
    users: AttributeTable
    items: AttributeTable
    user_places: LongArray
    item_places: LongArray
    foreign_width: int | None = None

    def requests(self, queries: Queries) -> Requests:
        """Return what a network is told of B requests."""
        lengths = np.ones((len(queries), 2, 2), np.float32)
        far = sum((rows.lengths for rows in queries.elsewhere.values()), np.zeros(len(queries), np.int64))
        near = np.minimum(queries.history.lengths, HISTORY_LENGTH)
        lengths[:, 0, 0], lengths[:, 1, 0] = np.log1p(near), np.log1p(far)
        return Requests(
            _places(self.user_places, queries.user),
            *self._past(queries.history),
            _profile(queries.history, self.common),
            _profile(queries.history, self.own),
            self._elsewhere(queries),
            lengths,
            self.users.pick(queries.user),
        )

    def _past(self, history: Histories) -> tuple[LongArray, FloatArray]:
        places = np.full((len(history), PAST), NOBODY, np.int64)
        shares = np.zeros((len(history), PAST), np.float32)
        recent = history.ages < PAST
        at = history.rows[recent], history.ages[recent]
        places[at] = _places(self.item_places, history.items[recent])
        shares[at] = history.weights[recent] * np.float32(DEFAULT_DECAY) ** at[1].astype(np.float32)
        shares[places == NOBODY] = 0.0
        total = shares.sum(axis=1, keepdims=True)
        total[total == 0] = 1.0
        shares /= total
        return places, shares

    def item_rows(self, items: IntArray | LongArray) -> Items:
        """Return what a network is told of (m,) items."""
        return Items(
            _places(self.item_places, items), self.common[items], self.own[items], self.items.pick(items)
        )

    @property
    def common(self) -> FloatArray:
        """Return (n_items, t) texts in the view that scenarios share."""
        return self.space.view("common").vectors

    @property
    def own(self) -> FloatArray:
        """Return (n_items, t') texts in the scenario's own view; t' is 0 where it is the same."""
        tuned = self.space.view("tuned")
        if self.foreign_width is not None:
            return np.zeros((len(self.space), self.foreign_width), np.float32)
        same = tuned is self.space.view("common")
        return tuned.vectors[:, :0] if same else tuned.vectors

    def _elsewhere(self, queries: Queries) -> FloatArray:
        total = np.zeros((len(queries), self.common.shape[1]), np.float32)
        for name in sorted(queries.elsewhere):
            space = self.others.get(name)
            if space is not None and space.compares_with(self.space):
                total += _profile(queries.elsewhere[name], space.view("common").vectors)
        return unit(total)

    def state(self) -> Arrays:
        """Return what `restore` needs beside the spaces."""
        return {
            **self.users.state("users"),
            **self.items.state("items"),
            "user_places": self.user_places,
            "item_places": self.item_places,
        }

    @classmethod
    def restore(cls, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take `state` back."""
        users, items = AttributeTable.restore(state, "users"), AttributeTable.restore(state, "items")
        return cls(space, others, users, items, state["user_places"], state["item_places"])


def _profile(history: Histories, vectors: FloatArray) -> FloatArray:
    """Return (B, t) unit tastes."""
    return unit(taste(history, vectors, DEFAULT_DECAY))


def _places(table: LongArray, codes: IntArray | LongArray) -> LongArray:
    known = (codes >= 0) & (codes < len(table))
    places: LongArray = np.full(len(codes), NOBODY, np.int64)
    places[known] = table[codes[known]]
    return places
