"""A scenario with few choices is told by the others which signal to use, as if these had as few events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.learning.planted import NO_CHOICES, lessons

from polyscene.core.progress import Silent
from polyscene.core.settings.project import Settings
from polyscene.data.queries import Choices
from polyscene.data.schema import EventLog
from polyscene.data.splits.phases import Phase
from polyscene.evaluation.results import SYSTEM
from polyscene.learning import new_scenarios
from polyscene.learning.fit import Fitted, fit_system
from polyscene.learning.fusion import MIN_CHOICES, FusionData
from polyscene.learning.new_scenarios import (
    WORTH,
    Lent,
    SignalGains,
    chosen_alone,
    first_people,
    in_stated_order,
    lent,
    met_new,
)
from polyscene.learning.training_data import ItemVectors, TrainingData
from polyscene.metrics.ranking import Values
from polyscene.recommenders.fusion.training import Example
from polyscene.recommenders.signal import Evidence

MakeData = Callable[..., tuple[TrainingData, Settings]]
NAMES = ("popularity", "transitions", "cross_scenario")
N_USERS, N_ITEMS, KINDS, STEPS = 80, 12, 6, 8


def test_means_are_shrunk_to_what_is_lent() -> None:
    own = SignalGains({"a": 0.5, "b": 0.2}, 10)
    joined = own.joined(SignalGains({"a": 0.1, "c": 0.4}, 500))
    assert joined == pytest.approx({"a": (5 + WORTH * 0.1) / 40, "b": 2 / 40, "c": WORTH * 0.4 / 40})


def test_few_choices_that_are_lent_count_as_many_as_they_are() -> None:
    assert SignalGains({"a": 0.5}, 10).joined(SignalGains({"a": 0.0}, 5)) == pytest.approx({"a": 5 / 15})
    assert SignalGains({"a": 0.5}, 10).joined(SignalGains()) == {"a": 0.5}
    assert SignalGains().joined(SignalGains()) == {}


def test_signals_that_hear_from_elsewhere_come_first_where_nothing_tells() -> None:
    assert in_stated_order(NAMES) == ["cross_scenario", "popularity", "transitions"]
    assert in_stated_order(NAMES[:2]) == ["popularity", "transitions"]


@pytest.mark.parametrize("count", [0, 1, 7, 10**6])
def test_a_log_is_cut_down_to_the_events_of_a_few_people(
    make_log: Callable[..., EventLog], count: int
) -> None:
    log = make_log([(user, step, 10 * step + user) for user in range(6) for step in range(1 + user % 3)])
    events, known = first_people(log, count, np.random.default_rng(1))
    assert len(events) == min(count, len(log))
    assert np.all(np.diff(events.time) >= 0)
    for user in range(6):
        whole = np.sum(events.user == user) == np.sum(log.user == user)
        assert whole == (user in known), "only of whom nothing is missing is known"
    assert len(np.setdiff1d(events.user, known)) <= 1


def of_kinds(known: int, new: int) -> FusionData:
    """Return choices, found by signal 1 of 3 where their people have events here, else by signal 0."""

    def choice(right: int, events: float) -> Example:
        scores = np.full((3, 30), 0.0, np.float16)
        scores[:, 1:] = 1.0
        scores[right, 0] = 2.0
        user = np.array([events, 0, 0, 0, 0, 0], np.float32)
        facts = np.zeros((30, 5), np.float16)
        return Example(scores, facts, np.ones(3, np.float32), user, np.zeros(30, np.float32))

    examples = [choice(1, 1.0)] * known + [choice(0, 0.0)] * new
    return replace(lessons(0, 1, 1), training=examples, held_out=[], judged=NO_CHOICES)


def gains_of(best: str, choices: int = 100) -> SignalGains:
    return SignalGains(dict.fromkeys(NAMES, 0.1) | {best: 0.9}, choices)


def test_people_with_events_and_without_are_answered_each_by_their_own_choices() -> None:
    alone = chosen_alone("shop", NAMES, of_kinds(5, 5), NAMES, Lent())
    assert (alone.known, alone.new) == ("transitions", "popularity")


def test_what_is_lent_outweighs_a_handful_and_many_outweigh_it() -> None:
    others = Lent(gains_of("cross_scenario"), gains_of("cross_scenario"), ("news",), 16)
    few = chosen_alone("shop", NAMES, of_kinds(3, 3), NAMES, others)
    assert (few.known, few.new) == ("cross_scenario", "cross_scenario")
    many = chosen_alone("shop", NAMES, of_kinds(100, 100), NAMES, others)
    assert (many.known, many.new) == ("transitions", "popularity")


def test_kinds_that_nothing_tells_of_follow_the_others_or_the_stated_order() -> None:
    nothing = chosen_alone("shop", NAMES, of_kinds(0, 0), NAMES, Lent())
    assert (nothing.known, nothing.new) == ("cross_scenario", "cross_scenario")
    known_alone = chosen_alone("shop", NAMES[:2], of_kinds(5, 0), NAMES, Lent())
    assert (known_alone.known, known_alone.new, known_alone.notes) == ("transitions", "transitions", ())
    hearing = chosen_alone("shop", NAMES, of_kinds(5, 0), NAMES, Lent())
    assert (hearing.known, hearing.new) == ("transitions", "cross_scenario")
    assert hearing.notes[1] == (
        "shop: people without events here are answered by 'cross_scenario': no choice tells what suits them; "
        "it needs no events of theirs here"
    )
    lost = SignalGains(dict.fromkeys(NAMES, 0.0), 800)
    searched = chosen_alone("shop", NAMES, of_kinds(5, 0), NAMES, Lent(new=lost, scenarios=("news",)))
    assert searched.new == "cross_scenario"
    assert searched.notes[1].endswith(
        "800 choices no signal found anything; it needs no events of theirs here"
    )
    of_new = chosen_alone("shop", NAMES, of_kinds(0, 0), NAMES, Lent(new=gains_of("popularity")))
    assert (of_new.known, of_new.new) == ("popularity", "popularity")


def test_what_answers_people_with_events_may_be_settled() -> None:
    others = Lent(gains_of("popularity"), gains_of("cross_scenario"), ("news", "video"), 1024)
    alone = chosen_alone("shop", NAMES, of_kinds(5, 0), NAMES, others, SYSTEM)
    assert (alone.known, alone.new) == (SYSTEM, "cross_scenario")
    assert alone.notes == (
        "shop: people without events here are answered by 'cross_scenario': in news and video, cut down to "
        "1,024 events and counted like 30 choices, on 100 choices 'cross_scenario' 0.9000, "
        "'popularity' 0.1000, 'transitions' 0.1000",
    )


def test_a_fusion_is_left_for_what_others_tell_alone() -> None:
    alone = chosen_alone("shop", NAMES, of_kinds(5, 5), NAMES, Lent(), SYSTEM)
    assert (alone.known, alone.new, alone.notes) == (SYSTEM, SYSTEM, ())


def test_choices_of_people_without_events_are_counted() -> None:
    own = of_kinds(5, 3)
    assert met_new(own) == 3
    assert met_new(replace(own, strangers=own.training[-2:], earlier=own.training[:1])) == 5


def tastes(seed: int) -> list[tuple[int, int, int]]:
    """Return events of people who choose items of their own kind alone: user u those of u modulo `KINDS`."""
    draws = np.random.default_rng(seed)
    return [
        (
            user,
            int(user % KINDS + KINDS * draws.integers(0, N_ITEMS // KINDS)),
            1_000_000 * (step * 100 + user),
        )
        for step in range(STEPS)
        for user in range(N_USERS)
    ]


def company(make_data: MakeData, shop: Sequence[tuple[int, int, int]]) -> tuple[TrainingData, Settings]:
    """Return a company whose items have one vector for each kind; of its shop so much is known."""
    rows = {"shop": shop, "news": tastes(1), "video": tastes(2)}
    own = {"signals": list(NAMES), "repeats": True}
    data, settings = make_data(
        rows, N_USERS, N_ITEMS, scenarios=dict.fromkeys(rows, own), fusion={"epochs": 1, "hidden": 2}
    )
    vectors = np.tile(np.eye(KINDS, 8, dtype=np.float32), (N_ITEMS // KINDS, 1))
    return replace(data, vectors=dict.fromkeys(rows, ItemVectors(vectors, vectors, vectors))), settings


@pytest.fixture(scope="module")
def new_shop(make_data: MakeData) -> Fitted:
    data, settings = company(make_data, [])
    return fit_system(data, settings, Silent())


def test_a_scenario_without_events_is_answered_by_what_people_do_elsewhere(new_shop: Fitted) -> None:
    shop = new_shop.fusions["shop"]
    assert (shop.fallback, shop.fallback_of_new) == ("cross_scenario", None)
    (note,) = [one for one in new_shop.notes if one.startswith("shop: people without events here")]
    assert "by 'cross_scenario': in news and video, cut down to 0 events" in note
    assert new_shop.fusions["news"].fallback_of_new in (None, "cross_scenario")


@pytest.mark.parametrize("count", [0, 40])
def test_the_others_are_looked_at_as_if_they_had_as_few_events(
    make_data: MakeData, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    data, settings = company(make_data, tastes(3)[:count])
    seen = list[tuple[str, Evidence, Choices]]()

    def spy(data: TrainingData, name: str, evidence: Evidence, choices: Choices, *rest: Any) -> Values:
        seen.append((name, evidence, choices))
        return gains(data, name, evidence, choices, *rest)

    gains = new_scenarios.alone_gains
    monkeypatch.setattr(new_scenarios, "alone_gains", spy)
    datas = {name: of_kinds(MIN_CHOICES, 0) for name in ("news", "video")} | {"shop": of_kinds(1, 0)}
    others = lent(data, "shop", NAMES, datas, settings)
    assert [name for name, _, _ in seen] == ["news", "video"] == list(others.scenarios)
    n_known = len(data.folds.learned("shop", Phase.ALL))
    for _, evidence, choices in seen:
        assert len(evidence.events) == others.events == n_known
        some = choices.queries.history.lengths > 0
        assert np.isin(choices.queries.user[some], evidence.events.user).all()
        assert some.any() == (count > 0)
    assert others.new.choices + others.known.choices == sum(len(choices) for _, _, choices in seen)
    assert others.known.choices == sum(int(np.sum(c.queries.history.lengths > 0)) for _, _, c in seen)
    assert others.new.gains["cross_scenario"] > 0.7
    assert others.new.gains["cross_scenario"] > 2 * others.new.gains["popularity"]


def test_scenarios_with_few_choices_lend_nothing(make_data: MakeData) -> None:
    data, settings = company(make_data, [])
    datas = {"news": of_kinds(MIN_CHOICES - 1, 0), "shop": of_kinds(0, 0)}
    assert lent(data, "shop", NAMES, datas, settings) == Lent()
