"""Attributes as numbers: what is missing is told apart from what is zero, and from what is no column."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from polyscene.recommenders.multitask.tables import AttributeTable, Columns

FILMS = pl.DataFrame(
    {
        "genre": ["Drama|War", "Drama", None, "War, Drama", "Odd"],
        "minutes": [90.0, 110.0, 100.0, None, float("nan")],
    }
)
BOOKS = pl.DataFrame({"author": ["A", "A", "B", "B"]})


@pytest.fixture
def columns() -> Columns:
    return Columns.of([FILMS, BOOKS])


def test_values_that_few_have_are_as_good_as_unknown(columns: Columns) -> None:
    assert columns.vocabularies["genre"] == {"Drama": 1, "War": 2}
    assert columns.scales["minutes"] == pytest.approx((100.0, np.std([90, 110, 100])))


def test_several_values_share_and_a_missing_one_is_no_zero(columns: Columns) -> None:
    rows = AttributeTable.of(columns, FILMS, 5).pick(np.arange(5))
    genre = list(columns.vocabularies).index("genre")
    assert rows.codes[0, genre].tolist() == [1, 2, 0, 0]
    assert rows.shares[0, genre].tolist() == [0.5, 0.5, 0.0, 0.0]
    assert rows.codes[3, genre].tolist() == [2, 1, 0, 0]
    for unknown in (2, 4):
        assert rows.codes[unknown, genre].tolist() == [0, 0, 0, 0]
        assert rows.shares[unknown, genre].tolist() == [1.0, 0.0, 0.0, 0.0]
    spread = columns.scales["minutes"][1]
    assert rows.numbers[0, 0].tolist() == pytest.approx([-10 / spread, 1.0, 0.0])
    assert rows.numbers[2, 0].tolist() == [0.0, 1.0, 0.0]
    assert rows.numbers[3, 0].tolist() == rows.numbers[4, 0].tolist() == [0.0, 0.0, 1.0]


def test_a_column_that_a_scenario_lacks_says_nothing(columns: Columns) -> None:
    rows = AttributeTable.of(columns, BOOKS, 4).pick(np.arange(4))
    genre, author = (list(columns.vocabularies).index(name) for name in ("genre", "author"))
    assert not rows.shares[:, genre].any()
    assert not rows.numbers.any()
    assert rows.codes[:, author, 0].tolist() == [1, 1, 2, 2]


def test_what_comes_later_is_unknown_and_not_the_last_one(columns: Columns) -> None:
    table = AttributeTable.of(columns, FILMS, 5)
    rows = table.pick(np.array([5, 99, -1]))
    assert rows.codes.max() == 0
    assert (rows.numbers[:, 0] == [0.0, 0.0, 1.0]).all()
    again = AttributeTable.restore(table.state("items"), "items")
    np.testing.assert_array_equal(again.pick(np.arange(7)).codes, table.pick(np.arange(7)).codes)


def test_people_are_found_by_their_code() -> None:
    frame = pl.DataFrame({"user": [3, 1], "land": ["FR", "FR"]})
    columns = Columns.of([frame], "user")
    assert list(columns.vocabularies) == ["land"]
    rows = AttributeTable.of(columns, frame, 4, "user").pick(np.arange(4))
    assert rows.codes[:, 0, 0].tolist() == [0, 1, 0, 1]
