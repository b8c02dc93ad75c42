"""Tiny worlds whose every log can be listed."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from numpy.typing import NDArray

from polyscene.evaluation.offpolicy.log import Codes, LoggedDecisions, Values


@pytest.fixture
def log() -> LoggedDecisions:
    """Return four decisions among three actions, with weights 2, 1/2, 0 and 4 under `target`."""
    return LoggedDecisions.single([0, 1, 2, 0], [0.25, 0.5, 0.25, 0.125], [1.0, 0.0, 1.0, 1.0], 3)


@pytest.fixture
def target() -> Values:
    return np.tile([0.5, 0.25, 0.25], (4, 1)) * [[1], [1], [0], [1]] + [[0], [0], [1], [0]] * np.array(
        [0.5, 0.5, 0]
    )


class Slates:
    """Every slate of k of A items without repetition, as two Plackett-Luce policies draw them."""

    def __init__(self, k: int, logging: Values, target: Values) -> None:
        self.k, self.n_actions = k, len(logging)
        self.slates: Codes = np.array(list(permutations(range(len(logging)), k)), np.int64)
        self.logged, self.wanted = self.rows(logging), self.rows(target)  # (s, k, A)

    def rows(self, weights: Values) -> Values:
        """Return (s, k, A) the chance of every item at each place given the places before it."""
        table = np.zeros((len(self.slates), self.k, self.n_actions))
        for row, slate in enumerate(self.slates):
            for place in range(self.k):
                left = np.array(weights, np.float64)
                left[slate[:place]] = 0.0
                table[row, place] = left / left.sum()
        return table

    def chances(self, table: Values) -> Values:
        """Return (s,) the probability of each slate."""
        return np.asarray(np.take_along_axis(table, self.slates[:, :, None], axis=2)[:, :, 0].prod(axis=1))

    def marginals(self, table: Values) -> Values:
        """Return (k, A) the chance of every item at each place, whatever stands before it."""
        shown = np.eye(self.n_actions)[self.slates]  # (s, k, A)
        return np.asarray((self.chances(table)[:, None, None] * shown).sum(axis=0))

    def log(self, rows: NDArray[np.int64], rewards: Values) -> LoggedDecisions:
        """Return the decisions that show the slates `rows`."""
        slates = self.slates[rows]
        at = np.take_along_axis(self.logged[rows], slates[:, :, None], axis=2)[:, :, 0]
        marginal = self.marginals(self.logged)[np.arange(self.k), slates]
        return LoggedDecisions(slates, at, rewards, self.n_actions, marginals=marginal)


@pytest.fixture(scope="session")
def outcomes() -> Values:
    """Return (8, 3) every outcome of three places that are clicked or not."""
    return np.array(list(product((0.0, 1.0), repeat=3)))
