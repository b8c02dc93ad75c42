"""Requests as callers in Python write them, and the policies and rules of the present configuration."""

from __future__ import annotations

from typing import Any

import pytest

from polyscene.core.errors import ArgumentError, ConfigError
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.project import Project
from polyscene.runs.asking import named_policy
from polyscene.runs.run import Run

LUCE = {"name": "plackett_luce", "temperature": 1.0}


def test_a_seed_draws_the_same_slate(run: Run) -> None:
    slates = [
        run.recommend("u00001", "shop", 6, reasons=False, policy=LUCE, seed=seed) for seed in (1, 1, 2, 3)
    ]
    assert slates[0] == slates[1]
    assert len({tuple(slate.ids) for slate in slates}) > 1
    assert all(0 < place.propensity < 1 for place in slates[0])


def test_greedy_is_what_was_always_given(run: Run) -> None:
    plain = run.recommend("u00001", "shop", 6)
    assert plain == run.recommend("u00001", "shop", 6, policy="greedy", seed=4)
    assert plain == run.recommend("u00001", "shop", 6, policy=LUCE, explore=False)
    assert {place.propensity for place in plain} == {1.0}


def test_filter_and_seen_reach_the_slate(run: Run) -> None:
    slate = run.recommend("u00001", "shop", 6, filter={"price": {"at_most": 40}}, seen="allow")
    assert slate.ids
    assert all(place.item.attributes["price"] <= 40 for place in slate)  # type: ignore[operator]


def test_why_not_takes_what_recommend_takes(run: Run) -> None:
    order = run.recommend("u00001", "shop", 9).ids
    assert run.why_not("u00001", order[8], "shop", 3).rank == 9
    why = run.why_not("u00001", order[0], "shop", 3, exclude=[order[0]])
    assert [one.stage for one in why.obstacles] == ["excluded"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"policy": "luck"}, "expected a policy, found 'luck'"),
        ({"policy": {"name": "epsilon", "epsilon": -1}}, "greater than or equal to 0"),
        ({"filter": {"price": {"under": 3}}}, "expected conditions by attribute"),
        ({"filter": "price < 3"}, "expected conditions by attribute"),
        ({"seen": "never"}, "expected seen='hide' or seen='allow'"),
        ({"seed": -1}, "expected a seed of at least 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(run: Run, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        run.recommend("u00001", "shop", 3, **asked)
    assert named_policy(None) is None


def present(run: Run, **changes: Any) -> dict[str, ScenarioSettings]:
    """Return the settings of a run's scenarios, those of the shop changed."""
    plain = run.settings["shop"].model_dump(mode="json", by_alias=True) | changes
    return dict(run.settings) | {"shop": ScenarioSettings(**plain)}


def test_the_present_configuration_chooses_policy_and_rules(project: Project, run: Run) -> None:
    last = run.recommend("u00001", "shop", 20).ids[-1]
    rules = [{"name": "x", "kind": "pin", "item": last, "place": 1}]
    changed = Run(run.folder, present(run, policy=LUCE, rules=rules))
    slate = changed.recommend("u00001", "shop", 5)
    assert slate.ids[0] == last
    assert slate[0].propensity == 1.0
    assert all(place.propensity < 1 for place in slate[1:])
    assert {place.propensity for place in changed.recommend("u00001", "news", 5)} == {1.0}
    assert project.run(run.id).recommend("u00001", "shop", 5).ids == run.recommend("u00001", "shop", 5).ids


def test_rules_about_nothing_are_refused(run: Run) -> None:
    rules = [{"name": "x", "kind": "cap", "by": "colour", "most": 1}]
    with pytest.raises(ConfigError, match="the rule 'x'"):
        Run(run.folder, present(run, rules=rules)).recommend("u00001", "shop", 5)
    absent = [{"name": "x", "kind": "block", "items": ["not yet"]}]
    assert Run(run.folder, present(run, rules=absent)).recommend("u00001", "shop", 5).ids
