"""Vectors of image files: each content is read once by an encoder, and found again in the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from polyscene.core.progress import Progress
from polyscene.core.types import FloatArray
from polyscene.language.text.cache import EncodingCache
from polyscene.representation.media.image_encoder import ImageEncoder
from polyscene.representation.media.pictures import UnreadableImageError, file_bytes, picture_of

BLOCK = 512
"""So many files are looked up together."""
BATCH = 32
"""So many images are read by the encoder together, and kept together."""
_LAYOUT = 1  # part of every key: raise it when opening or encoding changes


@dataclass
class ImageVectors:
    """What an encoder makes of files.

    Attributes:
        vectors: (n, d) of length 1; a zero row is missing.
        failures: by reason, the names of the files that could not be used.
        known: how many were found in the cache.
        read: how many were opened and read by the encoder.
    """

    vectors: FloatArray
    failures: dict[str, list[str]] = field(default_factory=dict)
    known: int = 0
    read: int = 0

    def fail(self, reason: str, name: str) -> None:
        """Note a file that could not be used."""
        self.failures.setdefault(reason, []).append(name)


def encode_files(
    encoder: ImageEncoder, folder: Path, names: Sequence[str], cache: EncodingCache, progress: Progress
) -> ImageVectors:
    """Return a vector for each file, reading only contents that the cache does not know.

    Args:
        folder: that the names are relative to.
        names: n distinct ones.
        cache: what is read is kept as it comes, so that an interrupted run goes on where it stopped.
        progress: hears of every file.
    """
    results = ImageVectors(np.zeros((len(names), encoder.dimension), np.float32))
    with progress.track("reading images", len(names), "images") as advance:
        for start in range(0, len(names), BLOCK):
            block = range(start, min(start + BLOCK, len(names)))
            _Block(encoder, folder, names, cache, results).encode(block)
            advance(len(block))
    return results


def image_key(encoder: ImageEncoder, content: bytes) -> bytes:
    """Return the SHA-256 of everything that decides the vector of a file's content, 32 bytes."""
    space = json.dumps(("image", _LAYOUT, encoder.fingerprint, encoder.precision)).encode()
    return hashlib.sha256(space + hashlib.sha256(content).digest()).digest()


@dataclass(frozen=True)
class _Block:
    """Some files that are looked up together. One file is held in memory at a time."""

    encoder: ImageEncoder
    folder: Path
    names: Sequence[str]
    cache: EncodingCache
    results: ImageVectors

    def encode(self, block: range) -> None:
        """Fill in the rows of a block, out of the cache or by the encoder."""
        rows = self._rows_by_key(block)
        keys = list(rows)
        vectors, known = self.cache.read(self.encoder.fingerprint, keys, self.encoder.dimension)
        for place in np.flatnonzero(known).tolist():
            self.results.vectors[rows[keys[place]]] = vectors[place]
            self.results.known += len(rows[keys[place]])
        unknown = [rows[keys[place]] for place in np.flatnonzero(~known).tolist()]
        for start in range(0, len(unknown), BATCH):
            self._read(unknown[start : start + BATCH])

    def _rows_by_key(self, block: range) -> dict[bytes, list[int]]:
        rows: dict[bytes, list[int]] = {}
        for row in block:
            try:
                content = file_bytes(self.folder / self.names[row])
            except UnreadableImageError as error:
                self.results.fail(str(error), self.names[row])
            else:
                rows.setdefault(image_key(self.encoder, content), []).append(row)
        return rows

    def _read(self, batch: Sequence[list[int]]) -> None:
        """Open the first file of each content, and give its vector to the rows of all."""
        pictures = list(self._pictures(batch))
        if not pictures:
            return
        vectors = self.encoder.encode([pixels for _, _, pixels in pictures])
        self.cache.write(self.encoder.fingerprint, [key for _, key, _ in pictures], vectors)
        for (rows, _, _), vector in zip(pictures, vectors, strict=True):
            self.results.vectors[rows] = vector
            self.results.read += len(rows)

    def _pictures(self, batch: Sequence[list[int]]) -> Iterator[tuple[list[int], bytes, FloatArray]]:
        """Yield rows, key and pixels of what can be opened, brought to the model's size one by one."""
        for rows in batch:
            try:
                content = file_bytes(self.folder / self.names[rows[0]])  # its key again: it may have changed
                yield rows, image_key(self.encoder, content), self.encoder.pixels(picture_of(content))
            except UnreadableImageError as error:
                for row in rows:
                    self.results.fail(str(error), self.names[row])
