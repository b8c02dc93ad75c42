"""A tiny set in a layout that no benchmark has ever seen, and a way to import the scripts."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SCENARIO = """
[scenarios.{name}]
template = "{{title}}"
items = {{ path = "{name}_items.csv", id = "id", text = ["title"] }}
events = {{ path = "{name}_events.csv", user = "who", item = "what", time = "at", time_format = "sequence" }}
"""
SONGS = """name = "songs"
seed = 3

[language]
tuning = "none"

[scenarios.songs]
repeats = true
signals = ["popularity", "transitions"]
items = { path = "FOLDER/songs.csv", id = "song", text = ["name"] }
events = { path = "FOLDER/plays.csv", user = "listener", item = "song", time = "played_at" }
"""


@pytest.fixture(scope="session")
def script() -> Iterator[Callable[[str], ModuleType]]:
    """Import a script by its name, as Python does when it is run."""
    paths = [str(BENCHMARKS), str(BENCHMARKS / "peers")]
    sys.path[:0] = paths
    yield importlib.import_module
    for path in paths:
        sys.path.remove(path)


@pytest.fixture(scope="session")
def never_seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People walk a ring of 24 songs in order, from where they like: the next one can be foretold."""
    folder = tmp_path_factory.mktemp("songs")
    draws = np.random.default_rng(3)
    words = ["quiet river", "loud engine", "blue evening", "old wooden door"]
    titles = [f"{words[song % 4]} number {song}" for song in range(24)]
    pl.DataFrame({"song": [f"s{song}" for song in range(24)], "name": titles}).write_csv(folder / "songs.csv")
    rows = []
    for listener in range(60):
        start, minute = int(draws.integers(24)), int(draws.integers(50))
        rows += [
            (f"p{listener}", f"s{(start + step) % 24}", f"2024-03-01 {step:02d}:{minute:02d}:00")
            for step in range(8)
        ]
    log = pl.DataFrame(rows, schema=["listener", "song", "played_at"], orient="row")
    log.write_csv(folder / "plays.csv")
    return folder


@pytest.fixture
def songs_config(never_seen: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Return what writes a configuration of two signals over `never_seen`, with more tables behind."""

    def write(more: str) -> Path:
        config = tmp_path / "polyscene.toml"
        config.write_text(SONGS.replace("FOLDER", never_seen.as_posix()) + more, encoding="utf-8")
        return config

    return write


@pytest.fixture(scope="session")
def two_shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty people walk rings of twelve items in the one shop, every second of them in the other too."""
    folder = tmp_path_factory.mktemp("shops")
    draws = np.random.default_rng(5)
    text = 'name = "shops"\nseed = 3\n[language]\nmodel = "light"\n'
    for name, people in (("tools", range(40)), ("toys", range(0, 40, 2))):
        titles = [f"{word} {name} number {item}" for item, word in enumerate(["red", "blue", "old"] * 4)]
        frame = pl.DataFrame({"id": [f"{name}{item}" for item in range(12)], "title": titles})
        frame.write_csv(folder / f"{name}_items.csv")
        rows = []
        for person in people:
            start = int(draws.integers(12))
            rows += [(f"p{person}", f"{name}{(start + step) % 12}", step) for step in range(6)]
        log = pl.DataFrame(rows, schema=["who", "what", "at"], orient="row")
        log.write_csv(folder / f"{name}_events.csv")
        text += SCENARIO.format(name=name)
    text += '[evaluation]\nprotocol = "leave_last_out"\n'
    (folder / "polyscene.toml").write_text(text, encoding="utf-8")
    return folder
