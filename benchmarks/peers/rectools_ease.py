"""RecTools' EASE: one ridge regression that predicts every item from all the others.

    python benchmarks/peers/rectools_ease.py --fold FOLDER --json ease.json

An item that was not there while it learned stands last.
"""

from __future__ import annotations

import numpy as np
import pandas as pd  # type: ignore[import-not-found, import-untyped, unused-ignore]
from judging import Floats, Ints, Learn, Requests, Settings, climb, fitted, main
from rectools.dataset import Dataset  # type: ignore[import-not-found, import-untyped, unused-ignore]
from rectools.models import EASEModel  # type: ignore[import-not-found, import-untyped, unused-ignore]
from scipy import sparse

LADDERS = {"regularization": (5.0, 15.0, 50.0, 150.0, 500.0, 1500.0, 5000.0, 15000.0)}


class Ease:
    """Item weights under RecTools' own numbering, and the way from the export's codes to it."""

    def __init__(self, weight: Floats, known: Ints, n_items: int) -> None:
        self._weight, self._known, self._n_items = weight, known, n_items

    def score(self, requests: Requests) -> Floats:
        """Sum the weights of the past items."""
        shape = (len(requests), self._n_items)
        ones = np.ones(len(requests.items), np.float32)
        past = sparse.csr_matrix((ones, (requests.rows, requests.items)), shape=shape)
        past.data[:] = 1.0  # once, however often it was chosen
        known_scores = past[:, self._known] @ self._weight  # (B, known)
        scores = np.full(shape, known_scores.min(initial=0.0) - 1.0, np.float32)
        scores[:, self._known] = known_scores
        return scores


def fit(learn: Learn, settings: Settings, seed: int) -> Ease:
    """Solve the regression on the distinct pairs of user and item; nothing in it is random."""
    pairs = pd.DataFrame({"user_id": learn.user, "item_id": learn.item}).drop_duplicates()
    data = Dataset.construct(pairs.assign(weight=1.0, datetime=pd.Timestamp(0)))
    model = EASEModel(**settings).fit(data)
    known = np.asarray(data.item_id_map.external_ids, np.int64)
    return Ease(model.weight.astype(np.float32), known, learn.n_items)


if __name__ == "__main__":
    main("RecTools EASE", ["rectools", "numpy", "scipy", "pandas"], fit, climb(fitted(fit), LADDERS))
