"""Losses whose mathematics stands apart from every model: tensors in, a scalar out.

Each is a mean over what counts, so that batches of different size weigh alike. None draws candidates, calls
a model or knows what a scenario is; what may be drawn and what is masked is the caller's to say.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from polyscene.core.contracts import UNLABELLED

Pairs = tuple[Tensor, Tensor]
"""Rows and columns, (e,) each."""


def choice_loss(logits: Tensor) -> Tensor:
    """Return the mean softmax cross-entropy of the candidate in column 0.

    `L = mean_b [ log Σ_c exp(l_bc) - l_b0 ]`. Log importance weights that were added to the logits of
    sampled candidates make the sum an unbiased estimate of the sum over the catalogue.

    Args:
        logits: (B, C); -inf pads rows with fewer candidates. Column 0 must be finite.
    """
    return (torch.logsumexp(logits, dim=1) - logits[:, 0]).mean()


def contrast_loss(
    anchors: Tensor,
    candidates: Tensor,
    positive: Tensor,
    log_popularity: Tensor | None = None,
    excluded: Pairs | None = None,
    temperature: float = 0.05,
) -> Tensor:
    """Return the softmax cross-entropy of each anchor's positive among the candidates of the batch.

    `L = mean_b [ log Σ_c exp(l_bc) - l_bp(b) ]` with `l_bc = cos(a_b, z_c) / τ - log q_c`. A candidate stands
    in the batch as often as it is popular, so without the last term popular items would be pushed away for
    being popular (Yi et al., Sampling-bias-corrected neural modeling, RecSys 2019, equation 6; the loss
    without it is InfoNCE, van den Oord et al. 2018, equation 4).

    Args:
        anchors: (B, d); their length does not matter.
        candidates: (C, d), one row per distinct item of the batch.
        positive: (B,) the column of each anchor's positive, in 0 to C-1.
        log_popularity: (C,) log q, the log share with which an item comes into a batch; None: alike for all.
        excluded: (e,) anchors and (e,) candidates that are no negatives of theirs: the anchor itself, and its
            other positives. The positive itself always counts; a pair may stand there twice.
        temperature: τ > 0.

    Raises:
        ValueError: the batch is empty, shapes disagree, or the temperature is not positive.
    """
    _demand_contrast(anchors, candidates, positive, log_popularity, excluded, temperature)
    logits = functional.normalize(anchors, dim=1) @ functional.normalize(candidates, dim=1).T  # (B, C)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32)).div_(temperature)
    if log_popularity is not None:
        logits -= log_popularity  # in place: the matrix is the largest of a training's
    if excluded is not None:
        rows, columns = excluded
        barred = columns != positive[rows]
        with torch.no_grad():  # the slope is 0 there: the softmax of -inf is
            logits[rows[barred], columns[barred]] = -torch.inf
    return functional.cross_entropy(logits, positive.long())


def binary_loss(logits: Tensor, labels: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the weighted mean cross-entropy of yes or no: a click, a purchase, a like.

    `L = -Σ_b w_b [ y_b log σ(l_b) + (1 - y_b) log σ(-l_b) ] / Σ_b w_b`.

    Args:
        logits: (B,).
        labels: (B,) in [0, 1]; what lies between is a probability, as a teacher gives it.
        weight: (B,) not negative, not all zero; None: alike.

    Raises:
        ValueError: the batch is empty, shapes disagree, or nothing has weight.
    """
    _demand_rows(logits, labels)
    losses = functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), reduction="none")
    return _weighted_mean(losses, weight)


def squared_loss(predictions: Tensor, values: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the weighted mean squared error: a rating, a dwell time.

    `L = Σ_b w_b (p_b - y_b)² / Σ_b w_b`. Values should be standardised, so that the loss may be summed with
    others.

    Args:
        predictions, values: (B,).
        weight: (B,) not negative, not all zero; None: alike.

    Raises:
        ValueError: the batch is empty, shapes disagree, or nothing has weight.
    """
    _demand_rows(predictions, values)
    return _weighted_mean((predictions - values.to(predictions.dtype)) ** 2, weight)


def slate_loss(scores: Tensor, relevance: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the listwise softmax loss of slates: the order matters, the height of the scores does not.

    `L = mean_b [ -Σ_j P_bj log softmax_j(s_b) ]` with `P_bj = r_bj / Σ_k r_bk`: the cross-entropy between
    top-one probabilities (ListNet: Cao et al., ICML 2007) with relevance normalised by its sum (Bruch et al.,
    An analysis of the softmax cross entropy loss for learning-to-rank, ICTIR 2019). Slates on which nothing
    is relevant teach nothing and are left out of the mean; where no slate is left, the loss is 0 and so is
    its slope.

    Args:
        scores: (B, L); what is masked may hold anything, -inf and NaN too.
        relevance: (B, L) not negative.
        mask: (B, L) True where there is an item; None: everywhere.

    Raises:
        ValueError: the batch is empty, or shapes disagree.
    """
    _demand_slates(scores, relevance, mask)
    present = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask.bool()
    gains = relevance.to(scores.dtype).masked_fill(~present, 0.0)  # (B, L)
    taught = gains.sum(dim=1) > 0  # (B,)
    shown, gains, present = scores[taught], gains[taught], present[taught]  # (T, L) each
    wanted = gains / gains.sum(dim=1, keepdim=True)  # (T, L)
    log_share = torch.log_softmax(shown.masked_fill(~present, -torch.inf), dim=1)
    losses = -(wanted * log_share.masked_fill(~present, 0.0)).sum(dim=1)  # (T,)
    return losses.sum() / max(len(losses), 1)


def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of tokens: masked for an encoder, of the next token for a decoder.

    `L = -Σ_(i,t): y_it ≠ -100 log softmax(l_it)[y_it] / #{y_it ≠ -100}` (Devlin et al., NAACL 2019). For a
    decoder the labels are those of the next position: the caller shifts. Where no token is labelled, as
    chance may have it with short texts, the loss is 0 and so is its slope.

    Args:
        logits: (n, l, V).
        labels: (n, l) token ids in 0 to V-1, or `UNLABELLED`.

    Raises:
        ValueError: the batch is empty, or shapes disagree.
    """
    if logits.ndim != 3 or logits.shape[:2] != labels.shape or not labels.numel():
        raise ValueError(
            f"expected logits (n, l, V) and labels (n, l) of at least one token, "
            f"found {tuple(logits.shape)} and {tuple(labels.shape)}"
        )
    counted = labels != UNLABELLED  # (n, l)
    losses = functional.cross_entropy(logits[counted], labels[counted], reduction="sum")
    return losses / counted.sum().clamp(min=1)


def _weighted_mean(losses: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return losses.mean()
    if weight.shape != losses.shape or not bool(weight.min() >= 0) or not bool(weight.sum() > 0):
        raise ValueError(
            f"expected weights {tuple(losses.shape)}, none negative and not all zero, "
            f"found {tuple(weight.shape)} that sum to {float(weight.sum()):g}"
        )
    return (weight * losses).sum() / weight.sum()


def _demand_rows(given: Tensor, wanted: Tensor) -> None:
    if given.ndim != 1 or given.shape != wanted.shape or not len(given):
        raise ValueError(
            f"expected two tensors (B,) with B at least 1, "
            f"found {tuple(given.shape)} and {tuple(wanted.shape)}"
        )


def _demand_slates(scores: Tensor, relevance: Tensor, mask: Tensor | None) -> None:
    shapes = [tuple(part.shape) for part in (scores, relevance, mask) if part is not None]
    if scores.ndim != 2 or not scores.numel() or len(set(shapes)) > 1:
        raise ValueError(f"expected scores, relevance and mask (B, L), none empty, found {shapes}")


def _demand_contrast(
    anchors: Tensor,
    candidates: Tensor,
    positive: Tensor,
    log_popularity: Tensor | None,
    excluded: Pairs | None,
    temperature: float,
) -> None:
    if temperature <= 0:
        raise ValueError(f"expected a temperature above 0, found {temperature:g}")
    n, c = len(anchors), len(candidates)
    shapes = [tuple(anchors.shape[1:]), tuple(candidates.shape[1:]), tuple(positive.shape)]
    beside = log_popularity is None or tuple(log_popularity.shape) == (c,)
    if not n or not c or anchors.ndim != 2 or shapes[0] != shapes[1] or shapes[2] != (n,) or not beside:
        raise ValueError(
            f"expected anchors (B, d), candidates (C, d), positive (B,) and log_popularity (C,) "
            f"with B and C at least 1, found anchors {tuple(anchors.shape)}, candidates "
            f"{tuple(candidates.shape)}, positive {shapes[2]}"
        )
    if excluded is not None:
        _demand_pairs(*excluded, n, c)
    if not bool(((positive >= 0) & (positive < c)).all()):
        low, high = int(positive.min()), int(positive.max())
        raise ValueError(f"expected positives in 0 to {c - 1}, found {low} to {high}")


def _demand_pairs(rows: Tensor, columns: Tensor, n: int, c: int) -> None:
    if rows.ndim != 1 or rows.shape != columns.shape:
        raise ValueError(
            f"expected excluded as two tensors (e,), found {tuple(rows.shape)} and {tuple(columns.shape)}"
        )
    for what, part, limit in (("rows", rows, n), ("columns", columns, c)):
        if part.numel() and not bool(((part >= 0) & (part < limit)).all()):
            low, high = int(part.min()), int(part.max())
            raise ValueError(f"expected excluded {what} in 0 to {limit - 1}, found {low} to {high}")
