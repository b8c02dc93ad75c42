from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from polyscene.core.seeds import generator
from polyscene.data.queries import Choices, Queries
from polyscene.learning.fusion_learner import BATCH, FusionLearner
from polyscene.recommenders.fusion.features import Features
from polyscene.recommenders.fusion.network import FusionNetwork, TorchBlock
from polyscene.recommenders.fusion.training import BEST, SAMPLED, Example, examples
from polyscene.recommenders.signal import Evidence, Signal
from polyscene.training.losses import choice_loss

MakeEvidence = Callable[..., Evidence]
Asked = Callable[..., Queries]
MakeSignal = Callable[..., Signal]


class World:
    """Users 0 to n_users - 1 choose random items of a catalogue that two random signals speak of."""

    def __init__(
        self, make_evidence: MakeEvidence, asked: Asked, table_signal: MakeSignal, n_users: int, n_items: int
    ) -> None:
        stream = np.random.default_rng(8)
        self.signals = [table_signal(stream.normal(size=(n_users, n_items))) for _ in range(2)]
        self.features = Features.of(make_evidence([(0, 0, 0)], n_items, clock="sequence"))
        queries = asked([[user % n_items] for user in range(n_users)])
        self.features.measure(self.signals, queries)
        self.choices = Choices(queries, stream.integers(0, n_items, n_users).astype(np.int32))

    def examples(self, full: bool, seed: int = 0, hide_seen: bool = False) -> list[Example]:
        stream = generator(seed, "examples")
        lists = examples(self.features, self.signals, self.choices, full, stream, hide_seen)
        return [example for some in lists for example in some]

    def network(self) -> FusionNetwork:
        """A network whose weights are nowhere zero, the same each time."""
        torch.manual_seed(1)
        network = FusionNetwork(len(self.signals), 1, 4)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.2)
        return network

    def whole(self, network: FusionNetwork) -> np.ndarray:
        """Return (B, n) logits over the catalogue."""
        block = self.features.block(self.signals, self.choices.queries)
        with torch.inference_mode():
            logits: np.ndarray = network(TorchBlock(block, 0, 1)).numpy()
        return logits.astype(np.float64)


@pytest.fixture
def small(make_evidence: MakeEvidence, asked: Asked, table_signal: MakeSignal) -> World:
    return World(make_evidence, asked, table_signal, 200, 20)


@pytest.fixture
def large(make_evidence: MakeEvidence, asked: Asked, table_signal: MakeSignal) -> World:
    return World(make_evidence, asked, table_signal, 2, 3000)


def test_the_choice_stands_first_and_the_loss_is_that_of_the_whole_catalogue(small: World) -> None:
    network = small.network()
    logits = small.whole(network)
    partition = np.log(np.exp(logits).sum(axis=1))
    expected = partition - logits[np.arange(200), small.choices.target]
    learner = FusionLearner(network, 0, [], all_examples := small.examples(full=True))
    assert all(example.log_weights.shape == (20,) for example in all_examples)
    actual = learner.logits(all_examples)
    torch.testing.assert_close(
        choice_loss(actual), torch.tensor(expected.mean(), dtype=torch.float32), rtol=2e-3, atol=0
    )
    assert learner.validate() == pytest.approx(expected.mean(), rel=2e-3)


def test_importance_weights_keep_the_partition_function_unbiased(large: World) -> None:
    """The mean of many sampled partition functions lies within four standard errors of the true one."""
    network = large.network()
    truth = np.exp(large.whole(network)).sum(axis=1)
    learner = FusionLearner(network, 0, [], [])
    draws = []
    for seed in range(150):
        with torch.inference_mode():
            logits = learner.logits(large.examples(full=False, seed=seed)).numpy().astype(np.float64)
        draws.append(np.exp(logits).sum(axis=1))
    estimate, error = np.mean(draws, axis=0), np.std(draws, axis=0) / np.sqrt(len(draws))
    assert np.all(error > 0)
    assert np.all(error < 0.02 * truth)
    assert np.all(np.abs(estimate - truth) < 4 * error + 1e-3 * truth)


def test_a_sampled_example_holds_every_signals_best_exactly(large: World) -> None:
    block = large.features.block(large.signals, large.choices.queries)
    for row, example in enumerate(large.examples(full=False)):
        exact = example.log_weights == 0
        kept = {tuple(column) for column in example.signals[:, exact].T.tolist()}
        for scores in block.signals[row]:
            best = np.argsort(-scores)[:BEST]
            assert {
                tuple(column) for column in block.signals[row][:, best].T.astype(np.float16).tolist()
            } <= kept
        assert (~exact).sum() == SAMPLED
        rest = 3000 - exact.sum()
        np.testing.assert_allclose(np.exp(example.log_weights[~exact]), rest / SAMPLED, rtol=1e-5)


def test_a_catalogue_that_fits_is_never_sampled(
    make_evidence: MakeEvidence, asked: Asked, table_signal: MakeSignal
) -> None:
    world = World(make_evidence, asked, table_signal, 3, BEST + SAMPLED + 1)
    for one, other in zip(world.examples(full=False), world.examples(full=True), strict=True):
        np.testing.assert_array_equal(one.signals, other.signals)
        assert not one.log_weights.any()


def test_where_every_item_is_among_the_best_nothing_is_sampled(
    make_evidence: MakeEvidence, asked: Asked, table_signal: MakeSignal
) -> None:
    n = BEST + SAMPLED + 2
    world = World(make_evidence, asked, table_signal, 2, n)
    world.signals = [
        table_signal(np.roll(np.arange(n, dtype=float), BEST * place)[None].repeat(2, axis=0))
        for place in range(6)
    ]
    world.features.measure(world.signals, world.choices.queries)
    for example in world.examples(full=False):
        assert example.log_weights.tolist() == [0.0] * n


def test_what_was_had_is_no_candidate_unless_it_is_the_choice(small: World) -> None:
    small.choices.target[:2] = [0, 5]  # user 0 had item 0, user 1 had item 1
    first, second, *_ = small.examples(full=True, hide_seen=True)
    assert len(first.log_weights) == 20
    assert len(second.log_weights) == 19


def test_an_epoch_shows_every_choice_once_in_a_fresh_order(small: World) -> None:
    all_examples = small.examples(full=True)
    learner = FusionLearner(small.network(), 0, all_examples, [])
    stream = np.random.default_rng(0)
    epochs = [[id(example) for batch in learner.batches(stream) for example in batch] for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(id(example) for example in all_examples)
    assert epochs[0] != epochs[1]
    assert [len(batch) for batch in learner.batches(stream)] == [BATCH, 200 - BATCH]


def test_padding_changes_nothing(small: World) -> None:
    """A short example has the same loss alone and beside longer ones."""
    all_examples = small.examples(full=True, hide_seen=True)
    all_examples[0] = _shortened(all_examples[0], 5)
    learner = FusionLearner(small.network(), 0, [], [])
    together = learner.logits(all_examples[:10])
    assert together.shape[1] >= 19
    assert torch.isneginf(together[0, 5:]).all()
    alone = [choice_loss(learner.logits([example])) for example in all_examples[:10]]
    torch.testing.assert_close(choice_loss(together), torch.stack(alone).mean())


def _shortened(example: Example, size: int) -> Example:
    return Example(
        example.signals[:, :size],
        example.facts[:size],
        example.peaks,
        example.user,
        example.log_weights[:size],
    )


def test_weights_are_a_copy_that_can_be_put_back(small: World) -> None:
    learner = FusionLearner(small.network(), 0, [], small.examples(full=True))
    before, kept = learner.validate(), learner.weights()
    with torch.no_grad():
        for _, parameter in learner.named_parameters():
            parameter.add_(1.0)
    assert learner.validate() != before
    learner.load(kept)
    assert learner.validate() == before


def test_no_choices_make_no_examples(small: World) -> None:
    none = small.choices.pick(np.zeros(0, np.int64))
    batches = examples(small.features, small.signals, none, True, np.random.default_rng(0), False)
    assert list(batches) == []
    assert FusionLearner(small.network(), 0, [], []).validate() == 0.0
