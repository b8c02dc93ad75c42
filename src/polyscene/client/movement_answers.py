"""Answers about how items move, as types; see `answers`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class Neighbour(Struct, frozen=True):
    """An item near another."""

    id: str
    title: str


class Share(Struct, frozen=True):
    """How many moves there were, and their lengths together."""

    moves: int
    path: float


class ItemMove(Struct, frozen=True):
    """One move of an item; `length` and distances in units of the vector that its text gives it.

    `time` is in microseconds since 1970, UTC, or a place where the scenario knows only an order. `offset` is
    null where the event is older than the log; `person` counts within one answer, and is null where nobody
    did something to the item itself.
    """

    kind: Literal["own", "compared", "described", "rolled_back"]
    time: int
    offset: int | None
    person: int | None
    action: str | None
    length: float
    distance_before: float
    distance_after: float
    bias_before: float
    bias_after: float
    nearest_before: tuple[Neighbour, ...]
    nearest_after: tuple[Neighbour, ...]


class Mover(Share, frozen=True):
    """How somebody moved an item."""

    person: int


class Movement(Struct, frozen=True):
    """How an item has moved: its longest moves in their order, who moved it furthest, and a curve.

    `gap` is 0 where the history is exact; `curve` has moments, distances from the text and biases.
    """

    scenario: str
    item: str
    title: str
    clock: Literal["time", "sequence"]
    distance: float | None
    bias: float | None
    kinds: Annotated[dict[str, Share], Meta(description="By what moved it.")]
    moves: tuple[ItemMove, ...]
    people: tuple[Mover, ...]
    n_people: int
    curve: tuple[tuple[int, float, float], ...]
    nearest: tuple[Neighbour, ...]
    gap: float
    notes: tuple[str, ...]
    seconds: float


class Standing(Struct, frozen=True):
    """Where an item stands: its distance from its text, its bias, and what is nearest."""

    distance: float | None
    bias: float | None
    nearest: tuple[Neighbour, ...]


class Rollback(Struct, frozen=True):
    """An item was set back: how many of its events were undone; `exact`: as it was, to the last bit."""

    scenario: str
    item: str
    offset: int
    undone: int
    exact: bool
    before: Standing
    after: Standing
    seconds: float
