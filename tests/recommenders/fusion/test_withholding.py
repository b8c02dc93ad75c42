"""What is withheld is absent, what is exchanged is another's, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from polyscene.core.types import FloatArray
from polyscene.data.queries import Histories, Queries
from polyscene.recommenders.fusion.candidates import SMALL_CATALOGUE
from polyscene.recommenders.fusion.features import Features
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.withholding import (
    ALL_OTHERS,
    WHOLE,
    OfOtherItems,
    OfOthers,
    Way,
    Withholding,
    model_name,
    other_scenarios,
    without_scenarios,
)
from polyscene.recommenders.scores import DenseScores
from polyscene.recommenders.signal import Evidence, Signal

LARGE = SMALL_CATALOGUE + 100
PEOPLE = 6
NAMES = ("own", "shared", "noise")
Asked = Callable[..., Queries]


@pytest.fixture
def fusion_of(
    make_evidence: Callable[..., Evidence], asked: Asked, table_signal: Callable[..., Signal]
) -> Callable[..., Fusion]:
    """Return what makes a fusion with a random network: of three signals one is the same for everybody."""

    def make(n_items: int, absent: int | None = None) -> Fusion:
        stream = np.random.default_rng(n_items)
        shared = np.repeat(stream.normal(size=(1, n_items)), PEOPLE, axis=0)
        tables = (stream.normal(size=(PEOPLE, n_items)), shared, stream.normal(size=(PEOPLE, n_items)))
        signals = [table_signal(table) for table in tables]
        features = Features.of(make_evidence([(0, 0, 0)], n_items, clock="sequence"))
        features.measure(signals, asked([[]] * PEOPLE))
        torch.manual_seed(1)
        network = FusionNetwork(3, 1, 4)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.2)
        there = [None if place == absent else one for place, one in enumerate(signals)]
        return Fusion(NAMES, there, features, network.fitted(), 0, hide_seen=False)

    return make


def scored(fusion: Fusion, queries: Queries, seed: int = 3) -> dict[str, FloatArray]:
    return Withholding(fusion, np.random.default_rng(seed)).score_all(queries)


@pytest.mark.parametrize("n_items", [40, LARGE])
def test_a_withheld_signal_is_absent(fusion_of: Callable[..., Fusion], asked: Asked, n_items: int) -> None:
    queries = asked([[0], [], [1], [2], [], []])
    scores = scored(fusion_of(n_items), queries)
    np.testing.assert_array_equal(scores[WHOLE], fusion_of(n_items).score(queries))
    for place, name in enumerate(NAMES):
        expected = fusion_of(n_items, absent=place).score(queries)
        np.testing.assert_allclose(scores[model_name("signal", name, Way.WITHHELD)], expected, atol=1e-5)
        assert not np.allclose(expected, scores[WHOLE])


@pytest.mark.parametrize("n_items", [40, LARGE])
def test_several_signals_are_withheld_at_once(
    fusion_of: Callable[..., Fusion], asked: Asked, n_items: int
) -> None:
    queries, fusion = asked([[0], [], [1], [2], [], []]), fusion_of(n_items)
    without = Withholding(fusion, np.random.default_rng(0)).score_without(queries, {"own", "noise"})
    expected = fusion_of(n_items)
    expected.signals = (None, expected.signals[1], None)
    np.testing.assert_allclose(without, expected.score(queries), atol=1e-5)
    np.testing.assert_array_equal(fusion.score(queries), fusion_of(n_items).score(queries))


def test_a_signal_that_is_absent_already_changes_nothing(
    fusion_of: Callable[..., Fusion], asked: Asked
) -> None:
    scores = scored(fusion_of(40, absent=1), asked([[]] * PEOPLE))
    assert not any("shared" in name for name in scores)
    assert sum("signal" in name for name in scores) == 2 * len(Way)


@pytest.mark.parametrize("n_items", [40, LARGE])
def test_what_is_the_same_for_everybody_cannot_be_exchanged_between_people(
    fusion_of: Callable[..., Fusion], asked: Asked, n_items: int
) -> None:
    scores = scored(fusion_of(n_items), asked([[]] * PEOPLE))
    same, other = (scores[model_name("signal", name, Way.PEOPLE)] for name in ("shared", "own"))
    np.testing.assert_allclose(same, scores[WHOLE], atol=1e-5)
    assert not np.isclose(other, scores[WHOLE]).all(axis=1).any()  # nobody keeps their own
    by_item = scores[model_name("signal", "shared", Way.ITEMS)]
    assert not np.isclose(by_item, scores[WHOLE]).all(axis=1).any()


def test_requests_may_be_left_with_their_own(fusion_of: Callable[..., Fusion], asked: Asked) -> None:
    apart = Withholding(fusion_of(40), np.random.default_rng(0), between_people=False)
    scores = apart.score_all(asked([[]] * PEOPLE))
    assert model_name("signal", "own", Way.PEOPLE) not in scores
    assert model_name("signal", "own", Way.ITEMS) in scores


def test_exchanges_are_the_seed_s(fusion_of: Callable[..., Fusion], asked: Asked) -> None:
    fusion, queries, name = fusion_of(40), asked([[]] * PEOPLE), model_name("signal", "own", Way.ITEMS)
    first = scored(fusion, queries, 5)[name]
    np.testing.assert_array_equal(first, scored(fusion, queries, 5)[name])
    assert not np.array_equal(first, scored(fusion, queries, 6)[name])


def test_every_item_gets_the_score_of_another_one() -> None:
    matrix = np.random.default_rng(0).normal(size=(5, 30)).astype(np.float32)
    asking = Withholding(None, np.random.default_rng(1))  # type: ignore[arg-type]
    items = asking._other_items(5, 30)
    assert not (items == np.arange(30)).any()
    exchanged = OfOtherItems(DenseScores(matrix), items)
    np.testing.assert_array_equal(np.sort(exchanged.whole()), np.sort(matrix))
    np.testing.assert_array_equal(exchanged.peaks(), matrix.max(axis=1))
    assert len({tuple(row) for row in items.tolist()}) == 5  # in each request another order
    check_best(exchanged)


def test_every_request_gets_the_scores_of_another_one() -> None:
    matrix = np.random.default_rng(0).normal(size=(5, 30)).astype(np.float32)
    asking = Withholding(None, np.random.default_rng(1))  # type: ignore[arg-type]
    rows = asking._other_rows(5)
    assert sorted(rows.tolist()) == [0, 1, 2, 3, 4]
    assert not (rows == np.arange(5)).any()
    exchanged = OfOthers(DenseScores(matrix), rows)
    np.testing.assert_array_equal(exchanged.whole(), matrix[rows])
    np.testing.assert_array_equal(exchanged.peaks(), matrix[rows].max(axis=1))
    check_best(exchanged)


def check_best(exchanged: OfOthers | OfOtherItems) -> None:
    """Put forward are the best open ones of the exchanged scores, and candidates are their columns."""
    whole = exchanged.whole()
    closed = np.random.default_rng(2).random(whole.shape) < 0.4
    for row in range(len(whole)):
        open_ = np.flatnonzero(~closed[row])
        expected = open_[np.argsort(-whole[row, open_])[:6]]
        assert sorted(exchanged.best(row, 6, closed[row]).tolist()) == sorted(expected.tolist())
    candidates = np.random.default_rng(4).integers(0, whole.shape[1], (len(whole), 7))
    np.testing.assert_array_equal(exchanged.at(candidates), np.take_along_axis(whole, candidates, axis=1))


def test_what_people_did_elsewhere_is_taken_away(asked: Asked) -> None:
    queries = asked([[1], [2]], {"news": [[3], [4, 5]], "film": [[], [6]]})
    assert other_scenarios(queries) == {"news": ["news"], "film": ["film"], ALL_OTHERS: ["news", "film"]}
    assert other_scenarios(asked([[1]], {"news": [[3]]})) == {"news": ["news"]}
    left = without_scenarios(queries, ["news"])
    assert left.elsewhere["news"].lengths.tolist() == [0, 0]
    assert left.elsewhere["film"] is queries.elsewhere["film"]
    assert left.history is queries.history


def test_other_scenarios_are_withheld_from_every_signal(
    fusion_of: Callable[..., Fusion], asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    fusion, lengths = fusion_of(40), list[list[int]]()
    of_queries = fusion.prepare

    def prepare(queries: Queries) -> object:
        lengths.append(queries.elsewhere.get("news", Histories.of([])).lengths.tolist())
        return of_queries(queries)

    monkeypatch.setattr(fusion, "prepare", prepare)
    scores = scored(fusion, asked([[]] * PEOPLE, {"news": [[1]] * PEOPLE}))
    assert lengths == [[1] * PEOPLE, [0] * PEOPLE]
    withheld = scores[model_name("scenario", "news", Way.WITHHELD)]
    assert not np.allclose(withheld, scores[WHOLE])  # the context knows how much they did elsewhere
