from __future__ import annotations

from collections.abc import Callable
from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from polyscene.metrics import ranking, relevance

LISTS = st.lists(st.integers(0, 1), min_size=1, max_size=10)


@given(LISTS, st.integers(0, 4), st.integers(1, 12))
def test_every_metric_is_its_three_line_formula(row: list[int], missed: int, k: int) -> None:
    total, cut = sum(row) + missed, row[:k]
    assert relevance.precision([row], k)[0] == pytest.approx(sum(cut) / k)
    assert relevance.hit_rate([row], k)[0] == float(any(cut))
    first = cut.index(1) + 1 if any(cut) else None
    assert relevance.reciprocal_rank([row], k)[0] == (1 / first if first else 0.0)
    if total:
        gains = sum(right / log2(2 + i) for i, right in enumerate(cut))
        ideal = sum(1 / log2(2 + i) for i in range(min(total, k)))
        hits = sum(sum(cut[: i + 1]) / (i + 1) for i, right in enumerate(cut) if right)
        assert relevance.recall([row], [total], k)[0] == pytest.approx(sum(cut) / total)
        assert relevance.average_precision([row], [total], k)[0] == pytest.approx(hits / min(total, k))
        assert relevance.ndcg([row], [total], k)[0] == pytest.approx(gains / ideal)


@given(st.lists(st.integers(0, 1), min_size=2, max_size=10).filter(any), st.data())
def test_a_whole_ranking_scores_as_in_scikit_learn(row: list[int], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(row)))
    scores = -np.arange(float(len(row)))
    assert relevance.ndcg([row], sum(row), k)[0] == pytest.approx(ndcg_score([row], [scores], k=k))
    precision = average_precision_score(row, scores)
    assert relevance.average_precision([row], sum(row), len(row))[0] == pytest.approx(precision)


@given(st.integers(0, 9), st.integers(1, 12))
def test_with_one_right_item_both_modules_agree(place: int, k: int) -> None:
    row, rank = np.eye(10, dtype=int)[[place]], [place + 1.0]
    assert relevance.ndcg(row, 1, k)[0] == pytest.approx(ranking.ndcg(rank, k)[0])
    assert relevance.average_precision(row, 1, k)[0] == ranking.average_precision(rank, k)[0]
    assert relevance.precision(row, k)[0] == ranking.precision(rank, k)[0]
    assert relevance.recall(row, 1, k)[0] == ranking.recall(rank, k)[0]


@pytest.mark.parametrize("metric", [relevance.recall, relevance.average_precision, relevance.ndcg])
def test_nothing_right_has_no_answer(metric: Callable[..., np.ndarray]) -> None:
    values = metric([[0, 0], [1, 0]], [0, 1], 2)
    assert np.isnan(values[0])
    assert values[1] == 1.0


def test_an_empty_list_finds_nothing() -> None:
    empty = np.zeros((1, 0), np.int64)
    assert relevance.precision(empty, 3).tolist() == relevance.reciprocal_rank(empty, 3).tolist() == [0.0]
    assert relevance.ndcg(empty, [2], 3).tolist() == relevance.recall(empty, [2], 3).tolist() == [0.0]


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="0 and 1"):
        relevance.precision([[2, 0]], 1)
    with pytest.raises(ValueError, match="cutoff"):
        relevance.precision([[1, 0]], 0)
    with pytest.raises(ValueError, match="hold more"):
        relevance.recall([[1, 1]], [1], 2)
