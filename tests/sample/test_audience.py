"""People who answer do as the formulas say: they look from the top, tire, drift, are heard of late, and
leave."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.clock import DAY, HOUR
from polyscene.sample.audience import LATE, LEAVING, RESTING, TIRING, Audience, Visit
from polyscene.sample.behaviour import examination
from polyscene.sample.clock import START
from polyscene.sample.world import SampleWorld


@pytest.fixture(scope="module")
def world() -> SampleWorld:
    return SampleWorld.generate(seed=3, users=80, items_per_scenario=60, days=12)


def _audience(world: SampleWorld, seed: int = 0) -> Audience:
    return Audience(world, "news", 6, seed)


def test_they_come_in_order_on_their_days(world: SampleWorld) -> None:
    audience = _audience(world)
    days = [audience.visits(day) for day in range(12)]
    assert not any(days[:6]), "what was before is written"
    assert all(days[6:])
    for day, visits in enumerate(days):
        assert [one.time for one in visits] == sorted(one.time for one in visits)
        assert all(START + day * DAY <= one.time < START + (day + 1) * DAY for one in visits)


def test_appeal_is_zero_for_what_is_not_there_or_was_taken(world: SampleWorld) -> None:
    audience = _audience(world)
    visit = audience.visits(7)[0]
    appeal = audience.appeal(visit)
    live = world.live("news", visit.time)
    log = world.events["news"]
    user = world.users["user_id"][visit.user]
    taken = log.filter((log["user_id"] == user) & (log["at"].to_physical() < START + 6 * DAY))["item_id"]
    had = world.items["news"]["item_id"].is_in(taken.to_list()).to_numpy()
    np.testing.assert_array_equal(appeal > 0, live & ~had)
    assert appeal.max() <= 1


def test_who_looks_tires_of_the_topic_and_rests(world: SampleWorld) -> None:
    audience = _audience(world)
    visit = audience.visits(6)[0]
    topic = world.inhabitants("news")[1].topic
    before = audience.appeal(visit)
    shown = np.flatnonzero(before > 0)[:3]
    answer = audience.show(visit, shown.tolist())
    left = [code for code in np.flatnonzero(before > 0).tolist() if code not in shown.tolist()]
    eyes = examination(3)
    for days in (0, 1, 4):
        later = Visit(visit.user, visit.time, visit.intent)
        tired = np.zeros(len(topic))
        np.add.at(tired, topic[shown], eyes)
        if days == 0 and not answer.clicked.any():
            logits = np.log(before[left] / (1 - before[left])) - TIRING * tired[topic[left]]
            np.testing.assert_allclose(audience.appeal(later)[left], 1 / (1 + np.exp(-logits)), rtol=1e-9)
        there = Visit(visit.user, visit.time + days * DAY, visit.intent)
        np.testing.assert_allclose(
            audience._tiredness(there)[: topic.max() + 1], tired[: topic.max() + 1] * RESTING**days
        )


def test_clicks_come_as_often_as_appeal_and_place_say_and_late_ones_late(world: SampleWorld) -> None:
    clicked, expected, late, clicks, left, without = 0.0, 0.0, 0, 0, 0, 0
    for seed in range(12):
        audience = _audience(world, seed)
        for day in range(6, 12):
            for visit in audience.visits(day):
                if audience.gone[visit.user]:
                    continue
                appeal = audience.appeal(visit)
                slate = np.argsort(-appeal)[:4].tolist()
                answer = audience.show(visit, slate)
                assert answer.expected == pytest.approx(audience.worth(appeal, slate))
                assert answer.best == pytest.approx(answer.expected)
                assert (answer.heard >= answer.time).all()
                assert (answer.heard - answer.time).max() <= 24 * HOUR
                assert answer.left == bool(audience.gone[visit.user])
                clicked += answer.clicked.sum()
                expected += answer.expected
                late += int((answer.heard > answer.time)[answer.clicked].sum())
                clicks += int(answer.clicked.sum())
                without += not answer.clicked.any()
                left += answer.left
    assert clicked == pytest.approx(expected, rel=0.08)
    assert late / clicks == pytest.approx(LATE, abs=0.05)
    assert left / without == pytest.approx(LEAVING, abs=0.03)
    assert left > 0


def test_nobody_clicks_what_they_have_had_and_the_same_seed_does_the_same(world: SampleWorld) -> None:
    answers = []
    for _ in range(2):
        audience = _audience(world, 5)
        visit = audience.visits(6)[0]
        best = int(audience.appeal(visit).argmax())
        first = [audience.show(visit, [best]) for _ in range(60)]
        assert sum(one.clicked.sum() for one in first) <= 1
        answers.append([one.clicked.tolist() for one in first])
    assert answers[0] == answers[1]
