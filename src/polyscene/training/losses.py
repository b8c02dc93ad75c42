"""Losses whose mathematics stands apart from every model: tensors in, a scalar out."""

from __future__ import annotations

import torch
from torch import Tensor


def choice_loss(logits: Tensor) -> Tensor:
    """Return the mean softmax cross-entropy of the candidate in column 0.

    `L = mean_b [ log Σ_c exp(l_bc) - l_b0 ]`. Log importance weights that were added to the logits of
    sampled candidates make the sum an unbiased estimate of the sum over the catalogue.

    Args:
        logits: (B, C); -inf pads rows with fewer candidates. Column 0 must be finite.
    """
    return (torch.logsumexp(logits, dim=1) - logits[:, 0]).mean()
