"""An id is one user or item, however its caller writes it; anything else is one clear error."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.errors import ArgumentError, PolysceneError
from polyscene.core.ids import id_text, id_texts, optional_name, size_of

NO_IDS: list[object] = [
    None,
    True,
    False,
    np.True_,
    1.5,
    float("nan"),
    float("inf"),
    b"5",
    ["5"],
    ("5",),
    {"5"},
    {"id": 5},
]
NO_IDS += [
    ("5",),
    {"5"},
    {"id": 5},
    np.array([5]),
    pytest.param(object(), id="object"),
    5 + 0j,
    Decimal("5"),
    np.float32(0.5),
]


@given(number=st.integers(-(2**53), 2**53))
def test_a_whole_number_is_its_digits_whoever_counts(number: int) -> None:
    forms: list[Any] = [number, np.int64(number), float(number), np.float64(number), str(number)]
    assert {id_text(form, "user") for form in forms} == {str(number)}


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int32, np.uint64, np.float16, np.float32, np.str_])
def test_every_kind_of_number_names_the_same(kind: type) -> None:
    text = id_text(kind(5), "item")
    assert text == "5"
    assert type(text) is str


def test_text_stays_as_it_is() -> None:
    for text in ("", " 5", "05", "5.0", "None", "ü", "a\nb"):
        assert id_text(text, "user") == text
    assert id_text(UUID(int=5), "user") == "00000000-0000-0000-0000-000000000005"
    assert id_text(Fraction(10, 2), "user") == "5"


@pytest.mark.parametrize("value", NO_IDS, ids=repr)
def test_what_names_nobody_is_refused(value: object) -> None:
    with pytest.raises(ArgumentError, match="expected the id of one user, as text or a whole number, found"):
        id_text(value, "user")


def test_several_at_once_are_told_to_come_one_by_one() -> None:
    with pytest.raises(ArgumentError, match=r"found \['21', '53'\] \(list\); ask for one user at a time"):
        id_text(["21", "53"], "user")


@pytest.mark.parametrize(
    "values",
    [
        [29, "7"],
        (29.0, 7),
        {"29", 7},
        np.array([29, 7]),
        pl.Series([29, 7]),
        iter(["29", "7"]),
        {29: 1, 7: 2},
    ],
    ids=lambda values: type(values).__name__,
)
def test_anything_that_yields_ids_is_a_list(values: Any) -> None:
    assert set(id_texts(values, "item", "exclude")) == {"29", "7"}


@pytest.mark.parametrize("values", ["29", b"29", 29, None, True])
def test_one_id_is_no_list(values: object) -> None:
    with pytest.raises(ArgumentError, match="expected a list of ids of items in 'exclude', found"):
        id_texts(values, "item", "exclude")
    with pytest.raises(ArgumentError, match="one item"):
        id_texts([29, None], "item", "exclude")


def test_sizes_are_whole_and_positive() -> None:
    assert [size_of(k) for k in (1, np.int32(3), 4.0)] == [1, 3, 4]
    for k in (0, -1, "3", None, True, 2.5, [3]):
        with pytest.raises(ArgumentError, match="expected k of at least 1, a whole number, found"):
            size_of(k)


def test_names_are_text_or_nothing() -> None:
    assert optional_name(None, "scenario") is None
    assert optional_name("shop", "scenario") == "shop"
    with pytest.raises(ArgumentError, match="'scenario'"):
        optional_name(["shop"], "scenario")


def test_the_error_is_caught_as_any_of_its_kinds() -> None:
    assert issubclass(ArgumentError, PolysceneError | TypeError)
    assert issubclass(ArgumentError, ValueError)
