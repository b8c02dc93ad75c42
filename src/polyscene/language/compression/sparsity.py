"""Sets the least important weights to zero and stores the others: smaller on disk, and nothing else.

A dense product multiplies by zeros as fast as by anything else, so neither speed nor working memory is
gained; the note says so. A weight's importance is its size times the root mean square of what it is
multiplied with (Sun et al., Wanda, ICLR 2024, eq. 1), compared within each row; without texts to calibrate
on, its size alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from polyscene.core.errors import ModelError
from polyscene.language.compression.compressing import Candidate
from polyscene.language.compression.copying import copied
from polyscene.language.compression.folders import save_noted, state
from polyscene.language.compression.judging import MEGA
from polyscene.language.compression.surgery import input_moments
from polyscene.language.model.architecture import linears
from polyscene.language.model.language_model import LanguageModel

WAY = "sparse"
_MASK, _VALUES = ".nonzero", ".values"


def sparsify(model: LanguageModel, share: float, texts: Sequence[str] = ()) -> Candidate:
    """Return the model with a share of the weights of its layers at zero.

    Args:
        model: an encoder or a decoder.
        share: of zeros in every row, at least 0 and below 1.
        texts: what importance is measured on; default: the weights' sizes alone.

    Raises:
        ModelError: `share` is no such share, or no text has a word.
    """
    if not 0 <= share < 1:
        raise ModelError(f"expected a share of zeros at least 0 and below 1, found {share}; try 0.5")
    smaller = copied(model, f"sparse {share} {list(texts)}")
    parts = linears(smaller.module)
    moments = input_moments(smaller, list(parts.values()), texts) if texts else [None] * len(parts)
    for part, seen in zip(parts.values(), moments, strict=True):
        input_sizes = (
            torch.ones(part.in_features) if seen is None else (seen.product.diagonal() / seen.count).sqrt()
        )
        zero_least_important(part, share, input_sizes)
    tensors = pack_nonzero(smaller.module, parts)
    return Candidate(
        model=smaller,
        way=f"{share:.0%} of weights at zero",
        stored_mb=sum(part.numel() * part.element_size() for part in tensors.values()) / MEGA,
        save=lambda folder: save_noted(smaller, folder, WAY, {"share": share}, tensors),
        note="smaller on disk alone: a dense product takes as long with zeros as without",
    )


def zero_least_important(linear: nn.Linear, share: float, input_sizes: Tensor) -> None:
    """Set the share of each row's weights to zero that matter least; `input_sizes` is (k,)."""
    count = int(share * linear.in_features)
    with torch.no_grad():
        importance = linear.weight.abs() * input_sizes.to(linear.weight)  # (out, k)
        least = importance.topk(count, dim=1, largest=False).indices  # (out, count)
        linear.weight.scatter_(1, least, 0.0)


def pack_nonzero(module: nn.Module, parts: Mapping[str, nn.Linear]) -> dict[str, Tensor]:
    """Return the module's weights; those of `parts` as one bit each and the values that are not zero."""
    tensors = state(module)
    for path in parts:
        weight = tensors.pop(f"{path}.weight").numpy()
        tensors[f"{path}.weight{_MASK}"] = torch.from_numpy(np.packbits(weight != 0))
        tensors[f"{path}.weight{_VALUES}"] = torch.from_numpy(weight[weight != 0])
    return tensors


def unpack_nonzero(tensors: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Return dense weights again.

    Args:
        tensors: what `pack_nonzero` returned.
        shapes: of every weight, by name.

    Raises:
        ModelError: a weight's bits and values do not belong together.
    """
    dense = {name: part for name, part in tensors.items() if not name.endswith((_MASK, _VALUES))}
    for name in (key.removesuffix(_MASK) for key in tensors if key.endswith(_MASK)):
        shape = shapes.get(name, torch.Size([0]))
        bits = np.unpackbits(tensors[name + _MASK].numpy(), count=shape.numel()).astype(np.bool_)
        values = tensors[name + _VALUES].numpy()
        if bits.sum() != len(values):
            raise ModelError(
                f"expected {bits.sum():,} values of the weight {name}, found {len(values):,}; compress the "
                "model again"
            )
        filled = np.zeros(shape.numel(), np.float32)
        filled[bits] = values
        dense[name] = torch.from_numpy(filled).view(shape)
    return dense
