"""What is popular, what is new, and who is alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from polyscene.core.errors import UnknownIdError
from polyscene.core.settings.rules import Rules
from polyscene.engine.lists import latest, popular, users_like
from polyscene.engine.rules import RuleBook
from polyscene.engine.state import CodedEvent, ItemDescription, System
from polyscene.engine.vectors import user_vectors


def test_popular_items_are_in_the_order_of_the_signal(system: System) -> None:
    shop = system.scenarios["shop"]
    scores = shop.fusion.present()["popularity"].score(system.queries(-1, shop))[0]
    places = popular(system, "shop", 5)
    assert [place.score for place in places] == np.sort(scores)[::-1][:5].tolist()
    assert places[0].reason.startswith("Nothing is chosen more often")


def test_without_the_signal_choices_are_counted(make_system: Any) -> None:
    system = make_system(names=("transitions",))
    shop = system.scenarios["shop"]
    first = popular(system, "shop", 1)[0]
    assert shop.catalogue.code(first.item.id) == int(np.argmax(shop.fusion.features.counts))
    assert first.reason == f"Chosen {int(shop.fusion.features.counts.max()):,} times."


def test_what_is_blocked_or_not_there_yet_is_in_no_list(system: System) -> None:
    shop = system.scenarios["shop"]
    best = popular(system, "shop", 1)[0].item.id
    rules = [{"name": "x", "kind": "block", "items": [best]}]
    shop.rules = RuleBook(TypeAdapter(Rules).validate_python(rules))
    vector = np.ones(6, np.float32)
    shop.put([ItemDescription("later", "t", "t", {}, {"tuned": vector}, 2**62)])
    for places in (popular(system, "shop", 50), latest(system, "shop", 50)):
        assert not {best, "later"} & {place.item.id for place in places}


def test_the_newest_come_first(system: System) -> None:
    shop = system.scenarios["shop"]
    vector = np.ones(6, np.float32)
    shop.put([ItemDescription(name, "t", "t", {}, {"tuned": vector}) for name in ("n1", "n2")])
    born = shop.fusion.features.born
    names = [place.item.id for place in latest(system, "shop", 3)]
    dated = np.where(born == np.iinfo(np.int64).min, -1, born)
    assert names == ["n2", "n1", shop.catalogue.ids[int(np.argmax(dated))]]
    scores = [place.score for place in latest(system, "shop", 30)]
    assert scores == sorted(scores, reverse=True)


def test_users_are_alike_by_their_vectors(system: System) -> None:
    people = [f"u{code}" for code in range(30)]
    vectors = user_vectors(system, "shop", "tuned", people).array
    cosines = vectors @ vectors[3]
    cosines[3] = -np.inf
    expected = np.argsort(-cosines)[:4]
    alike = users_like(system, "u3", "shop", 4)
    assert [name for name, _ in alike] == [people[code] for code in expected]
    np.testing.assert_allclose([score for _, score in alike], cosines[expected], rtol=1e-5)


def test_who_did_nothing_here_is_like_nobody(system: System) -> None:
    system.users.add("new")
    assert "new" not in dict(users_like(system, "u3", "shop", 40))
    assert len(users_like(system, "u3", "shop", 40)) == 29
    shop = system.scenarios["shop"]
    shop.observe(CodedEvent(30, 5, 0, 1.0, 1.0, True))
    assert "new" in dict(users_like(system, "u3", "shop", 40))


def test_strangers_and_missing_vectors_are_refused(system: System, make_system: Any) -> None:
    with pytest.raises(UnknownIdError, match="expected a user who is known, found 'x'"):
        users_like(system, "x", "shop", 3)
    with pytest.raises(UnknownIdError, match="expected the signal 'content' or 'factors'"):
        users_like(make_system(names=("popularity",)), "u1", "shop", 3)
