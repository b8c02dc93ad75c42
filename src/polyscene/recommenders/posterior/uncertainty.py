"""How sure a score is, and scores drawn from what is believed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import FloatArray, LongArray
from polyscene.recommenders.posterior.tables import Beliefs


class Spread(NamedTuple):
    """Beliefs about B users and m items, and which items each user is asked about.

    Attributes:
        place: (B, C) into the items; None: all of them, of everybody.
    """

    users: Beliefs
    items: Beliefs
    place: LongArray | None

    def picked(self, matrix: NDArray[Any]) -> FloatArray:
        """Return (B, C) of a (B, m) matrix."""
        if self.place is None:
            return matrix.astype(np.float32)
        picked: FloatArray = np.take_along_axis(matrix, self.place, axis=1).astype(np.float32)
        return picked


def deviations(spread: Spread) -> FloatArray:
    """Return (B, C) standard deviations of `xᵀw + b`.

    Of independent Gaussians the variance is `Σ_k s_k w_k² + t_k (x_k² + s_k) + c`, with variances s of the
    user's numbers x, t of the item's numbers w, c of its bias.
    """
    users, items = spread.users, spread.items
    variance = users.variances @ (items.means**2).T
    variance += (users.means**2 + users.variances) @ items.variances.T + items.bias_variance
    return spread.picked(np.sqrt(variance))


def drawn(spread: Spread, chance: np.random.Generator) -> FloatArray:
    """Return (B, C) scores of one user drawn for each request, and of each item drawn for it.

    Given the user x the score of an item is Gaussian with mean `xᵀw + b` and variance `Σ_k t_k x_k² + c`, and
    independent of the others: one number is drawn in place of a vector.

    Source: W. Thompson, On the likelihood that one unknown probability exceeds another, 1933; O. Chapelle, L.
    Li, An empirical evaluation of Thompson sampling, NIPS 2011.
    """
    users, items = spread.users, spread.items
    tastes = users.means + np.sqrt(users.variances) * chance.standard_normal(users.means.shape)
    mean = spread.picked(tastes @ items.means.T + items.bias)
    variance = spread.picked(tastes**2 @ items.variances.T + items.bias_variance)
    scores: FloatArray = (mean + np.sqrt(variance) * chance.standard_normal(mean.shape)).astype(np.float32)
    return scores
