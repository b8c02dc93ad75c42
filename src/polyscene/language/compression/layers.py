"""Takes whole layers out of a stack: the plainest way to a faster model, and a start for distillation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from polyscene.core.errors import ModelError
from polyscene.language.compression.compressing import Candidate
from polyscene.language.compression.copying import copied
from polyscene.language.compression.folders import save_ordinary
from polyscene.language.compression.judging import dense_mb
from polyscene.language.model.architecture import stack
from polyscene.language.model.language_model import LanguageModel


def drop_layers(model: LanguageModel, keep: Sequence[int] | None = None) -> Candidate:
    """Return the model with some of its layers.

    Args:
        model: an encoder or a decoder.
        keep: which layers stay, counted from 0, in ascending order; default: every other one, the last among
            them, as a student starts in Sanh et al., DistilBERT, 2019.

    Raises:
        ModelError: its layers cannot be cut, or `keep` does not name layers that it has.
    """
    count = len(stack(model.module))
    chosen = every_other(count) if keep is None else list(keep)
    if not chosen or sorted(set(chosen)) != chosen or not 0 <= chosen[0] <= chosen[-1] < count:
        raise ModelError(
            f"expected ascending numbers of layers between 0 and {count - 1}, found {chosen}; name the "
            "layers that stay"
        )
    smaller = copied(model, f"layers {chosen}")
    _cut(smaller.module, chosen)
    return Candidate(
        model=smaller,
        way=f"{len(chosen)} of {count} layers",
        stored_mb=dense_mb(smaller.module),
        save=lambda folder: save_ordinary(smaller, folder),
    )


def every_other(count: int) -> list[int]:
    """Return every other of `count` layers, the last among them."""
    return list(range(count - 1, -1, -2))[::-1]


def evenly_spread(count: int, share: float) -> list[int]:
    """Return about `share` of `count` layers, evenly spread; the last stays, and the first if two do."""
    kept = max(1, min(count, round(share * count)))
    return [round(place * (count - 1) / (kept - 1)) for place in range(kept)] if kept > 1 else [count - 1]


def _cut(module: nn.Module, keep: Sequence[int]) -> None:
    layers, config = stack(module), _config(module)
    count = len(layers)
    kept = [layers[place] for place in keep]
    for place in reversed(range(count)):
        del layers[place]
    for place, layer in enumerate(kept):
        for part in layer.modules():
            if isinstance(getattr(part, "layer_idx", None), int):
                part.layer_idx = place  # type: ignore[assignment]  # it is an int there
        layers.append(layer)
    for name, value in vars(config).items():
        if isinstance(value, list) and len(value) == count and name.startswith("layer"):
            setattr(config, name, [value[place] for place in keep])
    config.num_hidden_layers = len(kept)


def _config(module: nn.Module) -> Any:  # noqa: ANN401 - every architecture has its own class
    return module.config
