from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.data.queries import Choices, Histories, Queries
from polyscene.learning.fusion_learner import FusionLearner, fusion_plan
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.fusion.candidates import PER_SIGNAL, SMALL_CATALOGUE, padded, proposed
from polyscene.recommenders.fusion.features import Block, Features
from polyscene.recommenders.fusion.fusion import AS_FITTED, Fusion, moving_of
from polyscene.recommenders.fusion.moving import MovingWeights
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.second_look import RERANKED
from polyscene.recommenders.fusion.training import examples
from polyscene.recommenders.popularity import Popularity
from polyscene.recommenders.reranker import Reranker
from polyscene.recommenders.scores import DenseScores
from polyscene.recommenders.signal import Evidence, Signal
from polyscene.recommenders.transitions import Transitions
from polyscene.training.loop import Curve, fit

LARGE = SMALL_CATALOGUE + 300
MakeEvidence = Callable[..., Evidence]
Asked = Callable[..., Queries]
MakeSignal = Callable[..., Signal]
MakeFusion = Callable[..., Fusion]


def candidates_of(fusion: Fusion, queries: Queries) -> BoolArray:
    """Return (B, n) which items the signals put forward."""
    candidates, lengths = fusion.candidates(fusion.prepare(queries), fusion.closed(queries))
    inside = np.zeros((len(queries), len(fusion.features)), bool)
    for row, length in enumerate(lengths.tolist()):
        inside[row, candidates[row, :length]] = True
    return inside


def shares_of(fusion: Fusion, queries: Queries, items: LongArray) -> FloatArray:
    """Return (B, P, K) shares of (B, P) items, against the mean over the catalogue."""
    rows = []
    for row, codes in enumerate(items):
        block = fusion.features.block(fusion.signals, queries.take(row, row + 1))
        rows.append(fusion.shares(block, codes, block.signals[0].mean(axis=1)))
    return np.stack(rows)


@pytest.fixture
def fused(make_evidence: MakeEvidence, asked: Asked, table_signal: MakeSignal) -> MakeFusion:
    """Return what makes a fusion of random signals for users 0 to 4; its network is not trained."""

    def make(n_items: int, n_signals: int = 3, fallback: str | None = None, **network: bool) -> Fusion:
        stream = np.random.default_rng(n_items)
        signals = [table_signal(stream.normal(size=(5, n_items))) for _ in range(n_signals)]
        features = Features.of(make_evidence([(0, 0, 0)], n_items, clock="sequence"))
        features.measure(signals, asked([[]] * 5))
        torch.manual_seed(0)
        own = FusionNetwork(n_signals, 1, 4)
        if network.get("random"):
            with torch.no_grad():
                for parameter in own.parameters():
                    parameter.copy_(torch.randn_like(parameter) * 0.2)
        names = [f"s{place}" for place in range(n_signals)]
        return Fusion(names, signals, features, own.fitted(), 0, hide_seen=True, fallback=fallback)

    return make


@pytest.mark.parametrize("n_items", [1, 2, 50, LARGE])
def test_scores_are_finite_and_candidates_are_their_columns(
    fused: MakeFusion, asked: Asked, n_items: int
) -> None:
    fusion, queries = fused(n_items, random=True), asked([[0], [], [n_items - 1], [], []])
    scores = fusion.score(queries)
    assert scores.dtype == np.float32
    assert scores.shape == (5, n_items)
    assert np.isfinite(scores).all()
    candidates = np.random.default_rng(0).integers(0, n_items, (5, 4), dtype=np.int32)
    prepared = fusion.prepare(queries)
    some, block = fusion.fused(fusion.features.scaled(prepared, 5, candidates), prepared, queries, candidates)
    assert block.signals.shape == (5, 3, 4)
    if n_items < LARGE:
        expected = np.take_along_axis(scores, candidates, axis=1)
        np.testing.assert_allclose(some, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_items", [50, LARGE])
def test_a_request_scores_the_same_in_any_company(fused: MakeFusion, asked: Asked, n_items: int) -> None:
    fusion, queries = fused(n_items, random=True), asked([[0], [], [3, 4], [], [9]])
    whole = fusion.score(queries)
    for rows, block in queries.blocks(2):
        np.testing.assert_allclose(fusion.score(block), whole[rows], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("n_items", [50, LARGE])
def test_no_requests_give_no_scores(fused: MakeFusion, asked: Asked, n_items: int) -> None:
    assert fused(n_items).score(asked([[]]).take(0, 0)).shape == (0, n_items)


def test_in_a_large_catalogue_the_candidates_stand_above_the_tail(fused: MakeFusion, asked: Asked) -> None:
    fusion, queries = fused(LARGE, random=True), asked([[1], [2], [], [], []])
    scores = fusion.score(queries)
    block = fusion.features.block(fusion.signals, queries)
    inside = candidates_of(fusion, queries)
    everything = fusion.weights.logits(block, 0)
    np.testing.assert_allclose(scores[inside], everything[inside], rtol=1e-3, atol=1e-4)
    for row in range(5):
        assert scores[row, inside[row]].min() > scores[row, ~inside[row]].max()
        assert not inside[row].all()
    assert not inside[0, 1]
    assert not inside[1, 2]


def test_the_tail_follows_in_the_order_of_the_weighted_signals(fused: MakeFusion, asked: Asked) -> None:
    fusion, queries = fused(LARGE), asked([[]] * 5)
    fusion.weights.arrays["base"][:3] = [2.0, 1.0, -5.0]  # the other views keep 1/3 each
    block = fusion.features.block(fusion.signals, queries)
    plain = (2 + 2 / 3) * block.signals[:, 0] + (1 + 2 / 3) * block.signals[:, 1]  # -5 + 2/3 does not count
    inside = candidates_of(fusion, queries)
    for row, scores in enumerate(fusion.score(queries)):
        tail = np.flatnonzero(~inside[row])
        order = tail[np.argsort(-scores[tail], kind="stable")]
        assert np.all(np.diff(plain[row, order]) <= 1e-5)


def test_candidates_are_the_best_open_items_of_every_signal() -> None:
    stream = np.random.default_rng(0)
    signals = stream.normal(size=(3, 4, 1000)).astype(np.float32)
    closed = stream.random((4, 1000)) < 0.5
    prepared = [DenseScores(scores) for scores in signals]
    rows = [proposed([*prepared, None], row, closed[row], every=False) for row in range(4)]
    candidates, lengths = padded(rows)
    for row in range(4):
        expected = set()
        there = np.flatnonzero(~closed[row])
        for scores in signals[:, row]:
            expected |= set(there[np.argsort(-scores[there])[:PER_SIGNAL]].tolist())
        assert rows[row].tolist() == sorted(expected)
        assert lengths[row] == len(expected)
        assert candidates[row, : len(expected)].tolist() == sorted(expected)
        assert set(candidates[row, len(expected) :].tolist()) <= {int(candidates[row, 0])}


def test_in_a_small_catalogue_every_open_item_is_a_candidate() -> None:
    closed = np.array([False, True, False])
    silent = DenseScores(np.zeros((1, 3), np.float32), positive=True)
    assert proposed([silent], 0, closed, every=True).tolist() == [0, 2]
    assert proposed([silent], 0, closed, every=False).tolist() == []


def test_rows_without_candidates_count_none() -> None:
    candidates, lengths = padded([np.zeros(0, np.int64), np.array([4, 7])])
    assert candidates.tolist() == [[0, 0], [4, 7]]
    assert lengths.tolist() == [0, 2]
    assert padded([])[0].shape == (0, 1)


@pytest.mark.parametrize("n_items", [50, LARGE])
def test_a_fallback_is_used_alone(fused: MakeFusion, asked: Asked, n_items: int) -> None:
    fusion, queries = fused(n_items, fallback="s1"), asked([[]] * 5)
    signal = fusion.signals[1]
    assert signal is not None
    scaled = signal.score(queries) / fusion.features.scales[1]
    np.testing.assert_array_equal(fusion.score(queries), scaled)
    shares = shares_of(fusion, queries, np.tile(np.arange(6), (5, 1)))
    assert not shares[:, :, [0, 2]].any()
    np.testing.assert_allclose(
        shares[:, :, 1], scaled[:, :6] - scaled.mean(axis=1, keepdims=True), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("fallback", [None, "s1"])
@pytest.mark.parametrize("n_items", [50, LARGE])
def test_people_without_events_here_may_be_answered_by_a_signal_of_their_own(
    fused: MakeFusion, asked: Asked, fallback: str | None, n_items: int
) -> None:
    fusion, queries = fused(n_items, fallback=fallback, random=True), asked([[0], [], [3, 4], [], []])
    known, new = [0, 2], [1, 3, 4]
    before = fusion.score(queries)
    fusion.fallback_of_new = "s2"
    scores, signal = fusion.score(queries), fusion.signals[2]
    assert signal is not None
    np.testing.assert_array_equal(scores[known], before[known])
    scaled = (signal.score(queries) / fusion.features.scales[2])[new]
    best = np.argsort(-scaled, axis=1)[:, :100]
    np.testing.assert_array_equal(np.argsort(-scores[new], axis=1)[:, :100], best)
    assert not np.array_equal(before[new], scores[new])
    assert [fusion.used_alone(new=True), fusion.used_alone(new=False)] == ["s2", fallback]
    shares = shares_of(fusion, queries, np.tile(np.arange(6), (5, 1)))
    assert not shares[new][:, :, :2].any()
    assert shares[known][:, :, 1].any()


def test_without_another_signal_new_people_are_answered_like_all(fused: MakeFusion) -> None:
    assert [fused(5, fallback="s1").used_alone(new) for new in (True, False)] == ["s1", "s1"]
    assert [fused(5).used_alone(new) for new in (True, False)] == [None, None]


def test_all_scores_hold_every_signal_that_is_there_and_the_whole(fused: MakeFusion, asked: Asked) -> None:
    fusion, queries = fused(50), asked([[]] * 5)
    fusion.signals = (*fusion.signals[:2], None)
    actual = fusion.score_all(queries)
    assert list(actual) == ["s0", "s1", "polyscene"]
    np.testing.assert_array_equal(actual["polyscene"], fusion.score(queries))
    signal = fusion.signals[0]
    assert signal is not None
    np.testing.assert_allclose(actual["s0"], signal.score(queries) / fusion.features.scales[0], rtol=1e-6)


def test_shares_of_an_additive_network_add_up(fused: MakeFusion, asked: Asked) -> None:
    """Before training nothing couples the signals: shares add up to the whole less what all usually say."""
    fusion, queries = fused(50), asked([[]] * 5)
    block = fusion.features.block(fusion.signals, queries)
    usual = block.signals.mean(axis=2, keepdims=True) * np.ones_like(block.signals)
    whole = fusion.weights.logits(block, 0) - fusion.weights.logits(
        Block(usual, block.peaks, block.user, block.item, block.pair), 0
    )
    candidates = np.tile(np.array([4, 40, 7]), (5, 1))
    shares = shares_of(fusion, queries, candidates)
    assert shares.shape == (5, 3, 3)
    np.testing.assert_allclose(shares.sum(axis=2), whole[:, [4, 40, 7]], rtol=1e-3, atol=1e-4)


def test_a_signal_that_says_the_same_of_all_has_no_share(
    fused: MakeFusion, asked: Asked, table_signal: MakeSignal
) -> None:
    fusion, queries = fused(50, random=True), asked([[]] * 5)
    fusion.signals = (table_signal(np.full((5, 50), 0.5)), None, fusion.signals[2])
    shares = shares_of(fusion, queries, np.tile(np.arange(50), (5, 1)))
    np.testing.assert_allclose(shares[:, :, :2], 0.0, atol=1e-5)
    assert np.abs(shares[:, :, 2]).max() > 0.1


@pytest.mark.parametrize("n_items", [50, LARGE])
def test_a_reranker_deals_out_anew_the_best_of_the_text_ranker_and_of_no_other(
    fused: MakeFusion, asked: Asked, n_items: int
) -> None:
    """The second look comes before the network: what it says is weighed like any other score."""
    requests: list[list[int]] = []

    def contrary(history: Histories, candidates: IntArray) -> FloatArray:
        requests.append(history.lengths.tolist())
        return np.tile(np.arange(candidates.shape[1], dtype=np.float32), (len(candidates), 1))

    fusion, queries = fused(n_items, random=True), asked([[0], [], [3, 4], [], []])
    fusion.names = ("s0", RERANKED, "s2")
    plain = fusion.score_all(queries)
    fusion.reranker = Reranker(contrary, top=5)
    again = fusion.score_all(queries)
    assert requests == [[1, 0, 2, 0, 0]], "all requests at once"
    for name in ("s0", "s2"):
        np.testing.assert_array_equal(again[name], plain[name])
    for before, after in zip(plain[RERANKED], again[RERANKED], strict=True):
        order = np.argsort(-before, kind="stable")
        np.testing.assert_array_equal(np.argsort(-after, kind="stable")[:5], order[:5][::-1])
        np.testing.assert_allclose(after[order[5:]], before[order[5:]], rtol=1e-6)
    assert not np.allclose(again["polyscene"], plain["polyscene"])


def test_events_and_items_reach_the_features_and_the_signals_that_keep_something(
    make_evidence: MakeEvidence,
) -> None:
    evidence = make_evidence([(0, 0, 0), (0, 1, 1)], 3)
    signals = [Popularity().fit(evidence), None, Transitions().fit(evidence)]
    features = Features.of(evidence)
    features.scales = np.ones(3, np.float32)
    weights = FusionNetwork(3, 1, 4).fitted()
    fusion = Fusion(["popularity", "x", "transitions"], signals, features, weights, 0, hide_seen=False)
    fusion.extend(np.array([3]), np.array([5]))
    past, none = np.array([0, 1], np.int32), np.zeros(0, np.int32)
    fusion.observe(Observation(0, 3, 6, 1.0, past, np.ones(2, np.float32), none, np.zeros(0, np.float32)))
    assert features.counts.tolist() == [1, 1, 0, 1]
    assert features.since.tolist()[3] == 5
    assert signals[0] is not None
    assert signals[0].state()["counts"].tolist() == [1, 1, 0, 1]
    assert isinstance(signals[2], Transitions)
    assert signals[2].matrix.todense()[1, 3] > 0
    assert list(fusion.present()) == list(fusion.fitted()) == ["popularity", "transitions"]


def test_a_larger_catalogue_needs_more_memory(fused: MakeFusion) -> None:
    needs = [fused(n_items).row_bytes for n_items in (10, 100, LARGE)]
    assert 0 < needs[0] < needs[1] < needs[2]


@dataclass
class Planted:
    """A world in which one signal knows every choice, nearly, and the others know nothing."""

    fusion: Fusion
    queries: Queries
    target: IntArray
    curve: Curve

    def hits(self, name: str) -> float:
        """Return how often the best item is the one that was chosen."""
        return float(np.mean(self.fusion.score_all(self.queries)[name].argmax(axis=1) == self.target))


@pytest.fixture(scope="module")
def planted(make_evidence: MakeEvidence, asked: Asked, table_signal: MakeSignal) -> Planted:
    n_users, n_items = 400, 40
    stream = np.random.default_rng(2)
    target = stream.integers(0, n_items, n_users).astype(np.int32)
    tables = stream.normal(size=(4, n_users, n_items))
    knowing = stream.random(n_users) < 0.9
    tables[2, knowing, target[knowing]] += 3.0
    signals = [table_signal(table) for table in tables]
    features = Features.of(make_evidence([(0, 0, 0)], n_items, clock="sequence"))
    choices = Choices(asked([[]] * n_users), target)
    features.measure(signals, choices.queries)
    all_examples = [one for some in examples(features, signals, choices, True, stream, False) for one in some]
    torch.manual_seed(3)
    network = FusionNetwork(len(signals), 1, 8)
    learner = FusionLearner(network, 0, all_examples[:250], all_examples[250:300])
    curve = fit({"a": learner}, {"a": 1.0}, fusion_plan(20, "planted"), stream)
    fusion = Fusion(["n0", "n1", "perfect", "n3"], signals, features, network.fitted(), 0, hide_seen=False)
    unseen = choices.pick(np.arange(300, n_users))
    return Planted(fusion, unseen.queries, unseen.target, curve)


def test_in_a_planted_world_the_fusion_finds_the_signal_that_knows(planted: Planted) -> None:
    weights = planted.fusion.signal_weights()
    assert max(weights, key=lambda name: weights[name]) == "perfect"
    assert planted.hits("polyscene") >= planted.hits("perfect") - 0.05
    assert planted.hits("polyscene") > 0.6 > 5 * max(planted.hits(name) for name in ("n0", "n1", "n3"))


def test_in_a_planted_world_the_loss_falls_below_knowing_nothing(planted: Planted) -> None:
    assert planted.curve.training[-1] < planted.curve.training[0]
    assert min(planted.curve.validation) < 0.7 * np.log(40)


def test_in_a_planted_world_the_knowing_signal_has_the_greatest_share(planted: Planted) -> None:
    shares = shares_of(planted.fusion, planted.queries, planted.target[:, None].astype(np.int64)).mean(
        axis=(0, 1)
    )
    assert planted.fusion.names[int(shares.argmax())] == "perfect"


def test_weights_that_move_learn_a_choice_before_the_signals_do(
    make_evidence: MakeEvidence, asked: Asked, table_signal: MakeSignal
) -> None:
    draws = np.random.default_rng(8)
    signals = [table_signal(draws.normal(size=(200, 40))) for _ in range(2)]
    features = Features.of(make_evidence([(0, 0, 0)], 40, clock="sequence"))
    features.measure(signals, asked([[]] * 5))
    weights = FusionNetwork(2, 1, 4).fitted()
    moving = MovingWeights(len(weights.arrays["base"]), 1)
    fusion = Fusion(["one", "two"], signals, features, weights, 0, hide_seen=False, moving=moving)
    none, empty = np.zeros(0, np.int32), np.zeros(0, np.float32)
    for user in range(200):
        queries = Queries(np.array([user], np.int32), np.array([user + 1]), asked([[]]).history)
        best = int(np.argmax(signals[1].score(queries)[0]))  # people choose what the second one says
        event = Observation(user, best, user + 1, 1.0, none, empty, none, empty, np.zeros(0, np.int64))
        fusion.observe(event)
    assert moving.learned == 200
    assert moving.share > 0.9
    first, second = (fusion.served.signal_weights() - weights.signal_weights()).tolist()
    assert second > max(first, 0) + 0.2
    scores = fusion.score_all(queries)
    assert not np.array_equal(scores["polyscene"], scores[AS_FITTED])
    assert scores["polyscene"].argmax() == best
    restored = moving_of(fusion.state())
    assert restored is not None
    np.testing.assert_array_equal(restored.mean, moving.mean)
    fusion.refit(weights)
    assert fusion.moving is not None
    assert fusion.moving.learned == 0, "another layer over other weights"
    assert fusion.moving.every == 1
    np.testing.assert_array_equal(fusion.score(queries), scores[AS_FITTED])
    fusion.moving = None
    np.testing.assert_array_equal(fusion.score(queries), scores[AS_FITTED])
    assert moving_of(fusion.state()) is None
