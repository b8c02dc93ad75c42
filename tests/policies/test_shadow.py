from __future__ import annotations

import numpy as np

from polyscene.core.settings.policies import PolicyChoice
from polyscene.policies.limits import Limits
from polyscene.policies.registry import policy_of
from polyscene.policies.shadow import shadowed

SCORES = np.array([0.3, 2.0, -np.inf, 1.1, 0.9], np.float32)


def test_what_is_in_the_shadow_says_what_it_would_have_shown_and_how_likely_it_is_what_was() -> None:
    policy, limits = policy_of(PolicyChoice(name="thompson")), Limits({1: 4})
    deviations = np.array([1, 1, 1, 1, 0], np.float32)
    shown = np.array([1, 4, 3])
    one = shadowed(policy, SCORES, shown, 3, 5, limits, deviations)
    again = shadowed(policy, SCORES, shown, 3, 5, limits, deviations)
    assert one.plain() == again.plain()
    assert one.places[1] == 4
    known = policy.knowing(deviations)
    np.testing.assert_array_equal(one.of_shown, known.probability(SCORES, shown, limits))
    np.testing.assert_array_equal(one.propensities, known.probability(SCORES, one.places, limits))
    assert one.plain()["policy"] == {"name": "thompson", "width": 1.0, "deviation": None}
    others = {tuple(shadowed(policy, SCORES, shown, 3, seed, limits, deviations).places) for seed in range(9)}
    assert len(others) > 1


def test_a_policy_that_refuses_says_so_and_keeps_nobody_from_being_served() -> None:
    policy = policy_of(PolicyChoice(name="ucb"))
    plain = shadowed(policy, SCORES, np.array([1]), 1, 5, Limits()).plain()
    assert plain["policy"] == {"name": "ucb", "width": 1.0, "deviation": None}
    assert "no signal that knows how uncertain it is" in str(plain["refused"])
    assert set(plain) == {"policy", "refused"}
