"""river's logistic regression over crossed features, learned event by event: chosen against not chosen.

    python benchmarks/peers/river_stream.py --stream FOLDER --json river.json

Popularity at three half-lives, age and words in common with the user's last items as numbers; the item, and
each of the user's last items crossed with it, as indicators. River's own recommenders know users and items by
their number alone, and rank nothing that comes while they learn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from river import linear_model, optim  # type: ignore[import-not-found, import-untyped, unused-ignore]
from streaming import Floats, Seen, main


class Logistic:
    """One weight for every feature, by Adagrad."""

    def __init__(self, seed: int) -> None:
        self._model = linear_model.LogisticRegression(optimizer=optim.AdaGrad(0.05), l2=0.0)

    def learn(self, seen: Seen, user: int, item: int, others: Sequence[int], now: int) -> None:
        """Learn the item as chosen, the others as not."""
        items = np.array([item, *others], np.int64)
        for place, row in enumerate(self._rows(seen, user, items, now)):
            self._model.learn_one(row, place == 0)

    def score(self, seen: Seen, user: int, items: NDArray[np.int64], now: int) -> Floats:
        """Return the log-odds of each item."""
        weights = self._model.weights
        rows = self._rows(seen, user, items, now)
        return np.array([sum(weights.get(name, 0.0) * x for name, x in row.items()) for row in rows])

    def _rows(self, seen: Seen, user: int, items: NDArray[np.int64], now: int) -> list[dict[str, float]]:
        numbers, last = seen.numbers(items, now).tolist(), seen.last[user]
        rows = []
        for item, (day, week, ever, age) in zip(items.tolist(), numbers, strict=True):
            row = {"day": day, "week": week, "ever": ever, "age": age, f"i{item}": 1.0}
            for other in last:
                row[f"{other}>{item}"] = 1.0
            row["had"] = float(item in seen.had[user])
            row["common words"] = float(
                sum(word in seen.words[other] for other in last for word in seen.words[item])
            )
            rows.append(row)
        return rows


if __name__ == "__main__":
    main("river", "river", Logistic)
