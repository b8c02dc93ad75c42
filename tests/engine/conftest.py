"""Two scenarios in memory: a shop that knows the time and shared users, a radio that knows neither."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest

from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.types import FloatArray
from polyscene.data.queries import Histories, Queries
from polyscene.data.schema import UNKNOWN_TIME, Catalogue, Clock, EventLog, Ids
from polyscene.engine.state import ItemDescription, ScenarioState, System
from polyscene.engine.updates import Intake
from polyscene.recommenders.fusion.features import Features, Signals
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.inference import FusionWeights
from polyscene.recommenders.registry import SIGNALS
from polyscene.recommenders.reranker import Reranker
from polyscene.recommenders.signal import Evidence, OtherScenario
from polyscene.representation.item_space import ItemSpace

N_USERS = 30
WIDTH = 6
NAMES = ("popularity", "recency", "transitions", "neighbours", "content", "text_ranker")
START = 1_700_000_000_000_000
"""Microseconds: when the first event of the shop happened."""
CLOCKS: dict[str, Clock] = {"shop": "time", "radio": "sequence"}

MakeSystem = Callable[..., System]
Describe = Callable[..., ItemDescription]


def item_id(name: str, code: int) -> str:
    """Return the id of an item of a scenario; its title and text are `Title ID` and `Text ID`."""
    return f"{name}-{code}"


@pytest.fixture(scope="session")
def describe() -> Describe:
    """Return what describes an item to be put."""

    def make(item: str, text: str, vector: FloatArray, **more: Any) -> ItemDescription:
        return ItemDescription(item, text, f"Title {text}", {"brand": "new"}, {"tuned": vector}, **more)

    return make


def _catalogue(name: str, n_items: int) -> Catalogue:
    ids = [item_id(name, code) for code in range(n_items)]
    return Catalogue(
        Ids(pl.Series("id", ids)),
        tuple(f"Text {one}" for one in ids),
        tuple(f"Title {one}" for one in ids),
        pl.DataFrame({"brand": [f"b{code % 3}" for code in range(n_items)]}),
        np.full(n_items, UNKNOWN_TIME),
    )


def _weights(draws: np.random.Generator, n_signals: int) -> FusionWeights:
    """Return a network that listens to every signal, by chance."""
    import torch

    from polyscene.recommenders.fusion.network import FusionNetwork

    torch.manual_seed(int(draws.integers(100)))
    network = FusionNetwork(n_signals, len(CLOCKS), 4)
    with torch.no_grad():
        for weight in (network.gate_out.weight, network.out.weight):
            weight.normal_(0.0, 0.3)
    return network.fitted()


class Odds:
    """Reads texts: likes codes by chance, the same ones every time."""

    def __call__(self, history: Histories, candidates: np.ndarray) -> FloatArray:
        return np.sin(candidates * 7.0).astype(np.float32)


def _fusion(evidence: Evidence, number: int, names: Sequence[str], reread: bool, hide_seen: bool) -> Fusion:
    draws = np.random.default_rng(number)
    signals: Signals = [
        SIGNALS[name]().fit(evidence) if evidence.meets(SIGNALS[name].needs) else None for name in names
    ]
    features = Features.of(evidence)
    people = np.arange(N_USERS, dtype=np.int32)
    history = Histories.of([draws.integers(0, evidence.n_items, 3).tolist() for _ in people])
    features.measure(signals, Queries(people, np.full(N_USERS, int(evidence.events.time.max()) + 1), history))
    reranker = Reranker(Odds(), top=5, unseen=hide_seen, student=0.1, trust=1.0) if reread else None
    weights = _weights(draws, len(names))
    return Fusion(names, signals, features, weights, number, hide_seen, reranker=reranker)


@pytest.fixture
def make_system(make_log: Callable[..., EventLog], make_evidence: Callable[..., Evidence]) -> MakeSystem:
    """Return what makes the two scenarios, fitted on chance; nobody else has them."""

    def make(
        n_items: int = 40, names: Sequence[str] = NAMES, reread: bool = False, hide_seen: bool = True
    ) -> System:
        logs, spaces = {}, {}
        for number, name in enumerate(CLOCKS):
            draws = np.random.default_rng(number)
            start, step = (START, 3_600_000_000) if name == "shop" else (0, 1)
            items = np.minimum(draws.zipf(1.3, 5 * N_USERS) - 1, n_items - 1)
            rows = [(row % N_USERS, int(item), start + step * row) for row, item in enumerate(items)]
            logs[name] = make_log(rows)
            spaces[name] = ItemSpace.of(draws.normal(size=(n_items, WIDTH)).astype(np.float32))
        states = {}
        for number, (name, clock) in enumerate(CLOCKS.items()):
            others = {other: OtherScenario(logs[other], spaces[other]) for other in CLOCKS if other != name}
            evidence = Evidence(
                logs[name],
                N_USERS,
                n_items,
                spaces[name],
                np.full(n_items, UNKNOWN_TIME),
                clock,
                others,
            )
            fusion = _fusion(evidence, number, names, reread, hide_seen)
            states[name] = ScenarioState.of(
                name, _catalogue(name, n_items), logs[name], clock, spaces[name], fusion, N_USERS
            )
        return System(Ids(pl.Series("id", [f"u{code}" for code in range(N_USERS)])), states, False)

    return make


@pytest.fixture
def system(make_system: MakeSystem) -> System:
    return make_system()


@pytest.fixture
def make_intake() -> Callable[..., Intake]:
    """Return what takes events into a system; radio users are its own, shop events name their actions."""

    def make(system: System, **shop: Any) -> Intake:
        items = {"path": "i", "id": "i"}
        events = {"path": "e", "user": "u", "item": "i"}
        settings = {
            "shop": ScenarioSettings(items=items, events=events | {"action": "a"}, **shop),
            "radio": ScenarioSettings(items=items, events=events, users_are_local=True),
        }
        return Intake(system, settings)

    return make


@pytest.fixture
def intake(system: System, make_intake: Callable[..., Intake]) -> Intake:
    return make_intake(system)
