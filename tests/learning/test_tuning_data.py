"""What the language model learns from is the past, and nothing that it will be judged on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.types import FloatArray
from polyscene.data.schema import Dataset, EventLog, Part
from polyscene.data.splits.parts import mask_of
from polyscene.data.splits.phases import Phase
from polyscene.language.model.loading import load_model
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.methods import dressed
from polyscene.learning.content_judge import MAX_JUDGED_CHOICES
from polyscene.learning.objectives.learner import objectives_of
from polyscene.learning.objectives.order import MAX_SLATE, Order
from polyscene.learning.training_data import TrainingData, training_data
from polyscene.learning.tuning_data import tuning_data
from polyscene.project import Project

NAMES = ("shop", "news", "video")


@pytest.fixture(scope="module")
def village(hamlet: Path) -> Project:
    return Project.open(hamlet)


@pytest.fixture(scope="module")
def ground(village: Project) -> TrainingData:
    return village.ground()


def poisoned(village: Project, ground: TrainingData, *parts: Part) -> TrainingData:
    """Return the same ground with other items, users and weights in the named parts."""
    scenarios = {}
    for name, scenario in village.dataset.scenarios.items():
        events, hit = scenario.events, mask_of(ground.parts[name], *parts)
        stream = np.random.default_rng(0)
        n = int(hit.sum())
        assert n > 0
        item, user, weight = events.item.copy(), events.user.copy(), events.weight.copy()
        item[hit] = stream.integers(0, len(scenario.catalogue), n)
        user[hit] = stream.integers(0, len(village.dataset.users), n)
        weight[hit] = stream.uniform(0.5, 2.0, n)
        scenarios[name] = replace(scenario, events=replace(events, item=item, user=user, weight=weight))
    dataset: Dataset = replace(village.dataset, scenarios=scenarios)
    settings = village.settings
    return training_data(dataset, ground.parts, settings)


def assert_same_log(one: EventLog, other: EventLog) -> None:
    for name in ("user", "item", "action", "weight", "time", "choice"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def vectors_of(ground: TrainingData, name: str, seed: int = 0) -> FloatArray:
    n = len(ground.dataset.scenarios[name].catalogue)
    vectors: FloatArray = np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("phase", Phase)
def test_what_comes_later_changes_nothing_that_is_learned(
    village: Project, ground: TrainingData, name: str, phase: Phase
) -> None:
    later = (Part.VALID, Part.TEST) if phase is Phase.PAST else (Part.TEST,)
    details = TuningDetails()
    honest = tuning_data(ground, name, details, 0.8, phase)
    other = tuning_data(poisoned(village, ground, *later), name, details, 0.8, phase)
    assert_same_log(honest.log, other.log)
    np.testing.assert_array_equal(honest.choices.target, other.choices.target)
    mine, theirs = honest.choices.queries, other.choices.queries
    np.testing.assert_array_equal(mine.user, theirs.user)
    for part in ("offsets", "items", "times", "weights"):
        np.testing.assert_array_equal(getattr(mine.history, part), getattr(theirs.history, part))


@pytest.mark.parametrize("name", NAMES)
def test_the_test_part_changes_no_judgement(village: Project, ground: TrainingData, name: str) -> None:
    vectors, details = vectors_of(ground, name), TuningDetails()
    honest, other, valid = (
        tuning_data(each, name, details, 0.8, Phase.PAST).judge
        for each in (
            ground,
            poisoned(village, ground, Part.TEST),
            poisoned(village, ground, Part.VALID),
        )
    )
    assert honest is not None
    assert other is not None
    assert valid is not None
    assert honest(vectors) == other(vectors)
    assert honest(vectors) != valid(vectors)  # else this test would say nothing


def test_only_learning_from_the_past_is_judged(ground: TrainingData) -> None:
    assert tuning_data(ground, "shop", TuningDetails(), 0.8, Phase.PAST).judge is not None
    assert tuning_data(ground, "shop", TuningDetails(), 0.8, Phase.ALL).judge is None


def test_for_good_it_learns_from_more(ground: TrainingData) -> None:
    past, whole = (tuning_data(ground, "shop", TuningDetails(), 0.8, phase) for phase in Phase)
    n_valid = int((ground.parts["shop"] == Part.VALID).sum())
    assert len(whole.log) == len(past.log) + n_valid > len(past.log)
    assert len(whole.choices) > len(past.choices)


@pytest.mark.parametrize("length", [1, 3])
def test_profiles_are_the_latest_events_strictly_before(ground: TrainingData, length: int) -> None:
    data = tuning_data(ground, "shop", TuningDetails(history=length), 0.8, Phase.PAST)
    queries, log = data.choices.queries, data.log
    assert queries.history.lengths.max() == length
    ends = queries.history.offsets
    for row in range(0, len(queries), 37):
        mine = (log.user == queries.user[row]) & (log.time < queries.time[row]) & (log.weight > 0)
        wanted = sorted(log.item[mine][-length:].tolist())
        assert sorted(queries.history.items[ends[row] : ends[row + 1]].tolist()) == wanted


@pytest.mark.parametrize("name", NAMES)
def test_the_judge_is_the_plain_ndcg_of_content(ground: TrainingData, name: str) -> None:
    judge = tuning_data(ground, name, TuningDetails(), 0.8, Phase.PAST).judge
    assert judge is not None
    vectors = vectors_of(ground, name)
    centred = vectors - vectors.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    held = ground.folds.tune(name, MAX_JUDGED_CHOICES, 0).choices
    since, gains = ground.since[name], []
    for row, target in enumerate(held.target):
        one = held.queries.take(row, row + 1)
        past = one.history
        decay = (past.weights * 0.8**past.ages)[:, None]
        profile = (centred[past.items] * decay).sum(axis=0)
        scores = centred @ profile / max(float(np.linalg.norm(profile)), 1e-12)
        there = since <= one.time[0]
        if ground.hide_seen[name]:
            there[past.items] = False
        there[target] = True
        better = float((there & (scores > scores[target] + 1e-7)).sum())
        equal = float((there & (np.abs(scores - scores[target]) <= 1e-7)).sum()) - 1.0
        rank = 1.0 + better + equal / 2
        gains.append(1.0 / np.log2(rank + 1) if rank <= 10 else 0.0)
    assert judge(vectors) == pytest.approx(np.mean(gains), abs=2e-3)
    assert judge(vectors) > 0


def test_better_vectors_are_judged_better(ground: TrainingData) -> None:
    """Items in the order of their popularity among the held-out: those who like one like its neighbours."""
    judge = tuning_data(ground, "shop", TuningDetails(), 0.8, Phase.PAST).judge
    assert judge is not None
    held = ground.folds.tune("shop", MAX_JUDGED_CHOICES, 0).choices
    best = vectors_of(ground, "shop")
    for row, target in enumerate(held.target):  # pull each choice towards what came before it
        past = held.queries.take(row, row + 1).history.items[-3:]
        best[target] += 0.2 * best[past].sum(axis=0)
    assert judge(best) > judge(vectors_of(ground, "shop"))


def test_slates_are_bounded(ground: TrainingData, small_encoder: Path, village: Project) -> None:
    log = tuning_data(ground, "shop", TuningDetails(), 0.8, Phase.ALL).log
    n = 3 * MAX_SLATE
    crowd = log.take(np.zeros(n, np.int64))
    crowd = replace(
        crowd,
        item=np.arange(n, dtype=np.int32) % 40,
        time=np.full(n, int(log.time.max()) + 1),
        weight=np.where(np.arange(n) == 2, 1.0, 0.0).astype(np.float32),
    )
    first = replace(log.take(np.array([0])), weight=np.ones(1, np.float32))
    joined = EventLog(
        **{
            name: np.concatenate([getattr(first, name), getattr(crowd, name)])
            for name in ("user", "item", "action", "value", "weight", "time", "part", "choice")
        },
        actions=log.actions,
    )
    base = tuning_data(ground, "shop", TuningDetails(), 0.8, Phase.ALL)
    data = replace(base, log=joined)
    settings = TuningDetails.model_validate({"objectives": {"co_engagement": 0.0, "order": 1.0}})
    language = village.settings.language.model_copy(update={"model": str(small_encoder)})
    reader = CachedEncoder(dressed(load_model(language), "none", settings), ["a"] * 40, 2)
    ((name, _, learner),) = objectives_of(reader, data, village.settings.scenarios["shop"], settings)
    assert name == "order"
    assert isinstance(learner, Order)
    assert learner._items.shape == (1, MAX_SLATE)
    assert (learner._items >= 0).all()
