"""What a cycle does about posteriors that learned event by event.

They are compared with a refit, which says when a night has to train anew; what was undone is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from polyscene.core.settings.project import Settings
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.data.schema import Dataset, EventLog
from polyscene.engine.movement import find_posterior, learned_events, posterior_of
from polyscene.engine.state import System
from polyscene.online.progressive import dataset_of, with_events
from polyscene.recommenders.posterior.refit import RefitDistance, refit_distance
from polyscene.recommenders.signal import Evidence
from polyscene.serving.cycle_report import CycleReport
from polyscene.serving.stores.contract import ChangeKind, Entry, LoggedChange

Undone = Mapping[tuple[str, str], list[tuple[int, int]]]
"""By scenario and item: after which moment and up to which one its events were undone."""


def undone_in(entries: Iterable[tuple[int, Entry]]) -> Undone:
    """Return what the changes of a log have undone."""
    undone: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for _, entry in entries:
        if isinstance(entry, LoggedChange) and entry.kind is ChangeKind.movement and entry.fields:
            span = int(entry.fields["since"]), int(entry.fields["until"])
            undone.setdefault((entry.scenario, entry.name), []).append(span)
    return undone


def without_undone(dataset: Dataset, undone: Undone) -> Dataset:
    """Return a data set without the events that were undone: nothing trained on it learns them again."""
    logs: dict[str, EventLog] = {}
    for (name, item), spans in undone.items():
        scenario = dataset.scenarios.get(name)
        code = None if scenario is None else scenario.catalogue.ids.get(item)
        if scenario is None or code is None:
            continue
        log = logs.get(name, scenario.events)
        dropped = np.zeros(len(log), np.bool_)
        for since, until in spans:
            dropped |= (log.item == code) & (log.time > since) & (log.time <= until)
        logs[name] = log.take(~dropped)
    return with_events(dataset, logs)


def has_posteriors(system: System) -> bool:
    """Return whether any scenario has a posterior."""
    return any(find_posterior(state) is not None for state in system.scenarios.values())


def refit_distances(
    system: System, settings: Mapping[str, ScenarioSettings], undone: Undone, seed: int
) -> dict[str, RefitDistance]:
    """Return, by scenario with a posterior, how far it stands from one fitted anew on what the system knows.

    Args:
        undone: is left out of the refit.
        seed: of the project.
    """
    states = {name: state for name, state in system.scenarios.items() if find_posterior(state)}
    learned = {name: _in_order(learned_events(state)) for name, state in states.items()}
    known = without_undone(with_events(dataset_of(system, settings), learned), undone)
    distances = {}
    for name, state in states.items():
        scenario = known.scenarios[name]
        evidence = Evidence(
            scenario.events,
            len(known.users),
            len(scenario.catalogue),
            state.space,
            scenario.catalogue.since,
            state.clock,
            seed=seed,
        )
        distances[name] = refit_distance(posterior_of(state), evidence)
    return distances


def _in_order(log: EventLog) -> EventLog:
    return log.take(np.argsort(log.time, kind="stable"))


def plain_distances(distances: Mapping[str, RefitDistance]) -> dict[str, dict[str, Any]]:
    """Return distances as JSON can say them."""
    return {name: asdict(one) | {"beyond_chance": one.beyond_chance} for name, one in distances.items()}


def why_too_far(distances: Mapping[str, RefitDistance], limit: float) -> str | None:
    """Return why a run has to be trained anew, by the scenario that is furthest; None: it may learn on.

    Args:
        limit: share of the ten best items by which slates may differ from a refit's, beyond chance; 0: any.
    """
    if not limit or not distances:
        return None
    name, one = max(distances.items(), key=lambda pair: pair[1].beyond_chance)
    if one.beyond_chance <= limit:
        return None
    return (
        f"the posterior of '{name}' has drifted from a refit: slates differ in {one.live.slates:.1%} of "
        f"their items, {one.by_chance.slates:.1%} by chance alone; at most {limit:.1%} more are let be"
    )


def compare_with_refits(
    system: System, settings: Settings, undone: Undone, report: CycleReport
) -> str | None:
    """Put the distances of all posteriors into a report; return why to train anew, None: no reason."""
    distances = refit_distances(system, settings.scenarios, undone, settings.seed)
    report.refit = plain_distances(distances)
    return why_too_far(distances, settings.cycle.refit_distance)
