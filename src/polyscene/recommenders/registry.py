"""Fitted parts on disk: named arrays as safetensors, never pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from polyscene.core.errors import RunError
from polyscene.core.types import Arrays
from polyscene.recommenders.content import Content, ContentPrior, CrossScenario
from polyscene.recommenders.content_transitions import ContentTransitions
from polyscene.recommenders.factors import Factors
from polyscene.recommenders.linear import Linear
from polyscene.recommenders.neighbours import Neighbours
from polyscene.recommenders.popularity import Popularity
from polyscene.recommenders.recency import Recency
from polyscene.recommenders.signal import Signal
from polyscene.recommenders.text_ranker import TextRanker
from polyscene.recommenders.transitions import Transitions

SIGNALS: Mapping[str, type[Signal]] = {
    kind.name: kind
    for kind in (
        Popularity,
        Recency,
        Transitions,
        Linear,
        Factors,
        Neighbours,
        Content,
        ContentPrior,
        ContentTransitions,
        CrossScenario,
        TextRanker,
    )
}
"""Every signal by name, in the order in which tables list them."""


def save_arrays(path: Path, state: Arrays) -> None:
    """Write named arrays to one file."""
    save_file({name: np.asarray(array, order="C") for name, array in state.items()}, path)


def load_arrays(path: Path) -> Arrays:
    """Read named arrays.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunError(f"expected weights in {path}, found {error}; train again") from error
