"""The signals that learn which items go together, against dense answers of a few lines."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from polyscene.data.queries import Queries
from polyscene.data.schema import EventLog
from polyscene.recommenders import linear
from polyscene.recommenders.factors import Factors, FactorsSettings
from polyscene.recommenders.linear import Linear, LinearSettings
from polyscene.recommenders.neighbours import Neighbours, NeighboursSettings
from polyscene.recommenders.signal import Evidence, Signal
from polyscene.recommenders.transitions import Transitions

N_USERS, N_ITEMS = 30, 12
MakeLog = Callable[..., EventLog]
MakeEvidence = Callable[..., Evidence]
Asked = Callable[..., Queries]
Dense = NDArray[np.float64]
FACTORS, RIDGE = FactorsSettings(), LinearSettings().ridge


@pytest.fixture
def random_evidence(make_log: MakeLog, make_evidence: MakeEvidence) -> Evidence:
    """The last two items have no events."""
    generator = np.random.default_rng(4)
    user, item = generator.integers(0, N_USERS, 200), generator.integers(0, N_ITEMS - 2, 200)
    weight = generator.choice([0.0, 0.3, 1.0, 2.0], 200)
    log = make_log(list(zip(user, item, range(200), strict=True)), weight=weight)
    return make_evidence(log, N_ITEMS, n_users=N_USERS)


def choices(evidence: Evidence) -> Dense:
    """Return the (n_users, n_items) summed weights, at most 1."""
    matrix = np.zeros((evidence.n_users, evidence.n_items))
    np.add.at(matrix, (evidence.events.user, evidence.events.item), evidence.events.weight)
    return np.minimum(matrix, 1.0)


@pytest.mark.parametrize("kind", [Linear, Neighbours, Factors, Transitions])
def test_what_was_withheld_from_a_checkerboard_is_found(
    kind: type[Signal], make_evidence: MakeEvidence, asked: Asked
) -> None:
    """User i likes every item of i's colour except item i, so item i is what is left to find."""
    n = 20
    liked = [[item for item in range(n) if item % 2 == user % 2 and item != user] for user in range(n)]
    order = np.random.default_rng(0)
    liked = [order.permutation(row).tolist() for row in liked]
    rows = [(user, item, time) for user, row in enumerate(liked) for time, item in enumerate(row)]
    scores = kind().fit(make_evidence(rows, n)).score(asked(liked))
    for user, row in enumerate(liked):
        scores[user, row] = -np.inf
    assert scores.argmax(axis=1).tolist() == list(range(n))


def test_linear_is_the_closed_form_of_ease(random_evidence: Evidence) -> None:
    matrix = choices(random_evidence)
    precision = np.linalg.inv(matrix.T @ matrix + RIDGE * np.eye(N_ITEMS))
    expected = -precision / np.diag(precision)
    np.fill_diagonal(expected, 0.0)
    actual = Linear().fit(random_evidence).matrix.todense()
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_linear_in_blocks_is_linear_in_one(
    random_evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Linear().fit(random_evidence).matrix.todense()
    monkeypatch.setattr(linear, "BLOCK", 3)
    np.testing.assert_array_equal(Linear().fit(random_evidence).matrix.todense(), whole)


def test_linear_keeps_the_strongest_weights_of_a_row(
    random_evidence: Evidence,
) -> None:
    whole = np.asarray(Linear().fit(random_evidence).matrix.todense())
    actual = np.asarray(Linear(LinearSettings(max_links=3)).fit(random_evidence).matrix.todense())
    for row, full in zip(actual, whole, strict=True):
        strongest = np.sort(np.abs(full))[::-1][:3]
        np.testing.assert_allclose(np.sort(np.abs(row))[::-1][:3], strongest)
        assert np.count_nonzero(row) <= 3


def test_linear_regresses_only_on_the_most_chosen_of_a_large_catalogue(
    make_evidence: MakeEvidence,
) -> None:
    fans = [1, 4, 2, 4, 3]
    rows = [(user, item, item) for item, count in enumerate(fans) for user in range(count)]
    actual = Linear(LinearSettings(max_items=3)).fit(make_evidence(rows, 6)).matrix.todense()
    kept = [1, 3, 4]
    matrix = np.array([[user < fans[item] for item in kept] for user in range(4)], float)
    precision = np.linalg.inv(matrix.T @ matrix + RIDGE * np.eye(3))
    expected = -precision / np.diag(precision)
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(actual[np.ix_(kept, kept)], expected, atol=1e-6)
    assert not actual[[0, 2, 5]].any()
    assert not actual[:, [0, 2, 5]].any()


def test_linear_refuses_what_has_no_solution() -> None:
    broken = sparse.csr_array(np.array([[np.nan, 1.0], [1.0, 0.0]], np.float32))
    with pytest.raises(FloatingPointError, match="NaN"):
        list(linear._regression(broken, RIDGE))


def test_neighbours_are_the_shrunk_cosine(random_evidence: Evidence) -> None:
    matrix = choices(random_evidence)
    activity = np.maximum((matrix > 0).sum(axis=1, keepdims=True), 1)
    norms = np.sqrt((matrix > 0).sum(axis=0))
    expected = (
        (matrix / np.sqrt(activity)).T @ matrix / (np.outer(norms, norms) + NeighboursSettings().shrinkage)
    )
    np.fill_diagonal(expected, 0.0)
    actual = Neighbours().fit(random_evidence).matrix.todense()
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7)


def test_a_user_is_solved_in_closed_form_from_the_present_history(
    random_evidence: Evidence, asked: Asked
) -> None:
    signal = Factors().fit(random_evidence)
    y = signal.items.astype(np.float64)
    history = [3, 7, 3]  # an item twice, the last one of age 0
    weight = np.zeros(N_ITEMS)
    np.add.at(weight, history, FACTORS.decay ** np.array([2, 1, 0]))
    confidence, wanted = np.diag(1 + FACTORS.confidence * weight), (weight > 0).astype(float)
    expected = np.linalg.solve(
        y.T @ confidence @ y + FACTORS.regularisation * np.eye(y.shape[1]), y.T @ confidence @ wanted
    )
    (actual,) = signal.users(asked([history]))
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("weight", [0.02, 1.0])
def test_items_are_solved_with_the_same_confidence_as_users(
    make_log: MakeLog,
    make_evidence: MakeEvidence,
    asked: Asked,
    weight: float,
) -> None:
    """Where everybody has one event, `users` gives the users of the last sweep, once that has converged."""
    rows = [(user, user % 4, user) for user in range(80)]
    signal = Factors(FactorsSettings(iterations=500)).fit(
        make_evidence(make_log(rows, weight=[weight] * 80), 4)
    )
    queries = asked([[item] for _, item, _ in rows])
    queries.history.weights[:] = weight
    x = signal.users(queries).astype(np.float64)
    for item in range(4):
        wanted = np.arange(80) % 4 == item
        confidence = np.diag(1 + FACTORS.confidence * weight * wanted)
        expected = np.linalg.solve(
            x.T @ confidence @ x + FACTORS.regularisation * np.eye(x.shape[1]), x.T @ confidence @ wanted
        )
        np.testing.assert_allclose(signal.items[item], expected, atol=5e-3 * np.abs(expected).max())


def test_items_without_events_have_no_factors(random_evidence: Evidence, asked: Asked) -> None:
    scores = Factors().fit(random_evidence).score(asked([[0, 1], [2]]))
    assert not scores[:, -2:].any()
    assert scores[:, :-2].all()


def test_another_seed_starts_the_factors_elsewhere(make_evidence: MakeEvidence) -> None:
    rows = [(u, i, 0) for u in range(10) for i in range(6) if (u + i) % 3]
    one, other = (Factors().fit(make_evidence(rows, 6, seed=seed)).items for seed in (1, 2))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("kind", [Linear, Neighbours])
def test_support_adds_up_to_the_score(kind: type[Signal], random_evidence: Evidence, asked: Asked) -> None:
    signal = kind().fit(random_evidence)
    history = np.array([3, 1, 4, 1, 5], np.int32)
    expected = signal.score(asked([history.tolist()]))[0]
    actual = signal.support(history, np.arange(N_ITEMS)).sum(axis=1)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-7)


def test_a_user_is_solved_from_any_history_at_once_or_alone(asked: Asked) -> None:
    """Against the formula with every item in it; an item that was had twice counts once more."""
    draws = np.random.default_rng(5)
    items = draws.normal(size=(40, 6)).astype(np.float32)
    pasts = [[], [3], [3, 3, 7], list(range(20)), draws.integers(0, 40, 70).tolist(), [0, 1, 2, 3, 4]]
    signal = Factors(FactorsSettings(size=6), items)
    users = signal.users(asked(pasts))
    for row, past in enumerate(pasts):
        trust = np.zeros(40)
        for age, item in enumerate(past[::-1]):
            if FACTORS.decay**age > 1e-3:
                trust[item] += FACTORS.confidence * FACTORS.decay**age
        wide = items.astype(np.float64)
        gram = wide.T @ wide + FACTORS.regularisation * np.eye(6) + wide.T @ (trust[:, None] * wide)
        expected = np.linalg.solve(gram, wide.T @ np.where(trust > 0, 1 + trust, 0.0))
        np.testing.assert_allclose(users[row], expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(signal.users(asked([past]))[0], users[row], rtol=1e-5, atol=1e-7)
