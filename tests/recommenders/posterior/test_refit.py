from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from polyscene.core.clock import HOUR
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.recommenders.posterior.refit import ASKED, apart, asked_of, refit_distance
from polyscene.recommenders.signal import Evidence


def test_distances_do_not_depend_on_scale_and_count_items_by_their_events() -> None:
    scores = np.random.default_rng(0).normal(size=(30, 40)).astype(np.float32)
    counts = np.arange(40)
    same = apart(scores, 3 * scores + 5, counts)
    assert same.items == pytest.approx(0.0, abs=1e-6)
    assert same.slates == 0.0
    turned = scores.copy()
    turned[:, 7] = -scores[:, 7]  # an item that everybody sees the other way around
    only_it = apart(turned, scores, np.eye(40, dtype=np.int64)[7])
    without_it = apart(turned, scores, 1 - np.eye(40, dtype=np.int64)[7])
    assert only_it.items > 1.5
    assert without_it.items < 0.01
    assert apart(scores, scores, np.zeros(40, np.int64)).items == 0.0


def test_slates_differ_by_the_share_of_the_ten_best_that_is_not_common() -> None:
    best = np.tile(np.arange(40.0, 0.0, -1.0), (2, 1))
    other = best.copy()
    other[0, [0, 1, 2, 30, 31, 32]] = other[0, [30, 31, 32, 0, 1, 2]]
    assert apart(best, other, np.ones(40, np.int64)).slates == pytest.approx(0.15)
    assert apart(best[:, :4], other[:, :4], np.ones(4, np.int64)).slates == 0.0


def test_who_is_asked_is_drawn_by_the_seed_and_at_most_so_many() -> None:
    users = np.repeat(np.arange(500, dtype=np.int32), 2)
    one, other = asked_of(users, 1), asked_of(users, 2)
    assert len(one) == ASKED
    assert len(np.unique(one.user)) == ASKED
    assert np.array_equal(one.user, asked_of(users, 1).user)
    assert not np.array_equal(one.user, other.user)
    assert asked_of(users[:6], 1).user.tolist() == [0, 1, 2]


def test_who_learned_live_in_order_is_no_further_from_a_refit_than_its_projection(
    make_world: Callable[..., Evidence],
    posterior: Callable[..., Posterior],
    two_tastes: Callable[..., list[Any]],
) -> None:
    rows = two_tastes(400)
    whole = make_world(rows)
    live = posterior().fit(make_world(rows[:200]))
    for user, item, time in rows[200:]:
        live.observe(Observation.alone(user, item, time, 1.0))
    same = refit_distance(posterior().fit(whole), whole)
    assert same.live.slates == 0.0
    assert same.live.items == pytest.approx(0.0, abs=1e-6)
    assert same.by_chance.items > 0.0
    assert (same.events, same.users) == (400, 40)
    assert refit_distance(live, whole).live.items < 0.2
    stale = posterior().fit(make_world(rows[:200]))
    lagging = refit_distance(stale, whole)
    assert lagging.live.items > refit_distance(live, whole).live.items
    turned = whole.events.take(np.arange(400))
    turned.item[:] = (turned.item + 6) % 12  # everybody's taste is another
    turned.time[:] += 400 * HOUR
    changed = refit_distance(stale, replace(whole, events=turned))
    assert changed.live.items > 0.5
    assert changed.beyond_chance == changed.live.slates - changed.by_chance.slates
