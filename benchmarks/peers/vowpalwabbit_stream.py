"""Vowpal Wabbit, learned event by event: the chosen item against others, ranked by the
probabilities of `csoaa_ldf`.

    python benchmarks/peers/vowpalwabbit_stream.py --stream FOLDER --json vw.json

Namespaces: the user, the user's last items, the item, its words, and its popularity at three half-lives with
its age. Crossed are user and item, last items and item, last items and words, user and words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from streaming import Floats, Seen, main
from vowpalwabbit import Workspace  # type: ignore[import-not-found, import-untyped, unused-ignore]

OPTIONS = (
    "--csoaa_ldf multiline --loss_function logistic --probabilities -b 22 -q ui -q hi -q ht -q ut --quiet"
)


class Vowpal:
    """One workspace."""

    def __init__(self, seed: int) -> None:
        self._workspace = Workspace(f"{OPTIONS} --random_seed {seed}")

    def learn(self, seen: Seen, user: int, item: int, others: Sequence[int], now: int) -> None:
        """Learn that the item costs nothing and every other one 1."""
        items = np.array([item, *others], np.int64)
        lines = self._lines(seen, user, items, now)
        labelled = [f"{place + 1}:{float(place > 0)} {line}" for place, line in enumerate(lines[1:])]
        self._workspace.learn([lines[0], *labelled])

    def score(self, seen: Seen, user: int, items: NDArray[np.int64], now: int) -> Floats:
        """Return the probability of each item."""
        lines = self._lines(seen, user, items, now)
        labelled = [f"{place + 1}:0 {line}" for place, line in enumerate(lines[1:])]
        return np.array(self._workspace.predict([lines[0], *labelled]), np.float64)

    def _lines(self, seen: Seen, user: int, items: NDArray[np.int64], now: int) -> list[str]:
        last = " ".join(map(str, seen.last[user]))
        lines = [f"shared |u {user} |h {last}"]
        for item, (day, week, ever, age) in zip(
            items.tolist(), seen.numbers(items, now).tolist(), strict=True
        ):
            had = " had" if item in seen.had[user] else ""
            numbers = f"day:{day:.3f} week:{week:.3f} ever:{ever:.3f} age:{age:.3f}{had}"
            lines.append(f"|i {item} |p {numbers} |t {' '.join(seen.words[item])}")
        return lines


if __name__ == "__main__":
    main("Vowpal Wabbit", "vowpalwabbit", Vowpal)
