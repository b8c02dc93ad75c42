"""Texts to vectors: equal texts once, batches of equal length within a token budget, order restored.

Batches depend on the set of texts only, not on their order, so the same texts always give the same bits on
the same machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from polyscene.core.errors import ModelError
from polyscene.core.progress import Progress, Silent
from polyscene.core.text import shown
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.language.model.language_model import LanguageModel, hidden_states
from polyscene.language.model.pooling import pool
from polyscene.language.text.normalisation import normalise
from polyscene.language.text.unknown import is_mostly_unknown

DEFAULT_BATCH_TOKENS = 4096
_TEXTS_PER_TOKENISING = 1024


def encode(
    model: LanguageModel,
    texts: Sequence[str],
    *,
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    progress: Progress | None = None,
) -> FloatArray:
    """Return one unit vector per text.

    Args:
        model: the language model.
        texts: n texts; they are normalised first (see `polyscene.language.text.normalisation`).
        batch_tokens: padded tokens per batch; a single text may exceed it.
        progress: advanced by distinct texts, and told the speed at the end.

    Returns:
        (n, dimension) float32 in the order of `texts`. Rows have length 1; a text without any visible
        character, or most of whose tokens are unknown, has no direction: its row is 0.

    Raises:
        ModelError: the model yields something other than finite numbers, or its tokenizer and weights do
            not belong together.
    """
    distinct, rows = distinct_texts([normalise(text) for text in texts])
    vectors = np.zeros((len(distinct), model.dimension), dtype=np.float32)
    for places, some in encoded_batches(model, distinct, batch_tokens, progress):
        vectors[places] = some
    return vectors[rows]


def distinct_texts(texts: Sequence[str]) -> tuple[list[str], LongArray]:
    """Return the m distinct texts by first appearance, and for each of the n texts its row in them, (n,)."""
    first: dict[str, int] = {}
    rows = [first.setdefault(text, len(first)) for text in texts]
    return list(first), np.asarray(rows, dtype=np.int64)


def encoded_batches(
    model: LanguageModel,
    texts: Sequence[str],
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    progress: Progress | None = None,
) -> Iterator[tuple[LongArray, FloatArray]]:
    """Yield (places, vectors), batch by batch, the longest texts first.

    Args:
        model: the language model.
        texts: m distinct, normalised texts. Texts without tokens are never yielded.
        batch_tokens: padded tokens per batch.
        progress: as for `encode`.

    Yields:
        (b,) places in `texts` and (b, dimension) unit vectors.
    """
    for places, ids, mask in padded_batches(model, texts, None, batch_tokens, progress):
        with torch.inference_mode():
            vectors = finite(model, model.embed(ids, mask))
        yield places, vectors


def pooled_batches(
    model: LanguageModel,
    texts: Sequence[str],
    layers: Sequence[int],
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    progress: Progress | None = None,
) -> Iterator[tuple[LongArray, FloatArray]]:
    """Yield (places, pooled layers), batch by batch as `encoded_batches`: one pass for all layers.

    Args:
        layers: numbers of hidden states, 0 being the embedded tokens.

    Yields:
        (b,) places in `texts` and (b, L, width) pooled layers, not normalised.
    """
    for places, ids, mask in padded_batches(model, texts, None, batch_tokens, progress):
        with torch.inference_mode():
            states = hidden_states(model.module, ids, mask, model.autocast)
            pooled = pooled_layers(model, states, mask, layers)
        yield places, pooled


def pooled_layers(
    model: LanguageModel, states: Sequence[Tensor], mask: Tensor, layers: Sequence[int]
) -> FloatArray:
    """Return (b, L, width) of hidden states (b, length, width) and their (b, length) mask.

    Raises:
        ModelError: they are not finite.
    """
    pooled = [pool(states[layer].float(), mask, model.pooling) for layer in layers]  # (b, width) each
    return finite(model, torch.stack(pooled, dim=1))


def unit_vectors(pooled: FloatArray) -> FloatArray:
    """Return what `encode` gives where the (n, width) pooled last layer is at hand already."""
    vectors: FloatArray = functional.normalize(torch.from_numpy(np.ascontiguousarray(pooled)), dim=-1).numpy()
    return vectors


def padded_batches(
    model: LanguageModel,
    texts: Sequence[str],
    tokens: Sequence[IntArray] | None = None,
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    progress: Progress | None = None,
) -> Iterator[tuple[LongArray, Tensor, Tensor]]:
    """Yield texts as a model reads them, batch by batch, the longest first.

    Args:
        model: the language model.
        texts: m distinct, normalised texts. Texts without tokens are never yielded.
        tokens: of each text, where `tokenised` was asked before.
        batch_tokens: padded tokens per batch.
        progress: advanced when the next batch is asked for, and told the speed at the end.

    Yields:
        (b,) places in `texts`, (b, length) token ids and their mask, on the model's device.

    Raises:
        ModelError: tokenizer and weights do not belong together.
    """
    listener, padding = progress or Silent(), int(model.tokenizer.pad_token_id)
    start, done = perf_counter(), 0
    with listener.track(f"{model.name} reads", len(texts), "texts") as advance:
        rows = tokenised(model, texts) if tokens is None else tokens
        for places in token_batches(texts, rows, batch_tokens):
            ids, mask = padded([rows[place] for place in places], padding)
            _refuse_unknown_ids(model, int(ids.max()))
            yield places, torch.from_numpy(ids).to(model.device), torch.from_numpy(mask).to(model.device)
            advance(len(places))
            done += len(places)
        advance(len(texts) - done)
    if done:
        speed = done / max(perf_counter() - start, 1e-9)
        listener.say(f"{model.name} read {done:,} texts, {speed:,.0f} texts/s")


def tokenised(model: LanguageModel, texts: Sequence[str]) -> list[IntArray]:
    """Return the token ids of each text, cut to the model's `max_tokens`.

    There are none for a text without a visible character, nor where most of the tokens are unknown.
    """
    tokens: list[IntArray] = []
    unknown, special = model.tokenizer.unk_token_id, frozenset(model.tokenizer.all_special_ids)
    for start in range(0, len(texts), _TEXTS_PER_TOKENISING):
        chunk = list(texts[start : start + _TEXTS_PER_TOKENISING])
        ids = model.tokenizer(
            chunk,
            truncation=True,
            max_length=model.max_tokens,
            return_attention_mask=False,
            return_token_type_ids=False,
            split_special_tokens=True,  # "[SEP]" in a text is text
        )["input_ids"]
        tokens += [
            np.asarray(row if text and not is_mostly_unknown(row, unknown, special) else [], dtype=np.int32)
            for text, row in zip(chunk, ids, strict=True)
        ]
    return tokens


def token_batches(texts: Sequence[str], tokens: Sequence[IntArray], batch_tokens: int) -> Iterator[LongArray]:
    """Yield places of texts of similar length, longest first; (longest x places) stays within the budget.

    Texts without tokens are left out. Equal lengths are ordered by text, so the order given does not matter.
    """
    lengths = np.asarray([len(row) for row in tokens], dtype=np.int64)  # (n,)
    order = sorted(np.flatnonzero(lengths).tolist(), key=lambda place: (-lengths[place], texts[place]))
    yield from within_budget(np.asarray(order, dtype=np.int64), lengths, batch_tokens)


def within_budget(order: LongArray, lengths: LongArray, batch_tokens: int) -> Iterator[LongArray]:
    """Yield an order of texts in portions of at most so many padded tokens; a single text may exceed it.

    Args:
        order: (m,) places of texts, the longest first.
        lengths: (n,) tokens of every text; an empty one takes the room of one token.
        batch_tokens: the budget.
    """
    start = 0
    while start < len(order):
        count = max(1, batch_tokens // max(int(lengths[order[start]]), 1))
        yield order[start : start + count]
        start += count


def padded(rows: Sequence[IntArray], padding: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (n, longest) ids, padded on the right with `padding`, and their mask (1 token, 0 padding)."""
    lengths = np.asarray([len(row) for row in rows])  # (n,)
    mask = np.arange(lengths.max()) < lengths[:, None]  # (n, longest)
    ids = np.full(mask.shape, padding, dtype=np.int64)
    ids[mask] = np.concatenate(rows)
    return ids, mask.astype(np.int64)


def finite(model: LanguageModel, vectors: Tensor) -> FloatArray:
    """Return what a model made of texts as an array.

    Raises:
        ModelError: it has something other than finite numbers in it.
    """
    numbers: FloatArray = vectors.cpu().numpy()
    if not np.isfinite(numbers).all():
        raise ModelError(
            f"the language model {shown(model.name)} yields numbers that are not finite in "
            f"{model.precision}; set [language] precision = 'float32', or choose another model"
        )
    return numbers


def _refuse_unknown_ids(model: LanguageModel, largest: int) -> None:
    known = model.module.get_input_embeddings().num_embeddings  # type: ignore[operator]
    if largest >= known:
        raise ModelError(
            f"tokenizer and weights of the language model {shown(model.name)} do not belong together: "
            f"expected token ids below {known}, found {largest}; fetch or save the model again"
        )
