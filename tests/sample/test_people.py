from __future__ import annotations

import numpy as np
import polars as pl

from polyscene.core.clock import DAY
from polyscene.sample.clock import START
from polyscene.sample.people import make_people
from polyscene.sample.visits import make_visits
from polyscene.sample.words import SCENARIOS


def test_people_know_one_two_or_three_scenarios() -> None:
    people = make_people(2000, 60, 7)
    known = (people.habits > 0).sum(axis=1)
    shares = np.bincount(known, minlength=4)[1:] / 2000
    np.testing.assert_allclose(shares, [0.3, 0.35, 0.35], atol=0.04)
    np.testing.assert_allclose(people.habits.sum(axis=1), 1.0)


def test_some_ages_are_missing_and_all_others_plausible() -> None:
    frame = make_people(2000, 60, 7).frame
    assert 0.02 < frame["age"].null_count() / 2000 < 0.07
    assert frame["age"].drop_nulls().is_between(16, 88).all()
    assert frame.schema["country"] == pl.String
    assert frame["user_id"].n_unique() == 2000


def test_attributes_tell_something_of_the_tastes() -> None:
    people = make_people(2000, 60, 7)
    old = (people.frame["age"].fill_null(0) > 50).to_numpy()
    young = people.frame["age"].fill_null(99).to_numpy() < 30
    leaning = people.taste_before @ np.linspace(-1, 1, people.taste_before.shape[1])
    assert leaning[old].mean() > leaning[young].mean() + 0.5


def test_tastes_drift_in_most_people_from_before_to_after() -> None:
    people = make_people(1000, 60, 7)
    changed = (people.taste_before != people.taste_after).any(axis=1)
    assert 0.55 < changed.mean() < 0.65
    rows = np.flatnonzero(changed)
    at_start = people.taste(rows, np.array(START))
    at_end = people.taste(rows, np.array(START + 200 * DAY))
    np.testing.assert_allclose(at_end, people.taste_after[rows], atol=1e-6)
    assert (
        np.abs(at_start - people.taste_before[rows]).mean()
        < np.abs(at_start - people.taste_after[rows]).mean()
    )


def test_visits_are_in_order_and_each_wave_holds_a_person_once() -> None:
    people = make_people(300, 20, 7)
    visits = make_visits(people, 20, 7)
    keys = np.stack([visits.day, visits.wave, visits.user], axis=1)
    assert len(np.unique(keys, axis=0)) == len(visits) > 1000
    assert (visits.day >= people.joined[visits.user]).all()
    assert (people.habits[visits.user, visits.scenario] > 0).all()
    assert set(np.unique(visits.scenario)) == set(range(len(SCENARIOS)))
    order = np.lexsort((visits.wave, visits.day, visits.user))
    same = visits.user[order][1:] == visits.user[order][:-1]
    assert (np.diff(visits.time[order])[same] > 60 * 1_000_000).all()


def test_intents_come_from_tastes() -> None:
    people = make_people(300, 20, 7)
    visits = make_visits(people, 20, 7)
    favourite = people.taste(visits.user, visits.time).argmax(axis=1)
    assert (visits.intent == favourite).mean() > 0.3
    shuffled = np.random.default_rng(0).permutation(favourite)
    assert (visits.intent == shuffled).mean() < 0.12
