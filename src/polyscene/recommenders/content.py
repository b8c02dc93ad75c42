"""Content: items whose words resemble what the user did, here or in other scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, Field

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Histories, Queries
from polyscene.recommenders.scores import Scores, VectorScores
from polyscene.recommenders.signal import Evidence, Need, Signal, SignalSettings
from polyscene.representation.history_decay import DEFAULT_DECAY
from polyscene.representation.item_space import ItemSpace, ViewName
from polyscene.representation.items import unit
from polyscene.representation.users import taste
from polyscene.responsible.explanation import Sentences

CLOSE = 0.3
"""With a smaller cosine a text is not said to be close to another."""
READ_ALONE = Sentences(
    "To a language model its text lies close to what you chose.",
    "To a language model its text lies close to that of {past}, which you chose.",
    "Like {past}, which you chose, it has {trait}.",
)
"""True of vectors that have learned nothing of what people choose."""


class ContentSettings(SignalSettings):
    """`[signals.content]` and its kin: see `Content`."""

    decay: float | None = Field(
        None, gt=0, lt=1, description="what an event still counts after each later one; default: measured"
    )


class Content(Signal):
    """Cosine between an item's language-model vector and the decayed mean of the user's history.

    The catalogue's mean is taken off first: what all texts of a shop share says nothing about taste. Items
    without text, and users without history, score 0. How fast taste fades is measured with the language
    model as it came, so that what it learned by heart does not count.

    Live: equal to a fit on all events with the decay of the last fit; new and edited texts count at once.
    """

    name: ClassVar[str] = "content"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.TEXT})
    sentences: ClassVar[Sentences] = Sentences(
        "It is close to what you chose, by its text and by what people choose together.",
        "It is close to {past}, which you chose, by its text and by what people choose together.",
        "It shares {trait} with {past}, which you chose.",
    )
    view: ClassVar[ViewName] = "tuned"
    Settings = ContentSettings

    def __init__(self, settings: BaseModel | None = None, space: ItemSpace | None = None) -> None:
        super().__init__(settings)
        self.space = ItemSpace.empty(0) if space is None else space
        self.decay = self.settings.decay or DEFAULT_DECAY

    @property
    def vectors(self) -> FloatArray:
        """Return (n_items, d) centred unit vectors."""
        return self.space.view(self.view).vectors

    def fit(self, evidence: Evidence) -> Self:
        """Take the vectors, and measure how fast taste fades where held-out choices have not told it."""
        self.space = evidence.space
        own = evidence.tuned_decay if self.view in ("tuned", "described") else None
        self.decay = self.settings.decay or own or evidence.decay
        return self

    def users(self, queries: Queries) -> FloatArray:
        """Return (B, d) unit profiles."""
        return unit(taste(queries.history, self.vectors, self.decay))

    def prepare(self, queries: Queries) -> Scores:
        """Compare profiles with items."""
        view = self.space.view(self.view)
        return VectorScores(self.users(queries), view.vectors, view.index)

    def support(self, history: IntArray, items: IntArray | LongArray) -> FloatArray:
        """Return each past item's cosine with each item, decayed by age; 0 for what is not close."""
        ages = np.arange(len(history))[::-1]
        cosines = self.vectors[items] @ self.vectors[history].T
        cosines = np.where(cosines < CLOSE, 0.0, cosines)
        support: FloatArray = (cosines * self.decay**ages).astype(np.float32)
        return support

    def wording(self) -> Sentences:
        """Say that the vectors learned from choices only where they did."""
        learned = self.view != "tuned" or "prior" in self.space.views
        return self.sentences if learned else READ_ALONE

    def state(self) -> Arrays:
        """Return the decay; the vectors are the item space's."""
        return {"decay": np.array(self.decay)}

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take the vectors and the decay."""
        self.space, self.decay = space, float(state["decay"])
        return self


class ContentPrior(Content):
    """The same cosine, by the language model as it came: what it knew before this company taught it.

    Tuning learns what these people choose together, and forgets a little of what texts mean to anybody; the
    fusion weighs both. It is absent where the model is not tuned.
    """

    name: ClassVar[str] = "content_prior"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.TEXT, Need.PRIOR})
    sentences: ClassVar[Sentences] = READ_ALONE
    view: ClassVar[ViewName] = "prior"


class Attributes(Content):
    """The same cosine, by text, attributes and media together: `w = unit[v, √α₁ a₁, √α₂ a₂, …]`.

    A person's taste is compared part by part, `x = unit[unit x₀, √α₁ unit x₁, …]`, as when α was learned; so
    a part in which a person's choices resemble each other more does not count more. What an item lacks is
    left out of its vector. Where no α is surely above 0 the signal is absent.

    Live: equal to a fit on all events with the α and the decay of the last fit; new and edited items count
    at once.
    """

    name: ClassVar[str] = "attributes"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.PARTS})
    sentences: ClassVar[Sentences] = Sentences(
        "In its text and attributes it is close to what you chose.",
        "In its text and attributes it is close to {past}, which you chose.",
        "It shares {trait} with {past}, which you chose.",
    )
    view: ClassVar[ViewName] = "described"

    def users(self, queries: Queries) -> FloatArray:
        """Return (B, D) unit profiles, of parts that are as long as their α says."""
        tastes = taste(queries.history, self.vectors, self.decay)
        described = "described" in self.space.views
        width = self.space.view("tuned").vectors.shape[1]
        return self.space.description.balanced(tastes, width) if described else unit(tastes)

    def wording(self) -> Sentences:
        """Return the sentences, which are true however texts are read."""
        return self.sentences


class CrossScenarioSettings(ContentSettings):
    """`[signals.cross_scenario]`: see `CrossScenario`."""

    decay: float | None = Field(
        0.8, gt=0, lt=1, description="what an event still counts after each later one"
    )


class CrossScenario(Content):
    """The same cosine, with what the user did in the other scenarios: shared users carry their taste over.

    Scenarios that another language model reads do not count: their vectors cannot be compared.

    Live: equal to a fit on all events.
    """

    name: ClassVar[str] = "cross_scenario"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.TEXT, Need.OTHER_SCENARIOS})
    sentences: ClassVar[Sentences] = Sentences("It is close in meaning to what you did in other places.")
    view: ClassVar[ViewName] = "common"
    Settings = CrossScenarioSettings

    def __init__(
        self,
        settings: BaseModel | None = None,
        space: ItemSpace | None = None,
        others: Mapping[str, ItemSpace] | None = None,
    ) -> None:
        super().__init__(settings, space)
        self.others = dict(others or {})

    def fit(self, evidence: Evidence) -> Self:
        """Take the vectors of every scenario."""
        self.space = evidence.space
        self.others = {name: other.space for name, other in evidence.elsewhere.items()}
        return self

    def users(self, queries: Queries) -> FloatArray:
        """Return (B, d) unit profiles of what the users did elsewhere."""
        total = np.zeros((len(queries), self.vectors.shape[1]), np.float32)
        for name, space in self.others.items():
            history = queries.elsewhere.get(name, Histories.of([[]] * len(queries)))
            total += taste(history, space.view("common").vectors, self.decay)
        return unit(total)

    def support(self, history: IntArray, items: IntArray | LongArray) -> FloatArray:
        """Nothing in this scenario stands behind an item: what does lies elsewhere."""
        return np.zeros((len(items), len(history)), np.float32)

    def state(self) -> Arrays:
        """Return the decay; the vectors are the item spaces'."""
        return {"decay": np.array(self.decay)}

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take the vectors of every scenario."""
        self.space, self.decay = space, float(state["decay"])
        self.others = {name: other for name, other in others.items() if space.compares_with(other)}
        return self
