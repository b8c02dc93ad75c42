"""Which choices are hard: the item is new or hardly known, or the user is.

A mean hides them, so they are judged beside it. Slices overlap: a new item is a cold item too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyscene.core.types import BoolArray

MIN_WARM_EVENTS = 3
"""Fewer training events than this, and an item or a user is cold."""


def choice_slices(
    item_events: NDArray[np.integer[Any]], user_events: NDArray[np.integer[Any]]
) -> dict[str, BoolArray]:
    """Return the slices as masks over choices, each (B,).

    Args:
        item_events: (B,) events of the taken item that the model could learn from before this choice.
        user_events: (B,) the same for the user, in any scenario.

    Returns:
        new_items: the item had no event. cold_items: fewer than 3, so also the new. cold_users: the
        user had fewer than 3.
    """
    if item_events.ndim != 1 or item_events.shape != user_events.shape:
        raise ValueError(f"expected two (B,) arrays, found {item_events.shape} and {user_events.shape}")
    return {
        "new_items": item_events == 0,
        "cold_items": item_events < MIN_WARM_EVENTS,
        "cold_users": user_events < MIN_WARM_EVENTS,
    }
