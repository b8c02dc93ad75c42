"""The signal: what it learns from planted tastes, live as in a fit, exact when it is taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from polyscene.core.arrays import Arrays
from polyscene.core.clock import DAY, HOUR
from polyscene.data.schema import UNKNOWN_TIME, EventLog
from polyscene.recommenders.abilities import Forgets, Notices, Observation, Updates
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.recommenders.signal import Evidence
from polyscene.representation.description import Description, Part

Make = Callable[..., Posterior]
MakeWorld = Callable[..., Evidence]
HALF, N_ITEMS, STRANGER = 6, 12, 39
EVEN = np.arange(0, 38, 2)


def copied(state: Arrays) -> Arrays:
    return {name: array.copy() for name, array in state.items()}


def live(signal: Posterior, log: EventLog, counted: dict[tuple[int, int], int] | None = None) -> Posterior:
    """Let a signal take in a log event by event, as a service hands it over."""
    counts = {} if counted is None else counted
    for row in range(len(log)):
        user, item = int(log.user[row]), int(log.item[row])
        past = np.full(counts.get((user, item), 0), item, np.int32)
        counts[user, item] = len(past) + 1
        alone = Observation.alone(user, item, int(log.time[row]), float(log.weight[row]))
        signal.observe(replace(alone, past=past, past_weights=np.ones(len(past), np.float32)))
    return signal


def assert_same(one: Posterior, other: Posterior) -> None:
    expected = other.state()
    for name, array in one.state().items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_users_are_shown_what_their_kind_chooses(fitted: Posterior, ask: Callable[..., Any]) -> None:
    scores = fitted.score(ask([*EVEN, *(EVEN + 1)]))
    best = np.argsort(-scores, axis=1)[:, :HALF]
    right = np.concatenate([best[: len(EVEN)] < HALF, best[len(EVEN) :] >= HALF])
    assert right.mean() > 0.9


def test_a_stranger_gets_the_biases_alone(fitted: Posterior, ask: Callable[..., Any]) -> None:
    for nobody in (-1, 10_000):
        np.testing.assert_allclose(fitted.score(ask([nobody]))[0], fitted.biases(), rtol=1e-5)


@pytest.mark.parametrize("clock", ["time", "sequence"])
def test_event_by_event_is_a_fit_on_all(
    clock: str,
    make_world: MakeWorld,
    posterior: Make,
    two_tastes: Callable[..., Any],
    make_log: Callable[..., EventLog],
) -> None:
    """The projection is that of the fit: the same items had events when it was made."""
    rows = two_tastes(300)
    log, whole = make_log(rows[100:]), make_world(rows, clock=clock)
    counts: dict[tuple[int, int], int] = {}
    for user, item, _ in rows[:100]:
        counts[user, item] = counts.get((user, item), 0) + 1
    one = live(posterior().fit(make_world(rows[:100], clock=clock)), log, counts)
    other = posterior().fit(whole)
    np.testing.assert_array_equal(one.projection, other.projection)
    assert_same(one, other)


def test_what_is_taken_back_goes_on_as_if_nothing_had_been(
    fitted: Posterior, two_tastes: Callable[..., Any], make_log: Callable[..., EventLog]
) -> None:
    again = Posterior(fitted.settings).restore(copied(fitted.state()), fitted.space, {})
    other = Posterior(fitted.settings).restore(copied(fitted.state()), fitted.space, {})
    more = make_log([(user, item, time + 700 * HOUR) for user, item, time in two_tastes(60, seed=4)])
    live(again, more.take(np.arange(30)))
    resumed = Posterior(fitted.settings).restore(copied(again.state()), fitted.space, {})
    live(resumed, more.take(np.arange(30, 60)))
    live(live(other, more.take(np.arange(30))), more.take(np.arange(30, 60)))
    assert_same(resumed, other)
    assert not np.array_equal(other.moved(), fitted.moved())


def test_taking_in_events_leaves_the_state_that_was_taken_back_as_it_was(fitted: Posterior) -> None:
    state = copied(fitted.state())
    kept = copied(state)
    again = Posterior(fitted.settings).restore(state, fitted.space, {})
    again.observe(Observation.alone(1, 2, 900 * HOUR, 1.0))
    again.observe(Observation.alone(200, 3, 901 * HOUR, 1.0))
    for name, array in kept.items():
        np.testing.assert_array_equal(state[name], array, err_msg=name)
    assert again.moved()[2] != fitted.moved()[2]


def test_the_next_request_sees_an_event(fitted: Posterior, ask: Callable[..., Any]) -> None:
    again = Posterior(fitted.settings).restore(copied(fitted.state()), fitted.space, {})
    before = again.score(ask([STRANGER, 500]))
    for place in range(3):
        again.observe(Observation.alone(500, 1, (601 + place) * HOUR, 1.0))
    after = again.score(ask([STRANGER, 500]))
    assert after[1, 1] - before[1, 1] > after[0, 1] - before[0, 1] > 0, "the user's own taste comes on top"
    assert after[1, :HALF].mean() > after[1, HALF:].mean(), "and reaches what reads alike"


def test_an_item_is_unmoved_before_its_first_event_and_stands_against_nothing(
    make_world: MakeWorld, posterior: Make, two_tastes: Callable[..., Any]
) -> None:
    signal = posterior().fit(make_world([row for row in two_tastes(200) if row[1] != 3]))
    assert signal.moved()[3] == 0.0
    assert signal.moved()[4] > 0.0
    np.testing.assert_allclose(np.linalg.norm(signal.priors, axis=1), 1.0, rtol=1e-5)


def test_a_bias_fades_with_its_half_life_and_its_doubt_returns(
    make_world: MakeWorld, posterior: Make
) -> None:
    rows = [(user, user % 3, user * HOUR) for user in range(30)]
    signal = posterior(half_lives=(2.0,), negatives=1).fit(make_world(rows))
    before = signal.items_now()
    signal.observe(Observation.alone(2, 7, signal.latest + 4 * DAY, 1.0))
    after, moved = signal.items_now(), signal.stream.times > 0
    still = [item for item in range(3) if after.moments[item] == after.moments[7] and moved[item]]
    quiet = [item for item in range(3) if abs(after.bias[item] - before.bias[item] / 4) < 1e-6]
    assert len(quiet) >= 2, "one item stood against the choice"
    assert still
    expected = 0.3 + (before.bias_variance[quiet] - 0.3) / 16
    np.testing.assert_allclose(after.bias_variance[quiet], expected, rtol=1e-5)


def test_a_new_item_begins_with_its_text_and_an_edited_one_keeps_what_it_learned(
    make_world: MakeWorld, posterior: Make, two_tastes: Callable[..., Any], ask: Callable[..., Any]
) -> None:
    world = make_world(two_tastes())
    signal = posterior().fit(world)
    vectors = world.space.view("tuned").vectors
    mean = world.space.view("tuned").mean.astype(np.float32)
    learned = signal.items_now().means - signal.priors
    world.space.put(np.array([2, N_ITEMS]), {"tuned": np.stack([vectors[8], vectors[0]]) + mean})
    signal.extend(np.array([2, N_ITEMS]), np.full(2, UNKNOWN_TIME))
    np.testing.assert_allclose(signal.priors[N_ITEMS], signal.priors[0], atol=1e-5)
    np.testing.assert_allclose(signal.priors[2], signal.priors[8], atol=1e-5)
    np.testing.assert_allclose((signal.items_now().means - signal.priors)[2], learned[2], atol=1e-5)
    scores = signal.score(ask([0, 1]))
    assert scores.shape == (2, N_ITEMS + 1)
    assert scores[0, N_ITEMS] > scores[1, N_ITEMS], "it reads like what even users choose"
    signal.observe(Observation.alone(0, N_ITEMS, 601 * HOUR, 1.0))
    assert signal.moved()[N_ITEMS] > 0


def test_attributes_that_count_say_where_an_item_begins(
    make_world: MakeWorld, posterior: Make, two_tastes: Callable[..., Any]
) -> None:
    colours = np.eye(2, dtype=np.float32)[np.arange(N_ITEMS) % 2]
    for weight in (0.0, 4.0):
        world = make_world(two_tastes())
        colour = Part(name="colour", mean=(0.0, 0.0), weight=weight)
        space = world.space.described(Description((colour,)), {"colour": colours}, {"colour": colours})
        signal = posterior().fit(replace(world, space=space))
        rows, text = np.array([N_ITEMS, N_ITEMS + 1]), space.view("tuned")
        same = np.repeat(text.vectors[:1] + text.mean.astype(np.float32), 2, axis=0)
        space.put(rows, {"tuned": same}, media={"colour": colours[:2]})
        signal.extend(rows, np.full(2, UNKNOWN_TIME))
        one, other = signal.priors[rows]
        assert np.allclose(one, other, atol=1e-5) == (weight == 0.0)
        np.testing.assert_allclose(one, signal.priors[0], atol=1e-5)


def test_one_that_has_learned_before_an_item_came_goes_on_as_one_that_was_loaded_then(
    make_world: MakeWorld, posterior: Make, two_tastes: Callable[..., Any]
) -> None:
    world = make_world(two_tastes())
    signal = posterior().fit(world)
    signal.observe(Observation.alone(0, 1, 600 * HOUR, 1.0))
    vectors, mean = world.space.view("tuned").vectors, world.space.view("tuned").mean.astype(np.float32)
    rows = np.arange(N_ITEMS, N_ITEMS + 2000)
    world.space.put(rows, {"tuned": np.repeat(vectors[:1], len(rows), axis=0) + mean})
    signal.extend(rows, np.full(len(rows), UNKNOWN_TIME))
    loaded = Posterior(signal.settings).restore(copied(signal.state()), world.space, {})
    for number, item in enumerate(rows[::-100].tolist()):
        for one in (signal, loaded):
            one.observe(Observation.alone(0, item, (601 + number) * HOUR, 1.0))
    assert signal.stream.times[rows].sum() == 20, "its stream knows the items that came"
    assert_same(signal, loaded)


def test_who_is_forgotten_is_a_stranger_and_what_they_taught_stays(
    fitted: Posterior, ask: Callable[..., Any]
) -> None:
    again = Posterior(fitted.settings).restore(copied(fitted.state()), fitted.space, {})
    assert isinstance(again, Forgets)
    moved = again.moved()
    again.forget(0)
    again.forget(10_000)
    scores = again.score(ask([0, -1, 2]))
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[2], scores[1])
    np.testing.assert_array_equal(again.moved(), moved)


def test_the_half_life_that_ranks_best_is_taken(make_world: MakeWorld, posterior: Make) -> None:
    """Some items are chosen far more often than others: for good, or others every few days."""
    generator = np.random.default_rng(3)
    chances = np.array([0.4, 0.3] + [0.03] * 10)

    def story(days: float) -> list[tuple[int, int, int]]:
        drawn = zip(generator.integers(0, 40, 1500), generator.choice(N_ITEMS, 1500, p=chances), strict=True)
        rows = enumerate((int(user), int(item)) for user, item in drawn)
        return [
            (user, (item + int(place / (24 * days)) * 5) % N_ITEMS, place * HOUR)
            for place, (user, item) in rows
        ]

    half_lives = (1.0, 1000.0)
    assert posterior(half_lives=half_lives).fit(make_world(story(3.0))).half_life == 1.0
    assert posterior(half_lives=half_lives).fit(make_world(story(10_000.0))).half_life == 1000.0


def with_actions(
    make_log: Callable[..., EventLog], actions: list[str], rows: list[tuple[int, int, int]], **more: object
) -> EventLog:
    names = tuple(dict.fromkeys(actions))
    log = make_log(rows, **more)
    return replace(log, action=np.array([names.index(one) for one in actions], np.int8), actions=names)


def test_what_was_passed_over_sinks_where_the_settings_name_it(
    make_world: MakeWorld, posterior: Make, make_log: Callable[..., EventLog]
) -> None:
    rows = [(user, user % 2, place * HOUR) for place, user in enumerate(range(40))]
    skips = [(user, 4, (40 + user) * HOUR) for user in range(40)]
    actions = ["click"] * 40 + ["skip"] * 40
    log = with_actions(make_log, actions, rows + skips, weight=[1.0] * 40 + [0.0] * 40)
    deaf, heard = posterior().fit(make_world(log)), posterior(passed_over=("skip",)).fit(make_world(log))
    assert deaf.biases()[4] == 0.0
    assert heard.biases()[4] < -0.5
    assert isinstance(heard, Notices)
    before = heard.biases()[5]
    heard.notice(replace(Observation.alone(3, 5, 81 * HOUR, 0.0), action="skip"))
    assert heard.biases()[5] < before
    unchanged = heard.biases().copy()
    heard.notice(replace(Observation.alone(3, 5, 81 * HOUR, 0.0), action="impression"))
    np.testing.assert_array_equal(heard.biases(), unchanged)


@pytest.mark.parametrize("kind", ["rated", "timed"])
def test_values_are_learned_in_units_of_their_spread(
    kind: str, make_world: MakeWorld, posterior: Make, make_log: Callable[..., EventLog]
) -> None:
    rows = [(user, user % 4, user * HOUR) for user in range(40)]
    log = with_actions(make_log, ["rating"] * 40, rows, weight=[0.0] * 40)
    log = replace(log, value=np.where(log.item == 2, 9.0, 5.0).astype(np.float32))
    signal = posterior(**{kind: ("rating",)}).fit(make_world(log))
    biases = signal.biases()
    assert biases[2] > 0.3 > -0.05 > biases[:2].max()
    again = Posterior(signal.settings).restore(copied(signal.state()), signal.space, {})
    event = replace(Observation.alone(3, 0, 41 * HOUR, 0.0), action="rating", value=1e30)
    for one in (signal, again):
        one.notice(event)
    assert_same(again, signal)
    assert biases[0] < signal.biases()[0] < biases[0] + 1.0, "an outlier counts as four spreads"


def test_it_learns_from_single_events(fitted: Posterior) -> None:
    assert isinstance(fitted, Updates)
