"""How a live system lies in a run's folder: tables as Parquet, arrays as safetensors, never pickle.

A folder per scenario holds catalogue, attributes, events, the item space, what the fusion learned, and one
file for each signal.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from polyscene.core.arrays import StoredArrays, load_arrays, save_arrays
from polyscene.core.errors import RunError
from polyscene.data.schema import Catalogue, EventLog, Ids
from polyscene.engine.state import ScenarioState, System
from polyscene.recommenders.fusion.features import Features
from polyscene.recommenders.fusion.fusion import Fusion, moving_of
from polyscene.recommenders.fusion.inference import FusionWeights
from polyscene.recommenders.registry import SIGNALS
from polyscene.recommenders.signal import Signal
from polyscene.representation.item_space import ItemSpace
from polyscene.runs import format_1

FORMAT = 2
SPACE, FEATURES, NETWORK = "space.safetensors", "features.safetensors", "network.safetensors"
USERS, CATALOGUE, ATTRIBUTES, EVENTS = (
    "users.parquet",
    "catalogue.parquet",
    "attributes.parquet",
    "events.parquet",
)
EVENT_COLUMNS = ("user", "item", "action", "value", "weight", "time", "part", "choice")
HAD = "had"
"""A column beside them, in runs whose settings say what is liked."""


def save_system(system: System, folder: Path) -> dict[str, Any]:
    """Write everything into a folder and return what the manifest must say of it."""
    pl.DataFrame({"id": system.users.ids().values}).write_parquet(folder / USERS)
    facts: dict[str, Any] = {"clocks_shared": system.clocks_shared, "scenarios": {}}
    for number, (name, state) in enumerate(system.scenarios.items()):
        home = folder / "scenarios" / str(number)
        home.mkdir(parents=True)
        facts["scenarios"][name] = {"folder": f"scenarios/{number}", **_save_scenario(state, home)}
    return facts


def load_system(folder: Path, facts: Mapping[str, Any], run_format: int = FORMAT) -> System:
    """Read what `save_system` wrote, or what earlier versions did.

    Raises:
        RunError: a file is missing or damaged.
    """
    try:
        users = Ids(pl.read_parquet(folder / USERS)["id"])
        homes = {name: folder / one["folder"] for name, one in facts["scenarios"].items()}
        spaces = {name: _load_space(home, run_format) for name, home in homes.items()}
        scenarios = {
            name: _load_scenario(name, homes[name], one, spaces, len(users), run_format)
            for name, one in facts["scenarios"].items()
        }
        return System(users, scenarios, bool(facts["clocks_shared"]))
    except (OSError, KeyError, TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise RunError(f"expected a whole run in {folder}, found {error!r}; train again") from error


def _save_scenario(state: ScenarioState, home: Path) -> dict[str, Any]:
    fusion, catalogue = state.fusion, state.catalogue
    pl.DataFrame(
        {
            "id": catalogue.ids.ids().values,
            "text": catalogue.texts,
            "title": catalogue.titles,
            "since": fusion.features.since,
        },
        schema_overrides={"text": pl.String, "title": pl.String},
    ).write_parquet(home / CATALOGUE)
    catalogue.attributes().write_parquet(home / ATTRIBUTES)
    events = state.log.events()
    columns = EVENT_COLUMNS if events.had is None else (*EVENT_COLUMNS, HAD)
    pl.DataFrame({column: getattr(events, column) for column in columns}).write_parquet(home / EVENTS)
    save_arrays(home / SPACE, state.space.state())
    save_arrays(home / FEATURES, fusion.state())
    save_arrays(home / NETWORK, fusion.weights.arrays)
    for name, signal in fusion.present().items():
        save_arrays(home / f"{name}.safetensors", signal.state())
    return {
        "clock": state.clock,
        "latest": state.latest,
        "actions": list(events.actions),
        "signals": list(fusion.names),
        "fitted": {
            name: signal.settings.model_dump(mode="json") for name, signal in fusion.present().items()
        },
        "number": fusion.scenario,
        "hide_seen": fusion.hide_seen,
        "fallback": fusion.fallback,
        "fallback_of_new": fusion.fallback_of_new,
    }


def _load_scenario(
    name: str,
    home: Path,
    facts: Mapping[str, Any],
    spaces: Mapping[str, ItemSpace],
    n_users: int,
    run_format: int,
) -> ScenarioState:
    table, log = pl.read_parquet(home / CATALOGUE), pl.read_parquet(home / EVENTS)
    attributes = pl.read_parquet(home / ATTRIBUTES)
    catalogue = Catalogue(
        Ids(table["id"]),
        tuple(table["text"].to_list()),
        tuple(table["title"].to_list()),
        attributes,
        table["since"].to_numpy(),
    )
    columns = {column: log[column].to_numpy() for column in EVENT_COLUMNS}
    had = log[HAD].to_numpy() if HAD in log.columns else None
    events = EventLog(**columns, actions=tuple(facts["actions"]), had=had)
    others = {other: space for other, space in spaces.items() if other != name}
    if run_format == 1:
        end = int(events.time.max(initial=0))
        signals: list[Signal | None] = [
            format_1.load_signal(signal, home, spaces[name], others, end)
            if signal in facts["fitted"]
            else None
            for signal in facts["signals"]
        ]
    else:
        signals = [
            _load_signal(signal, home, facts["fitted"], spaces[name], others) for signal in facts["signals"]
        ]
    features = load_arrays(home / FEATURES)
    fusion = Fusion(
        tuple(facts["signals"]),
        signals,
        Features.restore(features),
        FusionWeights.of(load_arrays(home / NETWORK)),
        facts["number"],
        facts["hide_seen"],
        facts["fallback"],
        moving=moving_of(features),
        fallback_of_new=facts.get("fallback_of_new"),
    )
    state = ScenarioState.of(name, catalogue, events, facts["clock"], spaces[name], fusion, n_users)
    state.latest = max(state.latest, int(facts.get("latest", 0)))
    return state


def _load_space(home: Path, run_format: int) -> ItemSpace:
    if run_format == 1:
        return format_1.space_of(home, pl.scan_parquet(home / CATALOGUE).select(pl.len()).collect().item())
    return ItemSpace.restore(StoredArrays(home / SPACE))


def _load_signal(
    name: str,
    home: Path,
    fitted: Mapping[str, Any],
    space: ItemSpace,
    others: Mapping[str, ItemSpace],
) -> Signal | None:
    if name not in fitted:
        return None
    kind = SIGNALS[name]
    state = load_arrays(home / f"{name}.safetensors")
    return kind(kind.Settings(**fitted[name])).restore(state, space, others)
