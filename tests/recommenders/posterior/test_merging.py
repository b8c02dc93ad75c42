"""Replicas that learned apart: exact where the mathematics is, close to one that learned everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from polyscene.core.clock import HOUR
from polyscene.core.errors import ArgumentError
from polyscene.data.schema import UNKNOWN_TIME
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.posterior.merging import divergence, joined, merge
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.recommenders.posterior.settings import PosteriorSettings
from polyscene.recommenders.posterior.tables import Beliefs
from polyscene.recommenders.signal import Evidence

Make = Callable[..., Posterior]


def again(signal: Posterior) -> Posterior:
    state = {name: array.copy() for name, array in signal.state().items()}
    return Posterior(signal.settings).restore(state, signal.space, {})


def taught(signal: Posterior, rows: list[tuple[int, int, int]]) -> Posterior:
    for user, item, time in rows:
        signal.observe(Observation.alone(user, item, time, 1.0))
    return signal


@pytest.fixture(scope="module")
def prior(make_world: Callable[..., Evidence], posterior: Make, two_tastes: Callable[..., Any]) -> Posterior:
    return posterior(user_drift=0.0, item_drift=0.0).fit(make_world(two_tastes(200)))


@pytest.fixture(scope="module")
def later(two_tastes: Callable[..., Any]) -> list[tuple[int, int, int]]:
    return [(user, item, time + 200 * HOUR) for user, item, time in two_tastes(300, seed=5)]


def gaussians(means: list[float], variances: list[float]) -> Beliefs:
    beliefs = Beliefs.prior(np.array(means, np.float32)[:, None], 1.0, 1.0)
    doubt = np.array(variances, np.float32)
    return beliefs._replace(variances=doubt[:, None], bias=beliefs.means[:, 0].copy(), bias_variance=doubt)


def test_gaussian_evidence_adds_up_exactly() -> None:
    """From N(0, 1), values 2 and -1 with noise 1/2 and 1/4: each alone, and both in a row."""
    prior, one, other = gaussians([0.0], [1.0]), gaussians([4 / 3], [1 / 3]), gaussians([-0.8], [0.2])
    both = joined(prior, one, other)
    precision = 1 + 2 + 4
    np.testing.assert_allclose(both.variances, 1 / precision, rtol=1e-5)
    np.testing.assert_allclose(both.means, (2 * 2 - 4) / precision, atol=1e-6)
    np.testing.assert_allclose(both.bias_variance, 1 / precision, rtol=1e-5)


def test_doubt_stays_positive_where_drift_left_the_prior_surer() -> None:
    both = joined(gaussians([0.0], [0.1]), gaussians([1.0], [0.9]), gaussians([1.0], [0.8]))
    assert 0 < both.variances[0, 0] <= 0.9 + 1e-6


def test_limits_of_a_span_are_left_to_the_whole() -> None:
    prior, one, other = (gaussians([0.0], [1.0]) for _ in range(3))
    one = one._replace(bias=one.bias + 0.3, spans=np.array([7]), path=np.array([0.2], np.float32))
    other = other._replace(bias=other.bias + 0.1, spans=np.array([7]), path=np.array([0.1], np.float32))
    both = joined(prior, one, other)
    np.testing.assert_allclose(both.bias - both.anchors, 0.4, rtol=1e-5)
    np.testing.assert_allclose(both.path, 0.3, rtol=1e-5)
    stale = joined(prior, one, other._replace(spans=np.array([6])))
    np.testing.assert_allclose(stale.bias - stale.anchors, 0.3, rtol=1e-5)


def test_divergence_is_that_of_the_textbook() -> None:
    one, other = gaussians([1.0], [0.5]), gaussians([0.0], [2.0])
    single = 0.5 * (0.25 - 1 - np.log(0.25) + 0.5)
    np.testing.assert_allclose(divergence(one, other), 2 * single, rtol=1e-5)
    np.testing.assert_allclose(divergence(one, one), 0.0, atol=1e-7)


def test_merged_with_what_learned_nothing_it_is_the_other(prior: Posterior, later: list[Any]) -> None:
    one, idle = taught(again(prior), later[:100]), again(prior)
    for both in (merge(prior, one, idle), merge(prior, idle, one)):
        np.testing.assert_allclose(both.items_now().means, one.items_now().means, atol=1e-5)
        np.testing.assert_allclose(both.biases(), one.biases(), atol=1e-5)
        everybody = np.arange(40)
        np.testing.assert_allclose(
            both.users_at(everybody, both.latest).means, one.users_at(everybody, one.latest).means, atol=1e-4
        )


def test_two_that_learned_apart_are_near_one_that_learned_everything(
    prior: Posterior, later: list[Any], ask: Callable[..., Any]
) -> None:
    """Half of the users each; users' rows differ between the replicas."""
    parts = [[row for row in later if (row[0] // 2) % 2 == half] for half in (0, 1)]
    one, other = (taught(again(prior), part) for part in parts)
    merged, whole = merge(prior, one, other), taught(again(prior), later)
    queries = ask(list(range(40)))
    expected = whole.score(queries)

    def distance(signal: Posterior) -> float:
        return float(np.sqrt(np.mean((signal.score(queries) - expected) ** 2)) / expected.std())

    assert distance(merged) < 0.25
    assert distance(merged) < 0.8 * min(distance(one), distance(other))
    towards = divergence(merged.items_now(), whole.items_now()).mean()
    assert towards < 0.5 * divergence(prior.items_at(whole.priors, whole.latest), whole.items_now()).mean()
    taught(merged, [(0, 1, merged.latest + HOUR)])
    assert merged.stream.counts[0] == prior.stream.counts[0] + len(later) + 1


def test_new_users_and_items_of_both_are_there(prior: Posterior) -> None:
    one, other = again(prior), again(prior)
    new = np.array([len(prior.priors)])
    mean = prior.space.view("tuned").mean.astype(np.float32)
    prior.space.put(new, {"tuned": prior.space.view("tuned").vectors[[0]] + mean})
    for signal in (one, other):
        signal.extend(new, np.array([UNKNOWN_TIME]))
    taught(one, [(100, int(new[0]), prior.latest + HOUR)])
    taught(other, [(200, 2, prior.latest + HOUR)])
    both = merge(prior, one, other)
    assert len(both.priors) == len(prior.priors) + 1
    assert both.moved()[new[0]] == pytest.approx(one.moved()[new[0]], abs=1e-5)
    assert both.rows[100] >= 0 <= both.rows[200]
    assert both.rows[150] < 0


def test_what_is_no_replica_is_refused(prior: Posterior) -> None:
    stranger = again(prior)
    stranger.half_life = 3.0
    with pytest.raises(ArgumentError, match="restore both from the same run"):
        merge(prior, again(prior), stranger)
    signal = Posterior(PosteriorSettings(**(prior.settings.model_dump() | {"noise": 2.0})))
    other = signal.restore(prior.state(), prior.space, {})
    with pytest.raises(ArgumentError, match="expected two replicas"):
        merge(prior, other, again(prior))


def test_merging_leaves_the_replicas_as_they_were(prior: Posterior, later: list[Any]) -> None:
    one, other = taught(again(prior), later[:20]), taught(again(prior), later[20:40])
    before = {name: array.copy() for name, array in one.state().items()}
    taught(merge(prior, one, other), later[40:60])
    for name, array in before.items():
        np.testing.assert_array_equal(one.state()[name], array, err_msg=name)
