"""cornac's Bayesian personalised ranking: a vector per user and item, learned from pairs.

    python benchmarks/peers/cornac_bpr.py --fold FOLDER --json bpr.json

A user who was not there while it learned gets the items' biases; an item that was not there stands last.
"""

from __future__ import annotations

import numpy as np
from cornac.data import Dataset  # type: ignore[import-not-found, import-untyped, unused-ignore]
from cornac.models import BPR  # type: ignore[import-not-found, import-untyped, unused-ignore]
from judging import Floats, Learn, Requests, Settings, climb, fitted, main

LADDERS = {
    "k": (16, 32, 64, 128, 256, 512),
    "learning_rate": (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4),
    "lambda_reg": (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1),
}
EPOCHS = 100


class Bpr:
    """Vectors under the export's codes; what was never seen has zeros, and items also the lowest bias."""

    def __init__(self, users: Floats, items: Floats, biases: Floats) -> None:
        self._users, self._items, self._biases = users, items, biases

    def score(self, requests: Requests) -> Floats:
        """Multiply user and item vectors and add the biases."""
        scores: Floats = self._users[requests.user] @ self._items.T + self._biases
        return scores


def fit(learn: Learn, settings: Settings, seed: int) -> Bpr:
    """Learn from the distinct pairs of user and item."""
    pairs = np.unique(np.stack([learn.user, learn.item], axis=1), axis=0)
    data = Dataset.from_uir([(int(user), int(item), 1.0) for user, item in pairs], seed=seed)
    model = BPR(**settings, max_iter=EPOCHS, use_bias=True, num_threads=1, seed=seed)
    model.fit(data)
    users = np.zeros((learn.n_users, settings["k"]), np.float32)
    items = np.zeros((learn.n_items, settings["k"]), np.float32)
    known_users, known_items = list(data.uid_map.keys()), list(data.iid_map.keys())
    users[known_users], items[known_items] = model.u_factors, model.i_factors
    reach = np.abs(model.u_factors).max() * np.abs(model.i_factors).max() * settings["k"]
    biases = np.full(learn.n_items, model.i_biases.min() - reach - 1.0, np.float32)
    biases[known_items] = model.i_biases
    return Bpr(users, items, biases)


if __name__ == "__main__":
    main("cornac BPR", ["cornac", "numpy", "scipy"], fit, climb(fitted(fit), LADDERS))
