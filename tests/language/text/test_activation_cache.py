"""The states of frozen layers come back bit for bit, within bounds, and only where they are whole."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from polyscene.language.text import activation_cache
from polyscene.language.text.activation_cache import ActivationCache, States
from polyscene.language.text.cache import EncodingCache

MODEL = "f" * 40
WIDTH = 4
BYTES = 3 * WIDTH * 2
"""Of a text of three tokens."""


def kept(folder: Path, layer: int = 5, max_bytes: int = 2**20) -> ActivationCache:
    return ActivationCache(EncodingCache(folder), MODEL, layer, WIDTH, max_bytes)


def states(seed: int, length: int = 3) -> States:
    return np.random.default_rng(seed).normal(size=(length, WIDTH)).astype(np.float16)


def known(cache: ActivationCache, keys: list[bytes]) -> dict[int, States]:
    out: dict[int, States] = {}
    cache.read(keys, out.__setitem__)
    return out


def test_states_come_back_as_they_were_under_their_places(tmp_path: Path) -> None:
    long, short = states(1, 7), states(2, 1)
    kept(tmp_path).write([b"long", b"short"], [long, short])
    back = known(kept(tmp_path), [b"none", b"short", b"long"])
    assert sorted(back) == [1, 2]
    np.testing.assert_array_equal(back[1], short)
    np.testing.assert_array_equal(back[2], long)
    assert back[2].dtype == np.float16


def test_more_texts_than_a_query_takes_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation_cache, "KEYS_AT_ONCE", 2)
    keys = [b"%d" % number for number in range(5)]
    kept(tmp_path).write(keys, [states(number) for number in range(5)])
    back = known(kept(tmp_path), keys)
    assert all(np.array_equal(back[number], states(number)) for number in range(5))


def test_another_layer_is_another_text(tmp_path: Path) -> None:
    kept(tmp_path, layer=5).write([b"a"], [states(1)])
    assert known(kept(tmp_path, layer=4), [b"a"]) == {}


def test_damaged_states_are_not_handed_over(tmp_path: Path) -> None:
    kept(tmp_path).write([b"a", b"b"], [states(1), states(2)])
    (file,) = tmp_path.glob("*.sqlite3")
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE activations SET states = zeroblob(24) WHERE rowid = 1")
    connection.close()
    (left,) = known(kept(tmp_path), [b"a", b"b"]).values()
    assert np.array_equal(left, states(1)) or np.array_equal(left, states(2))


def test_those_not_asked_for_the_longest_make_room(tmp_path: Path) -> None:
    bound = 2 * BYTES
    kept(tmp_path, max_bytes=bound).write([b"a"], [states(1)])
    kept(tmp_path, max_bytes=bound).write([b"b"], [states(2)])
    asks = kept(tmp_path, max_bytes=bound)
    assert list(known(asks, [b"a", b"c"])) == [0]
    asks.write([b"c"], [states(3)])
    assert set(known(kept(tmp_path), [b"a", b"b", b"c"])) == {0, 2}


def test_what_one_training_keeps_does_not_drive_out_its_own(tmp_path: Path) -> None:
    """The third text finds no room; a later training's does."""
    cache = kept(tmp_path, max_bytes=2 * BYTES + 1)
    cache.write([b"a", b"b", b"c"], [states(1), states(2), states(3)])
    cache.write([b"d"], [states(4)])
    assert set(known(kept(tmp_path), [b"a", b"b", b"c", b"d"])) == {0, 1}


def test_a_folder_that_cannot_be_used_knows_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder", encoding="utf-8")
    cache = kept(blocked)
    cache.write([b"a"], [states(1)])
    assert known(cache, [b"a"]) == {}
