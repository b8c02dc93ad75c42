"""Stores weights in half the bytes; what products are computed in is `[language] precision`."""

from __future__ import annotations

from typing import Literal

import torch

from polyscene.language.compression.compressing import Candidate
from polyscene.language.compression.copying import copied
from polyscene.language.compression.folders import save_ordinary
from polyscene.language.compression.judging import dense_mb
from polyscene.language.model.language_model import LanguageModel

HalfPrecision = Literal["bfloat16", "float16"]


def halve(model: LanguageModel, precision: HalfPrecision = "bfloat16") -> Candidate:
    """Return the model with its weights rounded to 16 bits, stored so.

    Args:
        model: an encoder or a decoder.
        precision: bfloat16 keeps the range of float32 and 8 bits of its fraction; float16 keeps 11 bits, and
            weights above 65,504 are lost.
    """
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float16
    smaller = copied(model, precision)
    with torch.no_grad():
        for part in smaller.module.parameters():
            part.copy_(part.to(dtype))
    return Candidate(
        model=smaller,
        way=f"weights in {precision}",
        stored_mb=dense_mb(smaller.module) / 2,
        save=lambda folder: save_ordinary(smaller, folder, dtype),
        note="half the size on disk; it computes as before, see [language] precision",
    )
