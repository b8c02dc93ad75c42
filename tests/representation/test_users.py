from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polyscene.data.queries import Histories
from polyscene.representation.users import MIN_WEIGHT, decayed, profile, taste

N_ITEMS = 5
histories = st.lists(st.lists(st.integers(0, N_ITEMS - 1), max_size=8), min_size=1, max_size=4)


@given(rows=histories, decay=st.sampled_from([0.5, 0.8, 0.9]), data=st.data())
def test_a_profile_sums_decayed_weights(rows: list[list[int]], decay: float, data: st.DataObject) -> None:
    past = Histories.of(rows)
    weights = data.draw(
        st.lists(st.floats(0.25, 4, width=32), min_size=len(past.items), max_size=len(past.items))
    )
    past.weights[:] = weights
    expected = np.zeros((len(rows), N_ITEMS))
    left = iter(weights)
    for row, items in enumerate(rows):
        for place, item in enumerate(items):
            expected[row, item] += next(left) * decay ** (len(items) - 1 - place)
    actual = profile(past, N_ITEMS, decay)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual.todense(), expected, rtol=1e-5)


def test_what_is_very_old_is_not_heard() -> None:
    past = Histories.of([list(range(20))])
    (actual,) = profile(past, 20, 0.5).todense()
    kept = 0.5 ** np.arange(20)[::-1] >= MIN_WEIGHT
    assert (actual > 0).tolist() == kept.tolist()
    assert 0 < kept.sum() < 20


def test_a_history_that_holds_an_item_twice_stays_as_it_was() -> None:
    past = Histories.of([[3, 1, 3, 0]])
    profile(past, N_ITEMS, 0.5)
    assert past.items.tolist() == [3, 1, 3, 0]
    assert past.weights.tolist() == [1.0] * 4


def test_a_taste_is_the_decayed_sum_of_vectors() -> None:
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    actual = taste(Histories.of([[0, 2, 0], []]), vectors, 0.5)
    expected = vectors[0] + 0.5 * vectors[2] + 0.25 * vectors[0]
    np.testing.assert_allclose(actual, [expected, np.zeros(4)], rtol=1e-5)
    assert actual.dtype == np.float32


@given(
    rows=st.lists(st.lists(st.integers(0, N_ITEMS - 1), max_size=14), max_size=4),
    decay=st.sampled_from([0.5, 0.9]),
)
def test_what_still_counts_is_cut_out_of_every_history(rows: list[list[int]], decay: float) -> None:
    pasts = decayed(Histories.of(rows), decay)
    for (items, weights), row in zip(pasts, rows, strict=True):
        faded = [(item, decay**age) for age, item in enumerate(row[::-1])][::-1]
        expected = [(item, weight) for item, weight in faded if weight >= 1e-3]
        assert items.tolist() == [item for item, _ in expected]
        np.testing.assert_allclose(weights, [weight for _, weight in expected], rtol=1e-5)
    assert pasts.weights.dtype == np.float32
