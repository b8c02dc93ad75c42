"""Training never sees what is new, and what is judged is none of what was observed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from polyscene.data.schema import UNKNOWN_TIME, Catalogue, Dataset, EventLog, Ids, Part, Scenario

Script = Callable[[str], ModuleType]
MakeLog = Callable[..., EventLog]
N_USERS, N_ITEMS, STEPS = 60, 20, 15


@pytest.fixture(scope="module")
def cold(script: Script) -> ModuleType:
    return script("cold_start")


@pytest.fixture(scope="module")
def log(make_log: MakeLog) -> EventLog:
    draws = np.random.default_rng(1)
    rows = [
        (user, int(item), 100 * step + user)
        for user in range(N_USERS)
        for step, item in enumerate(draws.permutation(N_ITEMS)[:STEPS])
    ]
    return make_log(rows)


def test_new_items_are_hidden_and_judged_by_later_events(
    script: Script, cold: ModuleType, log: EventLog
) -> None:
    hidden = cold.new_items(log, 7)
    new = np.unique(hidden.first.item)
    assert len(new) == int(N_ITEMS * script("hidden_events").NEW_SHARE)
    assert not np.isin(hidden.known.item, new).any()
    assert np.isin(hidden.targets, new).all()
    assert len(hidden.targets) > 0
    latest = {user: hidden.known.time[hidden.known.user == user].max() for user in range(N_USERS)}
    judged = {(u, i) for u, i in zip(hidden.users.tolist(), hidden.targets.tolist(), strict=True)}
    when = {
        (u, i): t for u, i, t in zip(log.user.tolist(), log.item.tolist(), log.time.tolist(), strict=True)
    }
    assert all(when[pair] > latest[pair[0]] for pair in judged)
    for item in new.tolist():
        own = hidden.first.item == item
        order = np.argsort(hidden.first.time[own])
        assert hidden.number[own][order].tolist() == list(range(own.sum()))


def test_new_users_are_judged_by_their_eleventh_event(
    script: Script, cold: ModuleType, log: EventLog
) -> None:
    hidden = cold.new_users(log, 7)
    new = np.unique(hidden.first.user)
    assert len(new) == int(N_USERS * script("hidden_events").NEW_SHARE)
    assert not np.isin(hidden.known.user, new).any()
    for user, item in zip(hidden.users.tolist(), hidden.targets.tolist(), strict=True):
        own = log.take(log.user == user)
        assert own.item[np.argsort(own.time)][10] == item


def three(log: EventLog) -> Dataset:
    users, since = Ids(pl.Series([f"u{user}" for user in range(N_USERS)])), np.full(N_ITEMS, UNKNOWN_TIME)
    words = tuple(f"item {item}" for item in range(N_ITEMS))
    catalogue = Catalogue(Ids(pl.Series(words)), words, words, pl.DataFrame(), since)
    scenarios = {name: Scenario(name, catalogue, log, "sequence") for name in ("beauty", "toys")}
    return Dataset(users, scenarios)


@pytest.mark.parametrize("count", [0, 16, 100])
def test_a_new_scenario_has_so_many_events_and_newcomers_have_none_of_them(
    cold: ModuleType, log: EventLog, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cold, "NEWCOMERS", 20)
    toys = cold.begun(three(log), "toys", count, 7).scenarios["toys"].events
    asked = toys.part == Part.TEST
    assert (~asked).sum() == count
    assert asked.sum() == len(np.unique(toys.user[asked])) == 20
    assert not np.isin(toys.user[~asked], toys.user[asked]).any()
    people = np.unique(toys.user[~asked])
    assert (toys.part == Part.VALID).sum() <= len(people)
    if count == 100:
        assert (toys.part == Part.VALID).sum() == len(people) == 7


def test_what_was_measured_is_printed_and_drawn(cold: ModuleType, tmp_path: Path) -> None:
    curves = {"polyscene": [[0.1, 0.2], [0.3, 0.4]], "chance": [[0.0, 0.0], [0.0, 0.0]]}
    panel = {"ticks": ["0", "10"], "choices": 5, "curves": curves}
    (tmp_path / "one.json").write_text(json.dumps({"panels": {"new items: auc": panel}}))
    drawing = tmp_path / "cold.svg"
    assert cold.main(["--draw", str(tmp_path / "one.json"), "--figure", str(drawing)]) == 0
    text = drawing.read_text(encoding="utf-8")
    assert all(f">{words}<" in text for words in ("polyscene", "chance", "10", "new items: auc"))
    assert "0.2000 [0.1000, 0.3000]" in cold.shown_panel("new items: auc", panel)


def test_a_random_order_is_worth_what_chance_gives(cold: ModuleType) -> None:
    open_ = np.ones((1, 5), np.bool_)
    expected = np.mean([1 / np.log2(1 + rank) for rank in range(1, 6)])
    assert cold._by_chance(open_)[0] == pytest.approx(expected)
