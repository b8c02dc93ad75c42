"""`[scenarios.NAME]`: a place where recommendations appear."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from polyscene.core.settings.block import Strict
from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.settings.rules import Rules
from polyscene.core.settings.signals import USUAL_SIGNALS, SignalName
from polyscene.core.settings.tables import EventsSettings, ItemsSettings, UsersSettings


class Objective(Strict):
    """One thing that a scenario wants to happen."""

    action: str
    loss: Literal["bce", "mse"] = "bce"
    weight: float = Field(1.0, gt=0)


class ScenarioSettings(Strict):
    """A place where recommendations appear."""

    items: ItemsSettings
    events: EventsSettings
    users: UsersSettings | None = None
    model: str | None = Field(
        None, description="the language model of this scenario's texts; default: that of [language]"
    )
    template: str | None = Field(None, description="the item's text, e.g. '{title}. Brand: {brand}.'")
    objectives: list[Objective] = Field(
        default_factory=list, description="actions that count as choices, with weights; default: all"
    )
    actions: dict[str, float] = Field(
        default_factory=dict, description="weight of each action in what is learned; 0 ignores it"
    )
    weight: float = Field(1.0, gt=0, description="the scenario's share in joint training")
    users_are_local: bool = Field(False, description="same id elsewhere is another person")
    repeats: bool | None = Field(
        None,
        description="show a user again what they had? default: by the share of repeats",
    )
    policy: PolicyChoice = Field(
        default_factory=PolicyChoice,
        description="how slates are chosen from scores: `greedy` explores nothing",
    )
    shadow: PolicyChoice | None = Field(
        None, description="a policy that decides beside `policy`, and is logged and not shown"
    )
    rules: Rules = Field((), description="what people decide about slates")
    signals: list[SignalName] = Field(default_factory=lambda: [*USUAL_SIGNALS])
