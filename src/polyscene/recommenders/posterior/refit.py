"""How far a posterior that learned event by event stands from one fitted anew on the same events at once.

A refit has another projection, so vectors cannot be compared; scores can. With `S` and `R` the scores that
both give n items for B users, each row less its mean, item i has the columns `s_i` and `r_i`, and

    items  = 1 - Σ_i e_i cos(s_i, r_i) / Σ_i e_i        with e_i the events of item i
    slates = 1 - mean_u |top10(S_u) ∩ top10(R_u)| / 10

Neither depends on the scale of scores. Choices are compared with items drawn by chance, and other draws alone
make two fits differ: `by_chance` is the distance between two refits that differ in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from polyscene.core.seeds import derived, generator
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import LATEST, Histories, Queries
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.recommenders.signal import Evidence

ASKED = 200
"""So many users are asked, drawn by chance."""
SLATE = 10


@dataclass(frozen=True)
class Apart:
    """How far two posteriors are apart; both in [0, 1] unless scores turn around: `items` is more then.

    Attributes:
        items: see the module; 0 where no item has an event.
        slates: share of the ten best items that both do not have in common.
    """

    items: float
    slates: float


@dataclass(frozen=True)
class RefitDistance:
    """How far a posterior stands from a refit.

    Attributes:
        live: its distance.
        by_chance: how far two refits are apart whose choices are compared with other items.
        events: that both learned.
        users: who were asked.
        half_life, refit_half_life: of a bias, in days.
    """

    live: Apart
    by_chance: Apart
    events: int
    users: int
    half_life: float
    refit_half_life: float

    @property
    def beyond_chance(self) -> float:
        """Return by what share of their items slates differ more than chance alone makes them."""
        return self.live.slates - self.by_chance.slates


def refit_distance(live: Posterior, evidence: Evidence) -> RefitDistance:
    """Fit anew on all events and compare; costs two passes over them and what a fit measures.

    Args:
        live: has learned the same events, in whatever order; it is left as it is.
        evidence: all of them, and the space of the items as it is now.
    """
    refit = Posterior(live.settings).fit(evidence)
    other_draws = Posterior(live.settings.model_copy(update={"half_lives": (refit.half_life,)}))
    other_draws.fit(replace(evidence, seed=derived(evidence.seed, "other draws")))
    events = evidence.positive
    queries = asked_of(events.user, evidence.seed)
    counts = np.bincount(events.item, minlength=evidence.n_items)
    scores = refit.score_all(queries)
    return RefitDistance(
        apart(live.score_all(queries), scores, counts),
        apart(other_draws.score_all(queries), scores, counts),
        len(evidence.events),
        len(queries),
        live.half_life,
        refit.half_life,
    )


def apart(scores: FloatArray, others: FloatArray, counts: LongArray) -> Apart:
    """Return how far (B, n) scores are apart from others; see the module.

    Args:
        counts: (n,) events of each item.
    """
    if not len(scores) or not counts.any():
        return Apart(0.0, 0.0)
    one, other = (_centred(part) for part in (scores, others))
    lengths = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    cosines = (one * other).sum(axis=0) / np.maximum(lengths, 1e-300)
    cosines = np.where(lengths > 0, cosines, 1.0)
    size = min(SLATE, scores.shape[1])
    best, right = (np.argsort(-part, axis=1, kind="stable")[:, :size] for part in (one, other))
    common = [len(np.intersect1d(a, b)) / size for a, b in zip(best, right, strict=True)]
    items = 1.0 - float((cosines * counts).sum() / counts.sum())
    return Apart(max(items, 0.0), 1.0 - float(np.mean(common)))


def asked_of(users: IntArray, seed: int) -> Queries:
    """Return requests of at most `ASKED` of the users; the posterior looks at no history."""
    people = np.unique(users)
    drawn = np.sort(generator(seed, "refit", "asked").permutation(people)[:ASKED])
    nothing = Histories.of([[]] * len(drawn))
    return Queries(drawn.astype(np.int32), np.full(len(drawn), LATEST), nothing)


def _centred(scores: FloatArray) -> NDArray[np.float64]:
    """Return scores in double precision, each row less its mean."""
    wide = scores.astype(np.float64)
    centred: NDArray[np.float64] = wide - wide.mean(axis=1, keepdims=True)
    return centred
