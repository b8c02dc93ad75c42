"""`[scenarios.NAME]`: a place where recommendations appear."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from polyscene.core.settings.block import Strict
from polyscene.core.settings.links import KnowledgeSettings, LinksSettings
from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.settings.rules import Rules
from polyscene.core.settings.signals import BESIDE_TEXT, USUAL_SIGNALS, SignalName
from polyscene.core.settings.tables import EventsSettings, ItemsSettings, UsersSettings

TaskLoss = Literal["bce", "classes", "mse", "huber", "softmax", "bpr"]
VALUE_LOSSES: frozenset[TaskLoss] = frozenset({"mse", "huber"})
"""Those that predict what an action measured; the others predict that it happens, or which class it is of."""


class Objective(Strict):
    """One thing that a scenario wants to happen."""

    action: str
    loss: TaskLoss = Field(
        "bce",
        description="bce: yes or no; classes: which value; mse, huber: its value; softmax, bpr: order",
    )
    weight: float = Field(1.0, gt=0)
    at_least: float | None = Field(None, description="of bce: the least value that is a yes; default: any")
    scale: Literal["linear", "log"] = Field("linear", description="of mse and huber: learn log(1 + value)")

    @model_validator(mode="after")
    def _must_have_a_use(self) -> Self:
        if self.at_least is not None and self.loss != "bce":
            raise ValueError(f"at_least should go with loss 'bce', not '{self.loss}'")
        if self.scale == "log" and self.loss not in VALUE_LOSSES:
            raise ValueError(f"scale 'log' should go with loss 'mse' or 'huber', not '{self.loss}'")
        return self


class ScenarioSettings(Strict):
    """A place where recommendations appear."""

    items: ItemsSettings
    events: EventsSettings
    users: UsersSettings | None = None
    links: LinksSettings | None = None
    knowledge: KnowledgeSettings | None = None
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

    @model_validator(mode="before")
    @classmethod
    def _use_what_is_brought(cls, settings: Any) -> Any:  # noqa: ANN401 - whatever was written
        """Let who brings vectors of items have them used."""
        if not isinstance(settings, dict) or "signals" in settings:
            return settings
        items = settings.get("items")
        brings = isinstance(items, dict) and items.get("vectors")
        return settings | {"signals": [*USUAL_SIGNALS, BESIDE_TEXT]} if brings else settings

    @property
    def action_weights(self) -> dict[str, float]:
        """The weight of every action that an objective names; of several objectives the greatest counts."""
        weights: dict[str, float] = {}
        for objective in self.objectives:
            weights[objective.action] = max(objective.weight, weights.get(objective.action, 0.0))
        return weights
