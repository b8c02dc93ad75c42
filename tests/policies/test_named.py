"""Policies as they are typed, and their chances of every candidate along a slate."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.errors import ArgumentError
from polyscene.policies.epsilon import Epsilon, EpsilonSettings
from polyscene.policies.greedy import Greedy
from polyscene.policies.limits import Limits
from polyscene.policies.plackett_luce import PlackettLuce
from polyscene.policies.registry import choice_of, policy_named


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("greedy", {"name": "greedy"}),
        ("epsilon", {"name": "epsilon", "epsilon": 0.05}),
        ("epsilon:0.2", {"name": "epsilon", "epsilon": 0.2}),
        ("plackett_luce:temperature=0.5", {"name": "plackett_luce", "temperature": 0.5}),
    ],
)
def test_a_policy_is_what_was_typed(text: str, choice: dict[str, object]) -> None:
    assert choice_of(policy_named(text)) == choice


@pytest.mark.parametrize(
    "text", ["", "oracle", "epsilon:2", "epsilon:x", "greedy:0.1", "epsilon:0.1,0.2", "epsilon:speed=3"]
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match="expected"):
        policy_named(text)


@pytest.mark.parametrize("policy", [PlackettLuce(), Epsilon(EpsilonSettings(epsilon=0.3))])
def test_distributions_hold_the_chances_of_what_stood_there(policy: PlackettLuce | Epsilon) -> None:
    scores = np.array([0.3, -np.inf, 0.1, 0.2, 0.25], np.float32)
    slate, limits = np.array([2, 0, 4]), Limits({1: 0})
    table = policy.distributions(scores, slate, limits)
    assert table.shape == (3, 5)
    np.testing.assert_allclose(table.sum(axis=1), 1)
    np.testing.assert_allclose(
        table[np.arange(3), slate], policy.probability(scores, slate, limits), atol=1e-6
    )
    assert table[1].tolist() == [1, 0, 0, 0, 0]
    assert (table[:, 1] == 0).all()
    assert table[2, 2] == 0


def test_greedy_goes_on_with_the_best_that_is_left() -> None:
    table = Greedy().distributions(np.array([3.0, 2.0, 1.0], np.float32), np.array([1, 2]))
    assert table.tolist() == [[1, 0, 0], [1, 0, 0]]
