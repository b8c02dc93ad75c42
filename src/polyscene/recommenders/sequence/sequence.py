"""Self-attention over the vectors of what a person did last: order and company both count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, Field, model_validator

from polyscene.core.arrays import Arrays
from polyscene.core.seeds import derived
from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.queries import Histories, Queries, Timeline
from polyscene.recommenders.scores import Scores, VectorScores
from polyscene.recommenders.sequence.beside import Beside, Other
from polyscene.recommenders.sequence.inference import SequenceWeights
from polyscene.recommenders.sequence.windows import Choosing
from polyscene.recommenders.signal import Evidence, Need, Signal, SignalSettings
from polyscene.representation.index_rows import IndexedRows
from polyscene.representation.item_space import ItemSpace
from polyscene.responsible.explanation import Sentences

HELD_OUT_SHARE = 0.1
"""The share of the people whose last choice decides when training stops."""
MAX_HELD_OUT = 2000
HEARD = "heard/"
"""Before the name of a scenario that is heard, in the state."""


class SequenceSettings(SignalSettings):
    """`[signals.sequence]`: see `Sequence`."""

    size: int = Field(128, ge=2, description="numbers in a vector, a multiple of `heads`")
    layers: int = Field(1, ge=1, description="blocks of attention")
    heads: int = Field(2, ge=1, description="attentions side by side")
    length: int = Field(50, ge=1, description="latest events that are looked at")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of numbers left out in training")
    forgetting: float = Field(
        0.2, ge=0, lt=1, description="share of items known by their text alone in a step, as new ones are"
    )
    epochs: int = Field(7, ge=1, description="at most so many rounds through the choices")
    patience: int = Field(3, ge=1, description="rounds without gain on held-out choices after which to stop")
    learning_rate: float = Field(2e-3, gt=0, description="the highest rate")
    negatives: int = Field(512, ge=2, description="other items that stand against each choice")
    max_items: int = Field(
        100_000, ge=1, description="only the most chosen learn more than what their text says"
    )
    max_choices: int = Field(300_000, ge=1, description="latest choices that it learns from")
    view: Literal["prior", "tuned"] = Field(
        "prior", description="texts as the language model reads them as it came, or tuned on the same choices"
    )
    scenarios: Literal["own", "all"] = Field(
        "own", description="whether it hears what a person did in the other scenarios"
    )
    minutes: float | None = Field(None, gt=0, description="at most so long; cannot be repeated exactly")

    @model_validator(mode="after")
    def _must_divide(self) -> Self:
        if self.size % self.heads:
            raise ValueError(f"Size should be a multiple of heads ({self.heads}), not {self.size}")
        return self


class Sequence(Signal):
    """`score(u, i) = x_uᵀ w_i`, `w_i = unit(P v_i + δ_i)`: what the text says, and what behaviour added.

    x_u is what self-attention makes of the latest `length` events, the w of the history, beside their plain
    decayed mean; what an event counts in attention depends on what it is, on who asks, and on how many came
    after it. P, δ and the attention are trained to predict every next choice among the whole catalogue. δ is
    0 where nobody chose the item. With `scenarios = "all"` attention also looks at what the person did in the
    other scenarios, by text, scenario, weight and time gap; where clocks cannot be compared in no order.

    Live: the weights are those of the last fit; the history is the present one. New items count by their
    text.

    Source: W.-C. Kang, J. McAuley, Self-attentive sequential recommendation, ICDM 2018, with the softmax over
    the catalogue in place of one negative (A. Klenitskiy, A. Vasilev, Turning dross into gold loss, RecSys
    2023) and places counted from the end.
    """

    name: ClassVar[str] = "sequence"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.SEQUENCES})
    sentences: ClassVar[Sentences] = Sentences(
        "It follows from what you chose, in the order in which you chose it.",
        "Of your latest choices, {past} above all leads on to it.",
    )
    Settings = SequenceSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self._others: dict[str, Other] = {}
        self._set(SequenceWeights({}), ItemSpace.empty(0))

    def _set(self, weights: SequenceWeights, space: ItemSpace) -> None:
        self.weights, self._space = weights, space
        self.rows = IndexedRows(weights.items(self._texts(space)))
        self._placed: LongArray = np.zeros(0, np.int64)

    def _texts(self, space: ItemSpace) -> FloatArray:
        return space.view(self.settings.view).vectors

    @property
    def items(self) -> FloatArray:
        """Return (n_items, d) vectors w."""
        return self.rows.array

    def fit(self, evidence: Evidence) -> Self:
        """Train the network; without a trainer, or a choice that follows another, it has nothing to say."""
        self._set(SequenceWeights({}), evidence.space)
        self._others = self._heard(evidence)
        choosing = Choosing.of(evidence.positive)
        if evidence.trainer is not None and choosing.predictable.any():
            self._set(self._trained(evidence, choosing), evidence.space)
        return self

    def _heard(self, evidence: Evidence) -> dict[str, Other]:
        """Return the other scenarios that are heard: those whose texts can be compared."""
        width = evidence.space.view("common").vectors.shape[1]
        names = [
            name
            for name, other in sorted(evidence.elsewhere.items())
            if other.space.has_text and other.space.view("common").vectors.shape[1] == width
        ]
        if self.settings.scenarios == "own":
            return {}
        elsewhere = evidence.elsewhere
        return {
            name: Other(number, elsewhere[name].space, elsewhere[name].comparable)
            for number, name in enumerate(names)
        }

    def _trained(self, evidence: Evidence, choosing: Choosing) -> SequenceWeights:
        import torch  # loaded only to learn

        from polyscene.recommenders.sequence.learner import SequenceLearner
        from polyscene.recommenders.sequence.network import SequenceNetwork

        settings, seed = self.settings, derived(evidence.seed, self.name)
        taught, held_out = self._parts(choosing, seed)
        counts = np.bincount(choosing.item, minlength=evidence.n_items)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed % 2**31)
            network = SequenceNetwork(
                self._texts(evidence.space),
                _most_chosen(counts, settings.max_items),
                settings.size,
                settings.layers,
                settings.heads,
                settings.length,
                settings.dropout,
                settings.forgetting,
                evidence.space.view("common").vectors if self._others else None,
                len(self._others),
            )
        timelines = {
            name: (Timeline(evidence.elsewhere[name].events, evidence.n_users), other.comparable)
            for name, other in self._others.items()
        }
        learner = SequenceLearner(
            network,
            choosing.windows(taught, settings.length).hearing(timelines),
            choosing.singles(held_out, settings.length).hearing(timelines),
            counts,
            settings.negatives,
            self._others,
        )
        optimiser = OptimiserSettings(learning_rate=settings.learning_rate, warmup=0.05, clip=5.0)
        assert evidence.trainer is not None
        evidence.trainer(learner, optimiser, settings.epochs, settings.patience, settings.minutes, seed)
        return network.fitted()

    def _parts(self, choosing: Choosing, seed: int) -> tuple[BoolArray, LongArray]:
        """Return (n,) which events are learned from, and the last choices of some people, held out."""
        last = choosing.last_choices()
        size = min(int(len(last) * HELD_OUT_SHARE), MAX_HELD_OUT)
        held_out: LongArray = np.sort(np.random.default_rng(seed).permutation(last)[:size])
        taught = choosing.latest(self.settings.max_choices)
        taught[held_out] = False
        return taught, held_out

    def users(
        self, history: Histories, elsewhere: Mapping[str, Histories] = MappingProxyType({})
    ) -> FloatArray:
        """Return (B, d) vectors of the users; zero without a history here.

        Args:
            elsewhere: what they did in other scenarios, by name.
        """
        vectors = np.zeros((len(history), self.items.shape[1]), np.float32)
        if self.weights.arrays:
            for some, places in _of_equal_length(history, self.weights.length):
                beside = self._beside(elsewhere, some, history.times[places])
                vectors[some] = self.weights.users(self.items[history.items[places]], beside)
        return vectors

    def _beside(
        self, elsewhere: Mapping[str, Histories], some: LongArray, times: LongArray
    ) -> tuple[FloatArray, FloatArray] | None:
        """Return what some of the users did in other scenarios, as attention looks at it; None: nothing."""
        if not self._others:
            return None
        picked = {name: history.pick(some) for name, history in elsewhere.items()}
        events = Beside.of(picked, self._others, len(some))
        return self.weights.beside(events, times) if events.there.any() else None

    def prepare(self, queries: Queries) -> Scores:
        """Compare users with items."""
        return VectorScores(self.users(queries.history, queries.elsewhere), self.items, self.rows.index)

    def support(self, history: IntArray, items: IntArray | LongArray) -> FloatArray:
        """Return by how much the score of each item would fall without each of the past items."""
        support = np.zeros((len(items), len(history)), np.float32)
        if not self.weights.arrays or not len(history):
            return support
        codes = history[-self.weights.length - 1 :].tolist()  # what is older is not looked at
        without = [codes[:place] + codes[place + 1 :] for place in range(len(codes))]
        users = self.users(Histories.of([codes, *without]))  # (1 + l, d)
        lost = np.einsum("md,ld->ml", self.items[items], users[0] - users[1:])
        support[:, -len(codes) :] = lost
        return support

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Place new and edited items by their text."""
        vectors = self._texts(self._space)[rows]
        self.rows.place(rows, self.weights.items(vectors, rows))
        self._placed = np.union1d(self._placed, rows)

    def changes(self) -> Arrays:
        """Return where items lie that came or changed since the fit."""
        return {"placed": self._placed, "vectors": self.items[self._placed]}

    def resume(self, changes: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> None:
        """Put these items where they were."""
        self._space, self._placed = space, changes["placed"]
        self._others = {name: replace(other, space=others[name]) for name, other in self._others.items()}
        self.rows.place(self._placed, changes["vectors"])

    def state(self) -> Arrays:
        """Return the weights, and of which scenarios they know; the texts' vectors are the item spaces'."""
        comparable = {name: np.array(other.comparable) for name, other in self._others.items()}
        return self.weights.arrays | {f"{HEARD}{name}": flag for name, flag in comparable.items()}

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take weights and vectors."""
        names = sorted(name.removeprefix(HEARD) for name in state if name.startswith(HEARD))
        self._others = {
            name: Other(number, others[name], bool(state[f"{HEARD}{name}"]))
            for number, name in enumerate(names)
        }
        weights = {name: array for name, array in state.items() if not name.startswith(HEARD)}
        self._set(SequenceWeights(weights), space)
        return self


def _most_chosen(counts: LongArray, most: int) -> BoolArray:
    """Return (n,) which items are among the `most` most chosen, and chosen at all."""
    chosen = counts > 0
    chosen[np.argsort(-counts, kind="stable")[most:]] = False
    return chosen


def _of_equal_length(history: Histories, most: int) -> Iterator[tuple[LongArray, LongArray]]:
    """Yield rows whose latest events, at most so many, are equally many, and (m, l) where these lie."""
    lengths = np.minimum(history.lengths, most)
    for length in np.unique(lengths[lengths > 0]).tolist():
        some = np.flatnonzero(lengths == length)
        yield some, history.offsets[some + 1][:, None] - length + np.arange(length)
