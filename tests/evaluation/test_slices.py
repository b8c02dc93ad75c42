from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.evaluation.slices import choice_slices


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=20))
def test_slices_follow_their_definitions(rows: list[tuple[int, int]]) -> None:
    items, users = (np.array([row[i] for row in rows], np.int64) for i in (0, 1))
    slices = choice_slices(items, users)
    assert list(slices) == ["new_items", "cold_items", "cold_users"]
    assert slices["new_items"].tolist() == [item == 0 for item, _ in rows]
    assert slices["cold_items"].tolist() == [item in (0, 1, 2) for item, _ in rows]
    assert slices["cold_users"].tolist() == [user in (0, 1, 2) for _, user in rows]


def test_every_new_item_is_a_cold_item() -> None:
    counts = np.arange(5)
    slices = choice_slices(counts, counts)
    assert not np.any(slices["new_items"] & ~slices["cold_items"])


def test_both_columns_describe_the_same_choices() -> None:
    with pytest.raises(ValueError, match="two"):
        choice_slices(np.zeros(2, np.int64), np.zeros(3, np.int64))
