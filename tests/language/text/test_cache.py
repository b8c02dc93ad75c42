from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from polyscene.core.types import FloatArray
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.cache import EncodingCache, encode_cached, encoding_keys
from polyscene.language.text.cache_folder import default_folder
from polyscene.language.text.encoding import encode

if TYPE_CHECKING:
    from tests.language.conftest import CountReads, Listener

PRINT = "f" * 64


def _file(folder: Path) -> Path:
    (file,) = folder.glob("*.sqlite3")
    return file


def _change(folder: Path, statement: str, values: tuple[object, ...] = ()) -> None:
    with closing(sqlite3.connect(_file(folder))) as connection, connection:
        connection.execute(statement, values)


def _keys(n: int) -> list[bytes]:
    return [hashlib.sha256(str(number).encode()).digest() for number in range(n)]


def _vectors(n: int) -> FloatArray:
    return np.random.default_rng(0).standard_normal((n, 8), dtype=np.float32)


def test_the_same_text_is_never_read_twice(
    tmp_path: Path, bert: LanguageModel, texts: list[str], count_reads: CountReads
) -> None:
    reads = count_reads(bert)
    first = encode_cached(bert, [*texts[:4], texts[0], ""], EncodingCache(tmp_path))
    assert reads.texts == 4
    again = encode_cached(bert, [*texts, f" {texts[0]} "], EncodingCache(tmp_path))
    assert reads.texts == len(texts)
    assert np.array_equal(again[:4], first[:4])
    np.testing.assert_allclose(again[:-1], encode(bert, texts), atol=1e-6)
    assert np.array_equal(first[4], first[0])
    assert not first[5].any()


def test_whatever_decides_the_vector_is_part_of_the_key(bert: LanguageModel) -> None:
    variants = [
        bert,
        replace(bert, fingerprint="0" * 64),
        replace(bert, max_tokens=9),
        replace(bert, pooling="cls"),
        replace(bert, autocast=torch.bfloat16),
    ]
    keys = {key for model in variants for key in encoding_keys(model, ["red", "blue"])}
    assert len(keys) == 2 * len(variants)


def test_many_vectors_come_back_in_order(tmp_path: Path) -> None:
    keys, vectors = _keys(1_300), _vectors(1_300)
    cache = EncodingCache(tmp_path)
    cache.write(PRINT, keys[:1_201], vectors[:1_201])
    order = np.random.default_rng(1).permutation(1_300)
    stored, known = cache.read(PRINT, [keys[place] for place in order], 8)
    assert np.array_equal(known, order < 1_201)
    assert np.array_equal(stored[known], vectors[order[known]])
    assert not stored[~known].any()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE encodings SET vector = zeroblob(64) WHERE key = ?",
        "UPDATE encodings SET vector = x'00' WHERE key = ?",
        "UPDATE encodings SET vector = 'words' WHERE key = ?",
        "UPDATE encodings SET checksum = checksum + 1 WHERE key = ?",
        "DELETE FROM encodings WHERE key = ?",
    ],
)
def test_damaged_entry_is_read_again(
    tmp_path: Path, bert: LanguageModel, texts: list[str], count_reads: CountReads, statement: str
) -> None:
    cache = EncodingCache(tmp_path)
    first = encode_cached(bert, texts, cache)
    _change(tmp_path, statement, (encoding_keys(bert, texts)[2],))
    reads = count_reads(bert)
    np.testing.assert_allclose(encode_cached(bert, texts, cache), first, atol=1e-6)
    assert reads.texts == 1
    encode_cached(bert, texts, cache)
    assert reads.texts == 1


def test_entry_of_another_dimension_is_not_returned(tmp_path: Path) -> None:
    cache = EncodingCache(tmp_path)
    cache.write(PRINT, _keys(1), _vectors(1))
    assert cache.read(PRINT, _keys(1), 8)[1].all()
    assert not cache.read(PRINT, _keys(1), 4)[1].any()


def _overwrite_whole(file: Path) -> None:
    file.write_bytes(b"this is no database, but it is long enough to look like one" * 100)


def _overwrite_middle(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    file.write_bytes(content)


def _other_table(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE encodings (something TEXT)")


@pytest.mark.parametrize("damage", [_overwrite_whole, _overwrite_middle, _other_table])
def test_damaged_file_is_set_aside_and_built_anew(
    tmp_path: Path,
    bert: LanguageModel,
    texts: list[str],
    listener: Listener,
    count_reads: CountReads,
    damage: object,
) -> None:
    assert callable(damage)
    for number in (1, 2):
        first = encode_cached(bert, texts, EncodingCache(tmp_path))
        damage(_file(tmp_path))
        cache = EncodingCache(tmp_path, listener)
        assert np.array_equal(encode_cached(bert, texts, cache), first)
        assert len(listener.lines) == number
        assert "was damaged; it is set aside" in listener.lines[-1]
        assert len(list(tmp_path.glob("*.damaged-*"))) == number
    reads = count_reads(bert)
    encode_cached(bert, texts, cache)
    assert reads.texts == 0


def test_folder_that_cannot_be_used_is_told_once_and_done_without(
    tmp_path: Path, bert: LanguageModel, texts: list[str], listener: Listener
) -> None:
    (tmp_path / "file").write_text("not a folder")
    cache = EncodingCache(tmp_path / "file" / "cache", listener)
    for _ in range(2):
        assert np.array_equal(encode_cached(bert, texts, cache), encode(bert, texts))
    assert len(listener.lines) == 1
    assert "working without the cache" in listener.lines[0]


def test_work_done_before_a_crash_is_kept(
    tmp_path: Path, bert: LanguageModel, count_reads: CountReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polyscene.language.text.cache._TEXTS_PER_TRANSACTION", 1)
    longest = "red shoe for women"
    with torch.no_grad():
        bert.module.get_input_embeddings().weight[bert.tokenizer.convert_tokens_to_ids("n")] = torch.nan  # type: ignore[operator]
    with pytest.raises(RuntimeError, match="not finite"):
        encode_cached(bert, ["n", longest], EncodingCache(tmp_path), batch_tokens=1)
    reads = count_reads(bert)
    encode_cached(bert, [longest], EncodingCache(tmp_path))
    assert reads.texts == 0


def test_threads_share_a_file(tmp_path: Path) -> None:
    keys, vectors = _keys(400), _vectors(400)

    def work(part: int) -> bool:
        cache = EncodingCache(tmp_path)
        rows = slice(part * 50, part * 50 + 50)
        for _ in range(5):
            cache.write(PRINT, keys[rows], vectors[rows])
        return bool(cache.read(PRINT, keys[rows], 8)[1].all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    stored, known = EncodingCache(tmp_path).read(PRINT, keys, 8)
    assert known.all()
    assert np.array_equal(stored, vectors)


SCRIPT = """
import os, sys
from pathlib import Path
import numpy as np
from polyscene.core.settings.language import LanguageSettings
from polyscene.language.text.cache import EncodingCache, encode_cached
from polyscene.language.model.loading import load_model

model, cache, *outs = sys.argv[1:]
texts = [f"{a} {b} {n}" for a in ("red", "blue", "green") for b in ("shoe", "dress") for n in range(40)]
settings = LanguageSettings(model=model, precision="float32", device="cpu")
children = []
for out in outs:
    children.append(os.fork())
    if not children[-1]:
        np.save(out, encode_cached(load_model(settings), texts, EncodingCache(Path(cache)), batch_tokens=64))
        os._exit(0)
print(*(os.waitpid(child, 0)[1] for child in children))
"""


def test_two_processes_share_a_folder(tmp_path: Path, bert_folder: Path) -> None:
    outs = [tmp_path / "a.npy", tmp_path / "b.npy"]
    words = [str(bert_folder), str(tmp_path / "cache"), *map(str, outs)]
    command = [sys.executable, "-W", "error", "-c", SCRIPT, *words]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert ended.stdout.split() == ["0", "0"]
    first, second = (np.load(out) for out in outs)
    assert first.shape == (240, 16)
    np.testing.assert_allclose(first, second, atol=1e-6)
    with closing(sqlite3.connect(_file(tmp_path / "cache"))) as connection:
        assert connection.execute("SELECT count(*) FROM encodings").fetchone() == (240,)


def test_default_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "polyscene"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert default_folder() == Path.home() / ".cache" / "polyscene"
