"""The encoding benchmark on a tiny folder; the reference is taken from this very environment."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

Script = Callable[[str], ModuleType]
NUMBERS = {
    "texts_per_second",
    "ratio",
    "ratio_of_work",
    "ratios",
    "cosine",
    "worst_cosine",
    "top10",
    "p50_ms",
    "p99_ms",
}


def test_everybody_encodes_the_same_texts(
    script: Script,
    never_seen: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("sentence_transformers")
    encoding, out = script("encoding"), tmp_path / "encoding.json"
    monkeypatch.setattr(encoding, "SINGLE", 2)
    monkeypatch.setattr(encoding, "side_by_side", lambda texts, folder, processes: len(texts) * processes)
    words = ["--data", str(never_seen), "--rounds", "1", "--json", str(out), "--python", sys.executable]
    pl.read_csv(never_seen / "songs.csv").write_parquet(never_seen / "songs.parquet")
    assert encoding.main(words) == 0
    results = json.loads(out.read_text(encoding="utf-8"))
    assert results["texts"] == 24
    assert list(results["models"]) == ["sentence-transformers", "transformers", "fast"]
    assert all(set(line) == NUMBERS for line in results["models"].values())
    reference, fast = results["models"]["sentence-transformers"], results["models"]["fast"]
    assert reference["ratio"] == 1.0
    assert fast["worst_cosine"] > 0.9999
    assert fast["top10"] > 0.99 or results["precision"] != "float32"
    assert results["side_by_side"] == {"1": 6, "2": 12}
    assert {"machine", "versions", "seed", "fast_bfloat16"} <= set(results)
    assert "one p50 ms" in capsys.readouterr().out


def test_texts_come_from_tables_and_text_files(script: Script, tmp_path: Path) -> None:
    texts = script("texts")
    frame = {"id": ["a", "b"], "title": ["red shoe", "a blue dress"], "brand": ["x y", None], "price": [1, 2]}
    pl.DataFrame(frame).write_parquet(tmp_path / "goods.parquet")
    (tmp_path / "more.txt").write_text("one more text\n\nand another\n", encoding="utf-8")
    assert sorted(texts.texts_of(tmp_path, 9, 1)) == [
        "a blue dress",
        "and another",
        "one more text",
        "red shoe",
    ]
    assert texts.texts_of(tmp_path, 2, 1) == texts.texts_of(tmp_path, 2, 1)
    assert len(texts.texts_of(None, 50, 1)) == 50


def test_a_folder_without_texts_is_a_message(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.DataFrame({"id": ["a", "b"]}).write_parquet(tmp_path / "ids.parquet")
    assert script("encoding").main(["--data", str(tmp_path)]) == 1
    assert "a text per line" in capsys.readouterr().err


def test_a_reference_that_fails_is_a_message(
    script: Script, never_seen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = tmp_path / "nobody"
    nobody.write_text("#!/bin/sh\nexit 3\n", encoding="utf-8")
    nobody.chmod(0o755)
    (tmp_path / "few.txt").write_text("red shoe\nblue dress\n", encoding="utf-8")
    words = ["--data", str(tmp_path), "--python", str(nobody), "--ways", "transformers"]
    assert script("encoding").main(words) == 1
    assert "nobody ended with status 3" in capsys.readouterr().err


def test_likeness_is_cosine_and_overlap(script: Script) -> None:
    rows = np.eye(4, dtype=np.float32)
    same = script("encoding").likeness(rows, rows)
    assert same == {"cosine": 1.0, "worst_cosine": 1.0, "top10": 1.0}
    turned = script("encoding").likeness(rows, -rows)
    assert turned["cosine"] == -1.0


def test_a_process_of_its_own_says_when_it_is_ready_and_done(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.json").write_text('["red shoe", "blue dress"]', encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.StringIO("go\n"))
    assert script("encoding").main(["--encode", str(tmp_path / "texts.json")]) == 0
    assert capsys.readouterr().out.split() == ["ready", "done"]
