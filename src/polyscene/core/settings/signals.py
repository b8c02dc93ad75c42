"""Which signals there are, by name, and `[signals.NAME]`: what each may be told.

Names are known without loading a signal; only a `[signals.NAME]` block loads the one that it is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel

from polyscene.core.registry import Registry, known_to
from polyscene.core.settings.renaming import present_name

USUAL_SIGNALS = (
    "popularity",
    "recency",
    "transitions",
    "linear",
    "factors",
    "neighbours",
    "content",
    "content_prior",
    "content_transitions",
    "cross_scenario",
    "cross_neighbours",
    "social",
    "knowledge",
)
"""What is combined unless a scenario says otherwise."""

BESIDE_TEXT = "attributes"
"""What weighs attributes and media beside the text of an item."""

OTHER_SIGNALS = ("attributes", "text_ranker", "sequence", "multitask", "posterior")
"""What is combined where a scenario says so."""

SIGNALS: Registry[Any] = Registry("polyscene.signals", (*USUAL_SIGNALS, *OTHER_SIGNALS))
"""Subclasses of `recommenders.signal.Signal` by name."""

RENAMED: Mapping[str, str] = {"elsewhere": "cross_scenario"}
"""Present names of signals by those of earlier versions, in configurations and in runs."""

SignalName = Annotated[str, known_to(SIGNALS, present_name("signal", RENAMED))]


def settings_class(name: str) -> type[BaseModel]:
    """Return what describes the block `[signals.NAME]`; this loads the signal.

    Raises:
        UnknownIdError: there is no such signal.
        MissingExtraError: it cannot be loaded.
    """
    described: type[BaseModel] = SIGNALS[name].Settings
    return described
