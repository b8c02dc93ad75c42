from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from polyscene.core.contracts import UNLABELLED
from polyscene.training.losses import (
    Pairs,
    binary_loss,
    choice_loss,
    contrast_loss,
    slate_loss,
    squared_loss,
    token_loss,
)

rows = st.lists(st.lists(st.floats(-30, 30), min_size=1, max_size=6), min_size=1, max_size=5)
seeds = st.integers(0, 2**16)


def padded(rows: list[list[float]]) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor(
        [row + [-np.inf] * (longest - len(row)) for row in rows], dtype=torch.float64, requires_grad=True
    )


def slope(loss: Tensor, of: Tensor) -> np.ndarray:
    (gradient,) = torch.autograd.grad(loss, of)
    return gradient.numpy()


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shares: np.ndarray = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return shares


@given(rows)
def test_it_is_the_mean_negative_log_softmax_of_the_choice(rows: list[list[float]]) -> None:
    expected = np.mean([-np.log(np.exp(row[0]) / np.exp(row).sum()) for row in rows])
    assert choice_loss(padded(rows)).item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(rows)
def test_its_slope_is_the_softmax_less_the_choice(rows: list[list[float]]) -> None:
    logits = padded(rows)
    choice_loss(logits).backward()  # type: ignore[no-untyped-call]
    for row, values in enumerate(rows):
        softmax = np.exp(values) / np.exp(values).sum()
        softmax[0] -= 1.0
        assert logits.grad is not None
        np.testing.assert_allclose(logits.grad[row, : len(values)], softmax / len(rows), atol=1e-9)
        assert not logits.grad[row, len(values) :].any()


def test_extreme_logits_do_not_overflow() -> None:
    loss = choice_loss(torch.tensor([[0.0, 1e4], [1e4, 0.0]]))
    assert loss.item() == pytest.approx(5e3)


def pairs_of(mask: Tensor) -> Pairs:
    """Return where a mask is True, every pair twice."""
    rows, columns = mask.nonzero(as_tuple=True)
    return rows.repeat(2), columns.repeat(2)


class Batch:
    """A drawn batch of anchors and candidates in float64."""

    def __init__(self, seed: int) -> None:
        stream = np.random.default_rng(seed)
        n, c, d = stream.integers(1, 6, 3)
        self.anchors, self.candidates = stream.normal(size=(n, d)), stream.normal(size=(c, d))
        self.positive = stream.integers(0, c, n)
        self.log_popularity = np.log(stream.uniform(0.01, 1.0, c))
        self.excluded = stream.random((n, c)) < 0.4

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Pairs]:
        return (
            torch.from_numpy(self.anchors).requires_grad_(),
            torch.from_numpy(self.candidates),
            torch.from_numpy(self.positive),
            torch.from_numpy(self.log_popularity).requires_grad_(),
            pairs_of(torch.from_numpy(self.excluded)),
        )

    def logits(self, temperature: float) -> np.ndarray:
        """The closed form, with -inf where a candidate is no negative."""
        lengths = np.linalg.norm(self.anchors, axis=1)[:, None] * np.linalg.norm(self.candidates, axis=1)
        logits = self.anchors @ self.candidates.T / lengths / temperature - self.log_popularity
        own = np.arange(len(self.candidates)) == self.positive[:, None]
        return np.where(self.excluded & ~own, -np.inf, logits)


@given(seeds, st.floats(0.05, 2.0))
def test_contrast_is_the_corrected_softmax_over_what_is_left(seed: int, temperature: float) -> None:
    batch = Batch(seed)
    expected = -log_softmax(batch.logits(temperature))[np.arange(len(batch.positive)), batch.positive].mean()
    loss = contrast_loss(*batch.tensors(), temperature=temperature)
    assert loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(seeds)
def test_its_slope_along_the_popularity_is_the_choice_less_the_softmax(seed: int) -> None:
    batch = Batch(seed)
    tensors = batch.tensors()
    share = np.exp(log_softmax(batch.logits(1.0)))
    share[np.arange(len(share)), batch.positive] -= 1.0
    gradient = slope(contrast_loss(*tensors, temperature=1.0), tensors[3])
    np.testing.assert_allclose(gradient, -share.mean(axis=0), atol=1e-9)


@given(seeds, st.integers(2, 5))
def test_an_item_that_stands_there_often_weighs_once_after_the_correction(seed: int, times: int) -> None:
    batch = Batch(seed)
    anchors, candidates, positive, _, _ = batch.tensors()
    once = contrast_loss(anchors, candidates, positive, temperature=0.5)
    often = torch.cat([candidates, candidates[:1].expand(times - 1, -1)])
    log_count = torch.zeros(len(often), dtype=torch.float64)
    log_count[0] = log_count[len(candidates) :] = math.log(times)
    # The copies together hold the mass of one item; the positive's own correction adds a constant.
    shift = log_count[positive].mean().item()
    loss = contrast_loss(anchors, often, positive, log_count, temperature=0.5)
    assert loss.item() == pytest.approx(once.item() + shift, rel=1e-9, abs=1e-9)


def test_the_length_of_vectors_does_not_matter() -> None:
    batch = Batch(3)
    anchors, candidates, positive, _, excluded = batch.tensors()
    torch.testing.assert_close(
        contrast_loss(anchors * 7.0, candidates * 0.1, positive, excluded=excluded),
        contrast_loss(anchors, candidates, positive, excluded=excluded),
    )


def test_an_anchor_without_negatives_teaches_nothing() -> None:
    anchors = torch.randn(3, 4, requires_grad=True)
    loss = contrast_loss(
        anchors, torch.randn(2, 4), torch.tensor([0, 1, 0]), excluded=pairs_of(torch.ones(3, 2))
    )
    assert loss.item() == 0.0
    assert not slope(loss, anchors).any()


@pytest.mark.parametrize(
    ("anchors", "candidates", "positive", "message"),
    [
        (torch.zeros(0, 3), torch.zeros(2, 3), torch.zeros(0, dtype=torch.long), "at least 1"),
        (torch.zeros(2, 3), torch.zeros(2, 4), torch.tensor([0, 1]), "anchors"),
        (torch.zeros(2, 3), torch.zeros(2, 3), torch.tensor([0]), "positive"),
        (torch.zeros(2, 3), torch.zeros(2, 3), torch.tensor([0, 2]), "0 to 1, found 0 to 2"),
    ],
)
def test_a_contrast_that_cannot_be_meant_is_refused(
    anchors: Tensor, candidates: Tensor, positive: Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        contrast_loss(anchors, candidates, positive)


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([0], [0, 1], "two tensors"),
        ([2], [0], "excluded rows in 0 to 1, found 2 to 2"),
        ([0, 1], [0, -1], "excluded columns in 0 to 1, found -1 to 0"),
    ],
)
def test_contrast_refuses_pairs_that_are_not_in_the_batch(
    rows: list[int], columns: list[int], message: str
) -> None:
    vectors, positive = torch.randn(2, 3), torch.tensor([0, 1])
    with pytest.raises(ValueError, match=message):
        contrast_loss(vectors, vectors, positive, excluded=(torch.tensor(rows), torch.tensor(columns)))


def test_contrast_refuses_a_temperature_of_zero() -> None:
    vectors, positive = torch.randn(2, 3), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="above 0"):
        contrast_loss(vectors, vectors, positive, temperature=0.0)


values = st.lists(st.tuples(st.floats(-30, 30), st.floats(0, 1), st.floats(0.01, 5)), min_size=1, max_size=8)


@given(values)
def test_binary_loss_and_its_slope(rows: list[tuple[float, float, float]]) -> None:
    logits, labels, weight = (torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True))
    logits.requires_grad_()
    chance = 1 / (1 + np.exp(-logits.detach().numpy()))
    y, w = labels.numpy(), weight.numpy()
    expected = np.sum(w * (np.logaddexp(0, logits.detach().numpy()) - y * logits.detach().numpy())) / w.sum()
    loss = binary_loss(logits, labels, weight)
    assert loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(slope(loss, logits), w * (chance - y) / w.sum(), atol=1e-9)


@given(values)
def test_squared_loss_and_its_slope(rows: list[tuple[float, float, float]]) -> None:
    score, wanted, weight = (torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True))
    score.requires_grad_()
    error, w = (score - wanted).detach().numpy(), weight.numpy()
    loss = squared_loss(score, wanted, weight)
    assert loss.item() == pytest.approx(np.average(error**2, weights=w), rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(slope(loss, score), 2 * w * error / w.sum(), atol=1e-9)


def test_extreme_answers_stay_finite_and_whole_numbers_are_labels() -> None:
    loss = binary_loss(torch.tensor([1e4, -1e4]), torch.tensor([1, 1]))
    assert loss.item() == pytest.approx(5e3)


@pytest.mark.parametrize("loss", [binary_loss, squared_loss])
def test_rows_that_cannot_be_meant_are_refused(loss: object) -> None:
    assert callable(loss)
    one = torch.ones(2)
    for first, second, weight in (
        (torch.ones(0), torch.ones(0), None),
        (one, torch.ones(3), None),
        (torch.ones(2, 1), torch.ones(2, 1), None),
        (one, one, torch.zeros(2)),
        (one, one, torch.tensor([2.0, -1.0])),
        (one, one, torch.ones(3)),
    ):
        with pytest.raises(ValueError, match="expected"):
            loss(first, second, weight)


slates = st.lists(
    st.lists(st.tuples(st.floats(-20, 20), st.floats(0, 4)), min_size=1, max_size=5), min_size=1, max_size=4
)


@given(slates)
def test_slate_loss_and_its_slope(rows: list[list[tuple[float, float]]]) -> None:
    longest = max(map(len, rows))
    scores = torch.full((len(rows), longest), math.nan, dtype=torch.float64)
    relevance = torch.full_like(scores, 3.0)
    mask = torch.zeros(scores.shape, dtype=torch.bool)
    taught, expected, slopes = 0, 0.0, np.zeros(scores.shape)
    for row, pairs in enumerate(rows):
        s, r = np.array(pairs).T
        scores[row, : len(s)], relevance[row, : len(s)] = torch.from_numpy(s), torch.from_numpy(r)
        mask[row, : len(s)] = True
        if r.sum() > 0:
            taught += 1
            expected -= (r / r.sum()) @ log_softmax(s)
            slopes[row, : len(s)] = np.exp(log_softmax(s)) - r / r.sum()
    scores.requires_grad_()
    loss = slate_loss(scores, relevance, mask)
    assert loss.item() == pytest.approx(expected / max(taught, 1), rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(slope(loss, scores), slopes / max(taught, 1), atol=1e-9)


def test_a_slate_knows_order_not_height_and_not_seat() -> None:
    scores, relevance = torch.randn(3, 5, dtype=torch.float64), torch.rand(3, 5, dtype=torch.float64)
    order = torch.randperm(5)
    expected = slate_loss(scores, relevance)
    torch.testing.assert_close(slate_loss(scores + 100.0, relevance), expected)
    torch.testing.assert_close(slate_loss(scores[:, order], 3 * relevance[:, order]), expected)


@pytest.mark.parametrize(
    "mask", [torch.zeros(2, 3, dtype=torch.bool), torch.tensor([[True] * 3, [False] * 3])]
)
def test_slates_without_anything_relevant_teach_nothing(mask: Tensor) -> None:
    scores = torch.full((2, 3), -torch.inf).masked_fill(mask, 1.0).requires_grad_()
    relevance = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    loss = slate_loss(scores, relevance, mask)
    assert loss.item() == 0.0
    assert not slope(loss, scores).any()


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (3,)])
def test_an_empty_slate_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="none empty"):
        slate_loss(torch.zeros(shape), torch.zeros(shape))
    with pytest.raises(ValueError, match=r"\(2, 3\), \(2, 4\)"):
        slate_loss(torch.zeros(2, 3), torch.zeros(2, 4))


@given(seeds)
def test_token_loss_is_the_mean_over_labelled_tokens(seed: int) -> None:
    stream = np.random.default_rng(seed)
    n, length, words = stream.integers(1, 5, 3)
    logits = torch.from_numpy(stream.normal(size=(n, length, words))).requires_grad_()
    labels = stream.integers(0, words, (n, length))
    labels[stream.random((n, length)) < 0.4] = UNLABELLED
    counted = labels != UNLABELLED
    at = np.where(counted, labels, 0)[..., None]
    likely = np.take_along_axis(log_softmax(logits.detach().numpy()), at, axis=2)[..., 0]
    loss = token_loss(logits, torch.from_numpy(labels))
    assert loss.item() == pytest.approx(-likely[counted].sum() / max(counted.sum(), 1), rel=1e-9, abs=1e-9)
    assert not slope(loss, logits)[~counted].any()


def test_knowing_nothing_costs_the_log_of_the_vocabulary() -> None:
    loss = token_loss(torch.zeros(2, 3, 11), torch.tensor([[1, UNLABELLED, 4], [UNLABELLED, 0, 10]]))
    assert loss.item() == pytest.approx(math.log(11))


def test_tokens_that_do_not_fit_are_refused() -> None:
    for logits, labels in (((2, 3, 4), (2, 4)), ((0, 3, 4), (0, 3)), ((6, 4), (6,))):
        with pytest.raises(ValueError, match="expected logits"):
            token_loss(torch.zeros(logits), torch.zeros(labels, dtype=torch.long))
