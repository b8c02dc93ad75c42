"""`[text_ranker]`: the language model as a slow reader."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from polyscene.core.settings.block import Strict


class TextRankerSettings(Strict):
    """The language model as a slow reader behind the signal `text_ranker`."""

    reader: Literal["none", "pair", "answers"] = Field(
        "none", description="pair: an encoder and a head; answers: a decoder and its answer words"
    )
    top: int = Field(20, ge=2, le=1000, description="the signal's best of each request that are read")
    history: int = Field(10, ge=1, le=50, description="latest past items that a prompt tells")
    chars: int = Field(120, ge=10, le=300, description="characters that a prompt tells of each text")
    examples: int = Field(2000, ge=0, description="labelled prompts that it learns from")
    steps: int = Field(0, ge=0, description="pair: steps in which the encoder itself learns")
    template: str | None = Field(None, description="of a prompt: {title} and, as you like, {liked}")

    @model_validator(mode="after")
    def _steps_of_encoders(self) -> Self:
        if self.steps and self.reader == "answers":
            raise ValueError("a reader of answers does not learn: leave 'steps' out, or say reader = 'pair'")
        return self
