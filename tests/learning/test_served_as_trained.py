"""What is served is what was learned from: the same events give the same features, scores and probabilities.

A project with every signal learns its fusions, and what each of their choices looked like then is kept. Then
its signals as they were before these choices are written to files and read again, the events come one by one
as a service gets them, and right before each choice the same is asked of what serves.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import pytest
import torch

from polyscene.core.clock import HOUR
from polyscene.core.progress import Silent
from polyscene.core.settings.project import Settings
from polyscene.core.types import BoolArray, FloatArray
from polyscene.data.links import KnowledgeGraph, SocialLinks
from polyscene.data.queries import Queries
from polyscene.data.schema import Dataset, EventLog
from polyscene.data.splits.phases import Phase
from polyscene.engine.decision import Request
from polyscene.engine.predicting import NEXT_CHOICE, Predicts, predict_items
from polyscene.engine.requests import block_queries
from polyscene.engine.state import CodedEvent, System
from polyscene.learning import fit
from polyscene.learning.fit import fit_system
from polyscene.learning.fusion import FusionData, PastSignals, fusion_data
from polyscene.learning.fusion_training import TrainedFusion, train_fusion
from polyscene.learning.new_scenarios import Lent
from polyscene.learning.training_data import BesideText, ItemVectors, TrainingData
from polyscene.recommenders import signal
from polyscene.recommenders.fusion import training
from polyscene.recommenders.fusion.calibration import Temperatures
from polyscene.recommenders.fusion.choice_probabilities import choice_scores, softmax
from polyscene.recommenders.fusion.features import HISTORY, Block, Features
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.recommenders.fusion.network import FusionNetwork, TorchBlock
from polyscene.recommenders.fusion.stream import living
from polyscene.recommenders.registry import SIGNALS
from polyscene.representation.description import Description
from polyscene.representation.item_space import ViewName
from polyscene.runs.system_files import load_system, save_system

PEOPLE, ITEMS, TASTES, ROUNDS, WIDTH = 40, 30, 5, 9, 8
NAMES = ("shop", "news")
BUY, VIEW = 0, 1
OBJECTIVES = [{"action": "buy"}, {"action": "buy", "loss": "mse"}]
HALF = 2e-3
"""What half precision keeps, relative to a number."""


def log_of(place: int) -> EventLog:
    """Return a scenario's events: people choose what is to their taste, in turns of an hour.

    Somebody else does something right before each choice, so that what serves is asked at the very moment of
    the choice. Now and then somebody passes an item by, or dislikes it.
    """
    draws = np.random.default_rng(place)
    own = ITEMS // TASTES
    rows = []
    for turn in range(PEOPLE * ROUNDS):
        person, other = turn % PEOPLE, int(draws.integers(PEOPLE))
        moment = (2 * turn + place + 1) * HOUR
        likes = [one % TASTES * own + int(draws.integers(own)) for one in (person, other)]
        rows.append((other, likes[1], moment - 1, BUY, 1.0, False, False))
        rows.append((person, likes[0], moment, BUY, float(draws.choice([0.5, 1.0, 2.0])), True, False))
        if turn % 5 == 0:
            seen, disliked = int(draws.integers(ITEMS)), bool(draws.random() < 0.3)
            rows.append((person, seen, moment + HOUR // 2, VIEW, 0.0, False, disliked))
    user, item, time, action, weight, choice, had = (np.array(column) for column in zip(*rows, strict=True))
    return EventLog(
        user.astype(np.int32),
        item.astype(np.int32),
        action.astype(np.int8),
        np.where(action == BUY, item % 3, np.nan).astype(np.float32),
        weight.astype(np.float32),
        time.astype(np.int64),
        np.zeros(len(rows), np.int8),
        choice,
        ("buy", "view"),
        had,
    )


def vectors_of(place: int, kinds: Sequence[str]) -> ItemVectors:
    """Return what a language model makes of the items, before and after it was tuned."""
    draws = np.random.default_rng(10 + place)
    topics = np.repeat(np.random.default_rng(9).normal(size=(TASTES, WIDTH)), ITEMS // TASTES, axis=0)

    def read(noise: float) -> FloatArray:
        vectors = (topics + noise * draws.normal(size=topics.shape)).astype(np.float32)
        vectors[7] = 0.0  # without a text
        return vectors

    description = Description.of(pl.DataFrame({"kind": kinds}), {}).weighted({"kind": 0.5})
    beside = BesideText(description, description.blocks(ITEMS, {"kind": kinds}, {}), {})
    return ItemVectors(read(0.4), read(0.3), read(0.5), read(0.8), beside=beside)


def told_of(dataset: Dataset) -> Dataset:
    """Add who knows whom, and who made what."""
    ring = np.arange(PEOPLE, dtype=np.int32)
    alike = SocialLinks(ring, (ring + TASTES) % PEOPLE, np.ones(PEOPLE, np.float32))
    items = np.arange(ITEMS, dtype=np.int32)
    makers = tuple(f"maker {taste}" for taste in range(TASTES))
    graph = KnowledgeGraph(
        (*(f"e{item}" for item in items), *makers),
        ("by",),
        items,
        np.zeros(ITEMS, np.int32),
        (ITEMS + items // (ITEMS // TASTES)).astype(np.int32),
        items,
    )
    return replace(dataset, links=alike, knowledge=dict.fromkeys(NAMES, graph))


def project_of(
    make_data: Callable[..., tuple[TrainingData, Settings]], live: bool
) -> tuple[TrainingData, Settings]:
    """Return a project of two scenarios with every signal that there is."""
    quick: dict[str, Any] = {"epochs": 2, "patience": 1, "size": 8}
    data, settings = make_data(
        {name: log_of(place) for place, name in enumerate(NAMES)},
        PEOPLE,
        ITEMS,
        scenarios={
            name: {"signals": list(SIGNALS), "repeats": name == "shop", "objectives": OBJECTIVES}
            for name in NAMES
        },
        evaluation={"valid_share": 0.2},
        fusion={"live": live, "earlier_cuts": 0, "epochs": 2, "strangers": 0.0, "newcomers": 0.0},
        multitask=quick | {"hidden": 8},
        signals={
            "sequence": {"scenarios": "all", "epochs": 2},
            "posterior": {"size": 8, "half_lives": [7.0], "passed_over": ["view"]},
        },
    )
    kinds = [f"kind {item * TASTES // ITEMS}" for item in range(ITEMS)]
    table = pl.DataFrame({"kind": kinds})
    scenarios = {
        name: replace(one, catalogue=replace(one.catalogue, attributes=table))
        for name, one in data.dataset.scenarios.items()
    }
    dataset = told_of(replace(data.dataset, scenarios=scenarios))
    vectors = {name: vectors_of(place, kinds) for place, name in enumerate(NAMES)}
    return replace(data, dataset=dataset, vectors=vectors), settings


@dataclass(frozen=True)
class Look:
    """One request as it looks to a fusion: what is known of who asks, and what is made of it.

    Attributes:
        closed: (1, n) which items may not be shown.
        predicted: (1, n) by task, what signals foretell of every item.
    """

    queries: Queries
    block: Block
    closed: BoolArray
    predicted: Mapping[str, FloatArray]

    @property
    def moment(self) -> int:
        return int(self.queries.time[0])


def predictions(signals: Iterable[object], queries: Queries) -> dict[str, FloatArray]:
    items = np.arange(ITEMS)[None]
    every = [one.predictions(queries, items) for one in signals if isinstance(one, Predicts)]
    return {task: values for one in every for task, values in one.items()}


@dataclass
class Training:
    """What was noted down while a project learned.

    Attributes:
        past: by scenario its signals as they were before the choices.
        datas: by scenario what its fusion learned from.
        looks: by scenario what each of the choices looked like, by its moment.
        networks: by scenario as trained.
        fitted: by scenario the fusion that came of it.
    """

    data: TrainingData
    past: dict[str, PastSignals] = field(default_factory=dict)
    datas: dict[str, FusionData] = field(default_factory=dict)
    looks: dict[str, dict[int, Look]] = field(default_factory=lambda: {name: {} for name in NAMES})
    networks: Mapping[str, FusionNetwork] = field(default_factory=dict)
    fitted: Mapping[str, Fusion] = field(default_factory=dict)

    def logits(self, name: str, look: Look) -> FloatArray:
        """Return (1, n) by the network as it was trained."""
        network = self.networks[name].eval()
        with torch.inference_mode():
            logits: FloatArray = network(TorchBlock(look.block, NAMES.index(name), len(NAMES))).numpy()
        return logits

    def target(self, name: str, look: Look) -> int:
        """Return which item was chosen."""
        events = self.data.folds.later(name, Phase.PAST)
        (row,) = np.flatnonzero((events.time == look.moment) & events.choice)
        return int(events.item[row])


def trained(make_data: Callable[..., tuple[TrainingData, Settings]], live: bool) -> Training:
    """Let a project learn, and note down what it sees; where signals live, choice by choice."""
    data, settings = project_of(make_data, live)
    notes = Training(data)
    block_of = Features.block

    def noting_block(name: str) -> Callable[[Features, Sequence[Any], Queries], Block]:
        def block(features: Features, signals: Sequence[Any], queries: Queries) -> Block:
            whole = block_of(features, signals, queries)
            for row, time in enumerate(queries.time.tolist()):
                asked = queries.take(row, row + 1)
                own = Block(*(part[[row if len(part) > 1 else 0]].copy() for part in vars(whole).values()))
                closed = features.closed(asked, data.hide_seen[name])
                notes.looks[name][time] = Look(asked, own, closed, predictions(signals, asked))
            return whole

        return block

    def noting_data(all_data: TrainingData, name: str, past: PastSignals, *others: Any) -> FusionData:
        signals = living(past.signals, past.evidence.space)
        notes.past[name] = replace(
            past, signals=signals
        )  # as the fusion met them: those of the past learn on
        with mock.patch.object(Features, "block", noting_block(name)):
            learned = fusion_data(all_data, name, past, *others)
        notes.datas[name] = replace(learned, features=deepcopy(learned.features))
        return learned

    def noting_training(*inputs: Any) -> TrainedFusion:
        result = train_fusion(*inputs)
        notes.networks = result.networks
        return result

    with (
        mock.patch.object(signal, "MIN_SEQUENCES", 10),
        mock.patch.object(training, "LEARNED_AFTER", 1),
        mock.patch.object(fit, "fusion_data", noting_data),
        mock.patch.object(fit, "train_fusion", noting_training),
        mock.patch.object(fit, "lent", return_value=Lent()),
        mock.patch.object(fit._AfterTraining, "refitted", lambda _, name, fusion: fusion),
    ):
        notes.fitted = fit_system(data, settings, Silent()).fusions
    return notes


def serving(notes: Training, folder: Path) -> System:
    """Return what knows what was known before the choices, after it was written to files and read again."""
    data, fusions, scenarios = notes.data, {}, {}
    for name, past in notes.past.items():
        fitted, features = notes.fitted[name], notes.datas[name].features
        fusions[name] = Fusion(
            past.names, past.signals, features, fitted.weights, fitted.scenario, fitted.hide_seen
        )
        scenarios[name] = replace(data.dataset.scenarios[name], events=data.folds.learned(name, Phase.PAST))
    spaces = {name: data.space(name, Phase.PAST) for name in NAMES}
    system = System.of(replace(data.dataset, scenarios=scenarios), spaces, fusions)
    return load_system(folder, save_system(system, folder))


@dataclass(frozen=True)
class Answer:
    """What a service says of one request.

    Attributes:
        scores: (1, n) of the fusion, new items not lifted.
        predicted: (n,) by task.
    """

    look: Look
    scores: FloatArray
    predicted: Mapping[str, FloatArray]


def served(notes: Training, system: System) -> dict[str, dict[int, Answer]]:
    """Let the events come, and ask right before each choice that was learned from."""
    answers: dict[str, dict[int, Answer]] = {name: {} for name in NAMES}
    for name, event in coming(notes.data):
        assert event.time is not None
        if event.time in notes.looks[name]:
            answers[name][event.time] = answer(system, name, event.user)
        system.scenario(name).observe(event)
    return answers


def coming(data: TrainingData) -> Iterator[tuple[str, CodedEvent]]:
    """Yield what came after the cut, of all scenarios together in the order of time."""
    names = ("user", "item", "action", "value", "weight", "choice", "time", "had")
    streams = []
    for name in NAMES:
        events = data.folds.later(name, Phase.PAST)
        rows = zip(*(getattr(events, column).tolist() for column in names), strict=True)
        streams.append([(name, CodedEvent(*row)) for row in rows])
    return heapq.merge(*streams, key=lambda one: one[1].time or 0)


def answer(system: System, name: str, user: int) -> Answer:
    """Ask a service for everything that it can tell a person right after all that is known."""
    state = system.scenario(name)
    queries = block_queries(system, state, np.array([user], np.int32))
    fusion, features = state.fusion, state.fusion.features
    prepared = fusion.prepare(queries)
    block = features.block_of(features.scaled(prepared, 1), features.peaks(prepared, 1), queries)
    block = deepcopy(block)  # facts about items are counted on
    look = Look(queries, block, fusion.closed(queries), predictions(fusion.signals, queries))
    request = Request(user=str(system.users.ids().values[user]), scenario=name)
    predicted = predict_items(system, request, list(state.catalogue.ids.ids().values))
    return Answer(look, choice_scores(fusion, block), predicted)


Both = tuple[Training, System, dict[str, dict[int, Answer]]]


@pytest.fixture(scope="module", params=["signals live", "signals stand still"])
def both(
    request: pytest.FixtureRequest,
    make_data: Callable[..., tuple[TrainingData, Settings]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Both:
    """Return what was noted in training, what serves, and what that answered."""
    live = request.param == "signals live"
    notes = trained(make_data, live)
    system = serving(notes, tmp_path_factory.mktemp("run"))
    if live:
        return notes, system, served(notes, system)
    with mock.patch.multiple(Fusion, observe=mock.DEFAULT, notice=mock.DEFAULT):
        return notes, system, served(notes, system)


def pairs(both: Both) -> Iterator[tuple[str, Look, Answer]]:
    notes, _, answers = both
    for name in NAMES:
        assert len(notes.looks[name]) > 50
        assert answers[name].keys() == notes.looks[name].keys()
        for moment, look in notes.looks[name].items():
            yield name, look, answers[name][moment]


def test_the_same_is_known_of_who_asks(both: Both) -> None:
    for name, look, at_service in pairs(both):
        learned, asked = look.queries, at_service.look.queries
        assert (learned.user, learned.time) == (asked.user, asked.time)
        (other,) = set(NAMES) - {name}
        histories = [(learned.history, asked.history), (learned.elsewhere[other], asked.elsewhere[other])]
        for one, again in histories:
            for part in ("offsets", "items", "times", "weights"):
                np.testing.assert_array_equal(getattr(again, part), getattr(one, part))
        np.testing.assert_array_equal(at_service.look.closed, look.closed)
    assert any(look.closed.any() for _, look, _ in pairs(both)), "nothing was barred in either scenario"


@pytest.mark.parametrize("name", [*SIGNALS])
def test_every_signal_scores_the_same(both: Both, name: str) -> None:
    spread = dict.fromkeys(NAMES, 0.0)
    for scenario, look, at_service in pairs(both):
        place = both[0].past[scenario].names.index(name)
        learned, asked = look.block.signals[0, place], at_service.look.block.signals[0, place]
        np.testing.assert_allclose(asked, learned, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            at_service.look.block.peaks[0, place], look.block.peaks[0, place], rtol=1e-4, atol=1e-5
        )
        spread[scenario] += float(learned.std())
    assert all(spread.values()), "it had nothing to say"


@pytest.mark.parametrize("part", ["user", "item", "pair"])
def test_every_feature_is_the_same(both: Both, part: str) -> None:
    for _, look, at_service in pairs(both):
        learned, asked = getattr(look.block, part), getattr(at_service.look.block, part)
        np.testing.assert_allclose(asked, learned, rtol=1e-4, atol=1e-5)


def test_what_the_network_was_shown_is_that_in_half_precision(both: Both) -> None:
    notes, _, answers = both
    for name in NAMES:
        examples = {example.user.tobytes(): example for example in notes.datas[name].examples}
        for moment, look in notes.looks[name].items():
            example, asked = examples[look.block.user[0].tobytes()], answers[name][moment].look.block
            chosen = notes.target(name, look)
            others = np.flatnonzero(~look.closed[0])
            items = np.concatenate([[chosen], others[others != chosen]])
            facts = np.concatenate([asked.item[0, items], asked.pair[0, items]], axis=1)
            np.testing.assert_allclose(example.signals, asked.signals[0][:, items], rtol=HALF, atol=HALF)
            np.testing.assert_allclose(example.facts, facts, rtol=HALF, atol=HALF)


def test_the_fusion_scores_as_its_network_did(both: Both) -> None:
    for name, look, at_service in pairs(both):
        logits = both[0].logits(name, look)
        assert logits.std() > 0
        np.testing.assert_allclose(at_service.scores, logits, rtol=1e-3, atol=1e-4)


def test_probabilities_are_those_of_training(both: Both) -> None:
    notes = both[0]
    for name, look, at_service in pairs(both):
        temperatures = notes.fitted[name].weights.temperatures or Temperatures()
        new = look.block.user[:, HISTORY] <= 0
        scores = notes.logits(name, look) / temperatures.of(new)[:, None]
        np.testing.assert_allclose(
            at_service.predicted[NEXT_CHOICE], softmax(scores, ~look.closed)[0], rtol=1e-3, atol=1e-6
        )
        assert look.predicted, "no signal foretold anything"
        for task, values in look.predicted.items():
            np.testing.assert_allclose(at_service.predicted[task], values[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("view", ["tuned", "prior", "common", "described"])
def test_items_have_the_vectors_that_they_were_trained_with(both: Both, view: ViewName) -> None:
    notes, system, _ = both
    for name in NAMES:
        space = notes.data.space(name, Phase.PAST)
        assert view in space.views
        vectors = system.scenario(name).space.view(view).vectors
        np.testing.assert_array_equal(vectors, space.view(view).vectors)
