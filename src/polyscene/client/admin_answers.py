"""Answers about users, rules, runs and the process, as types; see `answers`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from polyscene.client.answers import Fields, Microseconds


class UsersPage(Struct, frozen=True):
    """A page of the ids of users; `next` leads to the one behind it."""

    users: tuple[str, ...]
    next: int | None


class User(Struct, frozen=True):
    """The fields of a user, and the scenarios in which anything is known of them."""

    user: str
    known_in: tuple[str, ...]
    fields: Fields


class UserChange(Struct, frozen=True):
    """A user's fields were changed: they are on the disk."""

    user: str
    offset: int


class Erasure(Struct, frozen=True):
    """The receipt of an erasure; where `complete` is false, the runs in `failed` still hold the user."""

    id: str
    time: Microseconds
    salt: str
    sha256: str
    complete: bool
    entries: int
    decisions: int
    runs: tuple[str, ...]
    failed: tuple[str, ...]
    stays: tuple[str, ...]


class Trace(Struct, frozen=True):
    """A file in which the bytes of an id occur, or that could not be read wholly."""

    file: str
    cells: int
    places: tuple[str, ...]
    encodings: tuple[str, ...]
    bytes: int
    words: tuple[str, ...]
    certain: bool
    note: str | None


class VerifiedErasure(Erasure, frozen=True):
    """A receipt; where `searched`, whether all is `clean`, and what was met in which file."""

    searched: bool
    clean: bool = False
    files: int = 0
    tables: int = 0
    kept: dict[str, int] = {}
    traces: tuple[Trace, ...] = ()


class Rules(Struct, frozen=True):
    """The rules that hold, and the version by which decisions name them."""

    scenario: str
    version: str
    rules: tuple[Fields, ...]


class RulesChange(Rules, frozen=True):
    """The rules that hold now; `doubts` names what may be meant otherwise."""

    doubts: tuple[str, ...]


class Model(Struct, frozen=True):
    """A run of the project; one that is not `usable` has no more than its name."""

    run: str
    active: bool
    usable: bool
    made: str = ""
    learned_from: Any = None
    scenarios: tuple[str, ...] = ()
    judged: bool = False
    metrics: Annotated[dict[str, dict[str, float | None]], Meta(description="By scenario and metric.")] = {}
    intervals: dict[str, Fields] = {}


class Models(Struct, frozen=True):
    """The runs of the project, oldest first."""

    models: tuple[Model, ...]


class Activation(Struct, frozen=True):
    """Which run answers now, and which did before; `verdict` says how they compare."""

    run: str
    before: str
    forced: bool
    verdict: str


class Live(Struct, frozen=True):
    """The process answers."""

    status: Literal["live"]


class Ready(Struct, frozen=True):
    """Whether requests can be sent here; of several tenants, how many there are and have problems.

    `behind` says why another run answers here than the one that was activated last; null: it does not.
    `encoder` says how far the language model is that reads new items.
    """

    status: Literal["ready", "not ready", "stopping"]
    problems: int
    tenants: int = 1
    run: str = ""
    behind: str | None = None
    encoder: str = ""
    offset: int = 0
    replayed: int = 0
    unfit: int = 0
    waiting: int = 0
