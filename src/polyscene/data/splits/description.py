"""What decides which events are learned from and which choices are judged, by the name of the setting.

A run keeps the description of its own split, so that it is never judged on another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyscene.core.settings.evaluation import EvaluationSettings

JUDGING_ALONE = frozenset({"cutoffs", "max_cases", "bootstrap"})
"""What `[evaluation]` says of how the same choices are judged; everything else decides which they are."""


def describe_split(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide the split, by their dotted names.

    `[fusion] hidden_items` is not among them: it keeps items from the signals while the fusion learns, never
    from the finished system.

    Args:
        settings: as `Settings.model_dump(mode="json")` gives them; what is not there has its default, so that
            a run from before a setting was known is described as it was trained.
    """
    evaluation = settings.get("evaluation", {})
    description = {"sequence_clock": settings.get("sequence_clock", "local")}
    for name, field in EvaluationSettings.model_fields.items():
        if name not in JUDGING_ALONE:
            default = field.get_default(call_default_factory=True)
            description[f"evaluation.{name}"] = evaluation.get(name, default)
    for scenario, block in settings["scenarios"].items():
        objectives = {objective["action"]: objective["weight"] for objective in block.get("objectives", ())}
        description[f"scenarios.{scenario}.objectives"] = objectives
        description[f"scenarios.{scenario}.actions"] = dict(block.get("actions", {}))
        description[f"scenarios.{scenario}.repeats"] = block.get("repeats")
        description[f"scenarios.{scenario}.events.liked_from"] = block.get("events", {}).get("liked_from")
    return description


def differences(trained: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    """Return the names of the settings that differ between two descriptions, in order."""
    names = dict.fromkeys((*trained, *present))
    return [name for name in names if trained.get(name) != present.get(name)]
