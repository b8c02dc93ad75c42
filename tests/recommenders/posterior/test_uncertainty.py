"""Drawn scores spread as is stated, and doubt shrinks with events and grows with time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from polyscene.core.clock import DAY
from polyscene.recommenders.abilities import Observation, Uncertain
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.recommenders.signal import Evidence

DRAWS = 4000


def test_draws_have_the_mean_of_the_score_and_the_stated_deviation(
    fitted: Posterior, ask: Callable[..., Any]
) -> None:
    queries = ask([0, 1, -1])
    candidates = np.array([[1, 7, 7], [0, 11, 3], [2, 5, 9]], np.int32)
    assert isinstance(fitted, Uncertain)
    chance = np.random.default_rng(0)
    draws = np.stack([fitted.draw(queries, candidates, chance) for _ in range(DRAWS)])
    deviations = fitted.deviation(queries, candidates)
    assert deviations.shape == candidates.shape
    np.testing.assert_allclose(draws.std(axis=0), deviations, rtol=0.06)
    error = np.abs(draws.mean(axis=0) - fitted.score(queries, candidates))
    assert np.all(error < 4 * deviations / np.sqrt(DRAWS))


def test_scores_of_one_request_are_drawn_from_one_user(
    make_world: Callable[..., Evidence], posterior: Callable[..., Posterior], ask: Callable[..., Any]
) -> None:
    """Of an unknown user, items that read alike rise and fall together; of two requests they do not."""
    signal = posterior(bias_variance=1e-4, item_variance=1e-5).fit(make_world([]))
    alike = np.array([[0, 0], [0, 0]])
    chance = np.random.default_rng(1)
    draws = np.stack([signal.draw(ask([-1, -1]), alike, chance) for _ in range(500)])
    assert np.corrcoef(draws[:, 0, 0], draws[:, 0, 1])[0, 1] > 0.95
    assert abs(np.corrcoef(draws[:, 0, 0], draws[:, 1, 0])[0, 1]) < 0.2


def test_the_whole_catalogue_is_the_candidates_named_one_by_one(
    fitted: Posterior, ask: Callable[..., Any]
) -> None:
    queries = ask([0, 5, -1])
    every = np.tile(np.arange(12), (3, 1))
    np.testing.assert_allclose(fitted.deviation(queries), fitted.deviation(queries, every), rtol=1e-5)
    one = fitted.draw(queries, None, np.random.default_rng(3))
    other = fitted.draw(queries, every, np.random.default_rng(3))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert fitted.draw(ask([]), None, np.random.default_rng(3)).shape == (0, 12)


def test_doubt_shrinks_with_events_and_grows_with_time(
    make_world: Callable[..., Evidence],
    posterior: Callable[..., Posterior],
    two_tastes: Callable[..., Any],
    ask: Callable[..., Any],
) -> None:
    rows = [row for row in two_tastes(300) if row[1] != 3]
    signal = posterior(user_drift=0.01, half_lives=(5.0,)).fit(make_world(rows))
    queries = ask([0, -1])
    doubt = signal.deviation(queries)
    assert doubt[0, :3].mean() < doubt[1, :3].mean(), "of a known user less"
    assert doubt[1, 3] > doubt[1, [0, 1, 2, 4, 5]].max(), "of what nobody chose more"
    signal.observe(Observation.alone(7, 8, signal.latest + 20 * DAY, 1.0))
    assert np.all(signal.deviation(queries)[0, [0, 1, 2]] > doubt[0, [0, 1, 2]])
