"""What makes a view of a scenario's items out of their texts, as a run's manifest keeps it. Free of torch."""

from __future__ import annotations

from pydantic import Field

from polyscene.core.settings.block import Strict

LANGUAGE = "language"
"""Folder of the tuned language models in a run."""


class ViewRecipe(Strict):
    """How a text becomes a vector of one view.

    Attributes:
        file: folder of the tuned model within the run; None is the language model as it came.
        frozen: how many lower layers the tuning left alone, see `language.tuning.methods.frozen_layers`:
            training kept what these say in half precision, and new texts must be read alike.
        reach: how far a text may turn its item from its beginning, radians; None where that is not bounded.
        lead_chars: how many characters a beginning has at most; None where nothing is bounded.
    """

    file: str | None = None
    frozen: int = Field(0, ge=-1)
    reach: float | None = Field(None, ge=0.0, le=3.1416)
    lead_chars: int | None = Field(None, ge=1)
