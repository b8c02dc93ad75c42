"""Three scenarios: two in which people keep their taste, one in which they choose by chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from polyscene.core.arrays import load_arrays, save_arrays
from polyscene.core.settings.project import Settings
from polyscene.data.schema import EventLog
from polyscene.data.splits.phases import Phase
from polyscene.evaluation.transfer import TransferMatrix
from polyscene.learning.joint_models import JointModels
from polyscene.learning.multitask import train_joint
from polyscene.learning.multitask_examples import meetings, scenario_examples
from polyscene.learning.multitask_learner import moves
from polyscene.learning.multitask_networks import JudgedChoices, NetworkMaker
from polyscene.learning.training_data import TrainingData
from polyscene.recommenders.multitask.inference import MultitaskWeights
from polyscene.recommenders.multitask.multitask import Multitask

PEOPLE, ITEMS, TASTES, CHOICES = 160, 40, 4, 5
STRANGERS, FEW = 420, 3
QUICK = {
    "size": 8,
    "hidden": 16,
    "negatives": 10,
    "batch": 128,
    "patience": 1,
    "epochs": 10,
    "learning_rate": 0.02,
    "forgetting": 0.05,
}


def tasteful(people: int, seed: int) -> list[tuple[int, int, int]]:
    """Person p chooses among the ten items of their taste, p modulo 4."""
    draws = np.random.default_rng(seed)
    return [
        (person, person % TASTES * (ITEMS // TASTES) + int(item), int(draws.integers(1, 10**9)))
        for person in range(people)
        for item in draws.permutation(ITEMS // TASTES)[:CHOICES]
    ]


def random_rows(seed: int) -> list[tuple[int, int, int]]:
    draws = np.random.default_rng(seed)
    return [
        (person, int(item), int(draws.integers(1, 10**9)))
        for person in range(STRANGERS)
        for item in draws.permutation(ITEMS)[:FEW]
    ]


@pytest.fixture(scope="module")
def world(make_data: Callable[..., tuple[TrainingData, Settings]]) -> tuple[TrainingData, Settings]:
    rows = {"shop": tasteful(PEOPLE, 1), "news": tasteful(PEOPLE, 2), "noise": random_rows(3)}
    return make_data(rows, STRANGERS, ITEMS, multitask=QUICK)


@pytest.fixture(scope="module")
def models(world: tuple[TrainingData, Settings]) -> JointModels:
    data, settings = world
    return train_joint(data, settings, list(data.dataset.scenarios), Phase.ALL)


def weights_in(models: JointModels, name: str) -> MultitaskWeights:
    weights = models.weights[name]
    assert weights is not None
    return weights


def test_a_scenario_of_chance_is_refused_and_said_to_be(models: JointModels) -> None:
    assert models.weights["noise"] is None
    assert models.transfer is not None
    assert models.transfer.refused == ("noise",)
    assert any(note.startswith("noise: 'multitask' is refused") for note in models.notes)


def test_the_others_learn_without_it_and_far_above_chance(models: JointModels) -> None:
    assert models.transfer is not None
    rows = {row.trained_on: row.judged for row in models.transfer.rows}
    assert ("shop", "news") in rows
    for name in ("shop", "news"):
        assert rows["shop", "news"][name].low > models.transfer.chance[name] + 0.05
        assert models.transfer.choices[name] >= 30
        assert "noise" not in weights_in(models, name).plan.scenarios


def test_the_matrix_survives_being_written(models: JointModels) -> None:
    assert models.transfer is not None
    assert TransferMatrix.from_json(models.transfer.to_json()) == models.transfer


def test_served_scores_are_those_of_training(
    world: tuple[TrainingData, Settings], models: JointModels, tmp_path: Any
) -> None:
    data, _ = world
    fitted = Multitask().fit(replace(data.evidence("news", Phase.ALL), joint=lambda: models.weights["news"]))
    fold = data.folds.test("news")
    queries = fold.choices.queries.take(0, 20)
    scores = fitted.score(queries)
    assert np.std(scores) > 0.1
    save_arrays(tmp_path / "m.safetensors", fitted.state())
    space = data.space("news", Phase.ALL)
    others = {name: data.space(name, Phase.ALL) for name in ("shop", "noise")}
    restored = Multitask().restore(load_arrays(tmp_path / "m.safetensors"), space, others)
    np.testing.assert_array_equal(restored.score(queries), scores)
    candidates = np.tile(np.arange(ITEMS), (20, 1))
    wanted, actual = (one.predictions(queries, candidates) for one in (fitted, restored))
    assert wanted.keys() == actual.keys()


def test_numpy_answers_what_torch_learned(world: tuple[TrainingData, Settings]) -> None:
    data, settings = world
    known = {
        name: scenario_examples(data, name, Phase.ALL, [], settings.multitask)[0] for name in ("shop", "news")
    }
    quick = settings.multitask.model_copy(update={"epochs": 1, "crossing": "dcn", "form": "mmoe"})
    maker = NetworkMaker(data, Phase.ALL, known, {"shop": 1.0, "news": 1.0}, quick)
    network = maker.trained(("shop", "news"))
    some = known["news"].training.pick(np.arange(9))
    with torch.inference_mode():
        wanted = maker.learner(network).outputs(1, some, np.array([3, 5]), None)
    seen = maker.seen_by(network, "news")
    candidates = np.column_stack([some.item, np.full(9, 3), np.full(9, 5)])
    actual = seen.outputs(some.queries, seen.item_features(np.arange(ITEMS)), candidates)
    for one, other in zip(actual, wanted, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-5)


def test_what_is_tuned_moves_no_more_than_it_may() -> None:
    names = ["input.user.table", "trunk.1.weight", "trunk.top.weight", "own.1.bias", "tower.0.weight"]
    free = {how: [name for name in names if moves(name, how)] for how in ("frozen", "partly", "free")}
    assert free == {"frozen": names[3:], "partly": names[2:], "free": names}


def test_events_of_one_person_and_item_are_one_meeting(make_log: Callable[..., EventLog]) -> None:
    day = 86_400_000_000
    log = make_log([(0, 1, 10), (1, 1, 20), (0, 1, 30), (0, 2, 40), (0, 1, 3 * day)])
    group, first = meetings(log, once=True, moments=True)
    assert group.tolist() == [0, 1, 0, 2, 0]
    assert first.tolist() == [0, 1, 3]
    group, first = meetings(log, once=False, moments=True)
    assert group.tolist() == [0, 1, 0, 2, 3]
    group, first = meetings(log, once=False, moments=False)
    assert group.tolist() == [0, 1, 2, 3, 4]


def test_gains_count_ties_in_the_middle_and_leave_out_what_was_had() -> None:
    closed = np.array([[False, False, True, False]])
    choices = JudgedChoices(np.zeros(1, np.int64), np.arange(4)[None], closed, np.zeros(1))
    scores = np.array([[1.0, 1.0, 9.0, 2.0]], np.float32)
    assert choices.gains(scores).tolist() == pytest.approx([1 / np.log2(1 + 2.5)])
    assert choices.chance().tolist() == pytest.approx([(1 + 1 / np.log2(3) + 0.5) / 3])
