"""A newspaper of the sample world as a project, and `polyscene serve` over it in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import polars as pl

from launch import is_ready
from polyscene.project import Project
from polyscene.sample.words import ScenarioName
from polyscene.sample.world import SampleWorld

SCENARIO: ScenarioName = "news"
PATIENCE = 120.0
CONFIG = """name = "audience"
seed = {seed}
[language]
model = "minilm"
tuning = "none"
[scenarios.news.items]
path = "items.parquet"
id = "item_id"
text = ["title", "description"]
categorical = ["section", "author"]
time = "published"
[scenarios.news.events]
path = "events.parquet"
user = "user_id"
item = "item_id"
time = "at"
[scenarios.news]
template = "{{title}} – {{description}} Section: {{section}}."
repeats = false
policy = {policy}
[service]
clock = "events"
drain_seconds = 0.0
[cycle]
hours = 24.0
min_choices = 30
judged_share = 0.5
max_loss = 0.1
refit_growth = 2.0
max_decisions = 300
[runtime]
threads = 1
"""


def newspaper(world: SampleWorld, folder: Path, first_day: int, policy: str, seed: int) -> Project:
    """Write what the newspaper has on a day into a folder, and return the project.

    Args:
        policy: of the scenario, as TOML.
    """
    folder.mkdir(parents=True)
    now = world.start + timedelta(days=first_day)
    log, items = world.events[SCENARIO], world.items[SCENARIO]
    log.filter(pl.col("at") < now).select("user_id", "item_id", "at").write_parquet(folder / "events.parquet")
    items.filter(pl.col("published") < now).write_parquet(folder / "items.parquet")
    config = folder / "polyscene.toml"
    config.write_text(CONFIG.format(seed=seed, policy=policy), encoding="utf-8")
    return Project.open(config)


@contextmanager
def served(config: Path) -> Iterator[str]:
    """Yield the address of a service of the project's newest run; it is stopped on leaving."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    words = ("serve", "--config", str(config), "--port", str(port), "--no-auth")
    with (config.parent / "serve.log").open("w", encoding="utf-8") as messages:
        process = subprocess.Popen([sys.executable, "-m", "polyscene", *words], stderr=messages)
    try:
        deadline = time.monotonic() + PATIENCE
        while not is_ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"expected a service, found {(config.parent / 'serve.log').read_text()}")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
