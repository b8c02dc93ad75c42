from __future__ import annotations

import numpy as np
import pytest
import torch

from polyscene.recommenders.fusion.features import ITEM_FACTS, PAIR_FACTS, USER_FACTS, Block
from polyscene.recommenders.fusion.network import STRONGEST, VIEWS, FusionNetwork, TorchBlock

B, K, C, SCENARIOS = 3, 4, 7, 2


def random_block(seed: int = 0, spread: float = 1.0) -> Block:
    generator = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray:
        return (spread * generator.normal(size=shape)).astype(np.float32)

    signals = some(B, K, C)
    peaks = np.maximum(signals.max(axis=2), 1e-6)
    return Block(signals, peaks, some(B, USER_FACTS + K), some(1, C, ITEM_FACTS), some(B, C, PAIR_FACTS))


@pytest.fixture
def network() -> FusionNetwork:
    torch.manual_seed(0)
    return FusionNetwork(K, SCENARIOS, 5)


@pytest.fixture
def trained(network: FusionNetwork) -> FusionNetwork:
    """Weights that are nowhere zero."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return network


def told(network: FusionNetwork, block: Block, scenario: int = 0) -> np.ndarray:
    with torch.inference_mode():
        logits: np.ndarray = network(TorchBlock(block, scenario, SCENARIOS)).numpy()
    return logits


def test_it_starts_as_the_mean_of_all_views_of_all_signals(network: FusionNetwork) -> None:
    block = random_block()
    s = block.signals
    share = np.clip(s / block.peaks[:, :, None], -1, 1)
    expected = (np.clip(s, -6, 6) + np.log1p(5 * np.maximum(s, 0)) + share).mean(axis=1)
    np.testing.assert_allclose(told(network, block), expected, rtol=1e-4, atol=1e-5)


def test_views_are_three_of_each_signal_then_facts(network: FusionNetwork) -> None:
    block = random_block()
    with torch.inference_mode():
        views = network.views(TorchBlock(block, 0, SCENARIOS)).numpy()
    assert views.shape == (B, VIEWS * K + ITEM_FACTS + PAIR_FACTS, C)
    np.testing.assert_array_equal(views[:, :K], np.clip(block.signals, -STRONGEST, STRONGEST))
    np.testing.assert_array_equal(views[1, VIEWS * K : VIEWS * K + ITEM_FACTS].T, block.item[0])
    np.testing.assert_array_equal(views[:, -PAIR_FACTS:].transpose(0, 2, 1), block.pair)


def test_candidates_are_scored_one_by_one(trained: FusionNetwork) -> None:
    block = random_block()
    turned = np.tile(np.arange(C, dtype=np.int32)[::-1], (B, 1))
    np.testing.assert_allclose(told(trained, block.at(turned)), told(trained, block)[:, ::-1], atol=1e-5)


def test_gates_let_the_context_decide_which_signal_is_heard(network: FusionNetwork) -> None:
    """A gate that opens for signal 0 with the first context fact, and closes signal 1."""
    with torch.no_grad():
        network.base.zero_()
        network.gate_in.weight.zero_()
        network.gate_in.bias.zero_()
        network.gate_in.weight[0, 0] = 1.0
        network.gate_out.weight[0, 0] = 1.0
        network.gate_out.weight[1, 0] = -1.0
    block = random_block()
    block.user[:, 0] = [0.0, 1.0, -1.0]
    gate = np.tanh([0.0, 1.0, -1.0])[:, None]
    clipped = np.clip(block.signals, -6, 6)
    expected = gate * clipped[:, 0] - gate * clipped[:, 1]
    np.testing.assert_allclose(told(network, block), expected, rtol=1e-4, atol=1e-6)


def test_the_scenario_is_part_of_the_context(trained: FusionNetwork) -> None:
    block = random_block()
    assert not np.allclose(told(trained, block, 0), told(trained, block, 1))


def test_the_context_is_read_in_its_own_units(trained: FusionNetwork) -> None:
    block = random_block()
    before = told(trained, block)
    mean, spread = torch.arange(float(USER_FACTS + K)), torch.full((USER_FACTS + K,), 3.0)
    trained.context_mean[: USER_FACTS + K] = mean
    trained.context_spread[: USER_FACTS + K] = spread
    block.user[:] = block.user * spread.numpy() + mean.numpy()
    np.testing.assert_allclose(told(trained, block), before, rtol=1e-4, atol=1e-5)
    assert "context_mean" in trained.state_dict()


@pytest.mark.parametrize("spread", [0.0, 1e6])
def test_extreme_features_stay_finite(trained: FusionNetwork, spread: float) -> None:
    found = told(trained, random_block(spread=spread))
    assert found.shape == (B, C)
    assert np.isfinite(found).all()
