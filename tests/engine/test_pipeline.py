"""A request goes through the stages, and its slate is the top of what the fusion says of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from polyscene.core.errors import UnknownIdError
from polyscene.core.types import LongArray
from polyscene.engine import pipeline
from polyscene.engine.decision import Decision, Request
from polyscene.engine.pipeline import decide
from polyscene.engine.recommending import explain, recommend
from polyscene.engine.stages import fuse, reread
from polyscene.engine.state import CodedEvent, System
from polyscene.recommenders.fusion.candidates import SMALL_CATALOGUE

if TYPE_CHECKING:
    from tests.engine.conftest import MakeSystem

LARGE = SMALL_CATALOGUE + 100
USERS = ("u1", "u2", "nobody")
CASES: dict[str, dict[str, Any]] = {
    "small": {},
    "small, read again": {"reread": True},
    "small, nothing hidden": {"hide_seen": False},
    "large": {"n_items": LARGE},
    "large, read again": {"n_items": LARGE, "reread": True},
    "large, links alone": {"n_items": LARGE, "names": ("transitions", "neighbours")},
}


@pytest.fixture(params=list(CASES))
def any_system(request: pytest.FixtureRequest, make_system: MakeSystem) -> System:
    return make_system(**CASES[request.param])


def ranking(system: System, user: str) -> tuple[LongArray, np.ndarray]:
    """Return the open items of the shop, best first, as the fusion scores the whole catalogue."""
    shop = system.scenarios["shop"]
    queries = system.queries(system.user(user, "shop"), shop)
    scores = np.where(shop.fusion.open(queries)[0], shop.fusion.score(queries)[0], -np.inf)
    order: LongArray = np.argsort(-scores, kind="stable")
    order = order[: int(np.isfinite(scores).sum())]
    return order, scores


@pytest.mark.parametrize("user", USERS)
def test_the_slate_is_the_top_of_the_whole_catalogue(any_system: System, user: str) -> None:
    decision = decide(any_system, Request(user, "shop", 10))
    best, scores = ranking(any_system, user)
    ranked = min(decision.ranked, 10)
    assert decision.codes[:ranked].tolist() == best[:ranked].tolist()
    slate_scores = decision.scores[decision.places]
    np.testing.assert_allclose(slate_scores[:ranked], scores[best[:ranked]], atol=1e-4)
    assert np.all(np.diff(slate_scores) <= 0)
    assert decision.propensities.tolist() == [1.0] * 10


@pytest.mark.parametrize("user", USERS)
def test_a_long_slate_is_everything_that_may_be_shown_in_order(any_system: System, user: str) -> None:
    n_items = len(any_system.scenarios["shop"].catalogue)
    decision = decide(any_system, Request(user, "shop", n_items + 5, reasons=False))
    best, scores = ranking(any_system, user)
    assert sorted(decision.codes.tolist()) == sorted(best.tolist())
    first = decision.codes[: decision.ranked]
    np.testing.assert_allclose(scores[first], scores[best[: decision.ranked]], atol=1e-4)
    rest = scores[decision.codes[decision.ranked :]]
    assert np.all(np.diff(rest) <= 1e-4), "what nobody put forward follows in the order of the whole"
    slate_scores = decision.scores[decision.places]
    assert np.isfinite(slate_scores).all()
    assert np.all(np.diff(slate_scores) <= 0)


@pytest.mark.parametrize("user", USERS)
def test_slates_without_reasons_are_the_same(any_system: System, user: str) -> None:
    with_reasons = recommend(any_system, "run", Request(user, "shop", 12))
    without = recommend(any_system, "run", Request(user, "shop", 12, reasons=False))
    assert [(place.item, place.score, place.propensity) for place in without] == [
        (place.item, place.score, place.propensity) for place in with_reasons
    ]
    assert all(place.reason == "" and place.signals == {} for place in without)
    names = set(any_system.scenarios["shop"].fusion.fitted())
    for place in with_reasons:
        assert place.reason
        assert set(place.signals) == names
        assert np.isfinite(list(place.signals.values())).all()


def test_excluded_items_leave_room_for_the_next(any_system: System) -> None:
    before = recommend(any_system, "", Request("u1", "shop", 9)).ids
    after = recommend(any_system, "", Request("u1", "shop", 9, exclude=before[:3])).ids
    assert len(after) == 9
    assert set(before[:3]).isdisjoint(after)
    if not any_system.scenarios["shop"].fusion.reranker:  # which reads other items in their place
        assert after[:6] == before[3:]


def test_everything_may_be_excluded(any_system: System) -> None:
    ids = any_system.scenarios["shop"].catalogue.ids
    everything = [ids[code] for code in range(len(ids))]
    assert len(recommend(any_system, "", Request("u1", "shop", 5, exclude=everything))) == 0
    one = recommend(any_system, "", Request("nobody", "shop", 5, exclude=everything[:-1]))
    assert one.ids == everything[-1:]


def test_unknown_items_are_refused(system: System) -> None:
    for request in (Request("u1", "shop", exclude=["x"]), Request("u1", "shop", also=["x"])):
        with pytest.raises(UnknownIdError, match="found 'x'"):
            decide(system, request)


@pytest.mark.parametrize("hide_seen", [True, False])
def test_what_was_had_is_shown_only_where_it_may_be(make_system: MakeSystem, hide_seen: bool) -> None:
    system = make_system(hide_seen=hide_seen)
    shop = system.scenarios["shop"]
    had = {shop.catalogue.ids[code] for code in system.queries(1, shop).history.items.tolist()}
    ids = set(recommend(system, "", Request("u1", "shop", 100)).ids)
    assert had
    assert ids.isdisjoint(had) == hide_seen
    assert len(ids) == 40 - len(had) * hide_seen


def test_the_candidates_of_a_large_catalogue_are_few(make_system: MakeSystem) -> None:
    decision = decide(make_system(LARGE), Request("u1", "shop"))
    assert decision.ranked == len(decision.candidates) < LARGE // 2
    assert decision.candidates.tolist() == sorted(set(decision.candidates.tolist()))
    assert not decision.closed[decision.candidates].any()


def test_what_nobody_put_forward_stands_behind_all_that_is_ranked(make_system: MakeSystem) -> None:
    system = make_system(LARGE)
    weights = system.scenarios["shop"].fusion.weights
    weights.arrays["base"][:] = 3.0  # by these alone the rest would stand in front: the gates take them back
    weights.arrays["gate_out.bias"][:] = -6.0
    decision = decide(system, Request("u1", "shop", LARGE, reasons=False))
    assert 0 < decision.ranked < len(decision.candidates)
    assert decision.scores[decision.ranked :].max() < decision.scores[: decision.ranked].min()


def test_what_is_explained_although_it_is_closed_is_not_shown(system: System) -> None:
    shop = system.scenarios["shop"]
    had = int(system.queries(system.user("u1", "shop"), shop).history.items[-1])
    decision = decide(system, Request("u1", "shop", len(shop.catalogue), also=(shop.catalogue.ids[had],)))
    assert had in decision.candidates
    assert had not in decision.codes


def test_the_text_rankers_best_are_dealt_out_anew(make_system: MakeSystem) -> None:
    plain, read = (decide(make_system(reread=on), Request("u1", "shop")) for on in (False, True))
    place = plain.state.fusion.names.index("text_ranker")
    before, after = (one.features.signals[0, place] for one in (plain, read))
    np.testing.assert_allclose(np.sort(after), np.sort(before), rtol=1e-5)
    assert 0 < np.sum(~np.isclose(before, after)) <= 5
    others = [row for row in range(len(plain.state.fusion.names)) if row != place]
    np.testing.assert_array_equal(plain.features.signals[0, others], read.features.signals[0, others])


def test_the_slow_reader_keeps_nobody_waiting(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads without the lock: an event that comes meanwhile is taken in, and changes not this slate."""
    system = make_system(reread=True)
    shop, plain = system.scenarios["shop"], recommend(system, "", Request("u1", "shop", reasons=False))
    slow = reread

    def interrupted(request: Request, decision: Decision) -> Decision:
        with system.lock.writing():
            shop.observe(CodedEvent(1, shop.catalogue.code(plain.ids[0]), 0, 1.0, 1.0, True))
        return slow(request, decision)

    monkeypatch.setattr(pipeline, "reread", interrupted)
    position = system.position
    decision = decide(system, Request("u1", "shop", reasons=False))
    assert system.position == position + 1 == decision.position + 1
    assert [shop.catalogue.ids[code] for code in decision.codes.tolist()] == list(plain.ids)
    monkeypatch.undo()
    assert plain.ids[0] not in recommend(system, "", Request("u1", "shop")).ids


def test_a_decision_has_no_features_before_it_is_scored(system: System) -> None:
    shop = system.scenarios["shop"]
    decision = Decision(system, shop, 1, 0, system.queries(1, shop))
    with pytest.raises(RuntimeError, match="after its stage 'score'"):
        fuse(Request("u1", "shop"), decision)


@pytest.mark.parametrize("place", [0, 3, 20])
def test_explanations_agree_with_slates(any_system: System, place: int) -> None:
    slate = recommend(any_system, "", Request("u1", "shop", 21))
    shown = list(slate)[place]
    why = explain(any_system, "u1", shown.item.id, "shop")
    shop = any_system.scenarios["shop"]
    closed = shop.fusion.closed(any_system.queries(1, shop))[0]
    assert why.candidates == int(np.sum(~closed))
    assert why.item == shown.item
    assert why.scores.keys() == why.shares.keys() == shown.signals.keys()
    best, scores = ranking(any_system, "u1")
    code = shop.catalogue.code(shown.item.id)
    assert why.rank == 1 + int(np.sum(scores[best] > scores[code]))


@pytest.mark.parametrize("user", USERS)
def test_anything_can_be_explained(any_system: System, user: str) -> None:
    """Also what no signal puts forward, to a stranger too."""
    shop = any_system.scenarios["shop"]
    for code in (0, len(shop.catalogue) - 1, len(shop.catalogue) // 2):
        why = explain(any_system, user, shop.catalogue.ids[code], "shop")
        assert why.rank is None or 1 <= why.rank <= why.candidates
        assert np.isfinite([why.score, *why.shares.values(), *why.scores.values()]).all()
        assert why.reason


def test_what_is_hidden_has_no_rank(system: System) -> None:
    shop = system.scenarios["shop"]
    had = shop.catalogue.ids[int(system.queries(1, shop).history.items[-1])]
    why = explain(system, "u1", had, "shop")
    assert why.rank is None
    assert np.isfinite(why.score)
