"""What every signal promises, asked of each one in the registry: a new signal is asked by being there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from polyscene.core.arrays import load_arrays, save_arrays
from polyscene.core.clock import HOUR
from polyscene.core.types import FloatArray
from polyscene.data.queries import LATEST, Histories, Queries
from polyscene.data.schema import UNKNOWN_TIME, Clock, EventLog
from polyscene.recommenders.registry import SIGNALS
from polyscene.recommenders.signal import Evidence, OtherScenario, Signal

N_USERS = 9
MakeLog = Callable[..., EventLog]


def spoken(n_items: int, generator: np.random.Generator) -> FloatArray:
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
    vectors = spoken(n_items, generator) if text else np.zeros((n_items, 6), np.float32)
    abroad = {
        "b": OtherScenario(events(), spoken(n_items, generator)),
        "c/ü": OtherScenario(events(), vectors),
    }
    return Evidence(events(), N_USERS, n_items, vectors, since, clock, abroad, seed=3)


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
        made = Histories.of(rows)
        weights = generator.uniform(0.1, 2.0, len(made.items)).astype(np.float32)
        return Histories(made.offsets, made.items, made.times, weights)

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
    found = signal.score_candidates(queries, candidates)
    assert found.dtype == np.float32
    assert found.shape == candidates.shape
    wanted = np.take_along_axis(signal.score(queries), candidates.astype(np.int64), axis=1)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


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
        *(evidence.vectors, evidence.since, evidence.events.item, evidence.events.weight),
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


def test_what_is_saved_and_restored_scores_the_same(signal: Signal, queries: Queries, tmp_path: Path) -> None:
    path = tmp_path / "signal.safetensors"
    save_arrays(path, signal.state())
    restored = type(signal).restore(load_arrays(path))
    np.testing.assert_array_equal(restored.score(queries), signal.score(queries))
    history = queries.history.items[:4]
    np.testing.assert_array_equal(restored.support(history, 0), signal.support(history, 0))
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
    found = signal.support(history, evidence.n_items - 1)
    assert found.dtype == np.float32
    assert found.shape == (length,)
    assert np.isfinite(found).all()
