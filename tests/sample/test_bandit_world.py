"""The world in which exploration is compared does what its docstring says."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from polyscene.sample.bandit_world import RESTING, BanditWorld, BanditWorldSettings, Climate, Visit


def _world(climate: Climate = "calm", seed: int = 3, **more: int) -> BanditWorld:
    return BanditWorld(BanditWorldSettings.model_validate({"climate": climate, "days": 6, **more}), seed)


def _someone(world: BanditWorld, user: int = 0) -> Visit:
    return next(visit for visit in world.visits(world.settings.users) if visit.user == user)


def test_the_seed_rules_everything_and_climates_share_items_and_people() -> None:
    one, same, other = (_world(seed=seed).visits(5) for seed in (3, 3, 4))
    assert [visit.user for visit in one] == [visit.user for visit in same]
    np.testing.assert_array_equal(one[0].appeal, same[0].appeal)
    assert one[0].appeal.tolist() != other[0].appeal.tolist()
    np.testing.assert_array_equal(_world("shocked").visits(5)[0].features, one[0].features)


def test_clicks_come_as_often_as_expected_and_the_best_slate_is_the_best() -> None:
    world = _world(items=5)
    visit = world.visits(1)[0]
    slate = np.array([3, 0, 4])
    counts = np.mean([world.show(visit, slate).clicked for _ in range(8000)], axis=0)
    chances = np.array([1.0, 2**-0.6, 3**-0.6]) * visit.appeal[slate]
    np.testing.assert_allclose(counts, chances, atol=0.025)
    assert world.expected(visit, slate) == pytest.approx(chances.sum())
    slates = [np.array(one) for one in itertools.permutations(range(5), 3)]
    best = max(world.expected(visit, one) for one in slates)
    assert world.expected(visit, world.best(visit)) == pytest.approx(best)
    assert world.show(visit, slate).best == pytest.approx(best)


def test_people_tire_of_a_topic_and_rest() -> None:
    world = _world(new_items=0)
    before = _someone(world)
    topic = before.features[:, 1 : 1 + 2 * 7].reshape(20, 2, 7).sum(axis=1)[:, :4].argmax(axis=1)
    shown = np.flatnonzero(topic == topic[0])[:3]
    while not world.show(before, shown).left and world._tired[0].max() < 6:
        pass
    assert world._tired[0].argmax() == topic[0]
    tired = world._visit(0)
    assert (tired.appeal[topic == topic[0]] < before.appeal[topic == topic[0]]).all()
    np.testing.assert_array_equal(tired.appeal[topic != topic[0]], before.appeal[topic != topic[0]])
    count = world._tired[0, topic[0]]
    world.visits(1)
    assert world._tired[0, topic[0]] == pytest.approx(RESTING * count)


def test_items_come_in_place_of_the_oldest() -> None:
    world = _world(items=6, new_items=2)
    world.visits(1)
    assert world.born.tolist() == [0] * 6
    for _ in range(3):
        world.visits(1)
    assert sorted(world.born.tolist()) == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("climate", "changes"), [("calm", []), ("shocked", [3]), ("drifting", [1, 2, 3, 4, 5])]
)
def test_climates_change_what_is_liked_when_they_should(climate: Climate, changes: list[int]) -> None:
    world, seen = _world(climate), []
    world.visits(1)
    for _ in range(5):
        before = world._theta.copy()
        world.visits(1)
        if not np.array_equal(before, world._theta):
            seen.append(world.day)
    assert seen == changes


def test_who_clicks_nothing_may_leave_and_clicks_are_known_later() -> None:
    world = _world(users=40, delay=2)
    outcomes = [world.show(visit, np.array([0])) for _ in range(6) for visit in world.visits(40)]
    left = [one for one in outcomes if one.left]
    assert left
    assert not any(one.clicked.any() for one in left)
    days = np.repeat(np.arange(6), 40)
    assert {one.known_on - day for one, day in zip(outcomes, days, strict=True)} == {0, 1, 2}
