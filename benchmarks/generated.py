"""A fitted system of any size over a generated catalogue: topics, items in them, people who choose by topic.

Signals are fitted as always; the language model's vectors are drawn around the topics instead of read, and
the fusion's network is the one that training starts from, moved by chance. Nothing here is measured.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from generated_ids import numbered_id
from polyscene.core.clock import HOUR
from polyscene.core.seeds import generator
from polyscene.core.settings.fusion import FusionSettings
from polyscene.core.settings.signals import USUAL_SIGNALS
from polyscene.core.types import FloatArray
from polyscene.data.queries import Queries, Timeline
from polyscene.data.schema import UNKNOWN_TIME, Catalogue, EventLog, Ids
from polyscene.engine.state import ScenarioState, System
from polyscene.recommenders.fusion.features import Features
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.inference import FusionWeights
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.registry import SIGNALS
from polyscene.recommenders.signal import Evidence
from polyscene.representation.item_space import ItemSpace

WIDTH = 384
EVENTS_PER_USER = 12
UNFED = frozenset({"cross_scenario", "cross_neighbours", "social", "knowledge"})
"""What they need is not generated."""
SIGNALS_USED = tuple(name for name in USUAL_SIGNALS if name not in UNFED)
LINEAR_ITEMS = 4_000
"""So many take part in the linear model: its inverse is no part of what is measured."""


def generated_system(items: int, users: int, seed: int, live: bool = False) -> System:
    """Return a system of one scenario, `generated`.

    Args:
        live: with the posterior, and with all that a fusion is told which learned live.
    """
    names = (*SIGNALS_USED, "posterior") if live else SIGNALS_USED
    draws = generator(seed, "generated")
    topics = max(items // 100, 4)
    topic = draws.integers(0, topics, items)
    log = _events(items, users, topics, topic, draws)
    centres = draws.normal(size=(topics, WIDTH))
    tuned, prior = (_vectors(centres[topic], noise, draws) for noise in (1.0, 1.5))
    space = ItemSpace.of(tuned, prior=prior)
    since = np.full(items, UNKNOWN_TIME)
    evidence = Evidence(log, users, items, space, since, "time", seed=seed)
    settings: dict[str, dict[str, Any]] = {"linear": {"max_items": LINEAR_ITEMS}}
    signals = [
        SIGNALS[name](SIGNALS[name].Settings(**settings.get(name, {}))).fit(evidence) for name in names
    ]
    features = Features.of(evidence, FusionSettings().trends if live else ())
    moment = np.full(64, int(log.time.max()) + 1)
    people = draws.integers(0, users, 64).astype(np.int32)
    features.measure(signals, Queries(people, moment, Timeline(log, users).before(people, moment)))
    fusion = Fusion(names, signals, features, _network(seed, features, len(names)), 0, hide_seen=True)
    catalogue = Catalogue(
        Ids(pl.Series("id", [numbered_id("i", code, items) for code in range(items)])),
        tuple(f"thing {code} of topic {topic[code]}" for code in range(items)),
        tuple(f"thing {code}" for code in range(items)),
        pl.DataFrame({"topic": [f"topic {code}" for code in topic], "price": draws.uniform(1, 99, items)}),
        since,
    )
    state = ScenarioState.of("generated", catalogue, log, "time", space, fusion, users)
    ids = Ids(pl.Series("id", [numbered_id("u", code, users) for code in range(users)]))
    return System(ids, {"generated": state}, clocks_shared=True)


def _vectors(centres: NDArray[np.float64], noise: float, draws: np.random.Generator) -> FloatArray:
    rows = centres + noise * draws.normal(size=centres.shape)
    unit: FloatArray = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _events(items: int, users: int, topics: int, topic: np.ndarray, draws: np.random.Generator) -> EventLog:
    """People keep to three topics each; within a topic a few items are chosen by many."""
    members = [np.flatnonzero(topic == one) for one in range(topics)]
    members = [some if len(some) else np.array([0]) for some in members]
    count = users * EVENTS_PER_USER
    user = np.repeat(np.arange(users), EVENTS_PER_USER)
    likes = draws.integers(0, topics, (users, 3))
    chosen = likes[user, draws.integers(0, 3, count)]
    share = draws.beta(0.5, 2.0, count)
    item = np.array(
        [members[one][int(at * len(members[one]))] for one, at in zip(chosen, share, strict=True)]
    )
    time = np.sort(draws.integers(0, 2000 * HOUR, count))
    order = draws.permutation(count)
    return EventLog(
        user=user[order].astype(np.int32),
        item=item[order].astype(np.int32),
        action=np.zeros(count, np.int8),
        value=np.full(count, np.nan, np.float32),
        weight=np.ones(count, np.float32),
        time=time,
        part=np.zeros(count, np.int8),
        choice=np.ones(count, np.bool_),
    )


def _network(seed: int, features: Features, n_signals: int) -> FusionWeights:
    torch.manual_seed(seed)
    network = FusionNetwork(n_signals, 1, 32, *features.widths)
    with torch.no_grad():
        for weight in (network.gate_out.weight, network.out.weight):
            weight.normal_(0.0, 0.1)
    return network.fitted()
