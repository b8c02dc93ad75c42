"""P, from the layers of a language model to an item vector: `v = P · LM(text)`.

The last layer holds what a text means in general; the layers below it keep more of the words
themselves, and companies' customers choose by words too. P starts as the last layer, freed of what all texts
share, so that an untrained projection changes nothing but that. Beside it every word of the company's own may
learn a vector: what a brand means to these customers no language model has read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.language.model.dropout import Dropout
from polyscene.language.model.token_embeddings import PhraseEmbeddings, TokenEmbeddings

_MIN_NORM = 1e-6


class Layers(nn.Module):
    """No projection at all: the pooled layers side by side, for those who project later.

    Args:
        layers: numbers of hidden states, 0 being the embedded tokens.
        width: of one hidden state.
    """

    def __init__(self, layers: Sequence[int], width: int) -> None:
        super().__init__()
        self.layers, self.width = tuple(layers), width
        self.dimension = len(self.layers) * width

    def forward(self, pooled: Tensor, tokens: Tensor, starts: Tensor) -> Tensor:
        """Return one vector per text.

        Args:
            pooled: (n, L, width) pooled layers.
            tokens: (m,) the token ids of all texts, one after the other.
            starts: (n,) where each text begins in them.

        Returns:
            (n, L * width), the layers side by side.
        """
        return pooled.flatten(1)


@dataclass(frozen=True)
class PreparedTexts:
    """Texts as far as a projection reads them without anything that it learns.

    Attributes:
        features: (n, L * width) centred, normalised layers side by side.
        words: (m,) each token's row among the words' vectors; None where words learn none.
        phrases: (m,) the same for it and the token after it among the phrases'; None where these learn none.
    """

    features: Tensor
    words: Tensor | None
    phrases: Tensor | None

    def pick(self, texts: Tensor, tokens: Tensor) -> PreparedTexts:
        """Return the named texts.

        Args:
            texts: (b,) which ones.
            tokens: (t,) the places of their tokens, text after text.
        """
        words, phrases = (None if rows is None else rows[tokens] for rows in (self.words, self.phrases))
        return PreparedTexts(self.features[texts], words, phrases)


class Projection(Layers):
    """A linear map over centred, normalised layers, and what words and phrases add.

    `v = unit( Σ_l P_l · unit(h_l − m_l) + u )`, with h_l the pooled hidden state l, m_l its mean over the
    texts it was measured on, and u of `TokenEmbeddings` and `PhraseEmbeddings`. `P` of the first layer named
    starts as the identity, the others as zero.

    Args:
        layers: numbers of hidden states, the one to start from first.
        width: of one hidden state.
        dropout: on the features while it learns, in [0, 1).
    """

    def __init__(self, layers: Sequence[int], width: int, dropout: float = 0.0) -> None:
        super().__init__(layers, width)
        self.dimension = width
        self.dropout = Dropout(dropout)
        self.words: TokenEmbeddings | None = None
        self.phrases: PhraseEmbeddings | None = None
        self.mean = nn.Buffer(torch.zeros(len(self.layers), width))
        self.linear = nn.Linear(len(self.layers) * width, width, bias=False)
        with torch.no_grad():
            self.linear.weight.zero_()
            self.linear.weight[:, :width] = torch.eye(width)

    def forward(self, pooled: Tensor, tokens: Tensor, starts: Tensor) -> Tensor:
        """Return (n, width) unit vectors; see `Layers.forward` for what is given.

        What is the mean itself, as where every text is the same, has no direction and becomes 0.
        """
        return self.project(self.prepare(pooled, tokens, starts), starts)

    def prepare(self, pooled: Tensor, tokens: Tensor, starts: Tensor) -> PreparedTexts:
        """Return what training changes nothing of; see `Layers.forward` for what is given."""
        shifted = pooled - self.mean  # (n, L, width)
        length = shifted.norm(dim=-1, keepdim=True)  # (n, L, 1)
        features = torch.where(
            length > _MIN_NORM, shifted / length.clamp(min=_MIN_NORM), 0.0
        )  # (n, L, width)
        words = None if self.words is None else self.words.rows(tokens)
        phrases = None if self.phrases is None else self.phrases.rows(tokens, starts)
        return PreparedTexts(features.flatten(1), words, phrases)

    def project(self, texts: PreparedTexts, starts: Tensor) -> Tensor:
        """Return (n, width) unit vectors of n prepared texts, and (n,) where each begins in their tokens."""
        mapped = self.linear(self.dropout(texts.features))  # (n, width)
        if self.words is not None and texts.words is not None:
            mapped = mapped + self.words.mean(texts.words, starts)
        if self.phrases is not None and texts.phrases is not None:
            mapped = mapped + self.phrases.mean(texts.phrases, starts)
        return functional.normalize(mapped, dim=-1)

    def measure(self, pooled: Tensor) -> None:
        """Take the mean of (n, L, width) pooled layers as what all texts share."""
        if len(pooled):
            self.mean.copy_(pooled.double().mean(dim=0))
