"""A share explores, and the log says what the mixture would have done."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.settings.policies import PolicyChoice
from polyscene.policies.greedy import Greedy
from polyscene.policies.guarded import Guarded, GuardedSettings
from polyscene.policies.registry import choice_of, policy_of

SCORES = np.array([0.3, 2.0, -np.inf, 1.1, 0.9], np.float32)
UNIFORM = PolicyChoice(name="epsilon", epsilon=1.0)


def _guarded(share: float, explorer: PolicyChoice = UNIFORM) -> Guarded:
    return Guarded(GuardedSettings(share=share, explorer=explorer))


def test_propensities_are_those_of_the_mixture_by_hand() -> None:
    # Uniform over 4, then over 3: ε/4 and ε/12; greedy puts 1, then 3.
    policy = _guarded(0.1)
    np.testing.assert_allclose(
        policy.probability(SCORES, np.array([1, 3])), [0.925, (0.9 + 0.1 / 12) / 0.925]
    )
    np.testing.assert_allclose(policy.probability(SCORES, np.array([1, 0])), [0.925, 0.1 / 12 / 0.925])
    np.testing.assert_allclose(policy.probability(SCORES, np.array([0, 1])), [0.025, 1 / 3], rtol=1e-6)
    assert policy.probability(SCORES, np.array([2, 1])).tolist() == [0.0, 0.0]


def test_the_share_of_slates_that_explore_is_the_share() -> None:
    policy, chance = (
        _guarded(0.05, PolicyChoice(name="plackett_luce", temperature=100)),
        np.random.default_rng(2),
    )
    best = Greedy().choose(SCORES, 3)[0].tolist()
    others = sum(policy.choose(SCORES, 3, chance)[0].tolist() != best for _ in range(4000))
    assert others / 4000 == pytest.approx(0.05 * 23 / 24, abs=0.011)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nothing_and_everything(share: float) -> None:
    policy = _guarded(share)
    assert policy.explores == bool(share)
    slate, propensities = policy.choose(SCORES, 2, np.random.default_rng(1) if share else None)
    side = policy_of(UNIFORM) if share else Greedy()
    np.testing.assert_allclose(side.probability(SCORES, slate), propensities)
    if share:
        with pytest.raises(ValueError, match="'guarded' explores"):
            policy.choose(SCORES, 2)


def test_deviations_reach_the_explorer_and_are_asked_for_only_then() -> None:
    thompson = PolicyChoice(name="thompson")
    policy = _guarded(0.5, thompson)
    assert policy.reads_deviations
    assert not _guarded(0.0, thompson).reads_deviations
    assert not _guarded(0.5).reads_deviations
    known = policy.knowing(np.array([0, 0, 0, 3, 0], np.float32))
    row = known.conditional(SCORES)
    assert row[3] == pytest.approx(0.5 * 0.3821, abs=1e-3)
    assert row[1] == pytest.approx(1 - row[3])


def test_a_log_says_what_the_explorer_was_told_by_default_too() -> None:
    written = choice_of(_guarded(0.2, PolicyChoice(name="plackett_luce")))
    assert written == {
        "name": "guarded",
        "share": 0.2,
        "explorer": {"name": "plackett_luce", "temperature": 0.1},
    }
    assert choice_of(policy_of(PolicyChoice.model_validate(written))) == written
    with pytest.raises(ValueError, match="one of greedy"):
        PolicyChoice.model_validate({"name": "guarded", "explorer": "luck"})
