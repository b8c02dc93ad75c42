"""Columns as vectors: near things are near, what all have tells nothing, what is missing is zero."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from polyscene.core.types import Attribute, FloatArray
from polyscene.representation.attributes import (
    KNOTS,
    OWN_PLACES,
    SHARED_PLACES,
    LabelEncoder,
    NumberEncoder,
    encoder_of_labels,
    encoder_of_numbers,
    labels_of,
)
from polyscene.representation.items import unit

GENRES = ["Drama", "Drama|Comedy", "Comedy", "Drama|War", "War", "Drama"]


def cosine(encoder: LabelEncoder | NumberEncoder, one: Attribute, other: Attribute) -> float:
    rows: FloatArray = unit(encoder.encode([one, other]))
    return float(rows[0] @ rows[1])


def test_a_label_weighs_the_more_the_fewer_have_it() -> None:
    encoder = encoder_of_labels(GENRES)
    assert encoder.weights == pytest.approx(
        {"Comedy": np.log(3), "Drama": np.log(6 / 4), "War": np.log(3)}, rel=1e-9
    )
    vectors = encoder.encode(["War|Drama", None, "", "Nonsense"])
    np.testing.assert_allclose(vectors[0], [0.0, np.log(6 / 4), np.log(3)], rtol=1e-6)
    assert not vectors[1:].any()


def test_what_every_item_has_and_what_only_one_has_tell_nothing() -> None:
    encoder = encoder_of_labels(["new|red", "new|red", "new|blue", "new|once", "new|blue", None])
    assert sorted(encoder.weights) == ["blue", "red"]
    assert encoder.unknown("new|green|red") == ["new", "green"]


@pytest.mark.parametrize(
    ("cells", "parts"),
    [
        (["Action Sci-Fi", "Action", "Sci-Fi War", "Action War", "War Action Sci-Fi", "War Sci-Fi"], True),
        (["Acme Tools", "Brown Bear", "Green Leaf", "Old Mill Bread"], False),
        (["Action, Sci-Fi", "Action War", "War Sci-Fi"], False),
    ],
)
def test_spaces_part_labels_where_few_words_recur(cells: Sequence[str], parts: bool) -> None:
    encoder = encoder_of_labels([*cells, *cells])
    assert encoder.words is parts
    assert ("War" in encoder.weights) is parts


def test_of_a_path_every_level_counts_and_the_deeper_weighs_more() -> None:
    cells = ["Home > Lamps > Desk", "Home > Lamps > Floor", "Home > Beds", "Garden > Hoses"] * 3
    encoder = encoder_of_labels(cells)
    assert encoder.branch == ">"
    assert labels_of("Home > Lamps", ">") == ["Home", "Home > Lamps"]
    weights = encoder.weights
    assert weights["Home > Lamps > Desk"] > weights["Home > Lamps"] > weights["Home"] > 0
    desk = "Home > Lamps > Desk"
    near, far, none = (cosine(encoder, desk, other) for other in (cells[1], "Home > Beds", "Garden > Hoses"))
    assert near > far > none == 0.0


def test_the_settings_may_name_what_parts_levels() -> None:
    encoder = encoder_of_labels(["a/b", "a/c", "d/b", "d/e"] * 2, "/")
    assert "a" in encoder.weights
    assert "b" not in encoder.weights
    assert labels_of("a/b | d/e", "/") == ["a", "a / b", "d", "d / e"]
    assert encoder_of_labels(["a/b", "a/c"] * 2).branch is None


def test_many_labels_share_numbers_and_stay_apart() -> None:
    few = encoder_of_labels([f"b{number % OWN_PLACES}" for number in range(4 * OWN_PLACES)])
    many = encoder_of_labels([f"b{number % 300}" for number in range(900)])
    assert (few.width, many.width) == (OWN_PLACES, SHARED_PLACES)
    assert cosine(few, "b1", "b2") == 0.0
    assert cosine(many, "b1", "b1") == pytest.approx(1.0)
    cosines = [cosine(many, "b1", f"b{number}") for number in range(2, 300)]
    assert abs(np.mean(cosines)) < 0.03
    assert np.max(np.abs(cosines)) < 0.4
    again = LabelEncoder.model_validate_json(many.model_dump_json())
    np.testing.assert_array_equal(again.encode(["b7|b9"]), many.encode(["b7|b9"]))


def test_near_numbers_are_alike_whatever_their_scale() -> None:
    prices = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 1000.0, 20_000.0]
    encoder = encoder_of_numbers(prices)
    assert encoder.width == KNOTS
    assert cosine(encoder, 2.0, 2.2) > 0.95
    assert cosine(encoder, 2.0, 3.0) < cosine(encoder, 2.0, 2.4)
    assert cosine(encoder, 2.0, 20_000.0) == 0.0
    assert cosine(encoder, 0.5, -7.0) == pytest.approx(1.0)
    np.testing.assert_allclose(encoder.encode([4.0])[0, 2:4], [0.5, 0.5])
    assert not encoder.encode([None, float("nan"), float("inf")]).any()


@pytest.mark.parametrize("cells", [[], [None, None], [3.0, 3.0, 3.0]])
def test_numbers_that_do_not_differ_tell_nothing(cells: Sequence[float | None]) -> None:
    assert not encoder_of_numbers(cells).encode([3.0, None, 5.0]).any()


def test_empty_columns_tell_nothing() -> None:
    encoder = encoder_of_labels([None, None])
    assert encoder.encode(["a", None]).shape == (2, 0)
