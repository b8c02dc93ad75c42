"""Likeness is meaning for what is new, and what people choose together for what is known; it is live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from polyscene.core.types import Event, FloatArray
from polyscene.engine.likeness import likeness
from polyscene.engine.recommending import similar
from polyscene.engine.state import System
from polyscene.engine.updates import Intake
from polyscene.recommenders.item_to_item import ItemToItem
from polyscene.representation.description import Description, Part
from polyscene.representation.items import unit

if TYPE_CHECKING:
    from tests.engine.conftest import Describe, MakeSystem


def vector_of(system: System, code: int) -> FloatArray:
    """Return what a language model would give for a text like that of an item."""
    view = system.scenarios["shop"].space.view("tuned")
    vector: FloatArray = (view.vectors[code] + view.mean).astype(np.float32)
    return vector


def test_the_formula(system: System) -> None:
    shop = system.scenarios["shop"]
    alike = likeness(shop, 2, system.now(shop))
    counts = shop.fusion.features.counts
    trust = 0.85 * counts[2] / (counts[2] + 2) * counts / (counts + 2)
    vectors = shop.space.view("tuned").vectors
    signals = [shop.fusion.present()[name] for name in ("transitions", "neighbours")]
    links = [one.matrix[[2]].toarray()[0] for one in signals if isinstance(one, ItemToItem)]
    joined = sum(row / (counts + 5) ** 0.25 / (row / (counts + 5) ** 0.25).max() for row in links)
    expected = (1 - trust) * (vectors @ vectors[2]) + trust * joined / joined.max()
    others = np.arange(40) != 2
    np.testing.assert_allclose(alike.scores[others], expected[others], atol=1e-5)
    assert alike.scores[2] == -np.inf


def test_what_is_chosen_together_becomes_alike_at_once(system: System, intake: Intake) -> None:
    shop = system.scenarios["shop"]
    ids = [shop.catalogue.ids[code] for code in (20, 33)]
    assert similar(system, ids[0], "shop", 1)[0].item.id != ids[1]
    people = [f"pair {number}" for number in range(60)]
    intake.observe([Event(user, item, "shop", "buy") for user in people for item in ids])
    first = similar(system, ids[0], "shop", 3)[0]
    assert first.item.id == ids[1]
    assert first.reason.startswith("It goes with this one in what people choose")


def test_a_new_item_is_found_by_its_text(system: System, intake: Intake, describe: Describe) -> None:
    vector = vector_of(system, 7)
    intake.put("shop", [describe("new", "New", vector), describe("other", "Other", -vector)])
    first = similar(system, "new", "shop", 5)[0]
    assert first.item.id == system.scenarios["shop"].catalogue.ids[7]
    assert first.score == pytest.approx(1.0, abs=1e-4)
    assert "people choose" not in first.reason
    around = [near.item.id for near in similar(system, first.item.id, "shop", 5)]
    assert "new" in around
    assert "other" not in around


def test_what_nothing_is_known_of_is_like_nothing(system: System, intake: Intake, describe: Describe) -> None:
    shop = system.scenarios["shop"]
    intake.put("shop", [describe("mute", "", np.zeros(6, np.float32))])
    assert similar(system, "mute", "shop", 5) == []
    intake.observe(
        [Event(f"m{n}", item, "shop") for n in range(5) for item in ("mute", shop.catalogue.ids[9])]
    )
    assert similar(system, "mute", "shop", 5)[0].item.id == shop.catalogue.ids[9]


def test_meaning_alone_where_nothing_links_items(make_system: MakeSystem) -> None:
    system = make_system(names=("popularity", "content"))
    shop = system.scenarios["shop"]
    vectors = unit(shop.space.view("tuned").vectors)
    order = np.argsort(-(vectors @ vectors[3]), kind="stable")[1:6]
    places = similar(system, shop.catalogue.ids[3], "shop", 5)
    assert [near.item.id for near in places] == [shop.catalogue.ids[int(code)] for code in order]


COLOURS = 4


def coloured(system: System, weight: float) -> FloatArray:
    """Let items have colours that count so much beside their texts; the last item has none."""
    shop = system.scenarios["shop"]
    colours: FloatArray = np.tile(np.eye(COLOURS, dtype=np.float32), (40 // COLOURS, 1))
    colours[-1] = 0.0
    parts = (Part(name="colour", mean=(0.0,) * COLOURS, weight=weight),)
    shop.space = shop.space.described(Description(parts), {"colour": colours}, {"colour": colours})
    return colours


def test_what_an_item_is_beside_its_text_decides_where_it_counts(make_system: MakeSystem) -> None:
    system = make_system(names=("popularity", "content"))
    shop = system.scenarios["shop"]
    texts = shop.space.view("tuned").vectors
    colours = coloured(system, 3.0)
    near = similar(system, shop.catalogue.ids[5], "shop", 9)
    assert {int(place.item.id.split("-")[1]) % COLOURS for place in near} == {1}
    assert {place.reason for place in near if place.reason.startswith("By")} <= {"By colour it is close."}
    alike = likeness(shop, 5, system.now(shop))
    lengths: FloatArray = np.where(colours.any(axis=1), np.float32(4.0), np.float32(1.0))
    expected = (texts @ texts[5] + 3 * colours @ colours[5]) / np.sqrt(lengths * lengths[5])
    np.testing.assert_allclose(alike.meaning, expected, atol=1e-5)


def test_what_does_not_count_decides_nothing(make_system: MakeSystem) -> None:
    system = make_system(names=("popularity", "content"))
    shop = system.scenarios["shop"]
    before = similar(system, shop.catalogue.ids[5], "shop", 9)
    coloured(system, 0.0)
    assert similar(system, shop.catalogue.ids[5], "shop", 9) == before


def test_the_reason_names_what_makes_two_items_close(make_system: MakeSystem) -> None:
    shop = (system := make_system()).scenarios["shop"]
    assert shop.space.closest_part(1, 5) is None
    coloured(system, 50.0)
    assert shop.space.closest_part(1, 5) == "colour"
    assert shop.space.closest_part(3, 39) is None
