"""Encoded texts on disk, found again by their content: no text is read by the same model twice.

One SQLite file per language model. Each vector lies under the SHA-256 of everything that decides it and
carries a checksum; what is damaged is noticed and encoded again. Processes may share the folder. A cache
that cannot be used is told once and then done without. Vectors of a text may differ in their last bits with
the batch they were encoded in; the cache hands out the ones it saw first.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path

import numpy as np

from polyscene.core.progress import Progress, Silent
from polyscene.core.text import shown
from polyscene.core.types import BoolArray, FloatArray, LongArray
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.cache_folder import default_folder
from polyscene.language.text.encoding import (
    DEFAULT_BATCH_TOKENS,
    distinct_texts,
    encoded_batches,
    pooled_batches,
    unit_vectors,
)
from polyscene.language.text.normalisation import normalise

_LAYOUT = 4  # part of every key: raise it when normalising, encoding or the layout changes
_KEYS_PER_SELECT = 500  # the least that any SQLite build allows is 999
_TEXTS_PER_TRANSACTION = 1024
_BUSY_SECONDS = 60.0
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
_TABLE = (
    "CREATE TABLE IF NOT EXISTS encodings "
    "(key BLOB PRIMARY KEY, vector BLOB NOT NULL, checksum INTEGER NOT NULL)"
)


class EncodingCache:
    """A folder of encoded texts and images.

    Args:
        folder: made when first written to; default: `default_folder()`.
        progress: told of damage, and when the folder cannot be used.
    """

    def __init__(self, folder: Path | None = None, progress: Progress | None = None) -> None:
        self.folder = default_folder() if folder is None else folder
        self._progress = progress or Silent()
        self._told = False

    def read(self, fingerprint: str, keys: Sequence[bytes], dimension: int) -> tuple[FloatArray, BoolArray]:
        """Return what is known under `keys`.

        Args:
            fingerprint: the language model's.
            keys: n distinct keys, see `encoding_keys`.
            dimension: size of the vectors.

        Returns:
            (n, dimension) vectors and (n,) whether each was found undamaged; other rows are 0.
        """
        vectors = np.zeros((len(keys), dimension), dtype=np.float32)
        known = np.zeros(len(keys), dtype=np.bool_)
        rows = {key: row for row, key in enumerate(keys)}

        def load(connection: sqlite3.Connection) -> None:
            for key, blob, checksum in _selected(connection, keys):
                row, vector = rows.get(key), _vector(key, blob, checksum)
                if row is not None and vector is not None and len(vector) == dimension:
                    vectors[row], known[row] = vector, True

        self.with_file(fingerprint, load)
        return vectors, known

    def write(self, fingerprint: str, keys: Sequence[bytes], vectors: FloatArray) -> None:
        """Store (n, dimension) vectors under n keys, all or none of them."""
        blobs = [row.astype("<f4").tobytes() for row in vectors]
        records = [(key, blob, _checksum(key, blob)) for key, blob in zip(keys, blobs, strict=True)]

        def store(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR REPLACE INTO encodings VALUES (?, ?, ?)", records)
            connection.execute("COMMIT")

        self.with_file(fingerprint, store)

    def with_file(self, fingerprint: str, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do `work` on the model's file; a damaged file is set aside and the work tried once more."""
        file = self.folder / f"{fingerprint[:32]}.sqlite3"
        for last in (False, True):
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                with closing(
                    sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)
                ) as connection:
                    connection.execute("PRAGMA synchronous = NORMAL")
                    connection.execute(_TABLE)
                    work(connection)
                return
            except (sqlite3.Error, OSError) as error:
                if last or not _is_damage(error) or not self._set_aside(file):
                    self._tell_unusable(error)
                    return

    def _set_aside(self, file: Path) -> bool:
        number = next(n for n in count(1) if not file.with_suffix(f".damaged-{n}").exists())
        aside = file.with_suffix(f".damaged-{number}")
        try:
            file.replace(aside)
            file.with_name(f"{file.name}-journal").unlink(missing_ok=True)
        except OSError as error:
            self._tell_unusable(error)
            return False
        self._progress.say(
            f"the cache of encodings {shown(str(file), 200)} was damaged; it is set aside as "
            f"{aside.name} (delete it at will) and built anew"
        )
        return True

    def _tell_unusable(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            self._progress.say(
                f"working without the cache of encodings in {shown(str(self.folder), 200)}: "
                f"{shown(str(error), 200)}; name a folder that can be written in [runtime] cache"
            )


def encode_cached(
    model: LanguageModel,
    texts: Sequence[str],
    cache: EncodingCache | None = None,
    *,
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    progress: Progress | None = None,
) -> FloatArray:
    """Return one unit vector per text, encoding only those that the cache does not know.

    Args:
        model: the language model.
        texts: n texts.
        cache: default: the one in `default_folder()`.
        batch_tokens: padded tokens per batch.
        progress: told how many were known and how fast the rest was read.

    Returns:
        (n, dimension) float32, as `polyscene.language.text.encoding.encode`. What is encoded is stored as it
        comes, so that an interrupted run goes on where it stopped.

    Raises:
        ModelError: as `encode`.
    """
    listener = progress or Silent()
    store = EncodingCache(progress=listener) if cache is None else cache
    distinct, rows = distinct_texts([normalise(text) for text in texts])
    keys = encoding_keys(model, distinct)
    vectors, known = store.read(model.fingerprint, keys, model.dimension)
    for places, todo in _unread(distinct, known, listener):
        for portion, some in _in_portions(encoded_batches(model, todo, batch_tokens, listener)):
            vectors[places[portion]] = some
            store.write(model.fingerprint, [keys[place] for place in places[portion]], some)
    return vectors[rows]


def pool_cached(
    model: LanguageModel,
    texts: Sequence[str],
    layers: Sequence[int],
    cache: EncodingCache,
    *,
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    progress: Progress | None = None,
) -> FloatArray:
    """Return pooled layers of every text, reading only those that the cache does not know.

    What is read serves `encode_cached` too: the vector of a text is its pooled last layer, normalised.

    Args:
        model: the language model, which has learned nothing beyond its fingerprint.
        texts: n distinct, normalised texts.
        layers: numbers of hidden states, the last one of the model first.
        cache: where layers and vectors are kept.
        batch_tokens: padded tokens per batch.
        progress: told how many were known and how fast the rest was read.

    Returns:
        (n, L, width) float32; 0 for a text without any visible character.

    Raises:
        ModelError: as `encode`.
    """
    listener = progress or Silent()
    keys, plain_keys = encoding_keys(model, texts, layers), encoding_keys(model, texts)
    flat, known = cache.read(model.fingerprint, keys, len(layers) * model.width)  # (n, L * width)
    for places, todo in _unread(texts, known, listener):
        for portion, some in _in_portions(pooled_batches(model, todo, layers, batch_tokens, listener)):
            at = places[portion]
            flat[at] = some.reshape(len(some), -1)
            cache.write(model.fingerprint, [keys[place] for place in at], flat[at])
            cache.write(model.fingerprint, [plain_keys[place] for place in at], unit_vectors(some[:, 0]))
    return flat.reshape(len(texts), len(layers), model.width)


def _unread(
    texts: Sequence[str], known: BoolArray, listener: Progress
) -> Iterator[tuple[LongArray, list[str]]]:
    """Yield the places of the texts that have to be read, and these texts; nothing where all are known."""
    if known.any():
        listener.say(f"{int(known.sum()):,} of {len(texts):,} texts were encoded before")
    places = np.flatnonzero(~known & np.asarray([bool(text) for text in texts], dtype=np.bool_))
    if len(places):
        yield places, [texts[place] for place in places.tolist()]


def encoding_keys(model: LanguageModel, texts: Sequence[str], layers: Sequence[int] = ()) -> list[bytes]:
    """Return the SHA-256 of everything that decides the vector of each normalised text, 32 bytes each.

    Args:
        layers: where pooled layers are kept in the place of vectors.
    """
    parts = (_LAYOUT, model.fingerprint, model.max_tokens, model.precision, model.pooling, *layers)
    space = hashlib.sha256(json.dumps(parts).encode())
    keys: list[bytes] = []
    for text in texts:
        digest = space.copy()
        digest.update(text.encode())
        keys.append(digest.digest())
    return keys


def _in_portions(
    batches: Iterator[tuple[LongArray, FloatArray]],
) -> Iterator[tuple[LongArray, FloatArray]]:
    """Join small batches, so that one transaction stores about a thousand texts."""
    held: list[tuple[LongArray, FloatArray]] = []
    for batch in batches:
        held.append(batch)
        if sum(len(places) for places, _ in held) >= _TEXTS_PER_TRANSACTION:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(batches: Sequence[tuple[LongArray, FloatArray]]) -> tuple[LongArray, FloatArray]:
    return np.concatenate([places for places, _ in batches]), np.concatenate(
        [vectors for _, vectors in batches]
    )


def _selected(
    connection: sqlite3.Connection, keys: Sequence[bytes]
) -> Iterator[tuple[bytes, object, object]]:
    for start in range(0, len(keys), _KEYS_PER_SELECT):
        some = keys[start : start + _KEYS_PER_SELECT]
        marks = ",".join("?" * len(some))
        yield from connection.execute(
            f"SELECT key, vector, checksum FROM encodings WHERE key IN ({marks})", some
        )


def _checksum(key: bytes, blob: bytes) -> int:
    return zlib.crc32(blob, zlib.crc32(key))


def _vector(key: bytes, blob: object, checksum: object) -> FloatArray | None:
    """Return the stored vector, or None where what is stored is not what was written."""
    if not isinstance(blob, bytes) or len(blob) % 4 or checksum != _checksum(key, blob):
        return None
    return np.frombuffer(blob, dtype="<f4")


def _is_damage(error: Exception) -> bool:
    """Return whether the file itself is at fault, rather than its folder, its rights or a lock."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGED
