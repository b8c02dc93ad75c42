"""Choices whose right signal is known, and what a fusion learns from them."""

from __future__ import annotations

import numpy as np

from polyscene.data.queries import Choices, Queries
from polyscene.learning.fusion import FusionData
from polyscene.recommenders.fusion.features import Features
from polyscene.recommenders.fusion.training import Example

NO_CHOICES = Choices(Queries(np.zeros(0, np.int32), np.zeros(0, np.int64), None), np.zeros(0, np.int32))  # type: ignore[arg-type]


def planted(right: int, count: int, seed: int, shift: float = 0.0) -> list[Example]:
    """Make choices among 6 items: signal `right` of two knows the chosen one, the other misleads.

    Each is of another person.
    """
    draws = np.random.default_rng(seed)
    examples = []
    for person in range(count):
        signals = draws.uniform(0, 0.5, (2, 6))
        signals[right, 0] = 1.0
        signals[1 - right, draws.integers(1, 6)] = 1.0
        user = draws.normal(shift, 1.0, 5)
        user[2] = 7.0
        examples.append(
            Example(
                signals.astype(np.float16),
                np.zeros((6, 5), np.float16),
                np.ones(2, np.float32),
                user.astype(np.float32),
                np.zeros(6, np.float32),
                person,
            )
        )
    return examples


def lessons(right: int, count: int, seed: int, shift: float = 0.0) -> FusionData:
    features = Features(
        np.zeros(6, np.float32), np.zeros(6, np.int64), np.zeros(6, np.int64), False, np.ones(2, np.float32)
    )
    held_out = planted(right, 40, seed + 1, shift)
    training = planted(right, count, seed, shift)
    return FusionData((None, None), features, training, held_out, NO_CHOICES, n_own=count + len(held_out))
