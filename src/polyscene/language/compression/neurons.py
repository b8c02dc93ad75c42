"""Drops neurons of feed-forward parts, equally many in every layer, so that transformers can load it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from polyscene.core.errors import ModelError
from polyscene.language.compression.compressing import Candidate
from polyscene.language.compression.copying import copied
from polyscene.language.compression.folders import save_ordinary
from polyscene.language.compression.judging import dense_mb
from polyscene.language.compression.surgery import input_moments, keep_outputs, refit_inputs, removal_costs
from polyscene.language.model.architecture import feed_forward, stack, width_key
from polyscene.language.model.language_model import LanguageModel

MULTIPLE = 16
"""Widths are rounded to whole vectors of the processor, where they are wide enough."""


def drop_neurons(model: LanguageModel, texts: Sequence[str], keep: float) -> Candidate:
    """Return the model with a share of its neurons, chosen and made up for on texts.

    Args:
        model: an encoder or decoder with plain or gated feed-forward parts.
        texts: what it is calibrated on; a few hundred texts of the catalogue are enough.
        keep: the share of the neurons of each layer that stays, above 0 and at most 1.

    Raises:
        ModelError: its neurons cannot be taken out, `keep` is no such share, or no text has a word.
    """
    if not 0 < keep <= 1:
        raise ModelError(f"expected a share of neurons above 0 and at most 1, found {keep}; keep e.g. 0.75")
    smaller = copied(model, f"neurons {keep} {list(texts)}")
    config: Any = smaller.module.config
    parts, key = [feed_forward(layer) for layer in stack(smaller.module)], width_key(config)
    before, width = parts[0].out.in_features, rounded(parts[0].out.in_features, keep)
    for part, seen in zip(parts, input_moments(smaller, [part.out for part in parts], texts), strict=True):
        chosen = removal_costs(part.out, seen, 1).topk(width).indices.sort().values  # (width,)
        for source in part.sources:
            keep_outputs(source, chosen)
        refit_inputs(part.out, seen, chosen)
    setattr(config, key, width)
    return Candidate(
        model=smaller,
        way=f"{width} of {before} neurons a layer",
        stored_mb=dense_mb(smaller.module),
        save=lambda folder: save_ordinary(smaller, folder),
    )


def rounded(neurons: int, keep: float) -> int:
    """Return how many stay: a multiple of 16 where at least that many do."""
    wanted = max(1, round(neurons * keep))
    return wanted if wanted < MULTIPLE else min(neurons, round(wanted / MULTIPLE) * MULTIPLE)
