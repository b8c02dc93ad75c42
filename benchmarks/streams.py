"""The stream that follows a warm-up, for peers: what happened, what is asked, what an event costs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from polyscene.core.errors import RunError
from polyscene.data.queries import LATEST
from polyscene.data.splits.folds import Folds
from polyscene.data.splits.phases import Phase
from polyscene.data.splits.protocol import split
from polyscene.engine.state import ScenarioState
from polyscene.project import Project
from polyscene.recommenders.fusion.stream import Stream
from polyscene.runs.run import Run

HERE = Path(__file__).resolve().parent / "peers"
sys.path.append(str(HERE))

from environments import environment  # noqa: E402 - it lies beside the peers

PEERS = ("vowpalwabbit", "river")
"""Each has a script `NAME_stream.py` and an environment of its own."""


def folds_of(project: Project, run: Run) -> Folds:
    """Return the steps of the split as the judge takes them."""
    evaluation = project.settings.evaluation
    whole = [name for name, place in run.system.scenarios.items() if place.fusion.hide_seen]
    return Folds(project.dataset, split(project.dataset, evaluation), evaluation, whole)


def write_stream(project: Project, run: Run, name: str, folder: Path) -> None:
    """Write one scenario's events in time, and the choices that the judge asks about.

    Raises:
        RunError: people have had items without events that count, which peers are not told.
    """
    place, folds = run.system.scenarios[name], folds_of(project, run)
    log = project.dataset.scenarios[name].events
    if log.had is not None and log.had.any():
        raise RunError(
            f"expected events that all count in {name}, found liked_from; leave it out to run peers"
        )
    events = log.take((log.weight > 0) & (log.time != LATEST))
    events = events.take(np.argsort(events.time, kind="stable"))
    choices = folds.test(name, project.settings.seed).choices
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "stream.npz",
        user=events.user.astype(np.int64),
        item=events.item.astype(np.int64),
        time=events.time,
        asked_user=choices.queries.user.astype(np.int64),
        asked_item=choices.target.astype(np.int64),
        asked_time=choices.queries.time,
        since=place.fusion.features.since,
        hide_seen=np.array(place.fusion.hide_seen),
    )
    (folder / "texts.json").write_text(json.dumps(list(place.catalogue.texts)), encoding="utf-8")


def peer_outcome(peer: str, folder: Path, work: Path, python: str, seed: int) -> Mapping[str, Any]:
    """Run one peer over a stream that was written; return its ranks and what an event cost it.

    Raises:
        CalledProcessError: it failed; its own words say why.
    """
    path = folder / f"{peer}.json"
    interpreter = environment(peer, work, python)
    command: list[str | Path] = [
        interpreter,
        HERE / f"{peer}_stream.py",
        "--stream",
        folder,
        "--json",
        path,
        "--seed",
        str(seed),
    ]
    subprocess.run(command, check=True)
    outcome: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return outcome


def event_cost(project: Project, run: Run, name: str) -> dict[str, float]:
    """Return what an event of the stream takes, in processor time: all signals and what the fusion is told.

    The first tenth, with which the compiled loops are loaded, does not count.
    """
    fresh = Run(run.folder, run.present, run.index)
    state: ScenarioState = fresh.system.scenarios[name]
    folds = folds_of(project, run)
    later = folds.later(name)
    known = folds.learned(name, Phase.ALL)
    stream = Stream(state.fusion, known, later, len(project.dataset.users))
    times = np.sort(later.time)
    first = len(stream.learn_before(int(times[len(times) // 10])))
    start = time.process_time()
    rest = len(stream.learn_before(LATEST))
    micros = 1e6 * (time.process_time() - start) / max(rest, 1)
    return {"microseconds": micros, "per_second": 1e6 / max(micros, 1e-9), "events": rest, "before": first}
