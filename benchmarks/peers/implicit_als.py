"""implicit's alternating least squares; a user's factors are solved from what they had done by the request.

python benchmarks/peers/implicit_als.py --fold FOLDER --json als.json
"""

from __future__ import annotations

import numpy as np
from implicit.als import AlternatingLeastSquares
from judging import Floats, Learn, Requests, Settings, climb, fitted, main
from scipy import sparse

LADDERS = {
    "factors": (16, 32, 64, 128, 256, 512, 1024),
    "regularization": (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0),
    "alpha": (0.6, 2.5, 10.0, 40.0, 160.0, 640.0, 2560.0),
}
ITERATIONS = 15


class Als:
    """Item factors, and users folded in."""

    def __init__(self, model: AlternatingLeastSquares, n_items: int) -> None:
        self._model, self._n_items = model, n_items

    def score(self, requests: Requests) -> Floats:
        """Solve the users' factors from their histories and multiply."""
        shape = (len(requests), self._n_items)
        ones = np.ones(len(requests.items), np.float32)
        past = sparse.csr_matrix((ones, (requests.rows, requests.items)), shape=shape)  # sums repeats
        users = self._model.recalculate_user(np.arange(len(requests)), past)
        scores: Floats = users @ self._model.item_factors.T
        return scores


def fit(learn: Learn, settings: Settings, seed: int) -> Als:
    """Factorise the matrix of summed weights."""
    matrix = sparse.csr_matrix(
        (learn.weight, (learn.user, learn.item)), shape=(learn.n_users, learn.n_items), dtype=np.float32
    )
    model = AlternatingLeastSquares(
        **settings, iterations=ITERATIONS, random_state=seed, use_gpu=False, calculate_training_loss=False
    )
    model.fit(matrix, show_progress=False)
    return Als(model, learn.n_items)


if __name__ == "__main__":
    main("implicit ALS", ["implicit", "numpy", "scipy"], fit, climb(fitted(fit), LADDERS))
