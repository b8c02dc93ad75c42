"""The language model of a run, for new items and the text ranker: loaded late, and checked to be the one.

Several scenarios share it. What their readers have learnt on top is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from polyscene.core.errors import ConfigError, DataError, ModelError, Problem
from polyscene.core.settings.language import LIGHT, MULTILINGUAL, LanguageSettings
from polyscene.core.settings.text_ranker import TextRankerSettings
from polyscene.core.text import shown
from polyscene.language.model.language_model import Kind, LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.model.packed_bert import packed
from polyscene.language.model.sources import fingerprint, locate
from polyscene.language.ranking.cross_encoder import PAIR
from polyscene.language.ranking.templates import TALLREC, PromptTemplate
from polyscene.language.ranking.yes_no_ranker import YesNoModel, load_yes_no_model
from polyscene.language.tuning.methods import must_be_tunable

Loaded = TypeVar("Loaded")

KINDS: dict[Kind, str] = {
    "encoder": "an encoder (the BERT family)",
    "decoder": "a decoder (the LLaMA and GPT families)",
}


class Backbone:
    """A language model that may not be there yet.

    Args:
        settings: which model.
        base: what a relative model folder is relative to.
        loaded: the model, where it was loaded already.
        expected: its fingerprint, where something was learned with it before.
        reader: who reads with it, for messages.

    Raises:
        ModelError: from any of the models below: it cannot be loaded, or is not the expected one.
    """

    def __init__(
        self,
        settings: LanguageSettings,
        base: Path,
        loaded: LanguageModel | None = None,
        expected: str | None = None,
        reader: str = "the text ranker of this run",
    ) -> None:
        self.settings, self.base, self.expected, self.reader = settings, base, expected, reader
        self._loaded = loaded

    @property
    def fingerprint(self) -> str:
        """SHA-256 in hex over the model's files."""
        return fingerprint(locate(self.settings, self.base))

    @cached_property
    def plain(self) -> LanguageModel:
        """The model as published."""
        return self._loaded or self._checked(load_model)

    @cached_property
    def fast(self) -> LanguageModel:
        """The model with the fast forward pass, where there is one for it."""
        return packed(self.plain)

    @cached_property
    def answers(self) -> YesNoModel:
        """The model with its output layer."""
        return self._checked(load_yes_no_model)

    def must_suit(self, settings: TextRankerSettings) -> None:
        """Refuse a reader that is not made for the model.

        Raises:
            ConfigError: an encoder shall answer, or a decoder read pairs.
            ModelError: the decoder has no output layer, or the encoder is to learn and cannot.
        """
        wanted: Kind = "encoder" if settings.reader == "pair" else "decoder"
        if self.plain.kind != wanted:
            raise ConfigError(
                Problem(
                    "the text ranker's reader does not suit the language model",
                    f"{KINDS[wanted]}, since [text_ranker] reader = '{settings.reader}'",
                    f"{shown(self.plain.name, 200)}, {KINDS[self.plain.kind]}",
                    "name another [language] model, or the other reader ('pair' for encoders, 'answers' for "
                    "decoders)",
                    key="text_ranker.reader",
                )
            )
        if self.settings.model == LIGHT:
            raise ConfigError(
                Problem(
                    "the text ranker's reader does not suit the language model",
                    "a language model of transformers",
                    f"'{LIGHT}', which reads no pairs",
                    f"name another [language] model, such as '{MULTILINGUAL}', or set [text_ranker] reader = "
                    "'none'",
                    key="text_ranker.reader",
                )
            )
        if settings.reader == "answers":
            _ = self.answers  # now, not after hours of training
        elif settings.steps:
            must_be_tunable(self.plain, "full", "set [text_ranker] steps = 0")

    def _checked(self, load: Callable[[LanguageSettings, Path], Loaded]) -> Loaded:
        if self.expected is None:
            return load(self.settings, self.base)
        name = shown(self.settings.model, 200)
        try:
            present = self.fingerprint
            model = load(self.settings, self.base)
        except ModelError as error:
            raise ModelError(
                f"{self.reader} reads with the language model {name}, which cannot be used: "
                f"put it back where it lay when the run was trained, or train again. The reason: {error}"
            ) from error
        if present != self.expected:
            raise ModelError(
                f"{self.reader} was taught with another language model than the one now found as {name}: "
                "put the former back, or train again"
            )
        return model


def usable_template(settings: TextRankerSettings) -> PromptTemplate:
    """Return the template of the prompts.

    Raises:
        ConfigError: it cannot be used.
    """
    usual = PAIR if settings.reader == "pair" else TALLREC
    try:
        return PromptTemplate.parse(settings.template or usual)
    except DataError as error:
        where = [replace(problem, key="text_ranker.template") for problem in error.problems]
        raise ConfigError(where) from None
