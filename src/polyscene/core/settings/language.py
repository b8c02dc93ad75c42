"""`[language]`: the language model."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from polyscene.core.registry import Registry, known_to
from polyscene.core.settings.block import Strict

TUNING_METHODS: Registry[Any] = Registry(
    "polyscene.tuning_methods", ("none", "top", "full", "lora", "adalora", "prefix", "adapter")
)
"""Which weights of a language model learn, by name: kinds of `language.tuning.method.TuningMethod`."""


MINILM, MULTILINGUAL, LIGHT = "minilm", "multilingual", "light"
CARRIED = (MINILM, MULTILINGUAL, LIGHT)
"""Language models that packages carry, so that they work offline; all but the first are an extra."""


class LanguageSettings(Strict):
    """The language model."""

    model: str = Field(
        MINILM,
        description="'minilm' (bundled, English), 'multilingual' or 'light' (extra 'languages'), a Hugging "
        "Face id, or a folder",
    )
    tuning: Annotated[str, known_to(TUNING_METHODS)] = Field(
        "top", description="which weights learn the company's language"
    )
    max_tokens: int = Field(128, ge=8, le=8192, description="longer texts are cut")
    reach: Literal["unbounded", "usual"] | Annotated[float, Field(ge=0, le=180)] = Field(
        "unbounded", description="how far a text may turn its item from what it begins with, in degrees"
    )
    batch_tokens: int = Field(4096, ge=64, description="padded tokens per batch")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = "auto"
    download: bool = Field(False, description="may the model be fetched from the Hugging Face hub?")

    def of_model(self, model: str | None) -> Self:
        """Return the same for another model; None: for this one. The light one is not tuned."""
        if model is None or model == self.model:
            return self
        change = {"model": model} | ({"tuning": "none"} if model == LIGHT else {})
        return self.model_copy(update=change)

    @model_validator(mode="after")
    def _light_learns_nothing(self) -> Self:
        """Take 'none' for the tuning of the light model, unless another method was asked for."""
        if self.model == LIGHT and self.tuning != "none":
            if "tuning" in self.model_fields_set:
                raise ValueError(
                    f"tuning = 'none' with model = '{LIGHT}', which cannot be tuned "
                    f"(model = '{MULTILINGUAL}' can)"
                )
            self.__dict__["tuning"] = "none"
        return self
