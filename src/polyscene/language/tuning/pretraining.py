"""Continued pretraining: the words of a company's texts as their own labels.

Encoders find words that were hidden: 15 % of the tokens, of which 80 % become the mask token, 10 % a random
one and 10 % stay (Devlin et al., BERT, NAACL 2019, section 3.1). Decoders predict the next token (Radford et
al. 2018). Words are compared with the model's own embedded tokens: no head has to come with the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.core.contracts import UNLABELLED
from polyscene.core.errors import ModelError
from polyscene.core.text import shown
from polyscene.core.types import IntArray
from polyscene.language.model.language_model import LanguageModel, hidden_states
from polyscene.language.text.encoding import padded

HIDDEN, MASKED, RANDOM = 0.15, 0.8, 0.1


class WordHead(nn.Module):
    """From the last layer to logits over the vocabulary, through the model's own embedded tokens.

    `logits = E · ( h + T · gelu(norm(h)) ) + b`; T and b start at zero.
    """

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self._embedded = [model.words]  # in a list: the model's own, not the head's
        words, width = self._embedded[0].weight.shape
        self.norm, self.turn = nn.LayerNorm(width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.zeros(words))
        with torch.no_grad():
            self.turn.weight.zero_()
            self.turn.bias.zero_()
        self.to(model.device)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return (n, length, V) logits of (n, length, d) hidden states."""
        turned = hidden + self.turn(functional.gelu(self.norm(hidden)))  # (n, length, d)
        logits: Tensor = turned @ self._embedded[0].weight.T + self.bias
        return logits


@dataclass(frozen=True)
class HiddenWords:
    """Texts with words to find.

    Attributes:
        ids, mask: (n, length) as the model reads them.
        labels: (n, length) the token to find, -100 where none is asked for.
    """

    ids: Tensor
    mask: Tensor
    labels: Tensor

    def states(self, model: LanguageModel) -> Tensor:
        """Return (n, length, d) the model's last layer."""
        return hidden_states(model.module, self.ids, self.mask, model.autocast)[-1].float()


def hidden_words(model: LanguageModel, rows: Sequence[IntArray], seed: int) -> HiddenWords:
    """Hide words of n tokenised texts, or ask for the next one, as the model's kind demands.

    Args:
        model: its kind decides, its tokenizer tells which tokens are no words.
        rows: n texts of at least one token each.
        seed: of what is hidden.

    Raises:
        ModelError: an encoder's tokenizer has no mask token.
    """
    ids, mask = padded(rows, int(model.tokenizer.pad_token_id))  # (n, length) both
    if model.kind == "decoder":
        labels = np.full_like(ids, UNLABELLED)
        labels[:, :-1] = np.where(mask[:, 1:] > 0, ids[:, 1:], UNLABELLED)
        return _on(model, ids, mask, labels)
    if model.tokenizer.mask_token_id is None:
        raise ModelError(
            f"expected a tokenizer with a mask token, found that of {shown(model.name)}; "
            "leave pretraining out of [tuning.objectives]"
        )
    stream = np.random.default_rng(seed)
    words = (mask > 0) & ~np.isin(ids, list(model.tokenizer.all_special_ids))
    hidden = words & (stream.random(ids.shape) < HIDDEN)
    hidden[np.arange(len(ids)), np.argmax(words, axis=1)] |= words.any(axis=1) & ~hidden.any(axis=1)
    fate = stream.random(ids.shape)
    seen = np.where(hidden & (fate < MASKED), model.tokenizer.mask_token_id, ids)
    other = stream.integers(0, len(model.tokenizer), ids.shape)
    seen = np.where(hidden & (fate >= MASKED) & (fate < MASKED + RANDOM), other, seen)
    return _on(model, seen, mask, np.where(hidden, ids, UNLABELLED))


def _on(model: LanguageModel, *parts: np.ndarray) -> HiddenWords:
    return HiddenWords(*(torch.from_numpy(part.astype(np.int64)).to(model.device) for part in parts))
