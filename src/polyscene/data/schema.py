"""What the rest of the house sees of a company's tables: arrays with one meaning each.

Users are numbered over the whole project (the same id in two scenarios is one person), items within
their scenario. All per-event columns have the same length n and are ordered by time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.links import KnowledgeGraph, SocialLinks

Clock = Literal["time", "sequence"]
"""time: microseconds since 1970 in UTC. sequence: numbers that order one user's events in one scenario."""

UNKNOWN_TIME = np.iinfo(np.int64).min
"""Stands for 'always been there' in a catalogue."""


class Part(IntEnum):
    """What a row may be used for."""

    TRAIN = 0
    VALID = 1
    TEST = 2
    CONTEXT = 3


@dataclass(frozen=True)
class Ids:
    """A numbering of ids: code i stands for `values[i]`."""

    values: pl.Series

    @cached_property
    def codes(self) -> Mapping[str, int]:
        """Return the way back, from id to code."""
        return {value: code for code, value in enumerate(self.values.to_list())}

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, code: int) -> str:
        return str(self.values[int(code)])

    def get(self, value: str) -> int | None:
        """Return the code of an id, or None where it was never seen."""
        return self.codes.get(value)


@dataclass(frozen=True)
class ImageFiles:
    """Image files of a catalogue, which an encoder has yet to read.

    Attributes:
        folder: that all of them lie in, also through links.
        names: of each item, relative to the folder; empty where one is missing.
    """

    folder: Path
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Catalogue:
    """The items of one scenario.

    Attributes:
        ids: n item ids.
        text: n texts as the language model will read them (the template is already filled in).
        title: n short texts for people, usually the first text column.
        attributes: n rows; categorical columns as String, numeric as Float64; null where missing.
        since: (n,) microseconds, when the item became available; UNKNOWN_TIME where not said.
        media: by name (n, d) vectors that the user brings; a zero row is missing.
        images: by name the n files out of which further `media` are made when a project is trained.
    """

    ids: Ids
    text: tuple[str, ...]
    title: tuple[str, ...]
    attributes: pl.DataFrame
    since: LongArray
    media: Mapping[str, FloatArray] = field(default_factory=dict)
    images: Mapping[str, ImageFiles] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class EventLog:
    """Events of one scenario, ordered by time (ties in the order of the file).

    Attributes:
        user: (n,) codes in the project's numbering.
        item: (n,) codes in the scenario's catalogue.
        action: (n,) codes into `actions`.
        value: (n,) what the action measured; NaN where nothing.
        weight: (n,) how much the event counts in what is learned; 0 is never learned from.
        time: (n,) by `clock`.
        part: (n,) `Part` codes; all TRAIN where the tables name no split.
        choice: (n,) True where the event is something to be predicted (an objective's action, or, for
            sequences, the last of the row).
        had: (n,) True where an event of weight 0 still tells that its user has had the item, such as a low
            grade; None: no event does.
    """

    user: IntArray
    item: IntArray
    action: NDArray[np.int8]
    value: FloatArray
    weight: FloatArray
    time: LongArray
    part: NDArray[np.int8]
    choice: BoolArray
    actions: tuple[str, ...] = ("event",)
    had: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: BoolArray | LongArray) -> Self:
        """Return the named rows, in their order."""
        return replace(
            self,
            user=self.user[rows],
            item=self.item[rows],
            action=self.action[rows],
            value=self.value[rows],
            weight=self.weight[rows],
            time=self.time[rows],
            part=self.part[rows],
            choice=self.choice[rows],
            had=None if self.had is None else self.had[rows],
        )

    def only_had(self) -> Self:
        """Return the events that teach nothing but that their users have had the items."""
        return self.take(np.zeros(len(self), np.bool_) if self.had is None else self.had)


@dataclass(frozen=True)
class Scenario:
    """One scenario's catalogue and log.

    Attributes:
        row_order: whether nothing but the order of rows says what came first; between users it says nothing.
    """

    name: str
    catalogue: Catalogue
    events: EventLog
    clock: Clock
    repeats: bool | None = None
    has_split: bool = False
    row_order: bool = False


@dataclass(frozen=True)
class Dataset:
    """Everything a project knows: shared users and its scenarios.

    Attributes:
        users: the project's users; local ones are called `SCENARIO/ID`.
        profiles: user attributes by scenario name, one row per known user with its code in `user`.
        clocks_shared: whether times of different scenarios can be compared.
        notes: what was repaired or left out while reading, each a sentence with a count.
        links: between people, of all scenarios together, since people are shared; None: no table names any.
        knowledge: by scenario, where it has a knowledge graph.
    """

    users: Ids
    scenarios: Mapping[str, Scenario]
    profiles: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    clocks_shared: bool = True
    notes: tuple[str, ...] = ()
    links: SocialLinks | None = None
    knowledge: Mapping[str, KnowledgeGraph] = field(default_factory=dict)
