from __future__ import annotations

from math import inf, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from polyscene.metrics import ranking

LEVELS = st.sampled_from([-1.5, -1.0, 0.0, 0.25, 2.0, 3.0, -inf])
ROWS = st.lists(LEVELS, min_size=1, max_size=12)


def one(scores: list[float], target: int, mask: list[bool] | None = None) -> float:
    candidates = None if mask is None else np.array([mask])
    return float(ranking.mid_ranks(np.array([scores]), np.array([target], np.int32), candidates)[0])


def sklearn_row(scores: list[float], target: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    labels = np.zeros(len(scores), np.int64)
    labels[target] = 1
    return labels, np.array(scores)


@given(ROWS, st.data())
def test_mid_rank_is_the_mean_place_over_all_orders_of_the_ties(
    scores: list[float], data: st.DataObject
) -> None:
    target = data.draw(st.integers(0, len(scores) - 1))
    mask = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    kept = [score for i, score in enumerate(scores) if mask[i] and score > -inf]
    places = [1 + i for i, score in enumerate(sorted(kept, reverse=True)) if score == scores[target]]
    expected = sum(places) / len(places) if mask[target] and scores[target] > -inf else inf
    assert one(scores, target, mask) == expected


def test_all_equal_scores_put_everybody_in_the_middle() -> None:
    assert one([1.0] * 101, 40) == 51.0


def test_nan_has_no_rank() -> None:
    with pytest.raises(ValueError, match="NaN"):
        one([0.0, float("nan")], 0)


@pytest.mark.parametrize("target", [-1, 3])
def test_a_target_outside_the_catalogue_is_refused(target: int) -> None:
    with pytest.raises(ValueError, match="targets in 0 to 2"):
        one([0.0, 1.0, 2.0], target)


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="scores"):
        ranking.mid_ranks(np.zeros((2, 3)), np.zeros(3, np.int32))
    with pytest.raises(ValueError, match="candidates"):
        ranking.mid_ranks(np.zeros((2, 3)), np.zeros(2, np.int32), np.ones((2, 2), np.bool_))


@given(ROWS, st.data())
def test_candidates_are_counted_without_the_masked_and_the_infinitely_bad(
    scores: list[float], data: st.DataObject
) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    counts = ranking.candidate_counts(np.array([scores]), np.array([mask]))
    assert counts.tolist() == [sum(keep and score > -inf for score, keep in zip(scores, mask, strict=True))]


@given(ROWS, st.integers(1, 15), st.data())
def test_top_items_are_the_best_in_order(scores: list[float], k: int, data: st.DataObject) -> None:
    mask = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    top = ranking.top_items(np.array([scores]), k, np.array([mask]))[0]
    best = sorted((s for i, s in enumerate(scores) if mask[i] and s > -inf), reverse=True)[:k]
    listed = top[top >= 0]
    assert [scores[i] for i in listed] == best
    assert len(set(listed.tolist())) == len(listed)
    assert all(mask[i] for i in listed)
    assert top.shape == (k,)
    assert top[len(best) :].tolist() == [-1] * (k - len(best))


def test_top_items_break_ties_by_lower_column() -> None:
    assert ranking.top_items(np.array([[1.0, 3.0, 1.0, 3.0]]), 4).tolist() == [[1, 3, 0, 2]]


@given(st.integers(2, 40).map(lambda doubled: doubled / 2), st.integers(1, 25))
def test_metrics_read_the_formula_at_the_mid_rank(rank: float, k: int) -> None:
    hit = float(rank <= k)
    assert ranking.hit_rate([rank], k)[0] == ranking.recall([rank], k)[0] == hit
    assert ranking.precision([rank], k)[0] == hit / k
    assert ranking.reciprocal_rank([rank], k)[0] == ranking.average_precision([rank], k)[0] == hit / rank
    assert ranking.reciprocal_rank([rank])[0] == 1 / rank
    assert ranking.ndcg([rank], k)[0] == pytest.approx(hit / log2(1 + rank))


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12, unique=True), st.data())
def test_without_ties_the_metrics_are_scikit_learns(scores: list[float], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, len(scores) - 1))
    k = data.draw(st.integers(1, len(scores)))
    labels, values = sklearn_row(scores, target)
    rank = [one(scores, target)]
    assert ranking.ndcg(rank, k)[0] == pytest.approx(ndcg_score([labels], [values], k=k))
    assert ranking.average_precision(rank)[0] == pytest.approx(average_precision_score(labels, values))


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=2, max_size=12), st.data())
def test_auc_is_scikit_learns_ties_included(scores: list[float], data: st.DataObject) -> None:
    target = data.draw(st.integers(0, len(scores) - 1))
    labels, values = sklearn_row(scores, target)
    assert ranking.auc([one(scores, target)], len(scores))[0] == pytest.approx(roc_auc_score(labels, values))


def test_a_target_that_is_no_candidate_is_worth_nothing() -> None:
    rank = np.array([inf])
    for metric in (ranking.hit_rate, ranking.recall, ranking.precision, ranking.ndcg):
        assert metric(rank, 10).tolist() == [0.0]
    assert ranking.reciprocal_rank(rank).tolist() == ranking.reciprocal_rank(rank, 3).tolist() == [0.0]
    assert ranking.auc(rank, 5).tolist() == ranking.auc(rank, 0).tolist() == [0.0]


def test_auc_of_a_lonely_candidate_is_a_coin() -> None:
    assert ranking.auc([1.0, 1.0], [1, 3]).tolist() == [0.5, 1.0]


def test_auc_refuses_ranks_beyond_the_candidates() -> None:
    with pytest.raises(ValueError, match="beyond"):
        ranking.auc([4.0], 3)


def test_cutoffs_start_at_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ranking.ndcg([1.0], 0)
    with pytest.raises(ValueError, match="at least 1"):
        ranking.top_items(np.zeros((1, 2)), 0)
