"""Reads texts that no training has seen as training would have read them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock, local

from polyscene.core.types import FloatArray
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.packed_bert import packed
from polyscene.language.text.cache import EncodingCache, encode_cached
from polyscene.language.text.encoding import tokenised
from polyscene.language.text.keyword_stuffing import Encode, bounded_vectors
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.files import load_tuned
from polyscene.language.tuning.methods import shared_copy
from polyscene.language.tuning.tuned_models import TunedModels
from polyscene.learning.item_views import ViewRecipe


class ItemReader:
    """The language model of a run and the models tuned over it; these are loaded when first needed.

    Any number of threads may read at once.

    Args:
        backbone: the language model as it came.
        folder: the run's.
        cache: of what the untuned model reads.
        batch_tokens: padded tokens per pass.
    """

    def __init__(
        self, backbone: LanguageModel, folder: Path, cache: EncodingCache, batch_tokens: int
    ) -> None:
        self.folder, self.cache, self.batch_tokens = folder, cache, batch_tokens
        self._plain = packed(backbone)
        self._tuned = TunedModels(backbone)
        self._loading = Lock()
        self._own = local()  # each thread's copies of the tuned models, by file; weights are in memory once
        tokenised(backbone, ["a"])  # settles how the tokenizer cuts, which no two threads may do at once

    def read(self, texts: Sequence[str], recipe: ViewRecipe) -> FloatArray:
        """Return (n, d) float32 unit vectors of n texts, bounded as the recipe says; 0 where nothing is said.

        Raises:
            ModelError: the tuned model's files are damaged, or were made over another language model.
        """
        encode = self._plainly if recipe.file is None else self._tunedly(recipe.file, recipe.frozen)
        if recipe.reach is None:
            return encode(texts)
        return bounded_vectors(texts, encode, reach=recipe.reach, lead_chars=recipe.lead_chars).vectors

    def _plainly(self, texts: Sequence[str]) -> FloatArray:
        return encode_cached(self._plain, texts, self.cache, batch_tokens=self.batch_tokens)

    def _tunedly(self, file: str, frozen: int) -> Encode:
        copies: dict[str, LanguageModel] = self._own.__dict__
        if file not in copies:
            shared = self._shared(file)
            copies[file] = replace(shared, module=shared_copy(shared.module))
        return partial(read_as_trained, copies[file], frozen, self.batch_tokens)

    def _shared(self, file: str) -> LanguageModel:
        with self._loading:
            if file not in self._tuned:
                self._tuned.put(file, self._load(file))
        return self._tuned.get(file)

    def _load(self, file: str) -> LanguageModel:
        model = load_tuned(self._tuned.backbone, self.folder / file)
        if model.max_tokens == self._tuned.backbone.max_tokens:
            return model
        model = replace(model, tokenizer=deepcopy(model.tokenizer))  # it remembers where it cuts
        tokenised(model, ["a"])
        return model


def read_as_trained(model: LanguageModel, frozen: int, batch_tokens: int, texts: Sequence[str]) -> FloatArray:
    """Return (n, d) float32 unit vectors of n texts, as the training that tuned the model reads its own.

    Args:
        model: tuned; nobody else may use it meanwhile, since layers rest while the upper ones run.
        frozen: as of `ViewRecipe`.
        batch_tokens: padded tokens per pass.
        texts: n texts; one without any visible character gets a zero row.
    """
    return CachedEncoder(model, texts, frozen, batch_tokens).all()
