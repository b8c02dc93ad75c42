"""Which signals there are."""

from __future__ import annotations

from typing import Literal, get_args

SignalName = Literal[
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
    "text_ranker",
]


ALL_SIGNALS: tuple[SignalName, ...] = get_args(SignalName)


USUAL_SIGNALS: tuple[SignalName, ...] = tuple(name for name in ALL_SIGNALS if name != "text_ranker")
"""What is combined unless a scenario says otherwise."""
