"""What is taken in event by event is what a fit on all events gives; where it differs, by how much at most.

A story begins with a fit on what happened so far, which may be nothing. Then two new items arrive, and the
rest of the events comes one by one, in order or late.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from polyscene.core.arrays import Arrays
from polyscene.core.clock import DAY, HOUR
from polyscene.core.types import FloatArray, LongArray
from polyscene.data.links import KnowledgeGraph, SocialLinks
from polyscene.data.queries import LATEST, Histories, Queries, Timeline
from polyscene.data.schema import UNKNOWN_TIME, EventLog
from polyscene.data.timeline import LiveTimeline
from polyscene.learning.signal_trainer import train_learner
from polyscene.recommenders import popularity
from polyscene.recommenders.abilities import Extends, Observation, Updates
from polyscene.recommenders.content import Content, CrossScenario
from polyscene.recommenders.content_transitions import ContentTransitions
from polyscene.recommenders.factors import Factors
from polyscene.recommenders.fusion.features import Features
from polyscene.recommenders.linear import Linear
from polyscene.recommenders.neighbours import Neighbours
from polyscene.recommenders.popularity import Popularity, PopularitySettings
from polyscene.recommenders.recency import Recency
from polyscene.recommenders.registry import SIGNALS
from polyscene.recommenders.signal import Evidence, OtherScenario, Signal
from polyscene.recommenders.transitions import Transitions, TransitionsSettings
from polyscene.representation.item_space import ItemSpace

N_USERS, N_FITTED, N_ITEMS = 3, 4, 6
NEW_ITEMS = np.arange(N_FITTED, N_ITEMS)
EXAMPLES = settings(max_examples=40)
Row = tuple[int, int, int, float]
"""User, item, moment, weight."""


@dataclass(frozen=True)
class Story:
    """A log in two parts, and when its items appeared.

    Attributes:
        prefix: what happened before the fit; it knows the first items only.
        rest: what comes afterwards, in the order in which it comes.
        since: (n,) when each item became available.
    """

    prefix: Sequence[Row]
    rest: Sequence[Row]
    since: LongArray

    def evidence(self, rows: Sequence[Row], n_items: int) -> Evidence:
        space = ItemSpace.of(vectors()[:n_items])
        return Evidence(log_of(rows), N_USERS, n_items, space, self.since[:n_items], "time")

    @property
    def first(self) -> Evidence:
        """Return what the first fit knows."""
        return self.evidence(self.prefix, N_FITTED)

    @property
    def whole(self) -> Evidence:
        """Return what a fit on everything knows."""
        return self.evidence([*self.prefix, *self.rest], N_ITEMS)

    def observations(self) -> Iterator[Observation]:
        """Yield the rest as a live system hands it to its signals."""
        timeline = LiveTimeline(log_of(self.prefix), N_USERS)
        for user, item, time, weight in self.rest:
            around = timeline.add(user, item, time, weight)
            yield Observation(user, item, time, weight, *around)


def vectors() -> FloatArray:
    return np.random.default_rng(0).normal(size=(N_ITEMS, 5)).astype(np.float32)


def log_of(rows: Sequence[Row]) -> EventLog:
    """Return a log ordered by time; of simultaneous events the last that came is the latest."""
    n = len(rows)
    user, item, time, weight = (np.array([row[place] for row in rows]) for place in range(4))
    log = EventLog(
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        action=np.zeros(n, np.int8),
        value=np.full(n, np.nan, np.float32),
        weight=weight.astype(np.float32),
        time=time.astype(np.int64),
        part=np.zeros(n, np.int8),
        choice=np.ones(n, bool),
    )
    return log.take(np.argsort(log.time, kind="stable"))


@st.composite
def stories(draw: st.DrawFn, late: bool = True, step: int = HOUR, steps: int = 30) -> Story:
    """Draw a story; unless `late`, events come in the order of their times."""

    def rows(n_items: int, most: int) -> list[Row]:
        weight = st.sampled_from([0.25, 0.5, 1.0, 2.0])
        row = st.tuples(st.integers(0, N_USERS - 1), st.integers(0, n_items - 1), moment, weight)
        return draw(st.lists(row, max_size=most))

    start = draw(st.sampled_from([0, 20_000 * DAY, -20_000 * DAY]), label="start")
    moment = st.integers(0, steps).map(lambda count: start + count * step)
    prefix, rest = rows(N_FITTED, 20), rows(N_ITEMS, 20)
    if not late:
        end = max((row[2] for row in prefix), default=start)
        rest = sorted(
            ((user, item, time - start + end, w) for user, item, time, w in rest), key=lambda r: r[2]
        )
    since = draw(st.lists(st.just(UNKNOWN_TIME) | moment, min_size=N_ITEMS, max_size=N_ITEMS))
    return Story(prefix, rest, np.array(since, np.int64))


def strangers(time: int = LATEST) -> Queries:
    return Queries(np.array([-1], np.int32), np.array([time]), Histories.of([[]]))


def everybody(log: EventLog) -> Queries:
    """Return one request of each user after everything."""
    users = np.arange(N_USERS, dtype=np.int32)
    times = np.full(N_USERS, LATEST)
    return Queries(users, times, Timeline(log, N_USERS).before(users, times, None))


def lived(signal: Signal, story: Story) -> Signal:
    """Let a fitted signal meet the new items and the rest of the events."""
    if isinstance(signal, Extends):
        signal.extend(NEW_ITEMS, story.since[NEW_ITEMS])
    for observation in story.observations():
        if isinstance(signal, Updates):
            signal.observe(observation)
            signal.propose(strangers(observation.time), 2, np.zeros((1, N_ITEMS), bool))  # fills its caches
    return signal


def assert_best_are_largest(signal: Signal, queries: Queries) -> None:
    (best,) = signal.propose(queries, 2, np.zeros((1, N_ITEMS), bool))
    (scores,) = signal.score(queries)
    np.testing.assert_allclose(np.sort(scores[best])[::-1], np.sort(scores)[::-1][:2], rtol=1e-5)


@EXAMPLES
@given(story=stories(step=DAY, steps=300), half_life=st.sampled_from([0.5, 2.0, 30.0, 1000.0]))
def test_live_popularity_is_a_fit_on_all_with_the_first_half_life(story: Story, half_life: float) -> None:
    one_half_life = PopularitySettings(half_lives=(half_life,))
    with mock.patch.object(popularity, "MIN_EVENTS", 1):
        live = lived(Popularity(one_half_life).fit(story.first), story)
        batch = Popularity(one_half_life).fit(story.whole)
    assert isinstance(live, Popularity)
    if not story.prefix:
        assert live.half_life == np.inf, "nothing was there to tell it"
        batch = Popularity().fit(replace(story.whole, clock="sequence"))
    np.testing.assert_allclose(live.score(strangers()), batch.score(strangers()), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(live.prepare(strangers()).peaks(), live.score(strangers()).max(axis=1))
    assert_best_are_largest(live, strangers())


@EXAMPLES
@given(story=stories(), later=st.integers(0, 100))
def test_live_recency_is_a_fit_on_all(story: Story, later: int) -> None:
    live, batch = lived(Recency().fit(story.first), story), Recency().fit(story.whole)
    for name in ("since", "dated"):
        np.testing.assert_array_equal(live.state()[name], batch.state()[name])
    now = max([row[2] for row in (*story.prefix, *story.rest)], default=0) + later * HOUR
    np.testing.assert_allclose(live.score(strangers(now)), batch.score(strangers(now)), rtol=1e-4)
    assert_best_are_largest(live, strangers(now))


@EXAMPLES
@pytest.mark.parametrize("late", [False, True], ids=["in order", "late"])
@given(data=st.data(), window=st.sampled_from([1, 3, 10]))
def test_live_transitions_are_a_fit_on_all(late: bool, data: st.DataObject, window: int) -> None:
    story, how = data.draw(stories(late)), TransitionsSettings(window=window)
    live, batch = lived(Transitions(how).fit(story.first), story), Transitions(how).fit(story.whole)
    assert isinstance(live, Transitions)
    np.testing.assert_allclose(live.state()["sums"], batch.state()["sums"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(live.matrix.todense(), batch.matrix.todense(), rtol=1e-4, atol=1e-5)
    queries = everybody(story.whole.events)
    np.testing.assert_allclose(live.score(queries), batch.score(queries), rtol=1e-4, atol=1e-5)


def activities(log: EventLog) -> LongArray:
    """Return (n_users,) how many different items each user chose."""
    return np.array([len(set(log.item[log.user == user].tolist())) for user in range(N_USERS)])


def pairs_of(log: EventLog, user: int) -> NDArray[np.float64]:
    """Return (n, n) what a user's choices add to the raw links in a fit."""
    chosen = np.zeros(N_ITEMS)
    np.add.at(chosen, log.item[log.user == user], log.weight[log.user == user])
    chosen = np.minimum(chosen, 1.0)
    pairs = np.outer(chosen, chosen) / math.sqrt(max(int(np.count_nonzero(chosen)), 1))
    np.fill_diagonal(pairs, 0.0)
    return pairs


@EXAMPLES
@pytest.mark.parametrize("late", [False, True], ids=["in order", "late"])
@given(data=st.data())
def test_live_neighbours_count_as_a_fit_and_link_at_most_by_the_growth_of_activity_more(
    late: bool, data: st.DataObject
) -> None:
    story = data.draw(stories(late))
    live, batch = lived(Neighbours().fit(story.first), story), Neighbours().fit(story.whole)
    assert isinstance(live, Neighbours)
    log = story.whole.events
    np.testing.assert_array_equal(live.state()["counts"], batch.state()["counts"])
    raw, least = live.links.matrix().todense(), sum(pairs_of(log, user) for user in range(N_USERS))
    np.testing.assert_allclose(batch.links.matrix().todense(), least, rtol=1e-4, atol=1e-6)
    before, after = activities(log_of(story.prefix)), activities(log)
    growth = np.sqrt(
        after / np.maximum(np.maximum(before, 2), 1)
    )  # a pair is made at an activity of 2 or more
    most = sum(pairs_of(log, user) * max(growth[user], 1.0) for user in range(N_USERS))
    assert np.all(raw >= least - 1e-5)
    assert np.all(raw <= most + 1e-5)


@EXAMPLES
@given(data=st.data())
def test_neighbours_of_people_whose_activity_does_not_grow_are_a_fit_on_all(data: st.DataObject) -> None:
    """Here everybody chose everything before, and now chooses some of it again."""
    story = data.draw(stories())
    known = [(user, item, 0, 0.25) for user in range(N_USERS) for item in range(N_FITTED)]
    story = replace(story, prefix=known, rest=[row for row in story.rest if row[1] < N_FITTED])
    live, batch = lived(Neighbours().fit(story.first), story), Neighbours().fit(story.whole)
    assert isinstance(live, Neighbours)
    np.testing.assert_allclose(live.matrix.todense(), batch.matrix.todense(), rtol=1e-4, atol=1e-6)


@EXAMPLES
@pytest.mark.parametrize("half_lives", [(), (0.01, 4.0)])
@given(data=st.data())
def test_live_features_are_those_of_all_events(half_lives: Sequence[float], data: st.DataObject) -> None:
    story = data.draw(stories())
    live, batch = Features.of(story.first, half_lives), Features.of(story.whole, half_lives)
    live.extend(NEW_ITEMS, story.since[NEW_ITEMS])
    for observation in story.observations():
        live.observe(observation)
    for name in ("counts", "born", "since"):
        np.testing.assert_array_equal(live.state()[name], batch.state()[name])
    queries = everybody(story.whole.events)
    one, other = live.block([], queries), batch.block([], queries)
    for part in ("user", "item", "pair"):
        np.testing.assert_allclose(getattr(one, part), getattr(other, part), rtol=1e-4)
    for time in (HOUR, LATEST):
        early = replace(queries, time=np.full(N_USERS, time))
        for hide_seen in (False, True):
            np.testing.assert_array_equal(live.closed(early, hide_seen), batch.closed(early, hide_seen))


@EXAMPLES
@given(story=stories())
def test_profiles_of_the_live_history_are_those_of_all_events(story: Story) -> None:
    whole = story.whole
    timeline = LiveTimeline(log_of(story.prefix), N_USERS)
    for row in story.rest:
        timeline.add(*row)
    content = Content(space=whole.space)
    abroad = CrossScenario(space=whole.space, others={"b": whole.space})
    past = Timeline(whole.events, N_USERS)
    for user in range(N_USERS):
        live, batch = timeline.history(user, None), past.latest(user, None)
        for name in ("offsets", "items", "times", "weights"):
            np.testing.assert_array_equal(getattr(live, name), getattr(batch, name))
        one, other = (replace(strangers(), history=history) for history in (live, batch))
        np.testing.assert_allclose(content.users(one), content.users(other), rtol=1e-4, atol=1e-6)
        one, other = (replace(strangers(), elsewhere={"b": history}) for history in (live, batch))
        np.testing.assert_allclose(abroad.users(one), abroad.users(other), rtol=1e-4, atol=1e-6)


def copied(state: Arrays) -> Arrays:
    return {name: array.copy() for name, array in state.items()}


@EXAMPLES
@pytest.mark.parametrize("kind", [Popularity, Recency, Transitions, Neighbours])
@given(data=st.data())
def test_a_state_that_is_saved_and_taken_back_goes_on_as_if_nothing_had_been(
    kind: type[Signal], data: st.DataObject
) -> None:
    story = data.draw(stories())
    cut = data.draw(st.integers(0, len(story.rest)), label="cut")
    signal = kind().fit(story.first)
    assert isinstance(signal, Updates)
    assert isinstance(signal, Extends)
    signal.extend(NEW_ITEMS, story.since[NEW_ITEMS])
    again: Signal = signal
    for place, observation in enumerate(story.observations()):
        if place == cut:
            again = kind(signal.settings).restore(copied(signal.state()), story.whole.space, {})
        signal.observe(observation)
        if again is not signal:
            assert isinstance(again, Updates)
            again.observe(observation)
    assert_same_state(again, signal)
    queries = everybody(story.whole.events)
    np.testing.assert_allclose(again.score(queries), signal.score(queries), rtol=1e-4, atol=1e-6)


def assert_same_state(one: Signal, other: Signal) -> None:
    """Compare what two signals know; links as matrices, since a link of nothing may be kept or not."""
    if isinstance(one, Transitions | Neighbours) and isinstance(other, Transitions | Neighbours):
        raw, expected = one.links.matrix().todense(), other.links.matrix().todense()
        np.testing.assert_allclose(raw, expected, rtol=1e-4, atol=1e-6)
    links = {"data", "indices", "indptr"}
    expected = other.state()
    for name, array in one.state().items():
        if name not in links:
            np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-6)


@EXAMPLES
@pytest.mark.parametrize("half_lives", [(), (0.01, 4.0)])
@given(data=st.data())
def test_restored_features_go_on_as_if_nothing_had_been(
    half_lives: Sequence[float], data: st.DataObject
) -> None:
    story = data.draw(stories())
    features = Features.of(story.first, half_lives)
    features.extend(NEW_ITEMS, story.since[NEW_ITEMS])
    again = Features.restore(copied(features.state()))
    for observation in story.observations():
        features.observe(observation)
        again.observe(observation)
    for name, array in features.state().items():
        np.testing.assert_array_equal(again.state()[name], array)
    queries = everybody(story.whole.events)
    np.testing.assert_array_equal(again.block([], queries).pair, features.block([], queries).pair)


@EXAMPLES
@given(story=stories())
def test_taking_in_events_leaves_the_evidence_of_the_fit_as_it_was(story: Story) -> None:
    first = story.first
    before = [first.since.copy(), first.events.item.copy(), first.events.weight.copy()]
    kinds: list[type[Signal]] = [Popularity, Recency, Transitions, Neighbours]
    for kind in kinds:
        signal = kind().fit(first)
        kept = copied(signal.state())
        restored = kind(signal.settings).restore(kept, first.space, {})
        expected = copied(kept)
        lived(restored, story)
        for name, array in kept.items():
            np.testing.assert_array_equal(array, expected[name])
    now = [first.since, first.events.item, first.events.weight]
    for one, other in zip(now, before, strict=True):
        np.testing.assert_array_equal(one, other)


RING = np.arange(N_USERS, dtype=np.int32)
FRIENDS = SocialLinks(RING, np.roll(RING, 1), np.ones(N_USERS, np.float32))
FITTED = np.arange(N_FITTED, dtype=np.int32)
GRAPH = KnowledgeGraph(
    (*(f"m.{item}" for item in range(N_FITTED)), "Ann", "Bo"),
    ("by",),
    FITTED,
    np.zeros(N_FITTED, np.int32),
    N_FITTED + FITTED % 2,
    FITTED,
)


@pytest.mark.parametrize("name", [*SIGNALS])
@EXAMPLES
@given(story=stories())
def test_every_signal_scores_new_items_while_events_come(name: str, story: Story) -> None:
    space = ItemSpace.of(vectors()[:N_FITTED])
    abroad = {"b": OtherScenario(log_of([]), space)}
    first = replace(
        story.first, space=space, elsewhere=abroad, trainer=train_learner, links=FRIENDS, knowledge=GRAPH
    )
    signal = SIGNALS[name]().fit(first)
    space.put(NEW_ITEMS, {"tuned": vectors()[NEW_ITEMS]})
    lived(signal, story)
    queries = everybody(story.whole.events)
    queries = replace(queries, elsewhere={"b": queries.history})
    scores = signal.prepare(queries)
    candidates = np.tile(np.arange(N_ITEMS), (N_USERS, 1))
    assert scores.whole().shape == (N_USERS, N_ITEMS)
    assert np.isfinite(scores.whole()).all()
    np.testing.assert_allclose(scores.at(candidates), scores.whole(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(scores.peaks(), scores.whole().max(axis=1), rtol=1e-4, atol=1e-6)
    support = signal.support(queries.history.items[:5], NEW_ITEMS)
    assert support.shape == (2, len(queries.history.items[:5]))


@pytest.mark.parametrize("kind", [Linear, Factors])
def test_what_is_fitted_alone_says_nothing_of_new_items(kind: Callable[[], Signal]) -> None:
    rows = [(user, item, user, 1.0) for user in range(N_USERS) for item in range(N_FITTED)]
    story = Story(rows, [(0, 5, 9, 1.0)], np.full(N_ITEMS, UNKNOWN_TIME))
    signal = lived(kind().fit(story.first), story)
    assert not signal.score(everybody(story.whole.events))[:, NEW_ITEMS].any()


LARGE = 1500
"""More than the pool of the largest that popularity and recency keep in order."""


@pytest.fixture
def large_evidence() -> Evidence:
    rows = [(0, item, item % 90 * HOUR, 1.0) for item in range(LARGE)]
    since = np.arange(LARGE) % 100 * HOUR
    draws = np.random.default_rng(0).normal(size=(LARGE, 8)).astype(np.float32)
    return Evidence(log_of(rows), 2, LARGE, ItemSpace.of(draws), since, "time")


def after(n_items: int, closed: Sequence[int] = ()) -> Callable[[Signal, int], list[int]]:
    """Return what names the best open items of a signal for a user who had item 0."""
    shut = np.zeros((1, n_items), bool)
    shut[0, list(closed)] = True
    queries = replace(strangers(1000 * HOUR), history=Histories.of([[0]]))
    return lambda signal, most: signal.propose(queries, most, shut)[0].tolist()


def test_a_new_item_is_among_the_newest(large_evidence: Evidence) -> None:
    signal = Recency().fit(large_evidence)
    best = after(LARGE)(signal, 3)
    signal.extend(np.array([LARGE]), np.array([200 * HOUR]))
    assert after(LARGE + 1)(signal, 1) == [LARGE]
    assert set(best) < set(after(LARGE + 1)(signal, 30))


def test_a_new_item_is_popular_as_soon_as_it_is_chosen(large_evidence: Evidence) -> None:
    signal = Popularity().fit(large_evidence)
    after(LARGE)(signal, 3)
    signal.extend(np.array([LARGE]), np.array([UNKNOWN_TIME]))
    assert LARGE not in after(LARGE + 1)(signal, 100)
    assert LARGE in after(LARGE + 1)(signal, LARGE + 1), "nobody chose it, but it is there"
    for _ in range(3):
        signal.observe(Observation.alone(1, LARGE, 90 * HOUR, 1.0))
    assert after(LARGE + 1)(signal, 1) == [LARGE]


def test_a_new_item_that_reads_alike_is_put_forward(large_evidence: Evidence) -> None:
    space = large_evidence.space
    signal = Content().fit(large_evidence)
    assert after(LARGE)(signal, 1) == [0]
    raw = space.view("tuned").vectors[[0]] + space.view("tuned").mean.astype(np.float32)
    space.put(np.array([LARGE]), {"tuned": raw})
    assert set(after(LARGE + 1)(signal, 2)) == {0, LARGE}
    assert after(LARGE + 1, closed=[0])(signal, 1) == [LARGE]


def test_a_new_item_leads_where_what_it_resembles_led_and_is_reached_as_it_was() -> None:
    generator = np.random.default_rng(1)
    topics = np.eye(8, dtype=np.float32)[np.arange(12) // 3] + 0.01 * generator.normal(size=(12, 8))
    rows = [(user, item, place, 1.0) for user in range(20) for place, item in enumerate([0, 3])]
    space = ItemSpace.of(topics.astype(np.float32))
    since = np.full(12, UNKNOWN_TIME)
    signal = ContentTransitions().fit(Evidence(log_of(rows), 20, 12, space, since, "time"))
    space.put(np.array([12, 13]), {"tuned": topics[[0, 3]].astype(np.float32)})
    signal.extend(np.array([12, 13]), np.array([UNKNOWN_TIME] * 2))
    matrix = signal.matrix.todense()
    assert set(np.argsort(-matrix[12])[:3].tolist()) == {3, 4, 5}
    assert matrix[:3, 13].min() > 0
    assert not matrix[6:12, 13].any()


def test_an_item_described_anew_twice_is_linked_as_if_once() -> None:
    generator = np.random.default_rng(2)
    rows = [(int(generator.integers(5)), int(generator.integers(8)), time, 1.0) for time in range(60)]
    texts = generator.normal(size=(8, 4)).astype(np.float32)

    def described(times: int) -> FloatArray:
        space = ItemSpace.of(texts)
        evidence = Evidence(log_of(rows), 5, 8, space, np.full(8, UNKNOWN_TIME), "time")
        signal = ContentTransitions().fit(evidence)
        for _ in range(times):
            space.put(np.array([2]), {"tuned": texts[[5]]})
            signal.extend(np.array([2]), np.array([UNKNOWN_TIME]))
        return np.asarray(signal.matrix.todense())

    once, twice = described(1), described(2)
    others = np.delete(np.arange(8), 2)
    np.testing.assert_allclose(twice[np.ix_(others, others)], described(0)[np.ix_(others, others)], rtol=1e-5)
    np.testing.assert_allclose(twice, once, rtol=1e-4, atol=1e-6)
