"""How alike texts are: a Gaussian kernel over their features, by way of landmarks.

    k(x, y) = exp(-|x - y|² / 2 width²) ≈ φ(x) · φ(y)

φ is the Nyström map (Williams and Seeger, NIPS 2000): exact where every text is a landmark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

TINY = 1e-8
"""Directions of the landmarks that hold less than this share of the strongest are left out."""


@dataclass(frozen=True)
class TextKernel:
    """The kernel and its landmarks.

    Attributes:
        landmarks: (m, d) features.
        width: at this distance two texts are still alike by exp(-1/2).
    """

    landmarks: Values
    width: float

    @classmethod
    def over(cls, features: Values, width: float, most: int, chance: np.random.Generator) -> Self:
        """Take the landmarks from (n, d) features: all of them, or `most` by chance."""
        rows = np.arange(len(features))
        if len(rows) > most:
            rows = np.sort(chance.choice(rows, most, replace=False))
        return cls(features[rows], width)

    def likeness(self, features: Values) -> Values:
        """Return (n, m) how alike texts and landmarks are, from 0 to 1."""
        own, theirs = np.square(features).sum(axis=1), np.square(self.landmarks).sum(axis=1)
        squares = own[:, None] + theirs - 2.0 * (features @ self.landmarks.T)
        return np.asarray(np.exp(np.maximum(squares, 0.0) / (-2.0 * self.width**2)))

    def directions(self) -> Values:
        """Return (m, r) what takes likeness to φ, r at most m."""
        values, vectors = np.linalg.eigh(self.likeness(self.landmarks))
        kept = values > TINY * values[-1]
        return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))
