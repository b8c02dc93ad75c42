"""The vectors of one scenario's items and what makes them: `w = v + α a + δ` begins with `v` here.

A space has one view or several: `tuned`, by the language model as it learned here; `prior`, by the model as
it came; `common`, comparable between scenarios. Each view is freed of what all texts of the catalogue share,
by a mean that is measured once and then kept, so that a new item is placed where training would have put it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, LongArray
from polyscene.representation.index import VectorIndex
from polyscene.representation.index_rows import IndexedRows
from polyscene.representation.items import common_mean, shifted_unit

ViewName = Literal["tuned", "prior", "common"]
VIEWS: tuple[ViewName, ...] = get_args(ViewName)


class View:
    """One way to see the items.

    Args:
        mean: (d,) what all texts share.
        vectors: (n, d) unit vectors after it was taken off; a zero row has no text. Or what reads them, when
            they are first asked for.
    """

    def __init__(self, mean: NDArray[np.float64], vectors: FloatArray | Callable[[], FloatArray]) -> None:
        self.mean, self.rows = mean, IndexedRows(vectors)

    @classmethod
    def of(cls, raw: FloatArray) -> Self:
        """Measure the mean of (n, d) vectors as the language model gives them, and take it off."""
        mean = common_mean(raw)
        return cls(mean, shifted_unit(raw, mean))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def vectors(self) -> FloatArray:
        """Return (n, d) centred unit vectors."""
        return self.rows.array

    @property
    def index(self) -> VectorIndex:
        """Finds the nearest."""
        return self.rows.index

    def put(self, rows: LongArray, raw: FloatArray) -> None:
        """Place items; a row beyond the end, which must be the next one, is a new item.

        Args:
            rows: (m,) ascending.
            raw: (m, d) vectors as the language model gives them.
        """
        self.place(rows, shifted_unit(raw, self.mean))

    def place(self, rows: LongArray, vectors: FloatArray) -> None:
        """Place items as `vectors` has them: (m, d) centred unit vectors; otherwise as in `put`."""
        self.rows.place(rows, vectors)


class ItemSpace:
    """The views of one scenario; several names may mean the same view.

    Args:
        views: by name; `tuned` and `common` are always there, `prior` where it differs from `tuned`.
        origin: fingerprint of the language model that it began with; empty where that was not said.
    """

    def __init__(self, views: Mapping[ViewName, View], origin: str = "") -> None:
        self.views, self.origin = dict(views), origin

    @classmethod
    def of(
        cls,
        tuned: FloatArray,
        common: FloatArray | None = None,
        prior: FloatArray | None = None,
        origin: str = "",
    ) -> Self:
        """Build from (n, d) vectors as the language model gives them; equal arrays are one view.

        Args:
            tuned: a zero row has no text.
            common: None: the same as `tuned`.
            prior: None: the model has learned nothing since.
            origin: see `ItemSpace`.
        """
        view_of_array: dict[int, View] = {}

        def view(raw: FloatArray) -> View:
            if id(raw) not in view_of_array:
                view_of_array[id(raw)] = View.of(raw)
            return view_of_array[id(raw)]

        views: dict[ViewName, View] = {
            "tuned": view(tuned),
            "common": view(tuned if common is None else common),
        }
        return cls(views if prior is None else views | {"prior": view(prior)}, origin)

    @classmethod
    def empty(cls, n_items: int) -> Self:
        """Return the space of items that nothing has read."""
        return cls.of(np.zeros((n_items, 0), np.float32))

    def __len__(self) -> int:
        return len(self.views["tuned"])

    def view(self, name: ViewName) -> View:
        """Return a view; without a prior of its own, what the model knew is what it knows."""
        return self.views.get(name, self.views["tuned"])

    def compares_with(self, other: ItemSpace) -> bool:
        """Return whether both are of one language model, so that cosines between them mean something."""
        return self.origin == other.origin

    @property
    def has_text(self) -> bool:
        """Whether any item has a vector."""
        return bool(np.any(self.views["tuned"].vectors))

    def put(self, rows: LongArray, raw: Mapping[ViewName, FloatArray]) -> None:
        """Place new or changed items in every view; see `View.put`.

        Args:
            raw: (m, d) by view; those of a view that shares another's array may be left out.
        """
        for name, view in self.distinct().items():
            width = view.vectors.shape[1]
            view.put(rows, raw[name] if name in raw else np.zeros((len(rows), width), np.float32))

    def changes(self, rows: LongArray) -> Arrays:
        """Return (m, d) where every view has the (m,) named items."""
        return {name: view.vectors[rows] for name, view in self.distinct().items()} if len(rows) else {}

    def resume(self, rows: LongArray, changes: Arrays) -> None:
        """Take in `changes` of a space that was made equally."""
        for name, view in self.distinct().items():
            view.place(rows, changes[name])

    def state(self) -> Arrays:
        """Return everything that `restore` needs."""
        distinct = self.distinct()
        names = {id(view): name for name, view in distinct.items()}
        state: Arrays = {}
        for name, view in distinct.items():
            state |= {f"{name}.vectors": view.vectors, f"{name}.mean": view.mean}
        for name, view in self.views.items():
            state[f"{name}.is"] = np.array(VIEWS.index(names[id(view)]))
        if self.origin:
            state["origin"] = np.frombuffer(self.origin.encode(), np.uint8)
        return state

    @classmethod
    def restore(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        """Build from `state`; vectors are read when they are first asked for."""
        distinct = {
            name: View(state[f"{name}.mean"], partial(state.__getitem__, f"{name}.vectors"))
            for name in VIEWS
            if f"{name}.mean" in state
        }
        return cls(
            {name: distinct[VIEWS[int(state[f"{name}.is"])]] for name in VIEWS if f"{name}.is" in state},
            state["origin"].tobytes().decode() if "origin" in state else "",
        )

    def distinct(self) -> dict[ViewName, View]:
        """Return each view once, under its first name."""
        names = [name for name in VIEWS if name in self.views]
        first: dict[int, ViewName] = {}
        for name in names:
            first.setdefault(id(self.views[name]), name)
        return {name: self.views[name] for name in first.values()}
