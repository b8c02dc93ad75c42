"""A fusion that meets nobody without a history, or with a short one, learns some choices as if it had."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.data.queries import Choices, Histories, Queries
from polyscene.learning.strangers import ENOUGH_SHARE, FEW_EVENTS, NOBODY, newcomers, strangers

N = 200


def choices(without: int = 0) -> Choices:
    """Return choices of people with two events here and one elsewhere; the first ones have none here."""
    here = [[] if row < without else [row % 7, 3] for row in range(N)]
    elsewhere = {"b": Histories.of([[row % 5] for row in range(N)])}
    queries = Queries(np.arange(N, dtype=np.int32), np.arange(N), Histories.of(here), elsewhere)
    return Choices(queries, np.arange(N, dtype=np.int32))


def test_nothing_is_known_here_and_of_every_other_one_nothing_at_all() -> None:
    unknown = strangers(choices(), 0.1, np.random.default_rng(0))
    assert len(unknown) == N // 10
    assert (unknown.queries.user == NOBODY).all()
    assert not unknown.queries.history.lengths.any()
    assert unknown.queries.elsewhere["b"].lengths.tolist() == [0, 1] * (N // 20)
    odd = unknown.target[1::2] % 5
    np.testing.assert_array_equal(unknown.queries.elsewhere["b"].items, odd)
    np.testing.assert_array_equal(unknown.queries.time, unknown.target)


@pytest.mark.parametrize(("without", "count"), [(0, 20), (9, 20), (int(ENOUGH_SHARE * N), 0), (N, 0)])
def test_where_enough_are_without_a_history_none_is_made_up(without: int, count: int) -> None:
    assert len(strangers(choices(without), 0.1, np.random.default_rng(0))) == count


def test_no_share_is_nobody() -> None:
    assert len(strangers(choices(), 0.0, np.random.default_rng(0))) == 0


def long_lives(short: int = 0) -> Choices:
    """Return choices of people with 20 events here; the first ones have one alone."""
    here = [[row % 7] if row < short else list(range(20)) for row in range(N)]
    had = Histories.of([[77] for _ in range(N)])
    elsewhere = {"b": Histories.of([[row % 5] for row in range(N)])}
    queries = Queries(np.arange(N, dtype=np.int32), np.arange(N), Histories.of(here), elsewhere, had)
    return Choices(queries, np.arange(N, dtype=np.int32))


def test_of_newcomers_the_latest_events_are_known_and_the_others_were_had() -> None:
    new = newcomers(long_lives(), 0.5, np.random.default_rng(0))
    assert len(new) == N // 2
    past, had = new.queries.history, new.queries.had
    assert had is not None
    assert (new.queries.user == NOBODY).all()
    assert set(past.lengths.tolist()) == set(range(1, FEW_EVENTS + 1))
    assert (had.lengths == 20 - past.lengths + 1).all()
    for row in range(len(new)):
        known = past.take(row, row + 1).items.tolist()
        assert known == list(range(20 - len(known), 20))
        assert had.take(row, row + 1).items.tolist() == [*range(20 - len(known)), 77]
    assert new.queries.elsewhere["b"].lengths.tolist() == [0, 1] * (N // 4)


@pytest.mark.parametrize(("short", "count"), [(0, 20), (9, 20), (int(ENOUGH_SHARE * N), 0)])
def test_where_enough_have_a_short_history_none_is_made_up(short: int, count: int) -> None:
    assert len(newcomers(long_lives(short), 0.1, np.random.default_rng(0))) == count
