"""The stream of the nights: everything once, in order, and nothing of it in the first training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from polyscene.project import Project

Script = Callable[[str], ModuleType]
CONFIG = """name = "songs"
[scenarios.songs]
items = { path = "FOLDER/songs.csv", id = "song", text = ["name"] }
events = { path = "FOLDER/plays.csv", user = "listener", item = "song", time = "played_at" }
"""


def test_the_first_training_ends_where_the_nights_begin(
    script: Script, never_seen: Path, tmp_path: Path
) -> None:
    cycles = script("cycles")
    config = tmp_path / "polyscene.toml"
    config.write_text(CONFIG.replace("FOLDER", never_seen.as_posix()), encoding="utf-8")
    project = Project.open(config)
    stream = cycles.Stream.of(project, None)
    times = [one.time for one in stream.events]
    assert len(times) == 480
    assert times == sorted(times)
    start = times[240]
    known = stream.before(start).scenarios["songs"].events
    rest = [one for one in stream.events if one.time >= start]
    assert len(known) + len(rest) == 480
    assert known.time.max() < start
    first, log = stream.events[0], project.dataset.scenarios["songs"]
    row = int(np.argmin(log.events.time))
    assert first.item == log.catalogue.ids[int(log.events.item[row])]
    assert (first.user, first.action) == (project.dataset.users[int(log.events.user[row])], "event")
    assert len(cycles.Stream.of(project, 100).events) == 100
