from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from polyscene.recommenders.fusion import inference
from polyscene.recommenders.fusion.features import COUNT, ITEM_FACTS, NEW, PAIR_FACTS, USER_FACTS, Block
from polyscene.recommenders.fusion.inference import MAX_SCALED_SCORE, VIEWS, FusionWeights, views
from polyscene.recommenders.fusion.network import FusionNetwork, TorchBlock

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


def logits_of(network: FusionNetwork, block: Block, scenario: int = 0) -> np.ndarray:
    with torch.inference_mode():
        logits: np.ndarray = network(TorchBlock(block, scenario, SCENARIOS)).numpy()
    return logits


def test_it_starts_as_the_mean_of_all_views_of_all_signals(network: FusionNetwork) -> None:
    block = random_block()
    s = block.signals
    share = np.clip(s / block.peaks[:, :, None], -1, 1)
    expected = (np.clip(s, -6, 6) + np.log1p(5 * np.maximum(s, 0)) + share).mean(axis=1)
    np.testing.assert_allclose(logits_of(network, block), expected, rtol=1e-4, atol=1e-5)


def test_views_are_three_of_each_signal_then_facts(network: FusionNetwork) -> None:
    block = random_block()
    with torch.inference_mode():
        actual = network.views(TorchBlock(block, 0, SCENARIOS)).numpy()
    assert actual.shape == (B, VIEWS * K + ITEM_FACTS + PAIR_FACTS, C)
    np.testing.assert_array_equal(actual[:, :K], np.clip(block.signals, -MAX_SCALED_SCORE, MAX_SCALED_SCORE))
    np.testing.assert_array_equal(actual[1, VIEWS * K : VIEWS * K + ITEM_FACTS].T, block.item[0])
    np.testing.assert_array_equal(actual[:, -PAIR_FACTS:].transpose(0, 2, 1), block.pair)


def test_candidates_are_scored_one_by_one(trained: FusionNetwork) -> None:
    block = random_block()
    turned = replace(
        block,
        signals=block.signals[:, :, ::-1].copy(),
        item=block.item[:, ::-1].copy(),
        pair=block.pair[:, ::-1].copy(),
    )
    np.testing.assert_allclose(logits_of(trained, turned), logits_of(trained, block)[:, ::-1], atol=1e-5)


def test_gates_let_the_context_decide_which_signal_counts(network: FusionNetwork) -> None:
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
    np.testing.assert_allclose(logits_of(network, block), expected, rtol=1e-4, atol=1e-6)


def test_the_scenario_is_part_of_the_context(trained: FusionNetwork) -> None:
    block = random_block()
    assert not np.allclose(logits_of(trained, block, 0), logits_of(trained, block, 1))


def test_the_context_is_read_in_its_own_units(trained: FusionNetwork) -> None:
    block = random_block()
    before = logits_of(trained, block)
    mean, spread = torch.arange(float(USER_FACTS + K)), torch.full((USER_FACTS + K,), 3.0)
    trained.context_mean[: USER_FACTS + K] = mean
    trained.context_spread[: USER_FACTS + K] = spread
    block.user[:] = block.user * spread.numpy() + mean.numpy()
    np.testing.assert_allclose(logits_of(trained, block), before, rtol=1e-4, atol=1e-5)
    assert "context_mean" in trained.state_dict()


@pytest.mark.parametrize("spread", [0.0, 1e6])
def test_extreme_features_stay_finite(trained: FusionNetwork, spread: float) -> None:
    actual = logits_of(trained, random_block(spread=spread))
    assert actual.shape == (B, C)
    assert np.isfinite(actual).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scenario", range(SCENARIOS))
@pytest.mark.parametrize("weights", ["first", "random"])
def test_fitted_weights_answer_as_the_network_does(
    network: FusionNetwork, weights: str, scenario: int, seed: int
) -> None:
    torch.manual_seed(seed)
    with torch.no_grad():
        if weights == "random":
            for parameter in network.parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.3)
        network.context_mean.copy_(torch.randn_like(network.context_mean))
        network.context_spread.copy_(torch.rand_like(network.context_spread) + 0.5)
    fitted = network.fitted()
    assert (fitted.n_signals, fitted.n_scenarios, fitted.hidden) == (K, SCENARIOS, 5)
    for spread in (0.3, 1.0, 10.0):
        block = random_block(seed, spread)
        np.testing.assert_allclose(
            fitted.logits(block, scenario), logits_of(network, block, scenario), rtol=1e-5, atol=2e-5 * spread
        )


def test_both_see_the_same_views(network: FusionNetwork) -> None:
    block = random_block(spread=3.0)
    with torch.inference_mode():
        expected = network.views(TorchBlock(block, 0, SCENARIOS)).numpy()
    np.testing.assert_allclose(views(block), expected, rtol=1e-6)


def test_fitted_weights_are_a_copy_that_can_be_built_anew_from_arrays(trained: FusionNetwork) -> None:
    block, fitted = random_block(), trained.fitted()
    before = fitted.logits(block, 1)
    with torch.no_grad():
        trained.base.add_(1.0)
    np.testing.assert_array_equal(fitted.logits(block, 1), before)
    np.testing.assert_array_equal(FusionWeights.of(fitted.arrays).logits(block, 1), before)


def test_the_weight_of_a_signal_is_that_of_its_views(trained: FusionNetwork) -> None:
    base = trained.base.detach().numpy()
    expected = [base[place] + base[K + place] + base[2 * K + place] for place in range(K)]
    np.testing.assert_allclose(trained.fitted().signal_weights(), expected, rtol=1e-6)


def test_a_block_in_portions_is_weighed_like_a_whole_one(
    trained: FusionNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    block, fitted = random_block(), trained.fitted()
    own = replace(block, item=np.repeat(block.item, B, axis=0) * np.arange(1, B + 1)[:, None, None])
    for one in (block, replace(own, item=own.item.astype(np.float32))):
        monkeypatch.setattr(inference, "IN_CACHE", 10**6)
        whole = fitted.logits(one, 1)
        for portion in (1, 2 * C * len(fitted.arrays["base"])):  # one request at a time, two at a time
            monkeypatch.setattr(inference, "IN_CACHE", portion)
            np.testing.assert_allclose(fitted.logits(one, 1), whole, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(views(one, slice(1, 2)), views(one)[1:2])


def test_a_lift_is_added_to_new_items_alone(trained: FusionNetwork) -> None:
    block, fitted = random_block(), trained.fitted()
    block.item[0, :, NEW] = np.arange(C) % 2
    before = fitted.logits(block, 1)
    after = fitted.lifted(1.5).logits(block, 1)
    np.testing.assert_allclose(after[:, 1::2], before[:, 1::2] + 1.5, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(after[:, ::2], before[:, ::2])
    np.testing.assert_array_equal(fitted.logits(block, 1), before)
    np.testing.assert_array_equal(fitted.lifted(1.5).lifted(0.0).logits(block, 1), before)


@pytest.mark.parametrize("own", [False, True])
def test_a_lift_fades_with_the_events_of_an_item(trained: FusionNetwork, own: bool) -> None:
    """Half of it is left after 3 events, whether a block tells of items once or for each request."""
    block, fitted = random_block(), trained.fitted()
    events = np.array([0, 1, 3, 9, 10_000])[np.arange(C) % 5]
    block.item[0, :, COUNT], block.item[0, :, NEW] = np.log1p(events), events == 0
    some = replace(block, item=np.repeat(block.item, B, axis=0)) if own else block
    weights = fitted.lifted(2.0, 3.0)
    rise = weights.logits(some, 1) - fitted.logits(some, 1)
    np.testing.assert_allclose(rise, np.tile(2.0 * 3 / (3 + events), (B, 1)), atol=1e-4)
    again = FusionWeights.of(weights.arrays)
    np.testing.assert_array_equal(again.logits(some, 1), weights.logits(some, 1))
    assert (again.lift, fitted.lift) == ((2.0, 3.0), (0.0, 0.0))
    assert (again.n_signals, again.hidden) == (fitted.n_signals, fitted.hidden)


def test_weights_that_learn_on_are_those_that_answer(trained: FusionNetwork) -> None:
    again = FusionNetwork.of(trained.fitted().lifted(2.0, 3.0))
    assert again.fitted().lift == (0.0, 0.0)
    np.testing.assert_array_equal(
        again.fitted().logits(random_block(), 1), trained.fitted().logits(random_block(), 1)
    )


def test_weights_that_were_told_of_trends_learn_on_too() -> None:
    fitted = FusionNetwork(K, SCENARIOS, 4, USER_FACTS + 2, PAIR_FACTS + 3).fitted()
    again = FusionNetwork.of(fitted)
    assert (again.user_facts, again.pair_facts) == (USER_FACTS + 2, PAIR_FACTS + 3)
    assert set(again.fitted().arrays) == set(fitted.arrays)
