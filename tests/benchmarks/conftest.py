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
