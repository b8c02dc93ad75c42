from __future__ import annotations

import numpy as np
import pytest

from polyscene.representation import items
from polyscene.representation.items import NEIGHBOURS, SHARPNESS, centred, neighbourhood, unit


@pytest.mark.parametrize("n", [1, 3, 7])
def test_where_all_texts_are_the_same_they_tell_nothing(n: int) -> None:
    same = np.tile(unit(np.random.default_rng(n).normal(size=(1, 384)).astype(np.float32)), (n, 1))
    assert not centred(same).any()


def test_centring_leaves_unit_rows_and_keeps_silence() -> None:
    rows = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    actual = centred(rows)
    np.testing.assert_allclose(np.linalg.norm(actual, axis=1), [1, 1, 0], rtol=1e-6)
    np.testing.assert_allclose(actual[0], -actual[1], rtol=1e-6)
    assert centred(np.zeros((2, 3), np.float32)).tolist() == [[0] * 3] * 2


def test_neighbourhoods_share_out_one_and_hold_the_item_itself() -> None:
    """Two topics of five texts each, and one item that says nothing."""
    words = np.repeat(np.eye(2, 8, dtype=np.float32), 5, axis=0)
    words += 0.1 * np.random.default_rng(5).normal(size=(10, 8)).astype(np.float32)
    near = neighbourhood(centred(np.vstack([words, np.zeros((1, 8), np.float32)]))).todense()
    np.testing.assert_allclose(near.sum(axis=1), 1.0, rtol=1e-5)
    assert near.argmax(axis=1).tolist() == list(range(11))
    assert near[10].tolist() == [0.0] * 10 + [1.0]
    assert near[0, 5:].max() == 0, "the other topic is no neighbour"


def test_among_many_that_say_the_same_an_item_is_still_its_own_neighbour() -> None:
    words = unit(np.random.default_rng(0).normal(size=(2, 384)).astype(np.float32))
    near = neighbourhood(np.repeat(words, 3 * NEIGHBOURS, axis=0)).todense()
    assert np.diag(near).min() > 0
    assert ((near > 0).sum(axis=1) == NEIGHBOURS).all()


def test_neighbours_weigh_by_a_softmax_over_cosines(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(np.random.default_rng(1).normal(size=(9, 3)).astype(np.float32))
    monkeypatch.setattr(items, "NEIGHBOURS", 4)
    monkeypatch.setattr(items, "BLOCK", 2)
    for row, actual in enumerate(neighbourhood(vectors).todense()):
        cosine = vectors @ vectors[row]
        weight = np.where(cosine >= max(np.sort(cosine)[-4], 1e-9), np.exp(SHARPNESS * cosine), 0)
        np.testing.assert_allclose(actual, weight / weight.sum(), rtol=1e-4, atol=1e-7)


def test_unit_rows_have_length_one_and_zero_stays_zero() -> None:
    actual = unit(np.array([[3, 4], [0, 0], [1e-15, 0]], np.float32))
    np.testing.assert_allclose(actual, np.array([[0.6, 0.8], [0, 0], [1, 0]]), rtol=1e-6)
