"""Social: what a person's friends chose, and friends of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

import numpy as np
from pydantic import BaseModel, Field
from scipy import sparse

from polyscene.core.arrays import Arrays
from polyscene.core.seeds import generator
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import LATEST, Histories, Queries, Timeline
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.scores import DenseScores, NoScores, Scores
from polyscene.recommenders.signal import Evidence, Need, Signal, SignalSettings, top_per_row
from polyscene.representation.item_space import ItemSpace
from polyscene.representation.tastes import Tastes, taste_rows, without_users
from polyscene.responsible.explanation import Sentences

DECAYS, TRUSTS = (0.8, 0.95, 1.0), (0.0, 5.0, 20.0)
"""What is tried where the settings do not say."""
DEFAULT_DECAY, DEFAULT_TRUST = 0.95, 5.0
"""Where too little was chosen to tell."""
MIN_CHOICES, MAX_CHOICES = 50, 2000
SURE = 5.0
"""A friend of so many events is trusted half as much as one of very many who is as alike."""
BY_CHANCE = 0.1
"""The share of choices that friends are taken to have nothing to do with."""
MIN_FRIENDS = 3
"""To whoever has fewer, no number of friends is told: it would tell what one of them did."""
LINKS_AT_ONCE = 2**17


class SocialSettings(SignalSettings):
    """`[signals.social]`: see `Social`."""

    damping: float = Field(0.5, ge=0, le=1, description="what friends of friends count beside friends")
    decay: float | None = Field(
        None,
        gt=0,
        le=1,
        description="what a friend's event still counts after each later one; default: measured",
    )
    trust: float | None = Field(
        None, ge=0, description="how much more a friend of the very same taste counts; default: measured"
    )
    shrinkage: float = Field(1.0, ge=0, description="keeps few friends from speaking as loud as many")
    prior_events: float = Field(10.0, ge=0, description="keeps friends of few events from speaking loud")
    max_friends: int = Field(100, ge=1, description="of each person, the closest ones")
    max_people: int = Field(300, ge=1, description="friends and friends of friends that a score is made of")
    max_history: int = Field(200, ge=1, description="a friend's latest events")


class _Choices(NamedTuple):
    """Choices by which decay and trust are told: (m,) users, (m,) items, and what each user did before."""

    user: IntArray
    item: IntArray
    before: Histories


class Social(Signal):
    """`score(u, j) = Σ_f P[u, f] · T[f, j]`: the tastes of the people around a user.

    `T` is each person's decayed history, divided by its sum and `prior_events`. `P = W + damping · W²` with
    nobody in their own row, and `W[u, f] = w · (1 + trust · likeness(u, f)) / (Σ_f … + shrinkage)`: a link
    counts more the more alike the two have chosen so far. Decay and trust are those under which choices of
    linked people are likeliest: their latest, or any of them where times only order what one person did.

    Live: equal to a fit on all events with the decay and the trust of the last fit: a friend's event counts
    at once, while links and how far each is trusted are those of the last fit. Erasing a person takes their
    links and their taste away.
    """

    name: ClassVar[str] = "social"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.LINKS})
    sentences: ClassVar[Sentences] = Sentences("People around you chose it.")
    Settings = SocialSettings

    def __init__(self, settings: BaseModel | None = None) -> None:
        super().__init__(settings)
        self.decay = self.settings.decay or DEFAULT_DECAY
        self._links = sparse.csr_array((0, 0), dtype=np.float32)
        self._tastes = Tastes(sparse.csr_array((0, 0), dtype=np.float32))
        self._forgotten: list[int] = []

    def fit(self, evidence: Evidence) -> Self:
        """Measure how fast taste fades and how far likeness is trusted; weigh the links."""
        assert evidence.links is not None
        settings, events = self.settings, evidence.positive
        raw = top_per_row(evidence.links.matrix(evidence.n_users), settings.max_friends)
        everybody = np.arange(evidence.n_users, dtype=np.int32)
        timeline = Timeline(events, evidence.n_users)
        histories = timeline.before(everybody, np.full(len(everybody), LATEST), settings.max_history)
        self.decay, trust = self._measured(raw, histories, evidence)
        tastes = taste_rows(histories, evidence.n_items, self.decay, settings.prior_events)
        self._links = self._weighed(raw, tastes, histories.lengths, trust)
        self._tastes, self._forgotten = Tastes(tastes), []
        return self

    def _weighed(
        self, raw: sparse.csr_array, tastes: sparse.csr_array, lengths: LongArray, trust: float
    ) -> sparse.csr_array:
        """Return W of raw links, (n_users, n_users)."""
        rows = np.repeat(np.arange(raw.shape[0]), np.diff(raw.indptr))
        alike = likeness(tastes, rows, raw.indices)
        fewer = np.minimum(lengths[rows], lengths[raw.indices])
        weights = raw.data * (1 + np.float32(trust) * alike * (fewer / (fewer + SURE)))
        total = np.bincount(rows, weights, raw.shape[0]) + self.settings.shrinkage
        data = (weights / total[rows]).astype(np.float32)
        return sparse.csr_array((data, raw.indices, raw.indptr), shape=raw.shape)

    def _measured(
        self, raw: sparse.csr_array, histories: Histories, evidence: Evidence
    ) -> tuple[float, float]:
        """Return the decay and the trust under which choices are likeliest."""
        settings = self.settings
        decays = DECAYS if settings.decay is None else (settings.decay,)
        trusts = TRUSTS if settings.trust is None else (settings.trust,)
        choices = _choices(raw, histories, evidence.clock == "time", evidence.seed)
        if len(decays) * len(trusts) == 1:
            return decays[0], trusts[0]
        if len(choices.user) < MIN_CHOICES:
            return (
                settings.decay or DEFAULT_DECAY,
                DEFAULT_TRUST if settings.trust is None else settings.trust,
            )
        best = (-np.inf, decays[0], trusts[0])
        usual = np.bincount(choices.before.items, minlength=evidence.n_items) + 0.1
        by_chance = (usual / usual.sum())[choices.item]
        for decay in decays:
            tastes = taste_rows(choices.before, evidence.n_items, decay, settings.prior_events)
            for trust in trusts:
                links = self._weighed(raw, tastes, choices.before.lengths, trust)
                scores = (_walk(links, choices.user, settings.damping, settings.max_people) @ tastes).tocsr()
                total = np.maximum(np.asarray(scores.sum(axis=1)).ravel(), 1e-9)
                shares = np.asarray(scores[np.arange(len(choices.item)), choices.item]).ravel() / total
                likely = float(np.mean(np.log((1 - BY_CHANCE) * shares + BY_CHANCE * by_chance)))
                best = max(best, (likely, decay, trust))
        return best[1], best[2]

    def people(self, users: IntArray) -> sparse.csr_array:
        """Return P of the users, (B, n_users); people whom the fit did not know have nobody around them."""
        known = (users >= 0) & (users < self._links.shape[0])
        walked = _walk(
            self._links, np.where(known, users, 0), self.settings.damping, self.settings.max_people
        )
        if not known.all():
            walked = (sparse.diags_array(known.astype(np.float32)) @ walked).tocsr()
        return walked

    def prepare(self, queries: Queries) -> Scores:
        """Add up the tastes of the people around each user."""
        if not self._links.nnz:
            return NoScores(len(queries), self._tastes.n_items)
        return DenseScores(self._tastes.mixed(self.people(queries.user)), positive=True)

    def personal(self, user: int, item: int) -> str | None:
        """Return how many of a user's friends chose an item, where they have enough friends to be told."""
        if not 0 <= user < self._links.shape[0]:
            return None
        start, stop = self._links.indptr[user : user + 2]
        friends = self._links.indices[start:stop][self._links.data[start:stop] > 0]
        if len(friends) < MIN_FRIENDS:
            return None
        count = sum(self._tastes.likes(int(friend), item) for friend in friends)
        if not count:
            return None
        return f"{count:,} of your friends chose it." if count > 1 else "One of your friends chose it."

    def observe(self, event: Observation) -> None:
        """Let a person's taste be that of their history with the event."""
        items = np.concatenate([event.past, [event.item], event.later])[-self.settings.max_history :]
        weights = np.concatenate([event.past_weights, [event.weight], event.later_weights])
        latest = weights[-self.settings.max_history :]
        self._tastes.put(event.user, items, latest, self.decay, self.settings.prior_events)

    def extend(self, rows: LongArray, since: LongArray) -> None:
        """Make room for new items, which nobody has chosen."""
        self._tastes.grow(int(rows.max(initial=-1)) + 1)

    def forget(self, user: int) -> None:
        """Take a person's taste, and every link from and to them, away."""
        self._tastes.clear(user)
        self._forgotten.append(user)
        self._links = without_users(self._links, np.array([user]), columns=True)

    def state(self) -> Arrays:
        """Return the links and the tastes in their sparse parts, and the decay."""
        tastes = self._tastes.matrix()
        return {
            "decay": np.array(self.decay),
            **_parts("links", self._links),
            **_parts("tastes", tastes),
            "shape": np.array(tastes.shape),
        }

    def restore(self, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take links, tastes and the decay back."""
        n_users, _ = (int(size) for size in state["shape"])
        self.decay = float(state["decay"])
        self._links = _matrix("links", state, (n_users, n_users))
        self._tastes = Tastes(_matrix("tastes", state, tuple(int(size) for size in state["shape"])))
        self._forgotten = []
        return self

    def changes(self) -> Arrays:
        """Return whose taste has changed since the fit, and who was forgotten."""
        return {"forgotten": np.array(self._forgotten, np.int64), **self._tastes.changes()}

    def resume(self, changes: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> None:
        """Forget, then take the tastes."""
        for user in changes["forgotten"].tolist():
            self.forget(user)
        self._tastes.resume(changes)

    @staticmethod
    def erased(state: Arrays, users: IntArray) -> Arrays:
        """Return a state without what it holds of some users: their tastes, and links from and to them."""
        n_users, n_items = (int(size) for size in state["shape"])
        links = without_users(_matrix("links", state, (n_users, n_users)), users, columns=True)
        tastes = without_users(_matrix("tastes", state, (n_users, n_items)), users)
        return {**state, **_parts("links", links), **_parts("tastes", tastes)}


def likeness(tastes: sparse.csr_array, left: IntArray | LongArray, right: IntArray | LongArray) -> FloatArray:
    """Return (m,) cosines between the tastes of pairs of people."""
    lengths = np.sqrt(np.asarray((tastes * tastes).sum(axis=1)).ravel())
    scaled = (sparse.diags_array(1 / np.maximum(lengths, 1e-9)) @ tastes).tocsr()
    cosines = np.zeros(len(left), np.float32)
    for start in range(0, len(left), LINKS_AT_ONCE):
        some = slice(start, start + LINKS_AT_ONCE)
        cosines[some] = np.asarray((scaled[left[some]] * scaled[right[some]]).sum(axis=1)).ravel()
    return cosines


def _walk(
    links: sparse.csr_array, users: IntArray | LongArray, damping: float, most: int
) -> sparse.csr_array:
    """Return (B, n_users): how much everybody around each user counts, friends and friends of theirs."""
    near = links[users]
    if damping:
        far = (near @ links).tocsr()
        rows = np.repeat(np.arange(len(users)), np.diff(far.indptr))
        far.data = np.where(far.indices == np.asarray(users)[rows], 0.0, far.data * damping)
        near = (near + far).tocsr()
    return top_per_row(near.astype(np.float32), most)


def _choices(raw: sparse.csr_array, histories: Histories, latest: bool, seed: int) -> _Choices:
    """Return a choice of each of some people with friends, and all histories without.

    Args:
        latest: whether it is the latest; else any, since the order of one person's events does not say when
            others did theirs.
    """
    linked = np.diff(raw.indptr) > 0
    able = np.flatnonzero(linked & (histories.lengths > 1))
    draws = generator(seed, "social")
    chosen = np.sort(draws.permutation(able)[:MAX_CHOICES])
    place = histories.lengths[chosen] - 1 if latest else draws.integers(0, histories.lengths[chosen])
    held = histories.offsets[chosen] + place
    kept = np.ones(len(histories.items), np.bool_)
    kept[held] = False
    lengths = histories.lengths.copy()
    lengths[chosen] -= 1
    before = Histories(
        np.concatenate([[0], np.cumsum(lengths)]),
        histories.items[kept],
        histories.times[kept],
        histories.weights[kept],
    )
    return _Choices(chosen.astype(np.int32), histories.items[held], before)


def _parts(name: str, matrix: sparse.csr_array) -> Arrays:
    return {
        f"{name}_data": matrix.data.astype(np.float32),
        f"{name}_indices": matrix.indices.astype(np.int32),
        f"{name}_indptr": matrix.indptr.astype(np.int64),
    }


def _matrix(name: str, state: Arrays, shape: tuple[int, ...]) -> sparse.csr_array:
    parts = (state[f"{name}_data"], state[f"{name}_indices"], state[f"{name}_indptr"])
    return sparse.csr_array(parts, shape=shape)
