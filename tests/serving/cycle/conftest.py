"""A shop without texts that trains in a moment, and the log of a service that showed slates of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from polyscene.core.types import Event
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.project import Project
from polyscene.runs.run import Run
from polyscene.serving.decisions import record_of
from polyscene.serving.stores.contract import EPOCH, Batch, LoggedChange, LoggedEvent
from polyscene.serving.stores.opening import open_stores

START = datetime(2024, 1, 1, tzinfo=UTC)
USERS, ITEMS, STEP = 60, 30, timedelta(minutes=10)
SETTINGS = """
name = "corner-shop"
[scenarios.shop]
items = { path = "items.csv", id = "id" }
events = { path = "events.csv", user = "user", item = "item", action = "kind", time = "at" }
objectives = [{ action = "click" }]
repeats = true
signals = ["popularity", "transitions"]
policy = { name = "plackett_luce", temperature = 1.0 }
[fusion]
epochs = 3
[runtime]
threads = 1
[cycle]
min_choices = 30
refit_growth = 0
"""


def _taste(user: int, generator: np.random.Generator) -> int:
    """Return an item: everybody likes a third of them, the first most."""
    return user % 3 * 10 + min(int(generator.exponential(2.0)), 9)


def _tables(folder: Path) -> None:
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True)
    (folder / "items.csv").write_text("id\n" + "".join(f"i{n}\n" for n in range(ITEMS)), encoding="utf-8")
    rows = ["user,item,kind,at"]
    for number in range(900):
        user = int(generator.integers(USERS))
        moment = START + number * STEP
        rows.append(f"u{user},i{_taste(user, generator)},click,{moment.isoformat()}")
    (folder / "events.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "polyscene.toml").write_text(SETTINGS, encoding="utf-8")


def _serve(run: Run, folder: Path, steps: int) -> None:
    """Let a run show slates of five; what is clicked is learned, and both are logged."""
    generator, begin = np.random.default_rng(1), START + 900 * STEP
    events, decisions = open_stores(folder, "")
    events.append([Batch.of([LoggedChange("item", "shop", "i30", {"id": "i30"})])])  # type: ignore[arg-type]
    for number in range(steps):
        user, moment = int(generator.integers(USERS)), begin + number * STEP
        request = Request(f"u{user}", "shop", 5, seed=number, reasons=False, moment=moment)
        decision = decide(run.system, request)
        decisions.record([record_of(decision, request, run.id, f"d{number:04}")])
        liked = {f"i{_taste(user, generator)}" for _ in range(4)}
        slate = [decision.state.catalogue.ids[code] for code in decision.codes.tolist()]
        clicked = next((item for item in slate if item in liked), None)
        if clicked is not None:
            clock = moment + timedelta(minutes=1)
            run.observe(Event(f"u{user}", clicked, "shop", "click", time=clock))
            time = (clock - EPOCH) // timedelta(microseconds=1)
            events.append([Batch.of([LoggedEvent(f"u{user}", clicked, "shop", "click", time=time)])])
    events.close()
    decisions.close()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a project, one run and, in `service`, a log; nobody may change it."""
    folder = tmp_path_factory.mktemp("corner") / "shop"
    _tables(folder)
    _serve(Project.open(folder / "polyscene.toml").train(), folder / "service", 300)
    return folder


@pytest.fixture
def copied(shop: Path, tmp_path: Path) -> Callable[[], Project]:
    """Return what copies the shop for a test, and opens it."""

    def copy() -> Project:
        home = shutil.copytree(shop, tmp_path / "shop")
        return Project.open(home / "polyscene.toml")

    return copy
