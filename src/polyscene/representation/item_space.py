"""The vectors of one scenario's items and what makes them: `w = v + α a + δ` begins with `v` here.

A space has one view or several: `tuned`, by the language model as it learned here; `prior`, by the model as
it came; `common`, comparable between scenarios; `described`, the tuned one with attributes and media beside
it, where these count. Each view is freed of what all texts of the catalogue share, by a mean that is measured
once and then kept, so that a new item is placed where training would have put it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from polyscene.core.arrays import Arrays
from polyscene.core.growing import GrowingArray
from polyscene.core.types import Attribute, FloatArray, LongArray
from polyscene.representation.description import TEXT, Description, Media, columns_of
from polyscene.representation.index import VectorIndex, put_rows
from polyscene.representation.index_rows import IndexedRows
from polyscene.representation.items import common_mean, shifted_unit

ViewName = Literal["tuned", "prior", "common", "described"]
VIEWS: tuple[ViewName, ...] = get_args(ViewName)
MEDIA, DESCRIPTION = "media.", "description"
"""Names in a space's state."""


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
        views: by name; `tuned` and `common` are always there, `prior` where it differs from `tuned`,
            `described` where something beside the text counts.
        origin: fingerprint of the language model that it began with; empty where that was not said.
        description: what encodes attributes and media, and how much each counts.
        media: by medium (n, d) vectors as the user brought them; a zero row is missing.
    """

    def __init__(
        self,
        views: Mapping[ViewName, View],
        origin: str = "",
        description: Description | None = None,
        media: Media | None = None,
    ) -> None:
        self.views, self.origin = dict(views), origin
        self.description = Description() if description is None else description
        self._media = {name: GrowingArray(vectors) for name, vectors in (media or {}).items()}

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

    def described(self, description: Description, blocks: Media, media: Media) -> Self:
        """Return the same space with attributes and media beside the text.

        Args:
            blocks: by part that counts (n, d), see `Description.blocks`.
            media: see `ItemSpace`.
        """
        views = dict(self.views)
        if description.counting:
            joined = description.joined(self.views["tuned"].vectors, blocks)
            views["described"] = View(np.zeros(joined.shape[1]), joined)
        return type(self)(views, self.origin, description, media)

    def __len__(self) -> int:
        return len(self.views["tuned"])

    def view(self, name: ViewName) -> View:
        """Return a view; `tuned` where there is no such one.

        So without a prior of its own what the model knew is what it knows, and without anything beside the
        text an item is what its text says.
        """
        return self.views.get(name, self.views["tuned"])

    def compares_with(self, other: ItemSpace) -> bool:
        """Return whether both are of one language model, so that cosines between them mean something."""
        return self.origin == other.origin

    @property
    def has_text(self) -> bool:
        """Whether any item has a vector."""
        return bool(np.any(self.views["tuned"].vectors))

    @property
    def media(self) -> dict[str, FloatArray]:
        """Return by medium (n, d) vectors as the user brought them; a zero row is missing."""
        return {name: vectors.array for name, vectors in self._media.items()}

    def shares(self, row: int) -> dict[str, float]:
        """Return by part which share of an item's vector it is; what the item lacks is left out."""
        text = self.views["tuned"].vectors
        joined = self.view("described").vectors[row]
        return self.description.shares(joined, text.shape[1]) if "described" in self.views else {}

    def closest_part(self, one: int, other: int) -> str | None:
        """Return the attribute or medium by which two items are closest; None: by their texts."""
        if "described" not in self.views:
            return None
        joined = self.views["described"].vectors
        width = self.views["tuned"].vectors.shape[1]
        part = self.description.closest(joined[one], joined[other], width)
        return None if part == TEXT else part

    def put(
        self,
        rows: LongArray,
        raw: Mapping[ViewName, FloatArray],
        attributes: Sequence[Mapping[str, Attribute]] | None = None,
        media: Media | None = None,
    ) -> None:
        """Place new or changed items in every view; see `View.put`.

        Args:
            raw: (m, d) by view; those of a view that shares another's array may be left out.
            attributes: of the m items; None: nothing is known of them.
            media: by medium (m, d), a zero row is missing; so is a medium that is not there.
        """
        for name, view in self.distinct().items():
            if name != "described":
                width = view.vectors.shape[1]
                view.put(rows, raw[name] if name in raw else np.zeros((len(rows), width), np.float32))
        self.describe(rows, attributes, media)

    def describe(
        self,
        rows: LongArray,
        attributes: Sequence[Mapping[str, Attribute]] | None = None,
        media: Media | None = None,
    ) -> None:
        """Say anew what items are beside their texts, which stay; see `put`."""
        brought = self._brought(len(rows), media or {})
        for medium, vectors in brought.items():
            put_rows(self._media[medium], rows, vectors)
        if "described" in self.views:
            names = [part.name for part in self.description.counting]
            columns = columns_of(attributes or [{}] * len(rows), names)
            blocks = self.description.blocks(len(rows), columns, brought)
            texts = self.views["tuned"].vectors[rows]
            self.views["described"].place(rows, self.description.joined(texts, blocks))

    def _brought(self, count: int, media: Media) -> dict[str, FloatArray]:
        return {
            name: media.get(name, np.zeros((count, known.array.shape[1]), np.float32))
            for name, known in self._media.items()
        }

    def changes(self, rows: LongArray) -> Arrays:
        """Return (m, d) where every view has the (m,) named items, and their media."""
        if not len(rows):
            return {}
        media = {f"{MEDIA}{name}": vectors[rows] for name, vectors in self.media.items()}
        return {name: view.vectors[rows] for name, view in self.distinct().items()} | media

    def resume(self, rows: LongArray, changes: Arrays) -> None:
        """Take in `changes` of a space that was made equally."""
        for name, view in self.distinct().items():
            view.place(rows, changes[name])
        for medium, known in self._media.items():
            put_rows(known, rows, changes[f"{MEDIA}{medium}"])

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
        if self.description.parts:
            state[DESCRIPTION] = np.frombuffer(self.description.to_json(), np.uint8)
        return state | {f"{MEDIA}{name}": vectors for name, vectors in self.media.items()}

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
            Description.of_json(state[DESCRIPTION].tobytes()) if DESCRIPTION in state else None,
            {key.removeprefix(MEDIA): state[key] for key in state if key.startswith(MEDIA)},
        )

    def distinct(self) -> dict[ViewName, View]:
        """Return each view once, under its first name."""
        names = [name for name in VIEWS if name in self.views]
        first: dict[int, ViewName] = {}
        for name in names:
            first.setdefault(id(self.views[name]), name)
        return {name: self.views[name] for name in first.values()}
