"""How likely a choice is: a probability over what may be shown, in the order of the scores."""

from __future__ import annotations

import numpy as np
import pytest

from polyscene.core.errors import UnknownIdError
from polyscene.engine.decision import Request
from polyscene.engine.predicting import NEXT_CHOICE, predict_items
from polyscene.engine.requests import queries_of
from polyscene.engine.state import System
from polyscene.recommenders.fusion.calibration import Temperatures

SHOP = Request("u1", "shop", 6)


def chances(system: System, request: Request = SHOP) -> np.ndarray:
    """Return (n,) what is said of every item."""
    ids = system.scenarios["shop"].catalogue.ids
    return predict_items(system, request, [ids[code] for code in range(len(ids))])[NEXT_CHOICE]


def test_they_sum_to_one_over_what_may_be_shown_and_follow_the_scores(system: System) -> None:
    fusion = system.scenarios["shop"].fusion
    queries = queries_of(system, SHOP, system.scenarios["shop"])
    open_, scores = fusion.open(queries)[0], fusion.score(queries)[0]
    values = chances(system)
    assert values.sum() == pytest.approx(1.0, abs=1e-5)
    assert 0 < int((~open_).sum()) < len(open_)
    assert np.all(values[~open_] == 0)
    expected = np.exp(scores[open_].astype(float) - scores[open_].max())
    np.testing.assert_allclose(values[open_], expected / expected.sum(), rtol=1e-4)


def test_a_lift_for_a_fair_place_makes_no_choice_likelier(system: System) -> None:
    fusion, before = system.scenarios["shop"].fusion, chances(system)
    fusion.weights = fusion.weights.lifted(5.0, 3.0)
    np.testing.assert_allclose(chances(system), before, rtol=1e-6)


def test_temperatures_flatten_for_known_people_and_for_new_ones_apart(system: System) -> None:
    fusion, stranger = system.scenarios["shop"].fusion, Request("nobody", "shop", 6)
    known, new = chances(system), chances(system, stranger)
    fusion.weights = fusion.weights.tempered(Temperatures(4.0, 1.0))
    flat = chances(system)
    assert flat.max() < known.max()
    positive = known > 0
    np.testing.assert_allclose(
        np.log(flat[positive]) - np.log(flat.max()),
        (np.log(known[positive]) - np.log(known.max())) / 4,
        atol=1e-4,
    )
    np.testing.assert_allclose(chances(system, stranger), new, rtol=1e-6)
    fusion.weights = fusion.weights.tempered(None)
    np.testing.assert_array_equal(chances(system), known)


def test_where_no_signal_speaks_it_is_the_share_of_events(system: System) -> None:
    fusion = system.scenarios["shop"].fusion
    fusion.fallback = "content"
    shares = fusion.features.counts + 1.0
    values = chances(system, Request("nobody", "shop", 6))
    np.testing.assert_allclose(values, shares / shares.sum(), rtol=1e-5)


def test_a_history_stands_in_place_of_what_the_user_did(system: System) -> None:
    ids = system.scenarios["shop"].catalogue.ids
    visit = Request("u1", "shop", 6, history=[ids[0], ids[1]])
    values = chances(system, visit)
    assert values[0] == 0
    assert not np.array_equal(values, chances(system))


def test_an_unknown_item_is_named(system: System) -> None:
    with pytest.raises(UnknownIdError, match="none-such"):
        predict_items(system, SHOP, ["none-such"])
