"""Data sets whose answers are known by construction, small enough to be learned in a moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest

from polyscene.core.settings.project import Settings
from polyscene.data.schema import UNKNOWN_TIME, Catalogue, Dataset, EventLog, Ids, Scenario
from polyscene.data.splits.protocol import split
from polyscene.learning.training_data import TrainingData, training_data

N_ITEMS = 12
Rows = Sequence[tuple[int, int, int]]
MakeData = Callable[..., tuple[TrainingData, Settings]]


def _scenario(name: str, log: EventLog, n_items: int) -> Scenario:
    ids = Ids(pl.Series([f"{name}-{item}" for item in range(n_items)]))
    since = np.full(n_items, UNKNOWN_TIME)
    catalogue = Catalogue(ids, ("",) * n_items, ("",) * n_items, pl.DataFrame(), since)
    return Scenario(name, catalogue, log, "time")


@pytest.fixture(scope="session")
def make_data(make_log: Callable[..., EventLog]) -> MakeData:
    """Return what makes training data, and its settings, of (user, item, time) rows or a log by scenario."""

    def make(
        rows: Mapping[str, Rows | EventLog], n_users: int, n_items: int = N_ITEMS, **blocks: Any
    ) -> tuple[TrainingData, Settings]:
        own = blocks.pop("scenarios", {})
        tables = {"items": {"path": "i", "id": "i"}, "events": {"path": "e", "user": "u", "item": "i"}}
        scenarios = {name: {**tables, "signals": ["popularity"], **own.get(name, {})} for name in rows}
        settings = Settings.parse({"scenarios": scenarios, **blocks})
        logs = {name: some if isinstance(some, EventLog) else make_log(some) for name, some in rows.items()}
        users = Ids(pl.Series([f"u{user}" for user in range(n_users)]))
        dataset = Dataset(users, {name: _scenario(name, log, n_items) for name, log in logs.items()})
        return training_data(dataset, split(dataset, settings.evaluation), settings), settings

    return make


def _walks(n_users: int, steps: int, stride: int) -> list[tuple[int, int, int]]:
    """Return walks on a ring of items: after item i comes item i + stride, for everybody."""
    draws = np.random.default_rng(stride)
    starts = draws.integers(0, N_ITEMS, n_users)
    return [
        (user, int(starts[user] + stride * step) % N_ITEMS, 1_000_000 * (step * n_users + user))
        for user in range(n_users)
        for step in range(steps)
    ]


@pytest.fixture(scope="session")
def walks() -> Callable[[int, int, int], Rows]:
    """Return what makes walks of people on a ring of items, at a stride."""
    return _walks
