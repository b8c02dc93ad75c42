"""A gallery whose customers keep to one topic each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

N_USERS, STEPS = 150, 6
CONFIG = """
name = "gallery"
[language]
model = "MODEL"
tuning = "none"
precision = "float32"
[scenarios.shop]
signals = ["popularity", "content", "attributes"]
repeats = false
[scenarios.shop.items]
ITEMS
[scenarios.shop.events]
path = "events.csv"
user = "who"
item = "sku"
time = "at"
time_format = "sequence"
[evaluation]
protocol = "leave_last_out"
[fusion]
earlier_cuts = 0
[runtime]
threads = 1
cache = "cache"
"""

WriteGallery = Callable[[Path, Path, str, np.random.Generator, int, int], Path]


def _write(
    folder: Path, model: Path, items: str, draws: np.random.Generator, n_items: int, topics: int
) -> Path:
    rows = [
        (f"u{user}", f"i{item}", step)
        for user in range(N_USERS)
        for step, item in enumerate(topics * draws.permutation(n_items // topics)[:STEPS] + user % topics)
    ]
    pl.DataFrame(rows, schema=["who", "sku", "at"], orient="row").write_csv(folder / "events.csv")
    config = folder / "polyscene.toml"
    config.write_text(CONFIG.replace("MODEL", model.as_posix()).replace("ITEMS", items.strip()))
    return config


@pytest.fixture(scope="session")
def write_gallery() -> WriteGallery:
    """Return what writes events and configuration beside a table of items; it returns the configuration.

    The items i0, i1, … belong to one topic after the other. It takes the folder, the language model's folder,
    what the configuration says of the items, what draws, and the numbers of items and topics.
    """
    return _write
