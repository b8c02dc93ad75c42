"""Over every log that a tiny world can give, an estimator's mean is the truth, or misses it where it may.

Expected values are sums over all logs weighted by their probability, so equality holds to rounding.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from polyscene.core.errors import ArgumentError, DataError
from polyscene.evaluation.offpolicy.diagnostics import place_weights
from polyscene.evaluation.offpolicy.estimator import ESTIMATORS, Estimator
from polyscene.evaluation.offpolicy.log import LoggedDecisions, Values
from polyscene.evaluation.offpolicy.modelled import Direct, DoublyRobust, SwitchDr, SwitchSettings
from polyscene.evaluation.offpolicy.pseudo_inverse import (
    PseudoInverse,
    PseudoInverseSettings,
    general_weights,
    second_moments_of,
    uniform_weights,
)
from polyscene.evaluation.offpolicy.slates import CascadeDr, IndependentIps, RewardInteractionIps, SlateIps
from polyscene.evaluation.offpolicy.weighting import ClippedIps, ClippedSettings, Ips, Snips

from .conftest import Slates

EXACT = 1e-12
LOGGED = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
WANTED = np.array([[0.1, 0.2, 0.7], [0.4, 0.5, 0.1]])
CLICKS = np.array([[0.2, 0.7, 0.4], [0.9, 0.3, 0.6]])
CONTEXTS = np.array([0.25, 0.75])
TRUTH = float(CONTEXTS @ (WANTED * CLICKS).sum(axis=1))
MODEL = np.array([[0.3, 0.3, 0.9], [0.5, 0.1, 0.2]])


def expected(make: type[Estimator], **options: Any) -> float:
    """Return an estimator's mean over all logs of two decisions: two contexts, three actions, clicks."""
    cells = list(product(range(2), range(3), (0.0, 1.0)))
    total = 0.0
    for log in product(cells, repeat=2):
        x, a, r = (np.array(column) for column in zip(*log, strict=True))
        rate = CLICKS[x, a]
        chance = np.prod(CONTEXTS[x] * LOGGED[x, a] * np.where(r > 0, rate, 1 - rate))
        decisions = LoggedDecisions.single(a, LOGGED[x, a], r, 3)
        extra: dict[str, Any] = {"predictions": MODEL[x]} if issubclass(make, Direct | DoublyRobust) else {}
        total += chance * make(**options, **extra)(decisions, WANTED[x]).value
    return float(total)


@pytest.mark.parametrize("make", [Ips, DoublyRobust])
def test_weights_give_the_truth_on_average(make: type[Estimator]) -> None:
    assert expected(make) == pytest.approx(TRUTH, abs=EXACT)


def test_clipping_loses_no_more_than_its_bound() -> None:
    clip = 2.0
    weights = WANTED / LOGGED
    lost = float(CONTEXTS @ (LOGGED * (weights - np.minimum(weights, clip)) * CLICKS).sum(axis=1))
    bound = float(CONTEXTS @ (LOGGED * (weights - np.minimum(weights, clip))).sum(axis=1))
    value = expected(ClippedIps, settings=ClippedSettings(clip=clip))
    assert value == pytest.approx(TRUTH - lost, abs=EXACT)
    assert 0.1 < lost < bound


def test_the_model_alone_gives_what_the_model_says() -> None:
    assert expected(Direct) == pytest.approx(float(CONTEXTS @ (WANTED * MODEL).sum(axis=1)), abs=EXACT)


def test_switching_is_wrong_by_the_model_beyond_the_threshold_alone() -> None:
    beyond = WANTED / LOGGED > 2.0
    error = float(CONTEXTS @ (WANTED * beyond * (MODEL - CLICKS)).sum(axis=1))
    value = expected(SwitchDr, settings=SwitchSettings(threshold=2.0))
    assert value == pytest.approx(TRUTH + error, abs=EXACT)
    assert abs(error) > 0.1


def test_self_normalised_values_are_biased_in_small_logs() -> None:
    assert expected(Snips) - TRUTH == pytest.approx(0.00885, abs=1e-5)


@pytest.fixture(scope="module")
def world() -> Slates:
    return Slates(3, np.array([4.0, 2.0, 1.0, 1.0]), np.array([1.0, 1.0, 3.0, 2.0]))


def by_place(world: Slates) -> Values:
    """Return (s, k) rates that depend on item and position alone."""
    rates = np.linspace(0.1, 0.9, world.k * world.n_actions).reshape(world.k, world.n_actions)[:, ::-1]
    return np.asarray(rates[np.arange(world.k), world.slates])


def cascading(world: Slates) -> Values:
    """Return (s, k) rates that also depend on the item above."""
    rates = by_place(world)
    rates[:, 1:] *= 1.0 - 0.5 * (world.slates[:, :-1] == 0)
    return rates


def entangled(world: Slates) -> Values:
    """Return (s, k) rates that also depend on the last item."""
    rates = by_place(world)
    return np.asarray(rates * (1.0 - 0.8 * (world.slates[:, -1:] == 2)))


def mean_value(
    world: Slates, rates: Values, estimator: Estimator, outcomes: Values, target: Values | None = None
) -> float:
    """Return the mean of an estimator over all logs of one decision."""
    table = world.wanted if target is None else np.broadcast_to(target, world.wanted.shape)
    chances, total = world.chances(world.logged), 0.0
    for row in range(len(world.slates)):
        for rewards in outcomes:
            likely = np.prod(np.where(rewards > 0, rates[row], 1 - rates[row]))
            log = world.log(np.array([row]), rewards[None, :])
            total += chances[row] * likely * estimator(log, table[[row]]).value
    return float(total)


def truth(world: Slates, rates: Values) -> float:
    return float(world.chances(world.wanted) @ rates.sum(axis=1))


def cascade() -> Estimator:
    return CascadeDr(predictions=np.linspace(-1, 2, 12).reshape(1, 3, 4))


def test_slate_ips_needs_no_assumption(world: Slates, outcomes: Values) -> None:
    for rates in (by_place(world), cascading(world), entangled(world)):
        assert mean_value(world, rates, SlateIps(), outcomes) == pytest.approx(truth(world, rates), abs=EXACT)


@pytest.mark.parametrize("make", [RewardInteractionIps, cascade])
def test_the_cascade_is_enough_for_those_who_look_from_the_top(
    world: Slates, outcomes: Values, make: type[Estimator]
) -> None:
    for rates in (by_place(world), cascading(world)):
        assert mean_value(world, rates, make(), outcomes) == pytest.approx(truth(world, rates), abs=EXACT)
    rates = entangled(world)
    assert abs(mean_value(world, rates, make(), outcomes) - truth(world, rates)) > 0.01


def test_independent_places_need_marginals_and_independence(world: Slates, outcomes: Values) -> None:
    target = world.marginals(world.wanted)
    rates = by_place(world)
    value = mean_value(world, rates, IndependentIps(), outcomes, target)
    assert value == pytest.approx(truth(world, rates), abs=EXACT)
    rates = cascading(world)
    assert abs(mean_value(world, rates, IndependentIps(), outcomes, target) - truth(world, rates)) > 0.003


def whole(world: Slates) -> Values:
    """Return rates that sum as an additive reward does, though no place earns by its own item."""
    rates = by_place(world)
    return np.asarray(np.repeat(rates.sum(axis=1, keepdims=True) / world.k, world.k, axis=1))


@pytest.mark.parametrize("n_actions", [3, 4])
def test_the_pseudo_inverse_is_unbiased_under_uniform_slates(n_actions: int, outcomes: Values) -> None:
    """With three items for three places too, where the second moments have lost another rank."""
    world = Slates(3, np.ones(n_actions), np.array([1.0, 5.0, 3.0, 2.0])[:n_actions])
    target = world.marginals(world.wanted)
    for rates in (by_place(world), whole(world)):
        value = mean_value(world, rates, PseudoInverse(), outcomes, target)
        assert value == pytest.approx(truth(world, rates), abs=EXACT)


def test_the_pseudo_inverse_misses_what_only_pairs_earn(outcomes: Values) -> None:
    world = Slates(3, np.ones(4), np.array([1.0, 5.0, 3.0, 2.0]))
    together = (world.slates[:, 0] == 1) & (world.slates[:, 1] == 2)
    rates = np.asarray(np.repeat(0.9 * together[:, None], 3, axis=1))
    value = mean_value(world, rates, PseudoInverse(), outcomes, world.marginals(world.wanted))
    assert abs(value - truth(world, rates)) > 0.01


def test_the_pseudo_inverse_is_unbiased_under_any_logging(world: Slates, outcomes: Values) -> None:
    target = world.marginals(world.wanted)
    moments = second_moments_of(world.slates, world.chances(world.logged), 4)
    estimator = PseudoInverse(PseudoInverseSettings(logging="general"), moments)
    for rates in (by_place(world), whole(world)):
        value = mean_value(world, rates, estimator, outcomes, target)
        assert value == pytest.approx(truth(world, rates), abs=EXACT)


def test_the_closed_form_of_independent_places_is_the_pseudo_inverse() -> None:
    p, q = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]), np.array([[0.1, 0.1, 0.8], [0.3, 0.3, 0.4]])
    slates = np.array(list(product(range(3), repeat=2)))
    at = p[np.arange(2), slates]
    log = LoggedDecisions(slates, at, np.ones(at.shape), 3, marginals=at)
    target = np.broadcast_to(q, (9, 2, 3))
    closed = PseudoInverse(PseudoInverseSettings(logging="independent")).weights(log, target)
    np.testing.assert_allclose(
        closed, general_weights(slates, target, second_moments_of(slates, at.prod(axis=1), 3)), atol=EXACT
    )


@pytest.mark.parametrize(("k", "n_actions"), [(1, 4), (2, 5), (3, 4), (3, 3), (2, 2)])
def test_the_closed_form_of_uniform_slates_is_the_pseudo_inverse(k: int, n_actions: int) -> None:
    world = Slates(k, np.ones(n_actions), np.arange(1.0, n_actions + 1))
    count = len(world.slates)
    target = np.broadcast_to(world.marginals(world.wanted), (count, k, n_actions))
    moments = second_moments_of(world.slates, np.full(count, 1 / count), n_actions)
    weights = general_weights(world.slates, target, moments)
    np.testing.assert_allclose(uniform_weights(world.slates, target), weights, atol=1e-10)
    np.testing.assert_allclose(
        general_weights(world.slates, target, np.broadcast_to(moments, (count, *moments.shape))),
        weights,
        atol=1e-12,
    )
    assert weights.mean() == pytest.approx(1.0)


def test_weights_are_one_where_the_target_is_the_log(world: Slates) -> None:
    log = world.log(np.arange(len(world.slates)), np.zeros((len(world.slates), 3)))
    np.testing.assert_allclose(place_weights(log, world.logged), 1.0)


def test_the_pseudo_inverse_refuses_what_is_not_as_said(world: Slates) -> None:
    log = world.log(np.arange(3), np.zeros((3, 3)))
    target = np.full((3, 3, 4), 0.25)
    with pytest.raises(ArgumentError, match="3 decisions with others"):
        PseudoInverse()(log, target)
    with pytest.raises(ArgumentError, match="second_moments"):
        PseudoInverse(PseudoInverseSettings(logging="general"))(log, target)
    with pytest.raises(ArgumentError, match=r"\(12, 12\)"):
        PseudoInverse(PseudoInverseSettings(logging="general"), np.eye(3))(log, target)
    bare = LoggedDecisions(log.actions, log.propensities, log.rewards, 4)
    with pytest.raises(DataError, match="marginal"):
        PseudoInverse(PseudoInverseSettings(logging="independent"))(bare, target)
    short = LoggedDecisions(np.array([[0, -1]]), np.array([[0.5, np.nan]]), np.zeros((1, 2)), 2)
    with pytest.raises(ArgumentError, match="found 1 that are short"):
        PseudoInverse()(short, np.full((1, 2, 2), 0.5))


def test_every_estimator_says_what_it_assumes() -> None:
    for name in ESTIMATORS:
        assert ESTIMATORS[name].name == name
        assert ESTIMATORS[name].assumes
