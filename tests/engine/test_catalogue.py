"""Numberings and catalogues grow at their end, and what was there keeps its code."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from polyscene.core.errors import UnknownIdError
from polyscene.core.types import Item
from polyscene.data.schema import UNKNOWN_TIME, Catalogue, Ids
from polyscene.engine.catalogue import LiveCatalogue, Numbering


@pytest.fixture
def catalogue() -> LiveCatalogue:
    attributes = pl.DataFrame({"brand": ["x", "y"], "price": [1.5, None]})
    ids = Ids(pl.Series("id", ["a", "b"]))
    since = np.full(2, UNKNOWN_TIME)
    return LiveCatalogue(Catalogue(ids, ("text a", "text b"), ("A", "B"), attributes, since), "shop")


def test_a_numbering_gives_each_id_one_code() -> None:
    numbering = Numbering(Ids(pl.Series("id", ["a", "b"])))
    assert [numbering.add(value) for value in ("c", "a", "c", "d")] == [2, 0, 2, 3]
    assert [numbering.get(value) for value in ("a", "d", "e")] == [0, 3, None]
    assert len(numbering) == 4
    assert [numbering[code] for code in range(4)] == ["a", "b", "c", "d"]
    assert numbering.ids().values.to_list() == ["a", "b", "c", "d"]
    assert numbering.ids().codes["d"] == 3


def test_a_numbering_may_start_empty() -> None:
    numbering = Numbering(Ids(pl.Series("id", [], dtype=pl.String)))
    assert numbering.get("a") is None
    assert numbering.add("a") == 0
    assert numbering.ids().values.to_list() == ["a"]


def test_new_items_stand_at_the_end(catalogue: LiveCatalogue) -> None:
    assert catalogue.put("c", "text c", "C", {"brand": "z", "price": 3.0}) == 2
    assert len(catalogue) == 3
    assert (catalogue.code("a"), catalogue.code("c")) == (0, 2)
    assert catalogue.items([2, 0]) == [
        Item("c", "shop", "C", {"brand": "z", "price": 3.0}),
        Item("a", "shop", "A", {"brand": "x", "price": 1.5}),
    ]
    assert (catalogue.texts, catalogue.titles) == (["text a", "text b", "text c"], ["A", "B", "C"])


def test_items_described_anew_keep_their_code(catalogue: LiveCatalogue) -> None:
    assert catalogue.put("b", "other", "Other", {"brand": "q", "price": 2.0}) == 1
    assert len(catalogue) == 2
    assert catalogue.items([1]) == [Item("b", "shop", "Other", {"brand": "q", "price": 2.0})]
    assert catalogue.texts == ["text a", "other"]


def test_attributes_are_one_table_with_what_was_put(catalogue: LiveCatalogue) -> None:
    catalogue.put("c", "text c", "C", {"brand": "z"})
    catalogue.put("a", "text a", "A", {"brand": "w", "price": 9.0})
    table = catalogue.attributes()
    assert table.rows() == [("w", 9.0), ("y", None), ("z", None)]
    assert table.schema == {"brand": pl.String, "price": pl.Float64}


def test_catalogues_without_attributes_stay_so() -> None:
    since = np.full(1, UNKNOWN_TIME)
    bare = LiveCatalogue(Catalogue(Ids(pl.Series("id", ["a"])), ("",), ("A",), pl.DataFrame(), since), "shop")
    bare.put("b", "", "B", {})
    assert bare.items([0, 1]) == [Item("a", "shop", "A", {}), Item("b", "shop", "B", {})]
    assert bare.attributes().width == 0


def test_unknown_items_are_named_beside_a_known_one(catalogue: LiveCatalogue) -> None:
    with pytest.raises(UnknownIdError, match="scenario 'shop', found 'c'; its ids look like 'a'"):
        catalogue.code("c")


def test_an_empty_catalogue_names_no_example() -> None:
    ids = Ids(pl.Series("id", [], dtype=pl.String))
    empty = LiveCatalogue(Catalogue(ids, (), (), pl.DataFrame(), np.zeros(0, np.int64)), "shop")
    with pytest.raises(UnknownIdError, match=r"found 'c'$"):
        empty.code("c")
