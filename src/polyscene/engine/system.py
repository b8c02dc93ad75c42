"""A fitted system: catalogues, what people did, and a fusion per scenario; how it lies in a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from polyscene.core.arrays import load_arrays, save_arrays
from polyscene.core.errors import RunError, UnknownIdError
from polyscene.core.settings.signals import RENAMED
from polyscene.core.types import Item
from polyscene.data.queries import HISTORY_LENGTH, LATEST, Queries, Timeline
from polyscene.data.schema import Catalogue, Clock, Dataset, EventLog, Ids
from polyscene.recommenders.fusion.features import Features
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.registry import SIGNALS

NO_USER = -1


@dataclass(frozen=True)
class ScenarioState:
    """One scenario of a fitted system."""

    name: str
    catalogue: Catalogue
    events: EventLog
    clock: Clock
    fusion: Fusion

    def item(self, code: int) -> Item:
        """Return an item as people see it: its title, and what is known of it."""
        row = self.catalogue.attributes.row(code, named=True) if self.catalogue.attributes.width else {}
        return Item(self.catalogue.ids[code], self.name, self.catalogue.title[code], row)

    def code(self, item: str) -> int:
        """Return the code of an item id.

        Raises:
            UnknownIdError: it is not in the catalogue.
        """
        code = self.catalogue.ids.get(item)
        if code is None:
            raise UnknownIdError(
                f"expected an item of scenario '{self.name}', found '{item}'; "
                f"its ids look like '{self.catalogue.ids[0]}'"
            )
        return code


class System:
    """All scenarios, and the users they share."""

    def __init__(self, users: Ids, places: Mapping[str, ScenarioState], clocks_shared: bool) -> None:
        self.users, self.places, self.clocks_shared = users, dict(places), clocks_shared
        self._timelines = {name: Timeline(place.events, len(users)) for name, place in self.places.items()}

    @classmethod
    def of(cls, dataset: Dataset, fusions: Mapping[str, Fusion]) -> System:
        """Join a data set with what was fitted on it."""
        places = {
            name: ScenarioState(name, scenario.catalogue, scenario.events, scenario.clock, fusions[name])
            for name, scenario in dataset.scenarios.items()
        }
        return cls(dataset.users, places, dataset.clocks_shared)

    def place(self, scenario: str | None) -> ScenarioState:
        """Return a scenario by name; None is allowed where there is only one.

        Raises:
            UnknownIdError: there is no such scenario, or several and none was named.
        """
        if scenario is None and len(self.places) == 1:
            return next(iter(self.places.values()))
        if scenario is None or scenario not in self.places:
            found = "none" if scenario is None else f"'{scenario}'"
            raise UnknownIdError(f"expected a scenario out of {', '.join(self.places)}, found {found}")
        return self.places[scenario]

    def queries(self, user: str, place: ScenarioState) -> Queries:
        """Return one request of a user right after everything that is known; strangers have no history."""
        code = self.users.get(user)
        if code is None:
            code = self.users.get(f"{place.name}/{user}")
        who = np.array([NO_USER if code is None else code], np.int32)
        now = np.array([self.now(place)], np.int64)
        elsewhere = {}
        for name, timeline in self._timelines.items():
            if name != place.name:
                elsewhere[name] = timeline.before(who, np.array([LATEST]))
        length = None if place.fusion.hide_seen else HISTORY_LENGTH
        here = self._timelines[place.name].before(who, np.array([LATEST]), length)
        return Queries(who, now, here, elsewhere)

    def now(self, place: ScenarioState) -> int:
        """Return the moment after the last event of all scenarios with the same clock."""
        others = self.places.values() if self.clocks_shared else [place]
        return max((int(p.events.time.max(initial=0)) for p in others), default=0) + 1

    def save(self, folder: Path) -> dict[str, Any]:
        """Write everything into the folder and return what the manifest must say of it."""
        pl.DataFrame({"id": self.users.values.cast(pl.String)}).write_parquet(folder / "users.parquet")
        facts: dict[str, Any] = {"clocks_shared": self.clocks_shared, "places": {}}
        for number, (name, place) in enumerate(self.places.items()):
            home = folder / "scenarios" / str(number)
            home.mkdir(parents=True)
            facts["places"][name] = {"folder": f"scenarios/{number}", **_save_place(place, home)}
        return facts

    @classmethod
    def load(cls, folder: Path, facts: Mapping[str, Any]) -> System:
        """Read what `save` wrote.

        Raises:
            RunError: a file is missing or damaged.
        """
        try:
            users = Ids(pl.read_parquet(folder / "users.parquet")["id"])
            places = {
                name: _load_place(name, folder / found["folder"], found)
                for name, found in facts["places"].items()
            }
            return cls(users, places, bool(facts["clocks_shared"]))
        except (OSError, KeyError, TypeError, pl.exceptions.PolarsError, SafetensorError) as error:
            raise RunError(f"expected a whole run in {folder}, found {error!r}; train again") from error


def _save_place(place: ScenarioState, home: Path) -> dict[str, Any]:
    fusion, catalogue, events = place.fusion, place.catalogue, place.events
    pl.DataFrame(
        {
            "id": catalogue.ids.values.cast(pl.String),
            "text": list(catalogue.text),
            "title": list(catalogue.title),
            "since": catalogue.since,
        },
        schema_overrides={"text": pl.String, "title": pl.String},
    ).write_parquet(home / "catalogue.parquet")
    catalogue.attributes.write_parquet(home / "attributes.parquet")
    pl.DataFrame(
        {
            "user": events.user,
            "item": events.item,
            "action": events.action,
            "value": events.value,
            "weight": events.weight,
            "time": events.time,
            "part": events.part,
            "choice": events.choice,
        }
    ).write_parquet(home / "events.parquet")
    save_arrays(home / "features.safetensors", fusion.features.state())
    save_file(
        {name: value.contiguous() for name, value in fusion.network.state_dict().items()},
        home / "network.safetensors",
    )
    for name, signal in zip(fusion.names, fusion.signals, strict=True):
        if signal is not None:
            save_arrays(home / f"{name}.safetensors", signal.state())
    return {
        "clock": place.clock,
        "actions": list(events.actions),
        "signals": list(fusion.names),
        "fitted": [
            name for name, signal in zip(fusion.names, fusion.signals, strict=True) if signal is not None
        ],
        "number": fusion.scenario,
        "scenarios": fusion.network.n_scenarios,
        "hidden": fusion.network.hidden,
        "hide_seen": fusion.hide_seen,
        "fallback": fusion.fallback,
    }


def _load_place(name: str, home: Path, facts: Mapping[str, Any]) -> ScenarioState:
    table = pl.read_parquet(home / "catalogue.parquet")
    catalogue = Catalogue(
        Ids(table["id"]),
        tuple(table["text"]),
        tuple(table["title"]),
        pl.read_parquet(home / "attributes.parquet"),
        table["since"].to_numpy(),
    )
    log = pl.read_parquet(home / "events.parquet")
    events = EventLog(
        **{column: log[column].to_numpy() for column in log.columns}, actions=tuple(facts["actions"])
    )
    names = tuple(RENAMED.get(signal, signal) for signal in facts["signals"])
    signals = [
        SIGNALS[present].restore(load_arrays(home / f"{signal}.safetensors"))
        if signal in facts["fitted"]
        else None
        for signal, present in zip(facts["signals"], names, strict=True)
    ]
    network = FusionNetwork(len(names), facts["scenarios"], facts["hidden"])
    weights = load_file(home / "network.safetensors")
    with torch.no_grad():
        network.load_state_dict(weights)
    features = Features.restore(load_arrays(home / "features.safetensors"))
    fusion = Fusion(names, signals, features, network, facts["number"], facts["hide_seen"], facts["fallback"])
    return ScenarioState(name, catalogue, events, facts["clock"], fusion)
