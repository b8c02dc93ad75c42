"""What a smaller language model loses and gains against the one it was made from.

Loss is measured in three ways: how far vectors have turned, how many of a text's nearest texts are still its
nearest, and, where the caller can say what the vectors are for, how much worse they do it. Nothing here
knows how vectors are judged in use: the caller hands in a function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from time import perf_counter

import numpy as np
from torch import nn

from polyscene.core.contracts import VectorJudge
from polyscene.core.errors import ModelError
from polyscene.core.types import BoolArray, FloatArray, IntArray, LongArray
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.encoding import DEFAULT_BATCH_TOKENS, distinct_texts, encode
from polyscene.language.text.normalisation import normalise

NEIGHBOURS = 10
MEGA = 1e6
_BLOCK = 1024
_ROUNDS = 3


@dataclass(frozen=True)
class Bounds:
    """The most that may be lost without being asked for.

    Attributes:
        cosine: the least mean cosine to the original vectors.
        neighbours: the least share of the ten nearest texts that are kept.
        content: the least share of the original's worth in use, where a judge is given.
    """

    cosine: float = 0.99
    neighbours: float = 0.95
    content: float = 0.98


@dataclass(frozen=True)
class Loss:
    """What is lost and gained.

    Attributes:
        cosine: mean cosine between original and new vectors; -1 to 1.
        worst_cosine: the least of them.
        neighbours: share of each text's ten nearest texts that are still among them; 0 to 1.
        content_before, content_after: worth in use, None without a judge.
        mb_before, mb_after: the weights as they are stored, in 10^6 bytes.
        speed_before, speed_after: texts per second, in turns, the best of three.
    """

    cosine: float
    worst_cosine: float
    neighbours: float
    content_before: float | None
    content_after: float | None
    mb_before: float
    mb_after: float
    speed_before: float
    speed_after: float

    @property
    def smaller(self) -> float:
        """How many times smaller."""
        return self.mb_before / self.mb_after

    @property
    def faster(self) -> float:
        """How many times faster."""
        return self.speed_after / self.speed_before

    def beyond(self, bounds: Bounds) -> list[str]:
        """Return a sentence for every bound that is crossed."""
        sentences = []
        if self.cosine < bounds.cosine:
            sentences.append(f"mean cosine {self.cosine:.4f}, expected at least {bounds.cosine:g}")
        if self.neighbours < bounds.neighbours:
            sentences.append(
                f"{self.neighbours:.1%} of neighbours kept, expected at least {bounds.neighbours:.0%}"
            )
        if self.content_before is not None and self.content_after is not None:
            least = bounds.content * self.content_before
            if self.content_after < least:
                sentences.append(f"content signal {self.content_after:.4f}, expected at least {least:.4f}")
        return sentences

    def to_json(self) -> dict[str, float | None]:
        """Return all numbers, and the two ratios."""
        return asdict(self) | {"smaller": self.smaller, "faster": self.faster}


def judge(
    original: LanguageModel,
    smaller: LanguageModel,
    texts: Sequence[str],
    *,
    stored_mb: float,
    content: VectorJudge | None = None,
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    unread: BoolArray | None = None,
) -> Loss:
    """Encode the texts with both models and compare.

    Args:
        original, smaller: the models; their vectors have the same size.
        texts: what they are judged on, as they are, in the caller's order.
        stored_mb: size of the smaller one's weights on disk, in 10^6 bytes.
        content: worth of vectors in use, e.g. the NDCG of a signal made of them.
        batch_tokens: as for `encode`.
        unread: (n,) which texts the smaller one never learned from: cosines and neighbours are of these,
            their neighbours being looked for among all; default: all texts.

    Raises:
        ModelError: there are fewer than two different texts with words, or none that is unread.
    """
    before, after = (encode(model, texts, batch_tokens=batch_tokens) for model in (original, smaller))
    _, rows = distinct_texts([normalise(text) for text in texts])
    first = np.unique(rows, return_index=True)[1]  # (m,) one row per distinct text
    with_text = first[before[first].any(axis=1)]  # what the original reads nothing in compares with nothing
    if len(with_text) < 2:
        raise ModelError(
            f"expected at least 2 different texts to judge a smaller model on, found {len(with_text)}; give "
            "it texts of the catalogue"
        )
    judged = np.arange(len(with_text)) if unread is None else np.flatnonzero(unread[with_text])
    if not len(judged):
        raise ModelError(
            "expected texts to judge a smaller model on that it never learned from, found none; keep some "
            "back"
        )
    old, new = before[with_text], after[with_text]  # (m, d)
    cosines = np.sum(old[judged] * new[judged], axis=1, dtype=np.float64)
    speed_before, speed_after = _speeds(
        original, smaller, [texts[row] for row in with_text[:256]], batch_tokens
    )
    return Loss(
        cosine=float(cosines.mean()),
        worst_cosine=float(cosines.min()),
        neighbours=neighbours_kept(old, new, rows=judged),
        content_before=None if content is None else content(before),
        content_after=None if content is None else content(after),
        mb_before=dense_mb(original.module),
        mb_after=stored_mb,
        speed_before=speed_before,
        speed_after=speed_after,
    )


def neighbours_kept(
    before: FloatArray, after: FloatArray, count: int = NEIGHBOURS, rows: LongArray | None = None
) -> float:
    """Return the mean share of each row's nearest rows by cosine that are its nearest after as well.

    Args:
        before, after: (n, d) unit vectors of the same n texts, n at least 2.
        count: how many neighbours; at most n - 1 are looked at.
        rows: whose neighbours, among all; default: every row's.
    """
    limit, judged = min(count, len(before) - 1), slice(None) if rows is None else rows
    old, new = nearest(before, limit)[judged], nearest(after, limit)[judged]
    kept = [len(np.intersect1d(a, b, assume_unique=True)) for a, b in zip(old, new, strict=True)]
    return float(np.mean(kept)) / limit


def nearest(vectors: FloatArray, count: int) -> IntArray:
    """Return (n, count) rows nearest to each row by inner product, without itself, in no order."""
    blocks = []
    for start in range(0, len(vectors), _BLOCK):
        likeness = vectors[start : start + _BLOCK] @ vectors.T  # (block, n)
        own = np.arange(len(likeness))
        likeness[own, start + own] = -np.inf
        blocks.append(np.argpartition(-likeness, count - 1, axis=1)[:, :count])
    return np.concatenate(blocks).astype(np.int32)


def dense_mb(module: nn.Module) -> float:
    """Return the size of all weights in 10^6 bytes, each in the precision it has, shared ones once."""
    return sum(part.numel() * part.element_size() for part in module.parameters()) / MEGA


def _speeds(
    first: LanguageModel, second: LanguageModel, texts: Sequence[str], batch_tokens: int
) -> tuple[float, float]:
    """Return texts per second of both, measured in turns: a busy machine slows both alike."""
    seconds = np.full((2, _ROUNDS), np.inf)
    for turn in range(_ROUNDS):
        for place, model in enumerate((first, second)):
            start = perf_counter()
            encode(model, texts, batch_tokens=batch_tokens)
            seconds[place, turn] = perf_counter() - start
    best = len(texts) / np.maximum(seconds.min(axis=1), 1e-9)
    return float(best[0]), float(best[1])
