"""Every answer of the service as a type: the client reads them, and the OpenAPI description shows them.

A newer service may say more than is known here: what is unknown is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

Fields: TypeAlias = dict[str, Any]
Microseconds: TypeAlias = Annotated[int, Meta(description="Microseconds since 1970, UTC.")]


class Item(Struct, frozen=True):
    """An item as people see it."""

    id: str
    title: str
    attributes: Fields


class Effect(Struct, frozen=True):
    """What a rule did to a slate: how many items it concerns, and by how much; `note`: why it did nothing."""

    rule: str
    kind: str
    items: int
    amount: float
    note: str = ""


class Place(Item, frozen=True):
    """One place of a slate; `reason` and `signals` are empty where no reasons were asked for."""

    score: float
    propensity: Annotated[float, Meta(description="With which the policy put the item here.", ge=0, le=1)]
    rules: tuple[str, ...] = ()
    reason: str = ""
    signals: dict[str, float] = {}


class Slate(Struct, frozen=True):
    """What is recommended, best first; `cursor` asks for the next page."""

    decision: Annotated[str, Meta(description="By which the slate can be looked up and drawn again.")]
    user: str
    scenario: str
    run: str
    position: Annotated[int, Meta(description="How many events were known.")]
    policy: Fields
    cursor: str | None
    rules: tuple[Effect, ...]
    user_known: bool
    notes: tuple[str, ...]
    items: tuple[Place, ...]

    def __iter__(self) -> Iterator[Place]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def ids(self) -> list[str]:
        """The ids of the items, best first."""
        return [place.id for place in self.items]


class Receipt(Struct, frozen=True):
    """What became of events: each is on the disk, and every later request sees it."""

    accepted: Annotated[int, Meta(description="Events that were new.")]
    duplicates: Annotated[int, Meta(description="Events that had come before by their id.")]
    repeated: Annotated[bool, Meta(description="Whether the request had come before by its key.")]
    offset: Annotated[int, Meta(description="Place of the log's last event.")]


class SimilarItems(Struct, frozen=True):
    """The items most like one item, best first."""

    scenario: str
    item: str
    items: tuple[Place, ...]


class ListedItem(Item, frozen=True):
    """An item of a list that is the same for everybody."""

    score: float
    reason: str


class ItemList(Struct, frozen=True):
    """A list that is the same for everybody, best first."""

    scenario: str
    items: tuple[ListedItem, ...]


class StoredItem(Struct, frozen=True):
    """An item by the columns of its table; `not_kept` names those of its text that the run does not keep."""

    id: str
    fields: Fields
    not_kept: tuple[str, ...]


class ItemsPage(Struct, frozen=True):
    """A page of items; `next` leads to the one behind it."""

    scenario: str
    items: tuple[StoredItem, ...]
    next: int | None


class ItemDetails(Item, frozen=True):
    """All that is known of an item."""

    scenario: str
    text: Annotated[str, Meta(description="As the language model reads it.")]
    fields: Fields
    not_kept: tuple[str, ...]
    parts: Annotated[
        dict[str, float],
        Meta(
            description="Which share of its vector is its text, each attribute, each medium; empty: all text."
        ),
    ]
    unknown: Annotated[
        dict[str, tuple[str, ...]],
        Meta(description="By attribute: values that training never met; they count as missing."),
    ]


class ItemChange(Struct, frozen=True):
    """An item was changed: it is on the disk, and every later request sees it."""

    scenario: str
    item: str
    offset: int


class Refusal(Struct, frozen=True):
    """A row that was not taken: its number, from 1, and why."""

    row: int
    reason: str


class Job(Struct, frozen=True):
    """How far a job is: of its `rows` so many were `read`, which are `taken` or `refused`."""

    id: str
    scenario: str
    made: Microseconds
    rows: int
    status: Literal["waiting", "running", "done", "cancelled", "failed"]
    read: int
    taken: int
    refused: int
    refusals: tuple[Refusal, ...]
    fault: str | None

    @property
    def finished(self) -> bool:
        """Whether it will not go on."""
        return self.status not in ("waiting", "running")


class Jobs(Struct, frozen=True):
    """The latest jobs, latest first."""

    jobs: tuple[Job, ...]


class PastItem(Item, frozen=True):
    """What a user did that stands behind an item, and the signal that says so."""

    signal: str


class Explanation(Struct, frozen=True):
    """Why an item stands where it stands; `rank` is null where it may not be shown."""

    user: str
    scenario: str
    item: Item
    rank: int | None
    candidates: int
    score: float
    reason: str
    shares: Annotated[dict[str, float], Meta(description="By signal: what it adds to the score.")]
    scores: Annotated[dict[str, float], Meta(description="By signal: its own score.")]
    past: tuple[PastItem, ...]
    parts: Annotated[
        dict[str, float],
        Meta(description="Which share of the item's vector is its text, each attribute, each medium."),
    ]


class Prediction(Struct, frozen=True):
    """What to expect of an item: `next_choice`, and what the signal `multitask` predicts, by objective."""

    item: str
    predictions: Annotated[
        dict[str, float], Meta(description="A probability in [0, 1], or a value in its own unit.")
    ]


class Predictions(Struct, frozen=True):
    """What to expect of given items, in their order."""

    user: str
    scenario: str
    run: str
    items: tuple[Prediction, ...]


class Obstacle(Struct, frozen=True):
    """What keeps an item out, in words, and the least that takes it away."""

    stage: str
    sentence: str
    change: Fields


class WhyNot(Struct, frozen=True):
    """What keeps an item out of a slate; `obstacles` is empty where it is in it, at `place`."""

    user: str
    item: str
    scenario: str
    place: int | None
    rank: int | None
    score: float | None
    missing: Annotated[float | None, Meta(description="What its score lacks for the last place.")]
    obstacles: tuple[Obstacle, ...]
    enough: Annotated[bool | None, Meta(description="Whether all changes together bring it in.")]


class PastSlate(Struct, frozen=True):
    """A slate of the past."""

    decision: str
    time: Microseconds
    scenario: str
    run: str
    slate: tuple[str, ...]


class PastSlates(Struct, frozen=True):
    """The latest slates of a user, latest first."""

    user: str
    decisions: tuple[PastSlate, ...]


class Decision(Struct, frozen=True):
    """What was decided for a slate: the request, all candidates with their scores, and what was shown.

    `candidates` is null where another run answers by now; `places` are rows of the candidates.
    """

    decision: str
    time: Microseconds
    user: str
    scenario: str
    run: str
    position: int
    k: int
    candidates: tuple[str, ...] | None
    scores: tuple[float, ...]
    slate: tuple[str, ...]
    places: tuple[int, ...]
    propensities: tuple[float, ...]
    said: tuple[str, ...]
    exclude: tuple[str, ...]
    only: tuple[str, ...] | None
    history: tuple[str, ...] | None
    context: Fields
    filter: Fields
    seen: str | None
    earlier: tuple[str, ...]
    rules_version: str
    effects: tuple[Effect, ...]
    reasons: bool = True
    user_known: bool = True
    policy: Fields = {}
    seed: int = 0
    page: int = 1


class Replay(Struct, frozen=True):
    """A past slate drawn again: whether it is the `same`, and computed again where that can be."""

    decision: str
    same: bool
    slate: tuple[str, ...]
    places: tuple[int, ...]
    propensities: tuple[float, ...]
    recomputed: bool
    recomputed_same: bool | None
    why_not_recomputed: str | None


class Scenario(Struct, frozen=True):
    """A scenario: how many items it has, and which actions it knows."""

    name: str
    items: int
    actions: tuple[str, ...]


class Scenarios(Struct, frozen=True):
    """The run that answers, and its scenarios."""

    run: str
    scenarios: tuple[Scenario, ...]


class UserLikeness(Struct, frozen=True):
    """A user, and the cosine of their vector."""

    id: str
    score: float


class SimilarUsers(Struct, frozen=True):
    """The users most like one user, best first."""

    user: str
    users: tuple[UserLikeness, ...]


class History(Struct, frozen=True):
    """The latest items of a user by scenario, newest first."""

    user: str
    known: bool
    latest: dict[str, tuple[Item, ...]]
