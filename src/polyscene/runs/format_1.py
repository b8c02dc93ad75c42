"""Opens runs that earlier versions left: they answer as they did.

What these runs do not hold cannot be made up: links and counts of theirs take events only roughly, and new
items cannot be put into them, since nothing says how their texts were read. Training again mends both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from polyscene.core.arrays import Arrays, load_arrays
from polyscene.core.clock import DAY
from polyscene.core.errors import RunError
from polyscene.core.settings.signals import RENAMED
from polyscene.core.types import FloatArray
from polyscene.recommenders.registry import SIGNALS
from polyscene.recommenders.signal import Signal
from polyscene.representation.item_space import ItemSpace, View, ViewName

NOTE = (
    "this run is of an earlier version: it answers as it did, takes events only roughly and no new items; "
    "`polyscene train` makes one that does"
)


def present_manifest(manifest: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a run's manifest in the words of the present version.

    Raises:
        RunError: it is damaged.
    """
    try:
        facts, notes = _present_facts(manifest["system"]), [*manifest["notes"], NOTE]
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"expected a whole run in {folder}, found {error!r}; train again") from error
    return {**manifest, "system": facts, "notes": notes}


def _present_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    scenarios = {
        name: dict(one)
        | {
            "signals": [RENAMED.get(signal, signal) for signal in one["signals"]],
            "fitted": {RENAMED.get(signal, signal): {} for signal in one["fitted"]},
        }
        for name, one in facts["places"].items()
    }
    return {"clocks_shared": facts["clocks_shared"], "scenarios": scenarios}


def space_of(home: Path, n_items: int) -> ItemSpace:
    """Return the vectors that the signals of one scenario kept; their means are not known."""
    former: tuple[tuple[ViewName, str], ...]
    former = ("tuned", "content"), ("prior", "content_prior"), ("common", "elsewhere")
    paths = {view: home / f"{signal}.safetensors" for view, signal in former}
    views: dict[ViewName, View] = {view: _view(path) for view, path in paths.items() if path.is_file()}
    if not views:
        return ItemSpace.empty(n_items)
    some = next(iter(views.values()))
    return ItemSpace({"tuned": some, "common": some, **views})


def load_signal(name: str, home: Path, space: ItemSpace, others: Mapping[str, ItemSpace], end: int) -> Signal:
    """Return a signal that scores as it did.

    Args:
        end: the moment of the last event, in microseconds.
    """
    former = {new: old for old, new in RENAMED.items()}.get(name, name)
    state = load_arrays(home / f"{former}.safetensors")
    return SIGNALS[name]().restore(_present_state(name, state, end), space, others)


def _view(path: Path) -> View:
    vectors: FloatArray = load_arrays(path)["vectors"]
    return View(np.zeros(vectors.shape[1]), vectors)


def _present_state(name: str, state: Arrays, end: int) -> Arrays:
    """Return the state of a signal as its present class takes it back."""
    if name == "popularity":
        moments = np.array([float(state["half_life"]), end / DAY, end / DAY])
        return {"counts": np.expm1(state["scores"].astype(np.float64)), "moments": moments}
    if name == "recency":
        return state | {"dated": np.ones(len(state["since"]), np.bool_)}
    if name == "transitions":  # rows were divided by the root of their sum already
        return state | {"sums": np.ones(len(state["indptr"]) - 1)}
    if name == "neighbours":  # and these by their norms: without counts, the shrinkage alone divides
        shrinkage = SIGNALS[name]().settings.shrinkage
        counts = np.zeros(len(state["indptr"]) - 1, np.float32)
        return state | {"data": state["data"] * np.float32(shrinkage), "counts": counts}
    if name == "cross_scenario":
        return {"decay": np.array(SIGNALS[name]().settings.decay)}
    return state
