"""Text, attributes and media side by side: cosines are means of the parts', what is missing is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from polyscene.core.arrays import load_arrays, save_arrays
from polyscene.core.types import FloatArray
from polyscene.representation.description import TEXT, Description, Part
from polyscene.representation.item_space import ItemSpace, ViewName
from polyscene.representation.items import unit

N_ITEMS = 8
ATTRIBUTES = pl.DataFrame(
    {
        "colour": ["red", "red", "blue", "blue", None, "red", "green", "green"],
        "price": [1.0, 2.0, 3.0, 4.0, 5.0, None, 7.0, 8.0],
    }
)
WEIGHTS = {"colour": 0.5, "image": 2.0}


def texts(count: int = N_ITEMS) -> FloatArray:
    rows = np.random.default_rng(4).normal(size=(count, 5)).astype(np.float32)
    rows[3] = 0.0
    return rows


def images(count: int = N_ITEMS) -> FloatArray:
    rows = unit(np.random.default_rng(5).normal(size=(count, 3)).astype(np.float32))
    rows[2] = 0.0
    return rows


def described(weights: dict[str, float] = WEIGHTS) -> ItemSpace:
    description = Description.of(ATTRIBUTES, {"image": images()}).weighted(weights)
    columns = {name: ATTRIBUTES[name].to_list() for name in ATTRIBUTES.columns}
    blocks = description.blocks(N_ITEMS, columns, {"image": images()})
    return ItemSpace.of(texts()).described(description, blocks, {"image": images()})


def test_a_cosine_is_the_weighted_mean_of_the_parts() -> None:
    space = described()
    parts = space.description.blocks(N_ITEMS, {"colour": ATTRIBUTES["colour"].to_list()}, {"image": images()})
    vectors = space.view("described").vectors
    own = space.view("tuned").vectors
    expected = own[0] @ own[6] + 0.5 * parts["colour"][0] @ parts["colour"][6]
    expected = (expected + 2.0 * parts["image"][0] @ parts["image"][6]) / 3.5
    assert vectors[0] @ vectors[6] == pytest.approx(float(expected), abs=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-6)


def test_shares_tell_what_a_vector_is_made_of_and_leave_out_what_is_missing() -> None:
    space = described()
    assert space.shares(0) == pytest.approx({TEXT: 1 / 3.5, "colour": 0.5 / 3.5, "image": 2 / 3.5})
    assert space.shares(2) == pytest.approx({TEXT: 1 / 1.5, "colour": 0.5 / 1.5})
    assert space.shares(3) == pytest.approx({"colour": 0.2, "image": 0.8})
    assert space.shares(4) == pytest.approx({TEXT: 1 / 3, "image": 2 / 3})


def test_a_part_without_weight_takes_no_place() -> None:
    space = described({"image": 1.0})
    assert [part.name for part in space.description.counting] == ["image"]
    assert space.view("described").vectors.shape[1] == 5 + 3
    nothing = described({})
    assert "described" not in nothing.views
    assert nothing.shares(0) == {}
    np.testing.assert_array_equal(nothing.media["image"], images())


def test_a_new_and_an_edited_item_stand_where_training_would_have_put_them() -> None:
    space = described()
    trained = space.view("described").vectors.copy()
    known = [ATTRIBUTES.row(0, named=True), ATTRIBUTES.row(6, named=True)]
    raw: dict[ViewName, FloatArray] = {"tuned": texts()[[0, 6]]}
    space.put(np.array([5, 9]), raw, known, {"image": images()[[0, 6]]})
    vectors = space.view("described").vectors
    np.testing.assert_allclose(vectors[[5, 9]], trained[[0, 6]], rtol=1e-6, atol=1e-7)
    assert not vectors[8].any()
    np.testing.assert_array_equal(space.media["image"][[5, 9]], images()[[0, 6]])
    assert space.shares(9) == pytest.approx(space.shares(6))


def test_what_a_new_item_lacks_is_left_out() -> None:
    space = described()
    space.put(np.array([8]), {"tuned": texts()[[0]]}, [{"colour": "mauve", "price": 2.0}])
    assert space.shares(8) == pytest.approx({TEXT: 1.0})
    assert space.description.unknown({"colour": "mauve|red", "price": 2.0}) == {"colour": ["mauve"]}
    space.put(np.array([8]), {}, [{"colour": "red"}])
    assert space.shares(8) == pytest.approx({"colour": 1.0})


def test_a_space_comes_back_as_it_was(tmp_path: Path) -> None:
    space = described()
    save_arrays(tmp_path / "space", space.state())
    again = ItemSpace.restore(load_arrays(tmp_path / "space"))
    assert again.description == space.description
    for one in (space, again):
        one.put(np.array([8]), {"tuned": texts()[[1]]}, [{"colour": "blue"}], {"image": images()[[1]]})
    np.testing.assert_array_equal(again.view("described").vectors, space.view("described").vectors)
    np.testing.assert_array_equal(again.media["image"], space.media["image"])
    third = described()
    third.resume(np.array([8]), space.changes(np.array([8])))
    np.testing.assert_array_equal(third.view("described").vectors, space.view("described").vectors)
    np.testing.assert_array_equal(third.media["image"], space.media["image"])


def test_tastes_are_balanced_part_by_part() -> None:
    """Where a person's choices agree in colour and nowhere else, colour counts for no more than its α."""
    space = described()
    sums = space.view("described").vectors[[0, 1, 5]].sum(axis=0, keepdims=True)
    balanced = space.description.balanced(sums, 5)[0]
    borders = space.description.borders(5)
    lengths = {name: float(np.sum(balanced[place] ** 2)) for name, place in borders.items()}
    assert lengths == pytest.approx({TEXT: 1 / 3.5, "colour": 0.5 / 3.5, "image": 2 / 3.5}, rel=1e-5)


def test_the_closest_part_is_that_which_adds_most() -> None:
    parts = (Part(name="look", mean=(0.0, 0.0), weight=4.0), Part(name="sound", mean=(0.0,), weight=0.0))
    description = Description(parts)
    texts = np.array([[1, 0], [0.6, 0.8], [0.9, np.sqrt(0.19)], [-1, 0]], np.float32)
    looks = np.array([[1, 0], [0.6, 0.8], [0, 0], [0, 0]], np.float32)
    joined = description.joined(texts, {"look": looks})
    assert description.closest(joined[0], joined[1], 2) == "look"
    assert description.closest(joined[0], joined[2], 2) == "text"
    assert description.closest(joined[0], joined[3], 2) == "text"  # nothing is close
