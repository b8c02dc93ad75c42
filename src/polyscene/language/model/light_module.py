"""The light encoder where a module of transformers is expected: in training, caches and judges."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from polyscene.core.settings.language import LanguageSettings
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.light import (
    DIMENSION,
    LightEncoder,
    light_encoder,
    light_folder,
    light_tokenizer,
)
from polyscene.language.model.sources import fingerprint


class LightModule(nn.Module):
    """Answers with the vector of a text at the place of its first token, and zeros elsewhere.

    Args:
        encoder: reads token ids.
        vocabulary: how many token ids there are.
    """

    def __init__(self, encoder: LightEncoder, vocabulary: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.words = nn.Embedding(vocabulary, 1, device="meta")
        self.config = SimpleNamespace(hidden_size=DIMENSION)

    def get_input_embeddings(self) -> nn.Embedding:
        """Return what tells how many token ids are known; the vectors themselves lie elsewhere."""
        return self.words

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> BaseModelOutput:
        """Return `last_hidden_state` (n, length, 512) of (n, length) ids and their mask; no gradients."""
        lengths = attention_mask.sum(1).tolist()
        rows = [ids[:length] for ids, length in zip(input_ids.tolist(), lengths, strict=True)]
        states = torch.zeros((*input_ids.shape, DIMENSION))
        states[:, 0] = torch.from_numpy(self.encoder.encode(rows))
        return BaseModelOutput(last_hidden_state=states)


def load_light(settings: LanguageSettings) -> LanguageModel:
    """Return the light encoder as the rest of the house sees a language model.

    Raises:
        MissingExtraError: the package is not installed.
        ModelError: a file is missing or is not the published one.
    """
    folder = light_folder()
    tokenizer = light_tokenizer(folder)
    return LanguageModel(
        name=settings.model,
        kind="encoder",
        pooling="cls",
        dimension=DIMENSION,
        max_tokens=settings.max_tokens,
        fingerprint=fingerprint(folder),
        device=torch.device("cpu"),
        autocast=None,
        tokenizer=tokenizer,  # asked for nothing that it has not
        module=LightModule(light_encoder(folder), len(tokenizer)).eval(),
    )
