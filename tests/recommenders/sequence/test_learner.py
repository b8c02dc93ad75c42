from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from polyscene.data.schema import EventLog
from polyscene.recommenders.sequence import learner as module
from polyscene.recommenders.sequence.learner import SequenceLearner
from polyscene.recommenders.sequence.network import SequenceNetwork
from polyscene.recommenders.sequence.windows import Choosing

MakeLog = Callable[..., EventLog]
N, SIZE, LENGTH = 30, 8, 5


@pytest.fixture
def choosing(make_log: MakeLog) -> Choosing:
    generator = np.random.default_rng(0)
    rows = [(user, int(generator.integers(N)), place) for user in range(12) for place in range(2 + user % 7)]
    return Choosing.of(make_log(rows, weight=generator.choice([0.5, 2.0], len(rows))))


def make(choosing: Choosing, negatives: int = N) -> SequenceLearner:
    torch.manual_seed(0)
    vectors = np.random.default_rng(1).normal(size=(N, 6)).astype(np.float32)
    network = SequenceNetwork(vectors, np.ones(N, bool), SIZE, 1, 2, LENGTH, 0.0, 0.0)
    with torch.no_grad():
        network.residual.add_(0.2 * torch.randn_like(network.residual))
        network.sharpness.fill_(1.0)
    windows = choosing.windows(np.ones(len(choosing.user), bool), LENGTH)
    held_out = choosing.singles(choosing.last_choices(), LENGTH)
    counts = np.bincount(choosing.item, minlength=N)
    return SequenceLearner(network, windows, held_out, counts, negatives)


def softmax_loss(learner: SequenceLearner, choosing: Choosing) -> float:
    """Return what the loss of all choices is, one by one, without torch and without sampling."""
    weights = learner.network.fitted()
    items = weights.items(learner.network.vectors.numpy())
    windows = choosing.windows(np.ones(len(choosing.user), bool), LENGTH)
    total = 0.0
    for row, place, target, weight in zip(
        windows.row, windows.place, windows.target, windows.weight, strict=True
    ):
        start = int(windows.offsets[row])
        history = windows.items[start : start + int(place) + 1]
        logits = items @ weights.users(items[history][None])[0]
        total += float(weight) * float(np.log(np.exp(logits).sum()) - logits[target])
    return total / float(windows.weight.sum())


def test_the_loss_is_the_softmax_over_the_whole_catalogue(choosing: Choosing) -> None:
    learner = make(choosing)
    rows = np.arange(len(choosing.windows(np.ones(len(choosing.user), bool), LENGTH).lengths))
    loss = float(learner.loss(rows).detach())
    assert loss == pytest.approx(softmax_loss(learner, choosing), rel=1e-4)


def test_a_sample_of_the_catalogue_estimates_the_whole(choosing: Choosing) -> None:
    """The sum is unbiased, so its logarithm lies a little below; a sum without weights lies far below."""
    learner = make(choosing, negatives=16)
    rows = np.arange(len(choosing.windows(np.ones(len(choosing.user), bool), LENGTH).lengths))
    losses = [float(learner.loss(rows).detach()) for _ in range(200)]
    assert np.std(losses) > 0
    assert np.mean(losses) == pytest.approx(softmax_loss(learner, choosing), abs=0.03)


def test_an_epoch_has_every_window_once_in_batches_of_about_one_size(
    choosing: Choosing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 10)
    monkeypatch.setattr(module, "STEPS", 1)
    learner = make(choosing)
    taught = np.diff(learner._training.choice_offsets)
    batches = list(learner.batches(np.random.default_rng(3)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(taught)))
    assert max(int(taught[rows].sum()) for rows in batches) <= 10 + int(taught.max())
    assert len(batches) >= 3
    again = list(learner.batches(np.random.default_rng(3)))
    assert all(np.array_equal(one, other) for one, other in zip(batches, again, strict=True))
    other = list(learner.batches(np.random.default_rng(4)))
    assert [rows.tolist() for rows in other] != [rows.tolist() for rows in batches]


def test_few_choices_are_cut_into_more_steps(choosing: Choosing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_BATCH", 1)
    monkeypatch.setattr(module, "STEPS", 4)
    learner = make(choosing)
    assert 3 <= len(list(learner.batches(np.random.default_rng(0)))) <= 5


@pytest.mark.parametrize("held", [2**23, 2 * N, 1])
def test_validation_is_the_ndcg_of_held_out_choices_among_what_was_not_had(
    choosing: Choosing, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr(module, "SCORES", held)
    learner = make(choosing)
    weights = learner.network.fitted()
    items = weights.items(learner.network.vectors.numpy())
    last = choosing.last_choices()
    held_out = choosing.singles(last, LENGTH)
    gains = []
    for row, target in enumerate(held_out.target):
        history = held_out.items[held_out.offsets[row] : held_out.offsets[row + 1]]
        scores = items @ weights.users(items[history][None])[0]
        wanted = scores[target]
        scores[history] = -np.inf
        gains.append(1.0 / np.log2(2.0 + (scores > wanted).sum()))
    assert learner.validate() == pytest.approx(-np.mean(gains), rel=1e-5)


def test_where_nothing_is_held_out_nothing_is_told(choosing: Choosing) -> None:
    learner = make(choosing)
    learner._held_out = choosing.singles(np.zeros(0, np.int64), LENGTH)
    assert np.isnan(learner.validate())


def test_weights_are_copies_and_can_be_put_back(choosing: Choosing) -> None:
    learner = make(choosing)
    kept = learner.weights()
    before = learner.validate()
    with torch.no_grad():
        for parameter in learner.network.parameters():
            parameter.mul_(-1.5)
    assert learner.validate() != before
    learner.load(kept)
    assert learner.validate() == before
