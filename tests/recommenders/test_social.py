"""A small company of friends: what is planted is what is scored, live as in a fit on everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from polyscene.data.links import SocialLinks
from polyscene.data.queries import Queries
from polyscene.recommenders.abilities import ErasesUsers, Forgets, Observation, Updates
from polyscene.recommenders.signal import Evidence
from polyscene.recommenders.social import Social, likeness
from polyscene.representation.item_space import ItemSpace

MakeEvidence = Callable[..., Evidence]
Asked = Callable[..., Queries]
N_USERS, N_ITEMS = 6, 5
PAIRS = [(0, 1), (0, 2), (0, 3), (1, 4)]
"""4 is a friend of a friend of 0; 5 has no friends."""
EVENTS = [(1, 0, 1), (1, 1, 2), (2, 0, 1), (3, 2, 5), (4, 3, 1), (5, 4, 1)]


def links(pairs: list[tuple[int, int]], weight: float = 1.0) -> SocialLinks:
    both = [*pairs, *((friend, user) for user, friend in pairs)]
    user, friend = np.array(both, np.int32).T
    joined = SocialLinks.joined([SocialLinks(user, friend, np.full(len(user), weight, np.float32))])
    assert joined is not None
    return joined


@pytest.fixture
def evidence(make_evidence: MakeEvidence) -> Evidence:
    return replace(make_evidence(EVENTS, N_ITEMS, n_users=N_USERS), links=links(PAIRS))


def fitted(evidence: Evidence, **settings: Any) -> Social:
    values = {"decay": 0.5, "trust": 0.0, "damping": 0.0, "shrinkage": 0.0, "prior_events": 0.0, **settings}
    return Social(Social.Settings(**values)).fit(evidence)


def test_the_score_is_the_mean_of_the_friends_decayed_shares(evidence: Evidence, asked: Asked) -> None:
    scores = fitted(evidence).score(asked([[]] * N_USERS))
    np.testing.assert_allclose(scores[0], [(1 / 3 + 1) / 3, 2 / 9, 1 / 3, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(scores[4], [1 / 3, 2 / 3, 0, 0, 0], rtol=1e-5)
    assert not scores[5].any()


def test_friends_of_friends_count_less_and_nobody_is_their_own(evidence: Evidence, asked: Asked) -> None:
    signal = fitted(evidence, damping=0.5)
    people = signal.people(np.array([0], np.int32)).todense()[0]
    np.testing.assert_allclose(people, [0, 1 / 3, 1 / 3, 1 / 3, 0.5 / 6, 0], rtol=1e-5)
    assert signal.score(asked([[]]))[0, 3] == pytest.approx(0.5 / 6)


def test_few_friends_speak_less_loud_under_shrinkage(evidence: Evidence) -> None:
    people = fitted(evidence, shrinkage=1.0).people(np.array([0, 4], np.int32)).todense()
    np.testing.assert_allclose(people.sum(axis=1), [3 / 4, 1 / 2], rtol=1e-5)


def test_a_friend_of_the_same_taste_is_trusted_more(make_evidence: MakeEvidence) -> None:
    events = [(0, 0, 1), (1, 0, 1), (2, 1, 1)]
    evidence = replace(make_evidence(events, 3, n_users=3), links=links([(0, 1), (0, 2)]))
    people = fitted(evidence, trust=6.0).people(np.array([0], np.int32)).todense()[0]
    np.testing.assert_allclose(people, [0, 2 / 3, 1 / 3], rtol=1e-5)  # 1 + 6 · 1 / (1 + 5) against 1


def test_strong_links_count_more(make_evidence: MakeEvidence) -> None:
    weak, strong = links([(0, 1)]), links([(0, 2)], 3.0)
    evidence = make_evidence([(1, 0, 1), (2, 1, 1)], 2, n_users=3)
    both = SocialLinks.joined([weak, strong])
    people = fitted(replace(evidence, links=both)).people(np.array([0], np.int32)).todense()[0]
    np.testing.assert_allclose(people, [0, 1 / 4, 3 / 4], rtol=1e-5)


def test_likeness_is_the_cosine_of_tastes(evidence: Evidence) -> None:
    tastes = fitted(evidence)._tastes.matrix()
    dense = tastes.todense()
    wanted = dense[1] @ dense[2] / np.linalg.norm(dense[1]) / np.linalg.norm(dense[2])
    actual = likeness(tastes, np.array([1, 1]), np.array([2, 3]))
    np.testing.assert_allclose(actual, [wanted, 0.0], rtol=1e-5)


def test_decay_and_trust_are_those_under_which_choices_are_likeliest(make_evidence: MakeEvidence) -> None:
    """Everybody takes up what one friend of the same taste chose long ago, before many other things."""
    draws = np.random.default_rng(0)
    rows, pairs = [], []
    for pair in range(40):
        me, twin, other = 3 * pair, 3 * pair + 1, 3 * pair + 2
        pairs += [(me, twin), (me, other)]
        common = 200 + draws.permutation(100)[:3]
        rows += [(twin, int(item), time) for time, item in enumerate(common)]
        rows += [(twin, int(item), 5 + time) for time, item in enumerate(draws.integers(0, 200, 5))]
        rows += [(other, int(item), time) for time, item in enumerate(draws.integers(0, 200, 8))]
        rows += [(me, int(item), 20 + time) for time, item in enumerate(common)]
    evidence = replace(make_evidence(rows, 300, n_users=120), links=links(pairs))
    signal = Social(Social.Settings(damping=0.0)).fit(evidence)
    assert signal.decay == 1.0
    people = signal.people(np.array([0], np.int32)).todense()[0]
    assert people[1] > 2 * people[2] > 0


def observed(signal: Social, past: list[int], item: int, user: int) -> None:
    empty = Observation.alone(user, item, 9, 1.0)
    empty.past = np.array(past, np.int32)
    empty.past_weights = np.ones(len(past), np.float32)
    signal.observe(empty)


def test_a_friends_event_counts_at_once_as_in_a_fit_on_all(
    evidence: Evidence, make_evidence: MakeEvidence, asked: Asked
) -> None:
    live = fitted(evidence, damping=0.5)
    assert isinstance(live, Updates)
    observed(live, [0], 3, user=2)
    observed(live, [2], 2, user=3)
    batch = replace(
        make_evidence([*EVENTS, (2, 3, 8), (3, 2, 9)], N_ITEMS, n_users=N_USERS), links=evidence.links
    )
    queries = asked([[]] * N_USERS)
    np.testing.assert_allclose(
        live.score(queries), fitted(batch, damping=0.5).score(queries), rtol=1e-5, atol=1e-7
    )
    resumed = fitted(evidence, damping=0.5)
    resumed.resume(live.changes(), ItemSpace.empty(0), {})
    np.testing.assert_array_equal(resumed.score(queries), live.score(queries))
    restored = Social(live.settings).restore(live.state(), ItemSpace.empty(0), {})
    np.testing.assert_allclose(restored.score(queries), live.score(queries), rtol=1e-6)


def test_one_with_links_and_no_events_is_served_and_so_is_nobody_unknown(
    evidence: Evidence, asked: Asked
) -> None:
    queries = replace(asked([[], []]), user=np.array([0, 77], np.int32))
    scores = fitted(evidence).score(queries)
    assert scores[0].any()
    assert not scores[1].any()


def test_what_is_forgotten_has_no_taste_and_no_links(evidence: Evidence, asked: Asked) -> None:
    signal = fitted(evidence, damping=0.5)
    assert isinstance(signal, Forgets)
    before = signal.state()
    signal.forget(1)
    scores = signal.score(asked([[]] * N_USERS))
    assert not scores[1].any()
    assert not scores[0, [1, 3]].any()
    assert scores[0, 0] > 0
    state = signal.state()
    assert isinstance(Social, ErasesUsers)
    erased = Social.erased(before, np.array([1], np.int32))
    assert state.keys() == erased.keys()
    for name, array in state.items():
        np.testing.assert_array_equal(array, erased[name])
    rows = np.repeat(np.arange(N_USERS), np.diff(erased["links_indptr"]))
    assert 1 not in rows
    assert 1 not in erased["links_indices"]
    assert erased["tastes_indptr"][1] == erased["tastes_indptr"][2]
    resumed = fitted(evidence, damping=0.5)
    resumed.resume(signal.changes(), ItemSpace.empty(0), {})
    np.testing.assert_array_equal(resumed.score(asked([[]] * N_USERS)), scores)


def test_reasons_count_friends_and_tell_nothing_to_those_of_few(evidence: Evidence) -> None:
    signal = fitted(evidence)
    assert signal.personal(0, 0) == "2 of your friends chose it."
    assert signal.personal(0, 2) == "One of your friends chose it."
    assert signal.personal(0, 3) is None, "a friend of a friend chose it"
    assert signal.personal(4, 0) is None, "whoever has one friend would learn what they did"
    assert signal.personal(-1, 0) is None
    assert signal.personal(99, 0) is None
    signal.forget(2)
    assert signal.personal(0, 0) is None


def test_a_friend_of_few_events_speaks_less_loud(evidence: Evidence, asked: Asked) -> None:
    scores = fitted(evidence, prior_events=2.0).score(asked([[]]))[0]
    np.testing.assert_allclose(scores[0], (0.5 / 3.5 + 1 / 3) / 3, rtol=1e-5)
    np.testing.assert_allclose(scores[2], (1 / 3) / 3, rtol=1e-5)


def test_a_spurious_order_is_not_taken_for_fading_taste(make_evidence: MakeEvidence) -> None:
    """Where times are positions, rows sorted by item must not look as if friends took up the latest."""
    draws = np.random.default_rng(1)
    rows, pairs = [], []
    for pair in range(60):
        me, friend = 2 * pair, 2 * pair + 1
        pairs.append((me, friend))
        common = draws.permutation(200)[:12]
        for who in (me, friend):
            own = np.sort(np.concatenate([common, draws.permutation(200)[:4]]))
            rows += [(who, int(item), place) for place, item in enumerate(own)]
    moments, positions = (
        replace(make_evidence(rows, 200, n_users=120, clock=clock), links=links(pairs))
        for clock in ("time", "sequence")
    )
    assert Social().fit(moments).decay < Social().fit(positions).decay


def test_only_the_closest_friends_and_the_latest_events_are_kept(evidence: Evidence) -> None:
    signal = fitted(evidence, max_friends=1, max_history=1)
    assert signal.people(np.array([0], np.int32)).nnz == 1
    assert signal._tastes.matrix().todense()[1].tolist() == [0, 1, 0, 0, 0]


def test_new_items_have_room(evidence: Evidence, asked: Asked) -> None:
    signal = fitted(evidence)
    signal.extend(np.array([N_ITEMS]), np.array([0]))
    observed(signal, [], N_ITEMS, user=1)
    scores = signal.score(asked([[]]))
    assert scores.shape == (1, N_ITEMS + 1)
    assert scores[0, N_ITEMS] == pytest.approx(1 / 3)
