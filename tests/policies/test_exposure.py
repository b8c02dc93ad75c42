"""Items on trial get their chances, and none is shown beyond its cap."""

from __future__ import annotations

import numpy as np

from polyscene.core.settings.policies import PolicyChoice
from polyscene.policies.exposure import Exposure, ExposureSettings
from polyscene.policies.greedy import Greedy
from polyscene.policies.limits import Limits
from polyscene.policies.policy import Policy
from polyscene.policies.registry import policy_of

CODES = np.array([7, 2, 0, 5])
SCORES = np.array([0.9, 0.5, 0.3, 0.1], np.float32)


def _exposure(**settings: int) -> Exposure:
    exposure = Exposure(8, ExposureSettings.model_validate(settings))
    exposure.note(np.array([7, 7, 7, 2, 2, 5]))
    return exposure


def test_who_lacks_chances_stands_in_every_slate_until_it_had_them() -> None:
    exposure = _exposure(chances=2)
    assert exposure.on_trial(CODES).tolist() == [False, False, True, True]
    seen = []
    for _ in range(5):
        slate, _ = Greedy().choose(SCORES, 2, None, exposure.limits(CODES))
        exposure.note(CODES[slate])
        seen.append(CODES[slate].tolist())
    assert seen == [[7, 0], [7, 0], [7, 5], [7, 2], [7, 2]]
    assert not exposure.limits(CODES)


def test_a_slate_without_floor_and_more_places_for_the_trial() -> None:
    assert not _exposure(chances=2).limits(CODES, floor=False)
    slate, _ = Greedy().choose(SCORES, 3, None, _exposure(chances=2, places=2).limits(CODES))
    assert CODES[slate].tolist() == [7, 0, 5]


def test_a_cap_holds_for_a_period() -> None:
    exposure = _exposure(cap=3)
    slate, _ = Greedy().choose(SCORES, 4, None, exposure.limits(CODES))
    assert CODES[slate].tolist() == [2, 0, 5]
    exposure.new_period()
    assert not exposure.limits(CODES)
    assert exposure.shown[7] == 3


def test_a_cap_is_stronger_than_the_floor_and_other_limits_stay() -> None:
    exposure = Exposure(8, ExposureSettings(chances=5, cap=1))
    exposure.note(np.array([0, 5]))
    slate, _ = Greedy().choose(SCORES, 3, None, exposure.limits(CODES, limits=Limits({0: 1})))
    assert CODES[slate].tolist() == [2, 7]


def test_new_items_begin_at_nothing() -> None:
    exposure = Exposure(1, ExposureSettings(chances=1))
    exposure.note(np.array([0]))
    exposure.extend(3)
    exposure.extend(2)
    assert exposure.on_trial(np.array([0, 1, 2])).tolist() == [False, True, True]


def test_every_new_item_gets_its_chances_whatever_its_score() -> None:
    exposure, chance = Exposure(30, ExposureSettings(chances=5)), np.random.default_rng(3)
    policy: Policy = policy_of(PolicyChoice(name="plackett_luce", temperature=0.01))
    scores, codes = -np.arange(30, dtype=np.float32), np.arange(30)
    for _ in range(200):
        limits = exposure.limits(codes)
        slate, _ = policy.choose(scores, 3, chance, limits)
        exposure.note(slate)
    assert exposure.shown.min() == 5
    assert exposure.shown[0] > 180
