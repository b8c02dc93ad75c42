"""The description of a split holds what decides it, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from polyscene.core.settings.project import Settings
from polyscene.data.splits.description import describe_split, differences

SHOP = {"items": {"path": "i.csv", "id": "id"}, "events": {"path": "e.csv", "user": "u", "item": "i"}}


def described(**blocks: Any) -> dict[str, Any]:
    return describe_split(Settings.parse({"scenarios": {"shop": SHOP}, **blocks}).model_dump(mode="json"))


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"evaluation": {"protocol": "leave_last_out"}}, "evaluation.protocol"),
        ({"evaluation": {"test_share": 0.3}}, "evaluation.test_share"),
        ({"evaluation": {"valid_share": 0.3}}, "evaluation.valid_share"),
        ({"evaluation": {"warmup": 0.3}}, "evaluation.warmup"),
        ({"evaluation": {"hidden_items": 0.5}}, "evaluation.hidden_items"),
        ({"sequence_clock": "shared"}, "sequence_clock"),
        (
            {"scenarios": {"shop": SHOP | {"objectives": [{"action": "buy"}]}}},
            "scenarios.shop.objectives",
        ),
        ({"scenarios": {"shop": SHOP | {"actions": {"view": 0.0}}}}, "scenarios.shop.actions"),
        ({"scenarios": {"shop": SHOP | {"repeats": True}}}, "scenarios.shop.repeats"),
        (
            {"scenarios": {"shop": SHOP | {"events": SHOP["events"] | {"value": "v", "liked_from": 3}}}},
            "scenarios.shop.events.liked_from",
        ),
    ],
)
def test_what_decides_the_split_is_named_where_it_differs(changed: dict[str, Any], name: str) -> None:
    assert differences(described(), described(**changed)) == [name]


@pytest.mark.parametrize(
    "changed",
    [
        {"evaluation": {"cutoffs": [3], "max_cases": 7, "bootstrap": 0}},
        {"fusion": {"hidden_items": 0.3, "epochs": 1}},
        {"seed": 99},
        {"scenarios": {"shop": SHOP | {"weight": 3.0, "signals": ["popularity"]}}},
    ],
)
def test_what_does_not_decide_it_is_left_out(changed: dict[str, Any]) -> None:
    assert differences(described(), described(**changed)) == []


def test_a_scenario_more_is_a_difference() -> None:
    more = described(scenarios={"shop": SHOP, "news": SHOP})
    assert differences(described(), more) == [f"scenarios.news.{name}" for name in ("objectives", "actions")]


def test_a_setting_that_was_not_known_yet_had_its_default() -> None:
    old = Settings.parse({"scenarios": {"shop": SHOP}}).model_dump(mode="json")
    del old["evaluation"]["hidden_items"], old["scenarios"]["shop"]["repeats"]
    assert differences(describe_split(old), described()) == []
    hidden = described(evaluation={"hidden_items": 0.5})
    assert differences(describe_split(old), hidden) == ["evaluation.hidden_items"]
