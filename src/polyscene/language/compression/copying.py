"""Copies of a language model, free to be cut."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from hashlib import sha256

from polyscene.core.errors import ModelError
from polyscene.core.text import shown
from polyscene.language.model.language_model import LanguageModel


def refuse_projection(model: LanguageModel) -> None:
    """Raise where a projection would be left behind.

    Raises:
        ModelError: the model has one.
    """
    if model.projection is not None:
        raise ModelError(
            f"expected a language model without a projection, found {shown(model.name)} tuned with one; "
            "compress the model first and tune the smaller one"
        )


def copied(model: LanguageModel, way: str) -> LanguageModel:
    """Return a deep copy, free to be changed, with a fingerprint of its own that follows from `way`.

    Raises:
        ModelError: the model has a projection, which would not fit what is changed.
    """
    refuse_projection(model)
    mark = sha256(f"{model.fingerprint}\0{way}".encode()).hexdigest()
    return replace(model, module=deepcopy(model.module).eval(), fingerprint=mark)
