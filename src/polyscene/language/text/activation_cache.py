"""What the frozen layers of a language model say of texts, on disk beside the encoded texts: see `cache`.

A model whose top layers learn then reads each text through its frozen ones in the first training alone. The
hidden states of a text take some ten times the room of its pooled layers, so they are bounded: those that
were not asked for the longest go first, and none goes for one that is read in the same training.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from polyscene.language.text.cache import EncodingCache

MAX_BYTES = 2**30
"""The most that the states of one language model take on disk."""
KEYS_AT_ONCE = 200
"""Texts per query: their states are in memory together."""
_TABLE = (
    "CREATE TABLE IF NOT EXISTS activations "
    "(key BLOB PRIMARY KEY, states BLOB NOT NULL, checksum INTEGER NOT NULL, used INTEGER NOT NULL)"
)

States = NDArray[np.float16]


class ActivationCache:
    """The hidden states of texts after one frozen layer.

    Args:
        cache: whose folder they lie in, and which tells of damage.
        fingerprint: of the language model.
        layer: number of the hidden states.
        width: of these.
        max_bytes: the most that the states of this model take on disk.
    """

    def __init__(
        self, cache: EncodingCache, fingerprint: str, layer: int, width: int, max_bytes: int = MAX_BYTES
    ) -> None:
        self._cache, self._fingerprint, self._layer, self._width = cache, fingerprint, layer, width
        self._max_bytes = max_bytes
        self._training: int | None = None

    def read(self, keys: Sequence[bytes], take: Callable[[int, States], None]) -> None:
        """Hand over the (length, width) states of every text that is known undamaged, and its place.

        Args:
            keys: n distinct keys of texts, see `encoding_keys`.
            take: hears of them, as they come.
        """
        for start in range(0, len(keys), KEYS_AT_ONCE):
            places = {self._own(key): start + place for place, key in enumerate(keys[start:][:KEYS_AT_ONCE])}
            rows = self._rows(list(places))
            for key, blob, checksum in rows:
                if checksum == _checksum(key, blob) and len(blob) % (2 * self._width) == 0:
                    take(places[key], np.frombuffer(blob, "<f2").reshape(-1, self._width))

    def write(self, keys: Sequence[bytes], states: Sequence[States]) -> None:
        """Store the states of texts, as many as there is room for."""
        records = []
        for key, one in zip(map(self._own, keys), states, strict=True):
            blob = one.astype("<f2").tobytes()
            records.append((key, blob, _checksum(key, blob)))

        def store(table: sqlite3.Connection) -> None:
            table.execute("BEGIN IMMEDIATE")
            room = self._room(table, sum(len(record[1]) for record in records))
            fitting = [size <= room for size in np.cumsum([len(record[1]) for record in records])]
            kept = [(*record, self._training) for record, fits in zip(records, fitting, strict=True) if fits]
            table.executemany("INSERT OR REPLACE INTO activations VALUES (?, ?, ?, ?)", kept)
            table.execute("COMMIT")

        self._with_table(store)

    def _rows(self, own: Sequence[bytes]) -> list[tuple[bytes, bytes, int]]:
        marks, rows = ",".join("?" * len(own)), list[tuple[bytes, bytes, int]]()

        def load(table: sqlite3.Connection) -> None:
            query = f"SELECT key, states, checksum FROM activations WHERE key IN ({marks})"
            rows.extend(table.execute(query, own))
            touched = f"UPDATE activations SET used = ? WHERE key IN ({marks})"
            table.execute(touched, (self._training, *own))

        self._with_table(load)
        return rows

    def _room(self, table: sqlite3.Connection, wanted: int) -> int:
        """Return how many bytes may be stored, after what was not asked for lately has made room."""
        (taken,) = table.execute("SELECT COALESCE(SUM(LENGTH(states)), 0) FROM activations").fetchone()
        old = table.execute(
            "SELECT key, LENGTH(states) FROM activations WHERE used < ? ORDER BY used, key", (self._training,)
        )
        gone = []
        for key, size in old if taken + wanted > self._max_bytes else ():
            if taken + wanted <= self._max_bytes:
                break
            gone.append((key,))
            taken -= size
        table.executemany("DELETE FROM activations WHERE key = ?", gone)
        return self._max_bytes - int(taken)

    def _with_table(self, work: Callable[[sqlite3.Connection], None]) -> None:
        def opened(connection: sqlite3.Connection) -> None:
            connection.execute(_TABLE)
            if self._training is None:
                query = "SELECT COALESCE(MAX(used), 0) + 1 FROM activations"
                (self._training,) = connection.execute(query).fetchone()
            work(connection)

        self._cache.with_file(self._fingerprint, opened)

    def _own(self, key: bytes) -> bytes:
        return hashlib.sha256(b"activations %d " % self._layer + key).digest()


def _checksum(key: bytes, blob: bytes) -> int:
    return zlib.crc32(blob, zlib.crc32(key))
