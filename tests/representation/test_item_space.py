from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polyscene.core.arrays import load_arrays, save_arrays
from polyscene.core.types import FloatArray
from polyscene.representation.index_choice import EXACT
from polyscene.representation.item_space import ItemSpace, View, ViewName
from polyscene.representation.items import centred, shifted_unit

VIEW_NAMES: tuple[ViewName, ...] = ("tuned", "prior", "common")


def raw(count: int, seed: int = 0) -> FloatArray:
    """Return vectors that share a word; every fifth says nothing."""
    rows = np.random.default_rng(seed).normal(size=(count, 6)).astype(np.float32)
    rows[:, 0] += 2.0
    rows[4::5] = 0.0
    return rows


def test_a_view_is_free_of_what_all_texts_share() -> None:
    view = View.of(raw(12))
    np.testing.assert_array_equal(view.vectors, centred(raw(12)))
    assert len(view) == 12
    assert not view.vectors[4::5].any()


def test_new_and_changed_items_are_placed_by_the_mean_that_was_measured_first() -> None:
    view = View.of(raw(12))
    mean = view.mean.copy()
    changed = raw(5, seed=1)[:4]
    view.put(np.array([0, 3, 12, 13]), changed)
    np.testing.assert_array_equal(view.mean, mean)
    expected = np.concatenate([centred(raw(12)), np.zeros((2, 6), np.float32)])
    expected[[0, 3, 12, 13]] = shifted_unit(changed, mean)
    np.testing.assert_allclose(view.vectors, expected, rtol=1e-6)


def test_an_item_put_as_it_was_stands_where_it_stood() -> None:
    view = View.of(raw(12))
    before = view.vectors.copy()
    view.put(np.array([2, 12]), raw(12)[[2, 2]])
    np.testing.assert_allclose(view.vectors, np.concatenate([before, before[[2]]]), rtol=1e-5, atol=1e-7)


def test_a_text_that_is_taken_away_leaves_a_zero() -> None:
    view = View.of(raw(12))
    view.put(np.array([1, 12]), np.zeros((2, 6), np.float32))
    assert not view.vectors[[1, 12]].any()


def test_the_index_of_a_view_knows_what_was_put() -> None:
    view = View.of(raw(EXACT + 500))
    assert not view.index.exact
    view.put(np.array([7, EXACT + 500]), np.tile(raw(3, seed=2)[[1]], (2, 1)))
    codes, _ = view.index.search(view.vectors[[7]], 2)
    assert codes.tolist() == [[7, EXACT + 500]]


def test_views_of_the_same_array_are_one() -> None:
    tuned = raw(10)
    space = ItemSpace.of(tuned)
    assert set(space.views) == {"tuned", "common"}
    assert space.view("common") is space.view("tuned") is space.view("prior")
    apart = ItemSpace.of(tuned, common=raw(10, 1), prior=raw(10, 2))
    assert len({id(apart.view(name)) for name in VIEW_NAMES}) == 3
    shared = ItemSpace.of(tuned, common=apart.view("common").vectors, prior=tuned)
    assert shared.view("prior") is shared.view("tuned")
    assert shared.view("common") is not shared.view("tuned")


def test_new_items_are_placed_in_every_view() -> None:
    space = ItemSpace.of(raw(10), common=raw(10, 1))
    new: dict[ViewName, FloatArray] = {"tuned": raw(2, 3), "common": raw(2, 4)}
    space.put(np.array([10, 11]), new)
    assert len(space) == 12
    for name in ("tuned", "common"):
        view = space.view("tuned" if name == "tuned" else "common")
        np.testing.assert_allclose(view.vectors[10:], shifted_unit(new[name], view.mean), rtol=1e-6)
    one = ItemSpace.of(raw(10))
    one.put(np.array([10, 11]), {"tuned": raw(2, 3)})
    assert len(one.view("common")) == 12, "once, though it has two names"
    one.put(np.array([12]), {})
    assert not one.view("tuned").vectors[12].any(), "nothing has read it"


@pytest.mark.parametrize("kind", ["one view", "two views", "three views", "prior is tuned", "empty", "grown"])
def test_what_is_saved_and_restored_is_the_same_space(kind: str, tmp_path: Path) -> None:
    tuned = raw(10)
    space = {
        "one view": lambda: ItemSpace.of(tuned),
        "two views": lambda: ItemSpace.of(tuned, prior=raw(10, 1)),
        "three views": lambda: ItemSpace.of(tuned, common=raw(10, 1), prior=raw(10, 2)),
        "prior is tuned": lambda: ItemSpace.of(tuned, common=raw(10, 1), prior=tuned),
        "empty": lambda: ItemSpace.empty(3),
        "grown": lambda: ItemSpace.of(tuned, prior=raw(10, 1)),
    }[kind]()
    if kind == "grown":
        space.put(np.array([0, 10]), {"tuned": raw(2, 5), "prior": raw(2, 6)})
    save_arrays(tmp_path / "space.safetensors", space.state())
    again = ItemSpace.restore(load_arrays(tmp_path / "space.safetensors"))
    assert set(again.views) == set(space.views)
    assert len(again) == len(space)
    for name in VIEW_NAMES:
        np.testing.assert_array_equal(again.view(name).vectors, space.view(name).vectors)
        np.testing.assert_array_equal(again.view(name).mean, space.view(name).mean)
    shared = [(one, other) for one in space.views for other in space.views]
    assert [again.view(one) is again.view(other) for one, other in shared] == [
        space.view(one) is space.view(other) for one, other in shared
    ]
    if kind != "empty":
        more: dict[ViewName, FloatArray] = {name: raw(1, 7) for name in space.views}
        for each in (space, again):
            each.put(np.array([len(each)]), more)
        np.testing.assert_array_equal(again.view("tuned").vectors, space.view("tuned").vectors)


def test_a_space_that_nothing_has_read_has_no_text() -> None:
    assert not ItemSpace.empty(4).has_text
    assert len(ItemSpace.empty(4)) == 4
    assert not ItemSpace.of(np.zeros((3, 2), np.float32)).has_text
    assert ItemSpace.of(raw(3)).has_text


def test_vectors_are_read_when_they_are_first_asked_for_and_once(tmp_path: Path) -> None:
    path = tmp_path / "space.safetensors"
    save_arrays(path, ItemSpace.of(np.eye(3, dtype=np.float32)).state())
    read: list[str] = []

    class Noted(dict[str, FloatArray]):
        def __getitem__(self, name: str) -> FloatArray:
            read.append(name)
            return super().__getitem__(name)

    space = ItemSpace.restore(Noted(load_arrays(path)))
    assert "tuned.vectors" not in read
    assert len(space) == 3
    assert space.view("tuned").vectors.shape == (3, 3)
    assert read.count("tuned.vectors") == 1
