from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from polyscene.core.clock import HOUR
from polyscene.core.types import FloatArray
from polyscene.data.queries import Histories
from polyscene.recommenders.sequence.beside import Beside, Other, left_at
from polyscene.recommenders.sequence.network import SequenceNetwork
from polyscene.representation.item_space import ItemSpace
from polyscene.representation.items import unit

N, TEXT, SIZE, LENGTH = 9, 5, 8, 6


def texts() -> FloatArray:
    vectors = np.random.default_rng(0).normal(size=(N, TEXT)).astype(np.float32)
    vectors[3] = 0.0
    return vectors


def network(
    layers: int = 2, own: np.ndarray | None = None, forgetting: float = 0.0, others: int = 0
) -> SequenceNetwork:
    """Return one whose weights are nowhere zero."""
    torch.manual_seed(0)
    known = np.arange(N) < 7 if own is None else own
    common = texts()[::-1] if others else None
    model = SequenceNetwork(texts(), known, SIZE, layers, 2, LENGTH, 0.4, forgetting, common, others)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def users(model: SequenceNetwork, history: list[int], places: list[int]) -> FloatArray:
    with torch.inference_mode():
        x = model.items(torch.tensor(history))[None]
        answer: FloatArray = model.users(x, torch.tensor(places)).numpy()
    return answer


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("length", range(1, LENGTH + 1))
def test_fitted_it_answers_without_torch_as_with_it(layers: int, length: int) -> None:
    model = network(layers)
    weights = model.fitted()
    assert (weights.layers, weights.length) == (layers, LENGTH)
    items = weights.items(texts())
    with torch.inference_mode():
        np.testing.assert_allclose(items, model.items(torch.arange(N)).numpy(), rtol=1e-5, atol=1e-6)
    history = np.random.default_rng(length).integers(0, N, (2, length))
    actual = weights.users(items[history])
    assert actual.dtype == np.float32
    for row in range(2):
        expected = users(model, history[row].tolist(), [length - 1])
        np.testing.assert_allclose(actual[row], expected[0], rtol=1e-4, atol=1e-5)


def test_what_comes_later_is_not_looked_at() -> None:
    model = network()
    np.testing.assert_allclose(
        users(model, [1, 2, 3, 4], [0, 1]), users(model, [1, 2, 6, 0], [0, 1]), rtol=1e-5, atol=1e-6
    )
    assert not np.allclose(users(model, [1, 2, 3], [2]), users(model, [2, 1, 3], [2]), atol=1e-3), "order"


def test_places_are_counted_from_who_asks() -> None:
    """With one layer, what lies farther back than the bias allows changes nothing wherever one stands."""
    model = network(layers=1)
    with torch.no_grad():
        dict(model.named_parameters())["blocks.0.distance_bias"][:, 2:] = -1e9
        model.profile_ages[2:] = -1e9
    alone = users(model, [4, 5], [1])
    np.testing.assert_allclose(users(model, [1, 2, 3, 4, 5], [4]), alone, rtol=1e-4, atol=1e-5)


def test_only_those_with_a_residual_differ_from_their_text() -> None:
    model = network()
    weights = model.fitted()
    plain = unit(texts() @ weights.arrays["text"])
    np.testing.assert_allclose(weights.items(texts())[7:], plain[7:], rtol=1e-5)
    assert (np.abs(weights.items(texts())[:7] - plain[:7]).max(axis=1) > 1e-3).all()
    rows = np.array([2, 11])
    later = np.ones((2, TEXT), np.float32)
    expected = later @ weights.arrays["text"]
    expected[0] += weights.arrays["residual"][2]
    np.testing.assert_allclose(weights.items(later, rows), unit(expected), rtol=1e-5)


def test_untrained_an_item_is_its_text_and_one_without_is_apart_from_others() -> None:
    torch.manual_seed(1)
    model = SequenceNetwork(texts(), np.ones(N, bool), SIZE, 1, 2, LENGTH, 0.0, 0.0)
    with torch.inference_mode():
        items = model.items(torch.arange(N)).numpy()
    has_text = np.arange(N) != 3
    assert np.linalg.norm(items[3]) == pytest.approx(1.0, rel=1e-5)
    kept = unit(texts()[has_text])  # the principal directions keep all of five dimensions in eight
    np.testing.assert_allclose(items[has_text] @ items[has_text].T, kept @ kept.T, rtol=1e-4, atol=1e-5)


def test_forgotten_items_are_their_text_while_training_and_themselves_afterwards() -> None:
    model = network(forgetting=0.999999)
    model.train()
    items = model.items(torch.arange(N)).detach().numpy()
    weights = model.fitted()
    plain = unit(texts() @ weights.arrays["text"])
    has_text = np.arange(N) != 3
    np.testing.assert_allclose(items[has_text], plain[has_text], rtol=1e-4, atol=1e-5)
    assert np.abs(items[3]).max() > 0.01, "what has no text is all residual, and is never forgotten"
    model.eval()
    np.testing.assert_allclose(
        model.items(torch.arange(N)).detach().numpy(), weights.items(texts()), rtol=1e-4, atol=1e-5
    )


def test_catalogues_without_any_text_are_learned_by_behaviour() -> None:
    torch.manual_seed(0)
    model = SequenceNetwork(np.zeros((4, 0), np.float32), np.ones(4, bool), SIZE, 1, 2, LENGTH, 0.0, 0.0)
    weights = model.fitted()
    items = weights.items(np.zeros((4, 0), np.float32))
    assert items.shape == (4, SIZE)
    assert np.linalg.matrix_rank(items) == 4


def beside() -> Beside:
    """Return what three people did elsewhere: in two scenarios, in the one without a clock, and nothing."""
    others = {"a": Other(0, ItemSpace.of(texts()), True), "b": Other(1, ItemSpace.of(texts()[::-1]), False)}
    first, second = Histories.of([[1, 4, 0], [], []]), Histories.of([[2], [5, 3], []])
    first = replace(
        first, times=np.array([1, 2 * HOUR, 9 * HOUR]), weights=np.array([2.0, 1, 0.5], np.float32)
    )
    return Beside.of({"a": first, "b": second}, others, 3)


@pytest.mark.parametrize("layers", [1, 2])
def test_fitted_it_hears_other_scenarios_as_in_training(layers: int) -> None:
    """Two events of one moment lie among the five, and one elsewhere between them and the last."""
    model, events = network(layers, others=2), beside()
    weights = model.fitted()
    assert weights.layers == layers
    times = np.tile(HOUR * np.array([0, 3, 3, 7, 40]), (3, 1))
    history = np.random.default_rng(0).integers(0, N, (3, 5))
    x = weights.items(texts())[history]
    actual = weights.users(x, weights.beside(events, times))
    with torch.inference_mode():
        heard = model.beside(events, times, left_at(times))
        at = torch.arange(3) * 5 + 4
        expected = model.users(torch.from_numpy(x), at, heard).numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    alone = weights.users(x)
    assert np.abs(actual[:2] - alone[:2]).max(axis=1).min() > 1e-2, "what happened elsewhere counts"
    np.testing.assert_allclose(actual[2], alone[2], rtol=1e-4, atol=1e-5, err_msg="where anything did")


def test_nobody_sees_elsewhere_what_came_after_the_choice() -> None:
    model, events = network(1, others=2), beside()
    times = np.array([[0, 3 * HOUR, 20 * HOUR]])
    one = Beside(*(getattr(events, part)[:1] for part in ("vectors", "scenario", "time", "weight", "there")))
    later = replace(one, vectors=np.where(one.time[..., None] > 3 * HOUR, 7, one.vectors).astype(np.float32))
    assert not np.array_equal(later.vectors, one.vectors)

    def seen(among: Beside) -> FloatArray:
        with torch.inference_mode():
            x = model.items(torch.tensor([1, 2, 3]))[None]
            heard = model.beside(among, times, left_at(times))
            answer: FloatArray = model.users(x, torch.arange(3), heard).numpy()
        return answer

    np.testing.assert_array_equal(seen(later)[0], seen(one)[0])
    assert np.abs(seen(later) - seen(one))[1:].max(axis=1).min() > 1e-3


def test_where_nobody_did_anything_elsewhere_nothing_is_looked_at() -> None:
    nothing = Beside.of({}, {"a": Other(0, ItemSpace.of(texts()), True)}, 2)
    assert network(1, others=1).beside(nothing, np.zeros((2, 3), np.int64), np.ones((2, 3), np.int64)) is None


def test_the_user_is_a_decayed_mean_where_attention_is_silent() -> None:
    """Another sharpness scales every score; the mean knows the order, and takes the same at every place."""
    model = network(layers=1)
    with torch.no_grad():
        model.mix.copy_(torch.tensor([0.0, 2.0]))
        model.profile_ages.copy_(torch.log(torch.tensor([1.0, 0.5, 0.2, 0.1, 0.1, 0.1])))
        model.sharpness.fill_(float(np.log(3.0)))
    items = model.fitted().items(texts())
    expected = 3.0 * unit((items[4] + 0.5 * items[2] + 0.2 * items[1])[None])[0]
    answers = users(model, [1, 2, 4, 0], [2, 0])
    np.testing.assert_allclose(answers[0], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(answers[1], 3.0 * items[1], rtol=1e-4, atol=1e-5)
