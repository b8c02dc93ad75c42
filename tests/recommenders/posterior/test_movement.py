from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from polyscene.core.clock import HOUR
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.posterior.item_beliefs import ItemBeliefs, basis_of
from polyscene.recommenders.posterior.movement import MAX_POINTS, Ledger, Move, MoveKind, Watched
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.recommenders.signal import Evidence

ITEM = 3
START = 1_000 * HOUR


def watched(signal: Posterior, **settings: Any) -> Watched:
    return Watched.of(signal, lambda: ITEM, Ledger(**settings))


def event(user: int, item: int, hour: int) -> Observation:
    return Observation.alone(user, item, START + hour * HOUR, 1.0)


def assert_same(one: Posterior, other: Posterior) -> None:
    expected = other.state()
    for name, array in one.state().items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def a_move(length: float, time: int) -> Move:
    return Move(MoveKind.own, time, None, 0, None, length, (0.0, length), (0.0, 0.0), ((), ()))


def test_who_is_watched_learns_the_same_and_the_moves_add_up(fitted: Posterior) -> None:
    plain, one = watched(fitted).plain, watched(fitted, longest=100)
    for number in range(40):
        for signal in (plain, one):
            signal.observe(event(number % 7, number % 12, number))
    assert_same(plain, one)
    place, before = one.place(), watched(fitted).place()
    assert place is not None
    assert before is not None
    moves = one.ledger.moves
    own = [move for move in moves if move.kind is MoveKind.own]
    assert [move.time for move in own] == [START + hour * HOUR for hour in (3, 15, 27, 39)]
    assert [move.user for move in own] == [3, 1, 6, 4]
    assert {move.user for move in moves if move.kind is MoveKind.compared} == {-1}
    assert moves[0].distance[0] == pytest.approx(before.distance)
    for earlier, later in pairwise(moves):
        assert later.distance[0] == pytest.approx(earlier.distance[1], abs=1e-7)
        assert abs(later.bias[0]) <= abs(earlier.bias[1]) + 1e-9  # it has faded
    assert moves[-1].distance[1] == place.distance
    assert moves[-1].bias[1] == place.bias
    shares = one.ledger.kinds
    assert shares[MoveKind.own].moves == 4
    assert sum(share.path for share in shares.values()) == pytest.approx(sum(move.length for move in moves))
    assert own[0].bias[1] > own[0].bias[0]
    assert one.ledger.people.keys() == {3, 1, 6, 4}


def test_learned_once_more_a_fit_gives_the_same_beliefs(
    make_world: Callable[..., Evidence],
    posterior: Callable[..., Posterior],
    two_tastes: Callable[..., list[Any]],
) -> None:
    evidence = make_world(two_tastes(200))
    signal = posterior().fit(evidence)
    again = watched(signal)
    again.begin_again()
    assert not again.moved().any()
    again.retrace(evidence.events)
    assert_same(again, signal)
    own = int(np.count_nonzero(evidence.events.item == ITEM))
    assert evidence.events.item[:3].tolist().count(ITEM) == 2  # there was nothing to compare them with
    assert again.ledger.kinds[MoveKind.own].moves == own - 2
    assert own > 5


def test_an_edited_text_is_a_move_and_its_distance_stays(fitted: Posterior) -> None:
    one = watched(fitted)
    before = one.place()
    vectors = fitted.space.view("tuned").vectors.copy()
    vectors[ITEM] = vectors[ITEM + 6]
    one.space = type(one.space).of(vectors)
    one.extend(np.array([ITEM]), np.zeros(1, np.int64))
    (move,) = one.ledger.moves
    assert before is not None
    assert move.kind is MoveKind.described
    assert move.length > 0.5
    assert move.distance[1] == pytest.approx(before.distance, abs=1e-6)
    assert set(move.nearest[0]) <= set(range(6))
    assert set(move.nearest[1]) <= set(range(6, 12))


def test_the_nearest_are_those_of_the_largest_cosine_without_the_item(fitted: Posterior) -> None:
    one = watched(fitted, nearest=4)
    place = one.place()
    assert place is not None
    means = one.items_now().means
    cosines = means @ place.vector / np.linalg.norm(means, axis=1)
    cosines[ITEM] = -9.0
    assert one.nearest(place.vector) == tuple(np.argsort(-cosines)[:4].tolist())
    one.ledger.nearest = 99
    assert len(one.nearest(place.vector)) == 11


def test_a_ledger_keeps_the_longest_and_a_bounded_curve_that_ends_at_the_end() -> None:
    ledger = Ledger(longest=2)
    lengths = np.random.default_rng(0).permutation(1000) / 1000
    for time, length in enumerate(lengths.tolist()):
        ledger.add(a_move(length, time), lambda: ((1,), (2,)))
    assert sorted(move.length for move in ledger.moves) == [0.998, 0.999]
    assert ledger.moves[0].time < ledger.moves[1].time
    assert ledger.moves[0].nearest == ((1,), (2,))
    assert ledger.kinds[MoveKind.own].moves == 1000
    assert len(ledger.points) <= MAX_POINTS + 1
    assert len(ledger.points) > MAX_POINTS / 3
    assert ledger.points[0][0] == 0
    assert ledger.points[-1] == (999, lengths[-1], 0.0)


def test_moves_of_other_moments_are_passed_over() -> None:
    ledger = Ledger(since=10, until=20)
    for time in (9, 10, 20, 21):
        ledger.add(a_move(1.0, time), lambda: ((), ()))
    assert [move.time for move in ledger.moves] == [10, 20]


def test_beliefs_of_an_item_survive_json_and_are_put_back_bit_for_bit(fitted: Posterior) -> None:
    import json

    one = watched(fitted).plain
    then = ItemBeliefs.of(one, ITEM)
    for hour in range(5):
        one.observe(event(hour, ITEM, hour))
    assert ItemBeliefs.of(one, ITEM).beliefs.bias[0] != then.beliefs.bias[0]
    again = ItemBeliefs.from_plain(json.loads(json.dumps(then.plain())))
    before = one.state()
    before = {name: array.copy() for name, array in before.items()}
    assert again.put_into(one, ITEM)
    for name, array in one.state().items():
        expected = before[name]
        if name.startswith("items."):
            expected[ITEM] = fitted.state()[name][ITEM]
        np.testing.assert_array_equal(array, expected, err_msg=name)


def test_a_text_edited_since_moves_what_is_put_back(fitted: Posterior) -> None:
    one = watched(fitted).plain
    then = ItemBeliefs.of(one, ITEM)
    vectors = fitted.space.view("tuned").vectors.copy()
    vectors[ITEM] = vectors[ITEM + 6]
    one.space = type(one.space).of(vectors)
    one.extend(np.array([ITEM]), np.zeros(1, np.int64))
    one.observe(event(1, ITEM, 0))
    assert then.put_into(one, ITEM)
    moved = one.priors[ITEM] - fitted.priors[ITEM]
    assert np.abs(moved).max() > 0.1
    expected = fitted.item_rows(np.array([ITEM])).means[0] + moved
    np.testing.assert_array_equal(one.item_rows(np.array([ITEM])).means[0], expected)


def test_a_posterior_of_another_basis_goes_back_to_the_text(
    fitted: Posterior, make_world: Callable[..., Evidence], posterior: Callable[..., Posterior]
) -> None:
    rows = [
        (user, item, hour * HOUR) for hour, (user, item) in enumerate([(0, 0), (1, 1), (2, ITEM), (0, ITEM)])
    ]
    other = posterior().fit(make_world(rows))
    assert basis_of(other) != basis_of(fitted)
    assert other.moved()[ITEM] > 0
    assert not ItemBeliefs.of(fitted, ITEM).put_into(other, ITEM)
    assert other.moved()[ITEM] == 0.0
    assert other.moved()[0] > 0
