"""What a company's own words come to mean: a vector for each, and for each two that stand side by side.

No language model has read what a brand means to these customers, nor what two words mean together here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from polyscene.core.types import LongArray

TOKEN_SCALE = 10.0
PHRASE_WIDTH = 64


class TokenEmbeddings(nn.Module):
    """A vector for each known token, averaged over a text's tokens; unknown ones count nothing.

    `u = s · mean_t e_t`, with e zero at the start and s = 10, by which words learn faster than the map does.

    Args:
        vocabulary: how many token ids there are.
        known: the ids that have a vector, each once; or how many there will be, before weights are loaded.
        width: of a vector.
    """

    def __init__(self, vocabulary: int, known: Collection[int] | int, width: int) -> None:
        super().__init__()
        ids = [] if isinstance(known, int) else sorted(known)
        self.places = nn.Buffer(torch.zeros(vocabulary, dtype=torch.int32))
        self.places[ids] = torch.arange(1, len(ids) + 1, dtype=torch.int32)
        self.table = _table(known if isinstance(known, int) else len(ids), width)

    def forward(self, tokens: Tensor, starts: Tensor) -> Tensor:
        """Return (n, width) of (m,) token ids and (n,) where each text begins; 0 without a known token."""
        return self.mean(self.rows(tokens), starts)

    def rows(self, tokens: Tensor) -> Tensor:
        """Return (m,) each token's row in the table; 0 where it is unknown."""
        return self.places[tokens].long()

    def mean(self, rows: Tensor, starts: Tensor) -> Tensor:
        """Return (n, width) of (m,) rows and (n,) where each text begins in them."""
        return _averaged(rows, starts, self.table)


class PhraseEmbeddings(nn.Module):
    """The same for two tokens that stand side by side: `u = s · W · mean_p e_p` over a text's known phrases.

    There are many, so e is narrow. A phrase of one text alone learns what is true of that item alone, and
    leaves to the words what is true of all: items that nobody has chosen yet gain by it.

    Args:
        vocabulary: how many token ids there are.
        known: the `phrases_of` that have a vector; or how many there will be, before weights are loaded.
        width: of what a text gets.
    """

    def __init__(self, vocabulary: int, known: Collection[int] | int, width: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        keys = torch.full((known,), -1) if isinstance(known, int) else torch.tensor(sorted(known))
        self.keys = nn.Buffer(keys.long())
        self.table = _table(len(keys), min(PHRASE_WIDTH, width))
        self.out = nn.Linear(self.table.embedding_dim, width, bias=False)
        nn.init.orthogonal_(self.out.weight)

    def forward(self, tokens: Tensor, starts: Tensor) -> Tensor:
        """Return (n, width) of (m,) token ids and (n,) where each text begins; 0 without a known phrase."""
        return self.mean(self.rows(tokens, starts), starts)

    def rows(self, tokens: Tensor, starts: Tensor) -> Tensor:
        """Return (m,) the row of each token and the next one of its text; 0 where they are unknown."""
        if not len(self.keys) or not len(tokens):
            return torch.zeros_like(tokens, dtype=torch.int64)
        keys = tokens.long() * self.vocabulary + torch.roll(tokens, -1).long()  # (m,)
        at = torch.searchsorted(self.keys, keys).clamp(max=len(self.keys) - 1)
        rows = torch.where(self.keys[at] == keys, at + 1, 0)
        ends = torch.cat([starts[1:], starts.new_tensor([len(tokens)])])
        rows[ends[ends > 0] - 1] = 0  # the next text's first token is no neighbour
        return rows

    def mean(self, rows: Tensor, starts: Tensor) -> Tensor:
        """Return (n, width) of (m,) rows and (n,) where each text begins in them."""
        if not len(self.keys) or not len(rows):
            return self.table.weight.new_zeros(len(starts), self.out.out_features)
        vectors: Tensor = self.out(_averaged(rows, starts, self.table))
        return vectors


def phrases_of(tokens: LongArray, offsets: LongArray, vocabulary: int, special: Collection[int]) -> LongArray:
    """Return the keys of every text's phrases, `first token * vocabulary + second`, once for each text.

    Args:
        tokens: (m,) the token ids of n texts, one after the other.
        offsets: (n + 1,) where each text begins, and the end.
        vocabulary: how many token ids there are.
        special: tokens that are no words.
    """
    if len(tokens) < 2:
        return np.zeros(0, np.int64)
    text = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    is_word = ~np.isin(tokens, list(special))
    inside = (text[:-1] == text[1:]) & is_word[:-1] & is_word[1:]
    keys = tokens[:-1] * vocabulary + tokens[1:]
    phrase_keys: LongArray = np.unique(np.stack([text[:-1][inside], keys[inside]], axis=1), axis=0)[:, 1]
    return phrase_keys


def most_frequent(keys: Sequence[LongArray], limit: int) -> list[int]:
    """Return at most so many phrases, those of most texts first.

    Args:
        keys: from `phrases_of`, one array per catalogue.
    """
    distinct, texts = np.unique(np.concatenate([np.zeros(0, np.int64), *keys]), return_counts=True)
    kept: list[int] = distinct[np.lexsort((distinct, -texts))[:limit]].tolist()
    return kept


def _table(rows: int, width: int) -> nn.Embedding:
    """Return vectors that are zero at the start; row 0 is of what is unknown."""
    table = nn.Embedding(rows + 1, width, padding_idx=0)
    with torch.no_grad():
        table.weight.zero_()
    return table


def _averaged(rows: Tensor, starts: Tensor, table: nn.Embedding) -> Tensor:
    mean = functional.embedding_bag(rows, table.weight, starts, mode="mean", padding_idx=0)
    return TOKEN_SCALE * mean
