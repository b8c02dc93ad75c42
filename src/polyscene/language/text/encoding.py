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

from polyscene.core.errors import ModelError
from polyscene.core.progress import Progress, Silent
from polyscene.core.text import shown
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.normalisation import normalise

DEFAULT_BATCH_TOKENS = 4096
_TOKENISED_AT_ONCE = 1024


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
        character has no direction, its row is 0.

    Raises:
        ModelError: the model yields something other than finite numbers, or its tokenizer and weights do
            not belong together.
    """
    distinct, rows = distinct_texts([normalise(text) for text in texts])
    vectors = np.zeros((len(distinct), model.dimension), dtype=np.float32)
    for places, found in encoded_batches(model, distinct, batch_tokens, progress):
        vectors[places] = found
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
    listener = progress or Silent()
    start, done = perf_counter(), 0
    with listener.track(f"{model.name} reads", len(texts), "texts") as advance:
        tokens = tokenised(model, texts)
        for places in token_batches(texts, tokens, batch_tokens):
            yield places, _vectors(model, [tokens[place] for place in places])
            advance(len(places))
            done += len(places)
        advance(len(texts) - done)
    if done:
        speed = done / max(perf_counter() - start, 1e-9)
        listener.say(f"{model.name} read {done:,} texts, {speed:,.0f} texts/s")


def tokenised(model: LanguageModel, texts: Sequence[str]) -> list[IntArray]:
    """Return the token ids of each text, cut to the model's `max_tokens`; none for an empty text."""
    tokens: list[IntArray] = []
    for start in range(0, len(texts), _TOKENISED_AT_ONCE):
        chunk = list(texts[start : start + _TOKENISED_AT_ONCE])
        ids = model.tokenizer(
            chunk,
            truncation=True,
            max_length=model.max_tokens,
            return_attention_mask=False,
            return_token_type_ids=False,
            split_special_tokens=True,  # "[SEP]" in a text is text
        )["input_ids"]
        tokens += [
            np.asarray(row if text else [], dtype=np.int32) for text, row in zip(chunk, ids, strict=True)
        ]
    return tokens


def token_batches(texts: Sequence[str], tokens: Sequence[IntArray], batch_tokens: int) -> Iterator[LongArray]:
    """Yield places of texts of similar length, longest first; (longest x places) stays within the budget.

    Texts without tokens are left out. Equal lengths are ordered by text, so the order given does not matter.
    """
    lengths = [len(row) for row in tokens]
    order = sorted(
        (place for place, n in enumerate(lengths) if n), key=lambda place: (-lengths[place], texts[place])
    )
    start = 0
    while start < len(order):
        count = max(1, batch_tokens // lengths[order[start]])
        yield np.asarray(order[start : start + count], dtype=np.int64)
        start += count


def padded(rows: Sequence[IntArray], padding: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (n, longest) ids, padded on the right with `padding`, and their mask (1 token, 0 padding)."""
    lengths = np.asarray([len(row) for row in rows])  # (n,)
    mask = np.arange(lengths.max()) < lengths[:, None]  # (n, longest)
    ids = np.full(mask.shape, padding, dtype=np.int64)
    ids[mask] = np.concatenate(rows)
    return ids, mask.astype(np.int64)


def _vectors(model: LanguageModel, rows: Sequence[IntArray]) -> FloatArray:
    ids, mask = padded(rows, int(model.tokenizer.pad_token_id))
    _refuse_unknown_ids(model, int(ids.max()))
    with torch.inference_mode():
        vectors: FloatArray = (
            model.embed(torch.from_numpy(ids).to(model.device), torch.from_numpy(mask).to(model.device))
            .cpu()
            .numpy()
        )
    if not np.isfinite(vectors).all():
        raise ModelError(
            f"the language model {shown(model.name)} yields numbers that are not finite in "
            f"{model.precision}; set [language] precision = 'float32', or choose another model"
        )
    return vectors


def _refuse_unknown_ids(model: LanguageModel, largest: int) -> None:
    known = model.module.get_input_embeddings().num_embeddings  # type: ignore[operator]
    if largest >= known:
        raise ModelError(
            f"tokenizer and weights of the language model {shown(model.name)} do not belong together: "
            f"expected token ids below {known}, found {largest}; fetch or save the model again"
        )
