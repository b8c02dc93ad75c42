"""Small logs, evidence and requests, written down as tuples, for the tests of signals, splits and fusions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import settings

from polyscene.core.types import FloatArray, LongArray
from polyscene.data.queries import LATEST, Histories, Queries
from polyscene.data.schema import UNKNOWN_TIME, Clock, EventLog
from polyscene.recommenders.signal import Elsewhere, Evidence

settings.register_profile("unhurried", deadline=None)  # how fast a machine is, is no property of the code
settings.load_profile("unhurried")

Rows = Sequence[tuple[int, int, int]]


def _log(
    rows: Rows,
    weight: Sequence[float] | None = None,
    choice: Sequence[bool] | None = None,
    part: Sequence[int] | None = None,
) -> EventLog:
    n = len(rows)
    user, item, time = np.array(rows, np.int64).reshape(n, 3).T
    log = EventLog(
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        action=np.zeros(n, np.int8),
        value=np.full(n, np.nan, np.float32),
        weight=np.ones(n, np.float32) if weight is None else np.array(weight, np.float32),
        time=time,
        part=np.zeros(n, np.int8) if part is None else np.array(part, np.int8),
        choice=np.ones(n, bool) if choice is None else np.array(choice, bool),
    )
    return log.take(np.argsort(time, kind="stable"))


def _evidence(
    rows: Rows | EventLog,
    n_items: int,
    n_users: int | None = None,
    vectors: FloatArray | None = None,
    since: LongArray | None = None,
    clock: Clock = "time",
    elsewhere: Mapping[str, Elsewhere] | None = None,
    seed: int = 0,
) -> Evidence:
    log = rows if isinstance(rows, EventLog) else _log(rows)
    return Evidence(
        log,
        int(log.user.max(initial=0)) + 1 if n_users is None else n_users,
        n_items,
        np.zeros((n_items, 4), np.float32) if vectors is None else np.asarray(vectors, np.float32),
        np.full(n_items, UNKNOWN_TIME) if since is None else since,
        clock,
        elsewhere or {},
        seed,
    )


def _asked(
    histories: Sequence[Sequence[int]],
    elsewhere: Mapping[str, Sequence[Sequence[int]]] | None = None,
    time: int = LATEST,
) -> Queries:
    n = len(histories)
    return Queries(
        np.arange(n, dtype=np.int32),
        np.full(n, time),
        Histories.of([list(row) for row in histories]),
        {name: Histories.of([list(row) for row in rows]) for name, rows in (elsewhere or {}).items()},
    )


@pytest.fixture(scope="session")
def make_log() -> Callable[..., EventLog]:
    """Return what makes a log of (user, item, time) rows, ordered by time."""
    return _log


@pytest.fixture(scope="session")
def make_evidence() -> Callable[..., Evidence]:
    """Return what makes evidence of rows or a log; without text and dates unless they are given."""
    return _evidence


@pytest.fixture(scope="session")
def asked() -> Callable[..., Queries]:
    """Return what makes requests of item lists, oldest first; weight 1."""
    return _asked
