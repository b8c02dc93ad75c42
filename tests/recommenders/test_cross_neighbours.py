"""People 0 to 5 have item 0 elsewhere and items 1 and 2 here; 6 to 9 have item 1 there and 3 here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from polyscene.data.queries import Queries
from polyscene.recommenders.cross_neighbours import CrossNeighbours, CrossNeighboursSettings
from polyscene.recommenders.signal import Evidence, OtherScenario
from polyscene.representation.item_space import ItemSpace

N, THERE, PEOPLE = 5, 3, 11
Make = Callable[..., Evidence]
Asked = Callable[..., Queries]


@pytest.fixture
def evidence(make_evidence: Make) -> Evidence:
    here = [(user, item, user) for user in range(6) for item in (1, 2)] + [
        (user, 3, user) for user in range(6, 10)
    ]
    there = [(user, 0, 5) for user in range(6)] + [(user, 1, 5) for user in range(6, 10)] + [(10, 2, 5)]
    other = make_evidence(there, THERE, n_users=PEOPLE)
    return replace(
        make_evidence(here, N, n_users=PEOPLE), elsewhere={"far": OtherScenario(other.events, other.space)}
    )


@pytest.fixture
def signal(evidence: Evidence) -> CrossNeighbours:
    return CrossNeighbours().fit(evidence)


def of_people(asked: Asked, there: Sequence[Sequence[int]], place: str = "far") -> Queries:
    return asked([[]] * len(there), {place: there})


def test_what_people_with_the_same_item_elsewhere_chose_here_comes_first(
    signal: CrossNeighbours, asked: Asked
) -> None:
    scores = signal.score(of_people(asked, [[0], [1], [0, 1]]))
    assert [np.flatnonzero(row).tolist() for row in scores] == [[1, 2], [3], [1, 2, 3]]
    np.testing.assert_allclose(scores[2], 0.8 * scores[0] + scores[1], rtol=1e-5)


def test_links_are_shrunk_cosines_over_people_damped_by_all_they_did(
    signal: CrossNeighbours, asked: Asked
) -> None:
    scores = signal.score(of_people(asked, [[0], [1]]))
    assert scores[0, 1] == pytest.approx(6 / np.sqrt(3) / (np.sqrt(6 * 6) + 5), rel=1e-5)
    assert scores[1, 3] == pytest.approx(4 / np.sqrt(2) / (np.sqrt(4 * 4) + 5), rel=1e-5)


def test_what_nobody_shares_and_what_is_not_known_says_nothing(signal: CrossNeighbours, asked: Asked) -> None:
    since, stranger = THERE + 4, [[2], [THERE + 4], []]
    np.testing.assert_array_equal(signal.score(of_people(asked, stranger)), np.zeros((3, N)))
    np.testing.assert_array_equal(signal.score(of_people(asked, [[0]], "nowhere")), np.zeros((1, N)))
    both = signal.score(of_people(asked, [[0, since], [0]]))
    np.testing.assert_allclose(both[0], 0.8 * both[1], rtol=1e-5)
    (best,) = signal.propose(of_people(asked, [[0]]), 4, np.zeros((1, N), bool))
    assert sorted(best.tolist()) == [1, 2], "items without a link are not put forward"


def test_only_the_strongest_links_are_kept(evidence: Evidence, asked: Asked) -> None:
    log = evidence.events
    one_left = log.take(~((log.user == 0) & (log.item == 1)))
    signal = CrossNeighbours(CrossNeighboursSettings(max_links=1)).fit(replace(evidence, events=one_left))
    assert np.flatnonzero(signal.score(of_people(asked, [[0]]))[0]).tolist() == [2]


def test_events_that_count_for_nothing_link_nothing(evidence: Evidence, asked: Asked) -> None:
    silent = replace(evidence.events, weight=np.zeros_like(evidence.events.weight))
    signal = CrossNeighbours().fit(replace(evidence, events=silent))
    assert not signal.score(of_people(asked, [[0]])).any()


def test_new_items_have_room_and_no_links(signal: CrossNeighbours, evidence: Evidence, asked: Asked) -> None:
    signal.extend(np.array([N, N + 1]), np.zeros(2, np.int64))
    scores = signal.score(of_people(asked, [[0]]))
    assert scores.shape == (1, N + 2)
    assert not scores[0, N:].any()
    again = CrossNeighbours().fit(evidence)
    again.resume(signal.changes(), evidence.space, {})
    np.testing.assert_array_equal(again.score(of_people(asked, [[0]])), scores)


def test_a_scenario_that_is_no_more_is_not_restored(
    signal: CrossNeighbours, evidence: Evidence, asked: Asked
) -> None:
    kept = CrossNeighbours().restore(signal.state(), evidence.space, {"far": ItemSpace.empty(THERE)})
    queries = of_people(asked, [[0], [1]])
    np.testing.assert_array_equal(kept.score(queries), signal.score(queries))
    alone = CrossNeighbours().restore(signal.state(), evidence.space, {})
    assert not alone.score(queries).any()
