"""What every signal promises, asked of each one in the registry: a new signal is asked by being there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from polyscene.core.arrays import Arrays, load_arrays, save_arrays
from polyscene.core.clock import HOUR
from polyscene.core.types import BoolArray, FloatArray
from polyscene.data.links import KnowledgeGraph, SocialLinks
from polyscene.data.queries import LATEST, Histories, Queries
from polyscene.data.schema import UNKNOWN_TIME, Clock, EventLog
from polyscene.learning.signal_trainer import train_learner
from polyscene.recommenders.abilities import Extends
from polyscene.recommenders.registry import SIGNALS
from polyscene.recommenders.signal import Evidence, Need, OtherScenario, Signal
from polyscene.representation.item_space import ItemSpace

N_USERS = 9
MakeLog = Callable[..., EventLog]


def text_vectors(n_items: int, generator: np.random.Generator) -> FloatArray:
    vectors = generator.normal(size=(n_items, 6))
    unit: FloatArray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    unit[3::4] = 0.0  # items without text
    return unit


def world(
    make_log: MakeLog, n_items: int, n_events: int, clock: Clock = "time", text: bool = True
) -> Evidence:
    """Items at the end of the catalogue have no events; every fourth has no text; every third no date."""
    generator = np.random.default_rng(n_items + n_events)

    def events() -> EventLog:
        user, item = (
            generator.integers(0, N_USERS - 1, n_events),
            generator.integers(0, max(n_items - 2, 1), n_events),
        )
        time = (
            np.sort(generator.integers(0, 500 * HOUR, n_events)) if clock == "time" else np.arange(n_events)
        )
        weight = generator.choice([0.0, 0.02, 1.0, 3.0], n_events)
        return make_log(list(zip(user, item, time, strict=True)), weight=weight)

    since = generator.integers(0, 500 * HOUR, n_items)
    since[::3] = UNKNOWN_TIME
    vectors = text_vectors(n_items, generator) if text else np.zeros((n_items, 6), np.float32)
    space = ItemSpace.of(vectors)
    abroad = {
        "b": OtherScenario(events(), ItemSpace.of(text_vectors(n_items, generator))),
        "c/ü": OtherScenario(events(), space),
    }
    evidence = Evidence(
        events(), N_USERS, n_items, space, since, clock, abroad, seed=3, trainer=train_learner
    )
    return replace(evidence, links=friendships(generator), knowledge=graph(n_items, generator))


def friendships(generator: np.random.Generator) -> SocialLinks:
    """Everybody but the last has some friends."""
    pairs = np.unique(generator.integers(0, N_USERS - 1, (20, 2)), axis=0).astype(np.int32)
    user, friend = pairs[pairs[:, 0] != pairs[:, 1]].T
    return SocialLinks(user, friend, generator.uniform(0.5, 2.0, len(user)).astype(np.float32))


def graph(n_items: int, generator: np.random.Generator) -> KnowledgeGraph:
    """Items are the first entities, but for every fifth; six others are tied to them."""
    head, tail = generator.integers(0, n_items, 40), n_items + generator.integers(0, 6, 40)
    of_item = np.arange(n_items, dtype=np.int32)
    of_item[4::5] = -1
    names = (*(f"m.{item}" for item in range(n_items)), *(f"Person {one}" for one in range(6)))
    relation = generator.integers(0, 2, 40).astype(np.int32)
    codes = head.astype(np.int32), relation, tail.astype(np.int32)
    return KnowledgeGraph(names, ("by", "with"), *codes, of_item)


WORLDS: dict[str, Callable[[MakeLog], Evidence]] = {
    "busy": lambda log: world(log, 12, 150),
    "sequences": lambda log: world(log, 12, 150, clock="sequence"),
    "no events": lambda log: world(log, 12, 0),
    "no text": lambda log: world(log, 12, 60, text=False),
    "one item": lambda log: world(log, 1, 5),
    "two items": lambda log: world(log, 2, 20),
    "two items, no events": lambda log: world(log, 2, 0),
}


@pytest.fixture(params=WORLDS, scope="module")
def evidence(request: pytest.FixtureRequest, make_log: MakeLog) -> Evidence:
    return WORLDS[request.param](make_log)


@pytest.fixture(params=SIGNALS, scope="module")
def kind(request: pytest.FixtureRequest) -> type[Signal]:
    return SIGNALS[request.param]


@pytest.fixture(scope="module")
def signal(kind: type[Signal], evidence: Evidence) -> Signal:
    return kind().fit(evidence)


@pytest.fixture
def queries(evidence: Evidence) -> Queries:
    """Five users with history, one without, and one whom nobody knows."""
    generator = np.random.default_rng(1)
    lengths = [4, 1, 0, 7, 2, 0, 3]

    def histories() -> Histories:
        rows = [generator.integers(0, evidence.n_items, length).tolist() for length in lengths]
        pasts = Histories.of(rows)
        weights = generator.uniform(0.1, 2.0, len(pasts.items)).astype(np.float32)
        return Histories(pasts.offsets, pasts.items, pasts.times, weights)

    user = np.array([0, 1, 2, 3, 4, -1, N_USERS - 1], np.int32)
    time = np.array([0, 100 * HOUR, 200 * HOUR, 300 * HOUR, 501 * HOUR, 600 * HOUR, LATEST])
    return Queries(user, time, histories(), {"b": histories()})


def test_a_signal_is_registered_under_its_name(kind: type[Signal]) -> None:
    assert SIGNALS[kind.name] is kind


def test_scores_are_finite_single_precision_over_the_catalogue(
    signal: Signal, evidence: Evidence, queries: Queries
) -> None:
    scores = signal.score(queries)
    assert scores.dtype == np.float32
    assert scores.shape == (len(queries), evidence.n_items)
    assert np.isfinite(scores).all()


def test_candidates_score_as_they_do_in_the_catalogue(
    signal: Signal, evidence: Evidence, queries: Queries
) -> None:
    candidates = np.random.default_rng(2).integers(0, evidence.n_items, (len(queries), 5), dtype=np.int32)
    actual = signal.score(queries, candidates)
    assert actual.dtype == np.float32
    assert actual.shape == candidates.shape
    wanted = np.take_along_axis(signal.score(queries), candidates.astype(np.int64), axis=1)
    np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", [1, 3])
def test_a_request_scores_the_same_in_any_company(signal: Signal, queries: Queries, size: int) -> None:
    whole = signal.score(queries)
    for rows, block in queries.blocks(size):
        np.testing.assert_allclose(signal.score(block), whole[rows], rtol=1e-4, atol=1e-6)
    turned = np.arange(len(queries))[::-1]
    np.testing.assert_allclose(signal.score(queries.pick(turned)), whole[turned], rtol=1e-4, atol=1e-6)


def test_no_requests_give_no_scores(signal: Signal, evidence: Evidence, queries: Queries) -> None:
    assert signal.score(queries.take(0, 0)).shape == (0, evidence.n_items)


def test_scoring_and_fitting_leave_what_they_read_as_it_was(
    kind: type[Signal], evidence: Evidence, queries: Queries
) -> None:
    read: list[NDArray[Any]] = [
        *(evidence.space.view("tuned").vectors, evidence.since, evidence.events.item, evidence.events.weight),
        *(queries.history.items, queries.history.weights, queries.elsewhere["b"].items),
    ]
    before = [array.copy() for array in read]
    kind().fit(evidence).score(queries)
    for array, copy in zip(read, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_empty_histories_are_fine(signal: Signal, evidence: Evidence) -> None:
    nothing = Histories.of([[], []])
    strangers = Queries(np.array([-1, 0], np.int32), np.array([0, LATEST]), nothing, {"b": nothing})
    scores = signal.score(strangers)
    assert scores.shape == (2, evidence.n_items)
    assert np.isfinite(scores).all()
    alone = Queries(strangers.user, strangers.time, nothing)
    np.testing.assert_array_equal(signal.score(alone), scores)


def restored_from(signal: Signal, state: Arrays, evidence: Evidence) -> Signal:
    """Return a signal of the same kind and settings that took a state back."""
    others = {name: other.space for name, other in evidence.elsewhere.items()}
    return type(signal)(signal.settings).restore(state, evidence.space, others)


def test_what_is_saved_and_restored_scores_the_same(
    signal: Signal, evidence: Evidence, queries: Queries, tmp_path: Path
) -> None:
    path = tmp_path / "signal.safetensors"
    save_arrays(path, signal.state())
    restored = restored_from(signal, load_arrays(path), evidence)
    np.testing.assert_array_equal(restored.score(queries), signal.score(queries))
    history, items = queries.history.items[:4], np.arange(evidence.n_items)
    np.testing.assert_array_equal(restored.support(history, items), signal.support(history, items))
    again = restored.state()
    assert again.keys() == signal.state().keys()
    for name, array in signal.state().items():
        np.testing.assert_array_equal(again[name], array)
        assert again[name].shape == array.shape


def test_the_same_seed_and_evidence_give_the_same_signal(
    kind: type[Signal], signal: Signal, evidence: Evidence
) -> None:
    again = kind().fit(evidence).state()
    for name, array in signal.state().items():
        np.testing.assert_array_equal(again[name], array)


def test_a_signal_can_be_fitted_anew(kind: type[Signal], evidence: Evidence, make_log: MakeLog) -> None:
    used = kind().fit(world(make_log, 7, 200)).fit(evidence)
    fresh = kind().fit(evidence)
    for name, array in fresh.state().items():
        np.testing.assert_array_equal(used.state()[name], array)


@pytest.mark.parametrize("length", [0, 1, 6])
def test_support_has_one_number_for_each_past_item(signal: Signal, evidence: Evidence, length: int) -> None:
    history = np.random.default_rng(length).integers(0, evidence.n_items, length, dtype=np.int32)
    items = np.array([evidence.n_items - 1, 0, 0])
    support = signal.support(history, items)
    assert support.dtype == np.float32
    assert support.shape == (3, length)
    assert np.isfinite(support).all()
    np.testing.assert_array_equal(support[1], support[2])
    for item, row in zip(items, support, strict=True):
        np.testing.assert_allclose(signal.support(history, np.array([item]))[0], row, rtol=1e-5, atol=1e-7)


def shut(evidence: Evidence, seed: int) -> BoolArray:
    """Return (n_items,) a random choice of items that may not be shown."""
    closed: BoolArray = np.random.default_rng(seed).random(evidence.n_items) < 0.4
    return closed


@pytest.mark.parametrize("most", [1, 3, 100])
@pytest.mark.parametrize("seed", range(3))
def test_the_best_are_distinct_open_items_with_the_largest_scores(
    signal: Signal, evidence: Evidence, queries: Queries, most: int, seed: int
) -> None:
    """Of the items that it puts forward none scores less than an open one that it leaves out."""
    scores, closed = signal.prepare(queries), shut(evidence, seed)
    whole = scores.whole()
    for row in range(len(queries)):
        best = scores.best(row, most, closed)
        assert len(best) <= most
        assert len(set(best.tolist())) == len(best)
        assert not closed[best].any()
        positive = np.flatnonzero(~closed & (whole[row] > 0))
        if not len(best):
            assert not len(positive) or np.ptp(whole[row]) < 1e-6, "it tells no item from another"
            continue
        assert len(best) >= min(most, len(positive))
        left = np.setdiff1d(positive, best)
        if len(left):
            assert whole[row, best].min() >= whole[row, left].max() - 1e-5


def test_where_everything_is_closed_nothing_is_put_forward(
    signal: Signal, evidence: Evidence, queries: Queries
) -> None:
    closed = np.ones((len(queries), evidence.n_items), bool)
    assert [len(best) for best in signal.propose(queries, 5, closed)] == [0] * len(queries)


def test_each_request_is_proposed_its_own_best(signal: Signal, evidence: Evidence, queries: Queries) -> None:
    closed = np.stack([shut(evidence, seed) for seed in range(len(queries))])
    together = signal.propose(queries, 2, closed)
    for row, best in enumerate(together):
        (alone,) = signal.propose(queries.take(row, row + 1), 2, closed[row : row + 1])
        scores = signal.score(queries.take(row, row + 1))[0]
        np.testing.assert_allclose(np.sort(scores[alone]), np.sort(scores[best]), rtol=1e-4, atol=1e-6)


def test_peaks_are_the_largest_scores(signal: Signal, queries: Queries) -> None:
    scores = signal.prepare(queries)
    peaks = scores.peaks()
    assert peaks.shape == (len(queries),)
    assert peaks.dtype == np.float32
    np.testing.assert_allclose(peaks, scores.whole().max(axis=1), rtol=1e-4, atol=1e-6)
    assert signal.prepare(queries.take(0, 0)).peaks().shape == (0,)


def test_peaks_first_or_last_the_rest_is_the_same(
    signal: Signal, evidence: Evidence, queries: Queries
) -> None:
    """What is computed for one question may be used for the next, but changes no answer."""
    closed, candidates = shut(evidence, 0), np.tile(np.arange(evidence.n_items), (len(queries), 1))
    fresh, used = signal.prepare(queries), signal.prepare(queries)
    used.peaks()
    for row in range(len(queries)):
        assert set(used.best(row, 3, closed)) == set(fresh.best(row, 3, closed))
    np.testing.assert_allclose(used.at(candidates), fresh.whole(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(fresh.peaks(), used.peaks(), rtol=1e-5, atol=1e-7)


def test_settings_make_the_round_trip(kind: type[Signal], evidence: Evidence, queries: Queries) -> None:
    """What is kept with a run makes the same signal."""
    settings = kind.Settings(**kind().settings.model_dump())
    assert settings == kind().settings
    assert kind.Settings.model_validate_json(settings.model_dump_json()) == settings
    again = kind(settings).fit(evidence)
    np.testing.assert_array_equal(again.score(queries), kind().fit(evidence).score(queries))


def test_a_setting_that_does_not_exist_is_refused(kind: type[Signal]) -> None:
    with pytest.raises(ValidationError, match="half_live"):
        kind.Settings.model_validate({"half_live": 1})


def test_what_a_signal_needs_is_told_by_the_evidence(kind: type[Signal], evidence: Evidence) -> None:
    """A signal that lacks what it needs is left out before it is fitted; here it is fitted all the same."""
    assert isinstance(kind.needs, frozenset)
    assert evidence.meets(frozenset())
    assert not evidence.meets(frozenset({Need.PRIOR}))
    assert evidence.meets(frozenset({Need.OTHER_SCENARIOS}))
    assert evidence.meets(frozenset({Need.MOMENTS})) == (evidence.clock == "time")
    assert evidence.meets(frozenset({Need.TEXT})) == evidence.space.has_text


def grown(evidence: Evidence, texts: int) -> Evidence:
    """Return the same evidence over a space of its own, with new items of random text at its end."""
    n_items, generator = evidence.n_items, np.random.default_rng(6)
    space = ItemSpace.restore({name: array.copy() for name, array in evidence.space.state().items()})
    rows, raw = np.arange(n_items, n_items + texts), text_vectors(4 * texts, generator)[:texts]
    space.put(rows, {"tuned": raw})
    since = np.concatenate([evidence.since, np.full(texts, UNKNOWN_TIME)])
    return replace(evidence, n_items=n_items + texts, space=space, since=since)


def test_new_items_can_be_asked_of_as_soon_as_they_are_there(
    kind: type[Signal], signal: Signal, evidence: Evidence, queries: Queries
) -> None:
    larger = grown(evidence, 2)
    fitted = restored_from(signal, signal.state(), larger)
    rows = np.arange(evidence.n_items, larger.n_items)
    if isinstance(fitted, Extends):
        fitted.extend(rows, larger.since[rows])
    scores = fitted.prepare(queries)
    assert scores.whole().shape == (len(queries), larger.n_items)
    assert np.isfinite(scores.whole()).all()
    candidates = np.tile(np.arange(larger.n_items), (len(queries), 1))
    np.testing.assert_allclose(scores.at(candidates), scores.whole(), rtol=1e-4, atol=1e-6)
    assert fitted.support(rows.astype(np.int32), rows).shape == (2, 2)
    state = fitted.state()
    again = restored_from(fitted, state, larger)
    np.testing.assert_allclose(again.score(queries), scores.whole(), rtol=1e-5, atol=1e-7)
