"""Item neighbours across scenarios: what people with the same items in other places chose here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np
from pydantic import BaseModel, Field
from scipy import sparse

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, LongArray
from polyscene.data.queries import Queries
from polyscene.data.schema import EventLog
from polyscene.recommenders.links import Links, Scale
from polyscene.recommenders.scores import DenseScores, NoScores, Scores
from polyscene.recommenders.signal import Evidence, Need, Signal, SignalSettings, interactions, top_per_row
from polyscene.representation.item_space import ItemSpace
from polyscene.representation.users import decayed
from polyscene.responsible.explanation import Sentences

N_ITEMS, FROM = "n_items", "from/"


class CrossNeighboursSettings(SignalSettings):
    """`[signals.cross_neighbours]`: see `CrossNeighbours`."""

    decay: float = Field(0.8, gt=0, lt=1, description="what an event still counts after each later one")
    max_links: int = Field(200, ge=1, description="links kept of each item elsewhere")
    shrinkage: float = Field(5.0, ge=0, description="keeps few common users from looking like many")


class CrossNeighbours(Signal):
    """`score(u, j) = Σ_o Σ_k weight_k · decay^age(k) · S_o[h_ok, j]` over the histories h_o elsewhere.

    `S_o = x_iᵀx_j / (|x_i||x_j| + shrinkage)` compares an item i of another scenario o with an item j of this
    one by the people who chose both, each first divided by the root of how much they chose in all scenarios.
    It is `neighbours` between scenarios: where two places sell to the same people, what they bought in one
    tells what goes with it in the other, whatever the texts say.

    Live: the links are those of the last fit, the history elsewhere is the present one. New items are linked
    by the next fit.
    """

    name: ClassVar[str] = "cross_neighbours"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.OTHER_SCENARIOS})
    sentences: ClassVar[Sentences] = Sentences("People who chose what you did in other places chose it.")
    Settings = CrossNeighboursSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self._n_items = 0
        self._links: dict[str, Links] = {}
        """From each other scenario: rows are its items, columns the items here."""

    def fit(self, evidence: Evidence) -> Self:
        """Compare every item elsewhere with every item here that shares a user with it."""
        n_users, self._n_items = evidence.n_users, evidence.n_items
        here = _chosen(evidence.events, n_users, evidence.n_items)
        elsewhere = {
            name: _chosen(other.events, n_users, len(other.space))
            for name, other in evidence.elsewhere.items()
        }
        activity = sum((np.diff(one.indptr) for one in elsewhere.values()), np.diff(here.indptr))
        damping = sparse.diags_array(1 / np.sqrt(np.maximum(activity, 1)).astype(np.float32))
        damped = (damping @ here).tocsr()
        self._links = {name: self._compared(there, here, damped) for name, there in elsewhere.items()}
        return self

    def _compared(self, there: sparse.csr_array, here: sparse.csr_array, damped: sparse.csr_array) -> Links:
        """Return S_o of two (n_users, n) matrices of what people chose."""
        together = (there.T @ damped).tocoo()
        norms = _norms(there)[together.row] * _norms(here)[together.col]
        values = (together.data / (norms + np.float32(self.settings.shrinkage))).astype(np.float32)
        side = max(together.shape)
        entries = (values, (together.row, together.col))
        links = sparse.coo_array(entries, shape=(side, side)).tocsr()
        return Links(top_per_row(links, self.settings.max_links))

    def prepare(self, queries: Queries) -> Scores:
        """Sum the rows of what the users did elsewhere."""
        scores = np.zeros((len(queries), self._n_items), np.float32)
        parts = [part.whole() for part in self._heard(queries)]
        for part in parts:
            width = min(self._n_items, part.shape[1])
            scores[:, :width] += part[:, :width]
        return DenseScores(scores, positive=True) if parts else NoScores(*scores.shape)

    def _heard(self, queries: Queries) -> Iterator[Scores]:
        """Yield what each scenario says in which somebody did something."""
        for name, links in self._links.items():
            history = queries.elsewhere.get(name)
            if history is None or not len(history.items):
                continue
            past = decayed(history, self.settings.decay)
            since = past.items >= len(links)  # what came after the fit leads nowhere
            if since.any():
                past = replace(past, items=np.where(since, 0, past.items), weights=past.weights * ~since)
            yield links.scores(past, Scale())

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Make room for new items; nothing leads to them yet."""
        self._n_items = max(self._n_items, int(rows.max(initial=-1)) + 1)

    def state(self) -> Arrays:
        """Return the links from each scenario in their sparse parts."""
        state: Arrays = {N_ITEMS: np.array(self._n_items)}
        for name, links in self._links.items():
            state |= {f"{FROM}{name}/{part}": array for part, array in links.state().items()}
        return state

    def changes(self) -> Arrays:
        """Return how many items there are: the links are those of the fit."""
        return {N_ITEMS: np.array(self._n_items)}

    def resume(self, changes: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> None:
        """Take in how many there are."""
        self._n_items = int(changes[N_ITEMS])

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take the links back; those of a scenario that is no more are of no use."""
        self._n_items = int(state[N_ITEMS])
        self._links = {}
        for name in others:
            head = f"{FROM}{name}/"
            kept = {part.removeprefix(head): one for part, one in state.items() if part.startswith(head)}
            if kept:
                self._links[name] = Links.restore(kept)
        return self


def _chosen(events: EventLog, n_users: int, n_items: int) -> sparse.csr_array:
    """Return (n_users, n_items) how much of what people chose counts, at most 1 each."""
    chosen = interactions(events.take(events.weight > 0), n_users, n_items)
    chosen.data = np.minimum(chosen.data, 1.0)
    return chosen


def _norms(chosen: sparse.csr_array) -> FloatArray:
    """Return (n_items,) the root of how many people chose each item."""
    norms: FloatArray = np.sqrt(np.bincount(chosen.indices, minlength=chosen.shape[1])).astype(np.float32)
    return norms
