"""A small world with two tastes, and what makes posteriors of logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from polyscene.core.clock import HOUR
from polyscene.data.queries import LATEST, Histories, Queries
from polyscene.data.schema import Clock, EventLog
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.recommenders.posterior.settings import PosteriorSettings
from polyscene.recommenders.signal import Evidence

N_USERS, N_ITEMS, WIDTH = 40, 12, 6
Row = tuple[int, int, int]


def texts() -> np.ndarray:
    """Return (12, 6) vectors: the first half lies about one direction, the second about another."""
    generator = np.random.default_rng(0)
    topics = np.repeat(np.eye(WIDTH)[:2], N_ITEMS // 2, axis=0)
    noisy: np.ndarray = (topics + 0.2 * generator.normal(size=(N_ITEMS, WIDTH))).astype(np.float32)
    return noisy


def of_two_tastes(count: int = 600, seed: int = 1) -> list[Row]:
    """Return events: users with even codes choose out of the first half, the others out of the second."""
    generator = np.random.default_rng(seed)
    users, items = generator.integers(0, N_USERS, count), generator.integers(0, N_ITEMS // 2, count)
    return [
        (user, item + N_ITEMS // 2 * (user % 2), place * HOUR)
        for place, (user, item) in enumerate(zip(users.tolist(), items.tolist(), strict=True))
    ]


def asked_by(users: Sequence[int]) -> Queries:
    nobody = Histories.of([[]] * len(users))
    return Queries(np.array(users, np.int32), np.full(len(users), LATEST), nobody)


@pytest.fixture(scope="session")
def make_world(make_evidence: Callable[..., Evidence]) -> Callable[..., Evidence]:
    def make(rows: Sequence[Row] | EventLog, clock: Clock = "time", n_items: int = N_ITEMS) -> Evidence:
        return make_evidence(rows, n_items, N_USERS, texts()[:n_items], clock=clock)

    return make


@pytest.fixture(scope="session")
def posterior() -> Callable[..., Posterior]:
    """Return what makes a small posterior; one half-life, so that nothing is measured."""

    def make(**more: Any) -> Posterior:
        return Posterior(PosteriorSettings(**{"size": 4, "half_lives": (30.0,), "stream": 64, **more}))

    return make


@pytest.fixture(scope="session")
def fitted(make_world: Callable[..., Evidence], posterior: Callable[..., Posterior]) -> Posterior:
    """Return a posterior of two tastes; nobody may change it."""
    return posterior().fit(make_world(of_two_tastes()))


@pytest.fixture(scope="session")
def two_tastes() -> Callable[..., list[Row]]:
    """Return what makes events: (user, item, time)."""
    return of_two_tastes


@pytest.fixture(scope="session")
def ask() -> Callable[[Sequence[int]], Queries]:
    """Return what makes requests of users, without a history."""
    return asked_by
