"""`[drift]`: how a service watches for change, and what a detection triggers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from polyscene.core.settings.block import Strict

Reaction = Literal["alarm", "refit", "forget"]


class DriftSettings(Strict):
    """How a service watches for change, and what a detection triggers."""

    detector: Literal["adwin", "page_hinkley", "none"] = "adwin"
    false_alarms: float = Field(
        0.0001, gt=0, lt=0.5, description="chance of one at a look that finds no change"
    )
    minutes: float = Field(30.0, gt=0, description="a slate that nobody chose from by then was skipped")
    reaction: Reaction = Field(
        "alarm",
        description="alarm: tell; refit: tell, and ask for a cycle; forget: the same, with older events "
        "counting less in it",
    )
    half_life_days: float = Field(7.0, gt=0, description="forget: after so long an event counts half")
