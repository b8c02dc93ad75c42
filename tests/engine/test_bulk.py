"""Many users at once get what each gets alone; requests may say what they are to be answered from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from polyscene.core.errors import DataError, UnknownIdError
from polyscene.engine.bulk import BulkRequest, best_places, recommend_many, score_items
from polyscene.engine.decision import Request
from polyscene.engine.recommending import recommend
from polyscene.engine.selection import fulfilled
from polyscene.engine.state import CodedEvent, System
from polyscene.engine.vectors import item_vectors, user_vectors
from polyscene.policies.greedy import Greedy
from polyscene.recommenders.fusion import blocks
from polyscene.recommenders.fusion.candidates import SMALL_CATALOGUE
from polyscene.recommenders.item_to_item import ItemToItem
from polyscene.recommenders.links import Links

if TYPE_CHECKING:
    from tests.engine.conftest import MakeSystem

USERS = ("u1", "nobody", "u2", "u29", "u1")
LARGE = SMALL_CATALOGUE + 100
CASES: dict[str, dict[str, Any]] = {
    "small": {},
    "small, read again": {"reread": True},
    "small, nothing hidden": {"hide_seen": False},
    "large": {"n_items": LARGE},
    "large, read again": {"n_items": LARGE, "reread": True},
    "large, links alone": {"n_items": LARGE, "names": ("transitions", "neighbours")},
}
NARROWED: dict[str, dict[str, Any]] = {
    "anything": {},
    "excluded": {"exclude": ("shop-0", "shop-1")},
    "of a list": {"only": tuple(f"shop-{code}" for code in range(3, 20))},
    "where": {"where": "brand = 'b1'"},
    "both": {"only": ("shop-1", "shop-2", "shop-4"), "where": "brand = 'b1'"},
    "nothing": {"only": ()},
}


@pytest.mark.parametrize("narrowed", list(NARROWED))
@pytest.mark.parametrize("case", list(CASES))
def test_a_block_gets_what_each_gets_alone(
    case: str, narrowed: str, make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "MAX_BLOCK", 2)
    system, options = make_system(**CASES[case]), NARROWED[narrowed]
    system.scenarios["shop"].observe(CodedEvent(2, 5, 0, float("nan"), 1.0, True))
    many = recommend_many(system, "run", BulkRequest(USERS, "shop", 6, **options))
    assert many.users == USERS
    assert many.known.tolist() == [True, False, True, True, True]
    for row, user in enumerate(USERS):
        alone = recommend(system, "run", Request(user, "shop", 6, reasons=False, **options))
        assert many[row] == alone.ids
        scores = many.scores[many.offsets[row] : many.offsets[row + 1]]
        np.testing.assert_allclose(scores, [place.score for place in alone], atol=1e-4)


def test_a_slate_out_of_a_list_holds_nothing_else(make_system: MakeSystem) -> None:
    system = make_system(n_items=LARGE)
    only = tuple(f"shop-{code}" for code in range(100, 130))
    slate = recommend(system, "run", Request("u1", "shop", 50, only=only))
    assert set(slate.ids) <= set(only)
    assert len(slate) == 30 - len(set(only) & set(_had(system, "u1")))
    assert all(place.reason for place in slate)
    with pytest.raises(UnknownIdError, match="shop-99999"):
        recommend(system, "run", Request("u1", "shop", only=("shop-99999",)))


def test_a_condition_reads_attributes_ids_and_titles(system: System) -> None:
    catalogue = system.scenarios["shop"].catalogue
    assert np.flatnonzero(fulfilled(catalogue, "brand = 'b1'")).tolist() == list(range(1, 40, 3))
    assert np.flatnonzero(fulfilled(catalogue, "id = 'shop-7' or title = 'Title shop-9'")).tolist() == [7, 9]
    assert fulfilled(catalogue, "1 = 1").all()


@pytest.mark.parametrize("condition", ["brond = 'b1'", "brand >", "id in (select 1)", "brand + 1"])
def test_a_condition_that_cannot_be_used_says_why(condition: str, system: System) -> None:
    with pytest.raises(DataError) as caught:
        fulfilled(system.scenarios["shop"].catalogue, condition)
    problem = caught.value.problems[0]
    assert problem.file == "the items of scenario 'shop'"
    assert problem.remedy
    if condition.startswith("brond"):
        assert problem.remedy == "did you mean 'brand'?"


def test_a_history_stands_in_place_of_a_user(system: System) -> None:
    past = _had(system, "u3")
    slate = recommend(system, "run", Request("", "shop", 40, history=past))
    assert not set(slate.ids) & set(past)
    stranger = recommend(system, "run", Request("nobody", "shop", 40))
    assert slate.ids != [item for item in stranger.ids if item not in past]
    reverse = recommend(system, "run", Request("", "shop", 40, history=past[:1]))
    assert slate.ids != reverse.ids
    with pytest.raises(UnknownIdError, match="radio-1"):
        recommend(system, "run", Request("", "shop", history=("radio-1",)))


def test_given_items_are_scored_as_a_slate_scores_them(system: System) -> None:
    slate = recommend(system, "run", Request("u1", "shop", 40, reasons=False))
    request = Request("u1", "shop")
    scores = score_items(system, request, slate.ids[::-1])
    np.testing.assert_allclose(scores[::-1], [place.score for place in slate], atol=1e-5)
    seen = _had(system, "u1")
    assert np.isfinite(score_items(system, request, seen)).all()
    assert score_items(system, request, ()).shape == (0,)
    with pytest.raises(UnknownIdError):
        score_items(system, request, ("shop-4000",))


def test_slates_of_many_are_a_frame_and_a_file(system: System, tmp_path: Path) -> None:
    many = recommend_many(system, "run", BulkRequest(USERS, "shop", 3))
    frame = many.to_frame()
    assert frame["user"].to_list() == [user for user in USERS for _ in range(3)]
    assert frame["rank"].to_list() == [1, 2, 3] * len(USERS)
    assert frame["item"].to_list() == [item for _, items in many for item in items]
    assert pl.read_parquet(many.write(tmp_path / "a.parquet")).equals(frame)
    assert pl.read_csv(many.write(tmp_path / "a.csv"))["item"].equals(frame["item"])
    with pytest.raises(ValueError, match="xlsx"):
        many.write(tmp_path / "a.xlsx")
    assert "<b>" not in recommend_many(system, "run", BulkRequest(("<b>",), "shop", 1))._repr_html_()
    assert len(repr(many)) < 120


def test_nobody_gets_no_slates(system: System) -> None:
    many = recommend_many(system, "run", BulkRequest((), "shop"))
    assert len(many) == len(many.to_frame()) == 0


def test_inner_products_of_vectors_are_the_scores_of_the_signal(system: System, tmp_path: Path) -> None:
    items, users = item_vectors(system, "shop", "tuned"), user_vectors(system, "shop", "tuned", USERS)
    shop = system.scenarios["shop"]
    for row, user in enumerate(USERS):
        queries = system.queries(system.user(user, "shop"), shop)
        expected = shop.fusion.present()["content"].score(queries)[0]
        np.testing.assert_allclose(items.array @ users.array[row], expected, atol=1e-5)
    assert not users.array[1].any()
    table = pl.read_parquet(items.write(tmp_path / "items.parquet"))
    np.testing.assert_array_equal(table["vector"].to_numpy(), items.array)
    assert table["id"].to_list() == list(items.ids)
    np.testing.assert_array_equal(np.load(items.write(tmp_path / "items.npy")), items.array)
    with pytest.raises(UnknownIdError, match="factors"):
        item_vectors(system, "shop", "factors")


def _had(system: System, user: str) -> list[str]:
    shop = system.scenarios["shop"]
    codes = shop.timeline.history(system.user(user, "shop"), None).items
    return [shop.catalogue.ids[int(code)] for code in codes]


def test_what_cannot_be_shown_says_nothing_for_a_user(make_system: MakeSystem) -> None:
    """All that the one signal says of this user is said against an item that is left out."""
    system = make_system(names=("popularity", "transitions"))
    state = system.scenarios["shop"]
    state.fusion.fallback = "transitions"
    transitions = state.fusion.present()["transitions"]
    assert isinstance(transitions, ItemToItem)
    history = state.timeline.history(3, None).items
    other = next(code for code in range(len(state.catalogue)) if code not in history)
    matrix = sparse.lil_array((len(state.catalogue), len(state.catalogue)), dtype=np.float32)
    matrix[int(history[-1]), other] = -1.0
    transitions.links = Links(matrix.tocsr())
    item = state.catalogue.ids[other]
    alone = recommend(system, "run", Request("u3", "shop", 5, exclude=(item,), reasons=False))
    many = recommend_many(system, "run", BulkRequest(("u3",), "shop", 5, exclude=(item,)))
    assert many[0] == alone.ids
    np.testing.assert_allclose(many.scores, [place.score for place in alone], rtol=1e-6)


@pytest.mark.parametrize("fallback", [None, "popularity"])
@pytest.mark.parametrize("of_new", ["transitions", "recency"])
def test_people_without_events_here_get_one_by_one_what_they_get_together(
    make_system: MakeSystem, fallback: str | None, of_new: str
) -> None:
    system = make_system(names=("popularity", "recency", "transitions"))
    fusion = system.scenarios["shop"].fusion
    fusion.fallback, fusion.fallback_of_new = fallback, of_new
    system.users.add("newcomer")
    users = ("newcomer", "u3", "nobody")
    many = recommend_many(system, "run", BulkRequest(users, "shop", 5))
    for row, user in enumerate(users):
        one = recommend(system, "run", Request(user, "shop", 5, reasons=False))
        assert many[row] == one.ids
    assert many[0] != many[1]


@given(
    scores=st.lists(
        st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0]), min_size=7, max_size=7), max_size=4
    ),
    size=st.integers(1, 9),
)
def test_the_best_places_of_a_block_are_what_the_policy_chooses(scores: list[list[float]], size: int) -> None:
    block = np.array(scores, np.float32).reshape(len(scores), 7)
    chosen = [places.tolist() for places in best_places(block, size)]
    assert chosen == [Greedy().choose(row, size)[0].tolist() for row in block]
