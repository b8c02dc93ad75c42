"""LensKit's ItemKNN: the sum of an item's similarities to what the user has, over the nearest of these.

python benchmarks/peers/lenskit_knn.py --fold FOLDER --json knn.json

An item that was not there while it learned, or that has no similar one in the history, stands last.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd  # type: ignore[import-not-found, import-untyped, unused-ignore]
from judging import Floats, Ints, Learn, Requests, Settings, climb, fitted, main
from lenskit.data import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
    ItemList,
    RecQuery,
    from_interactions_df,
)
from lenskit.knn import ItemKNNScorer  # type: ignore[import-not-found, import-untyped, unused-ignore]

LADDERS = {
    "max_nbrs": (5, 10, 20, 50, 100, 200, 500),
    "min_sim": (1e-6, 0.003, 0.01, 0.03, 0.1),
    "save_nbrs": (20, 50, 100, 300, 1000, 3000),
}


class ItemKnn:
    """A fitted scorer, asked a user at a time, as LensKit asks it."""

    def __init__(self, scorer: ItemKNNScorer, known: Ints, n_items: int) -> None:
        self._scorer, self._known, self._n_items = scorer, known, n_items
        self._candidates = ItemList(item_ids=known)

    def score(self, requests: Requests) -> Floats:
        """Sum the similarities to the past items."""
        scores = np.full((len(requests), self._n_items), -1.0, np.float32)
        for row in range(len(requests)):
            history = requests.items[requests.offsets[row] : requests.offsets[row + 1]]
            past = np.intersect1d(history, self._known)  # it stops at what it has not learned
            if len(past):
                query = RecQuery(history_items=ItemList(item_ids=past))
                answer = self._scorer(query, self._candidates)
                scores[row, self._known] = np.nan_to_num(answer.scores("numpy"), nan=-1.0)
        return scores


def fit(learn: Learn, settings: Settings, seed: int) -> ItemKnn:
    """Find the similar items of each; nothing in it is random."""
    pairs = pd.DataFrame({"user_id": learn.user, "item_id": learn.item}).drop_duplicates()
    scorer = ItemKNNScorer(feedback="implicit", **settings)
    scorer.train(from_interactions_df(pairs))
    return ItemKnn(scorer, np.unique(learn.item), learn.n_items)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", module="lenskit")  # what LensKit says of its own calls
    main("LensKit ItemKNN", ["lenskit", "numpy", "pandas"], fit, climb(fitted(fit), LADDERS))
