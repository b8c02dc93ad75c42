"""Takes attention heads out, rows and columns and all, the cheapest of the whole model first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from polyscene.core.errors import ModelError
from polyscene.language.compression.compressing import Candidate
from polyscene.language.compression.copying import copied
from polyscene.language.compression.folders import save_noted, state
from polyscene.language.compression.judging import dense_mb
from polyscene.language.compression.surgery import input_moments, keep_outputs, refit_inputs, removal_costs
from polyscene.language.model.architecture import Attention, attention, stack
from polyscene.language.model.language_model import LanguageModel

WAY = "heads"


def drop_heads(model: LanguageModel, texts: Sequence[str], keep: float) -> Candidate:
    """Return the model with a share of its heads, chosen and made up for on texts.

    Args:
        model: of the BERT family.
        texts: what it is calibrated on; a few hundred texts of the catalogue are enough.
        keep: the share of all heads that stays, above 0 and at most 1; every layer keeps at least one.

    Raises:
        ModelError: its heads cannot be taken out, `keep` is no such share, or no text has a word.
    """
    if not 0 < keep <= 1:
        raise ModelError(f"expected a share of heads above 0 and at most 1, found {keep}; keep e.g. 0.75")
    smaller = copied(model, f"heads {keep} {list(texts)}")
    parts = [attention(layer) for layer in stack(smaller.module)]
    moments = input_moments(smaller, [part.out for part in parts], texts)
    prices = [removal_costs(part.out, seen, part.size) for part, seen in zip(parts, moments, strict=True)]
    chosen = most_important(prices, keep)
    for part, seen, heads in zip(parts, moments, chosen, strict=True):
        units = (heads[:, None] * part.size + torch.arange(part.size)).flatten()  # (kept * size,)
        for source in part.sources:
            keep_outputs(source, units)
        refit_inputs(part.out, seen, units)
    counts = [len(heads) for heads in chosen]
    return Candidate(
        model=smaller,
        way=f"{sum(counts)} of {sum(len(price) for price in prices)} heads",
        stored_mb=dense_mb(smaller.module),
        save=lambda folder: save_noted(smaller, folder, WAY, {"heads": counts}, state(smaller.module)),
        note="transformers has no words for missing heads: such a folder is read by Polyscene alone",
    )


def most_important(prices: Sequence[Tensor], keep: float) -> list[Tensor]:
    """Return for each layer the heads that stay, ascending: the dearest of all, at least one per layer."""
    best = [int(price.argmax()) for price in prices]
    marked = [
        price.clone().index_fill(0, torch.tensor(top), torch.inf)
        for price, top in zip(prices, best, strict=True)
    ]
    everywhere = torch.cat(marked)  # (heads of all layers,)
    count = max(round(keep * len(everywhere)), len(prices))
    least = everywhere.sort(descending=True).values[count - 1]
    return [torch.nonzero(price >= least).flatten() for price in marked]


def cut_to(module: nn.Module, counts: Sequence[int]) -> None:
    """Give the layers as many heads as `counts` says, for weights that are loaded afterwards.

    Raises:
        ModelError: the counts are not those of this architecture.
    """
    layers = stack(module)
    if len(counts) != len(layers):
        raise ModelError(
            f"expected the number of heads for {len(layers)} layers, found {len(counts)}; compress the "
            "model again"
        )
    for layer, count in zip(layers, counts, strict=True):
        _keep_first(attention(layer), int(count))


def _keep_first(part: Attention, count: int) -> None:
    units = torch.arange(count * part.size)
    for source in part.sources:
        keep_outputs(source, units)
    part.out.weight = nn.Parameter(part.out.weight.detach()[:, units].clone())
    part.out.in_features = len(units)
