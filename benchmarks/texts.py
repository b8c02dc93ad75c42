"""Texts to read: those of a folder, or the sample world's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.sample.world import SampleWorld


def texts_of(folder: Path | None, count: int, seed: int) -> list[str]:
    """Return at most `count` texts of a folder, or of the sample world, drawn without order.

    Raises:
        DataError: the folder holds no texts.
    """
    texts = _sample_texts(seed) if folder is None else _folder_texts(folder)
    if not texts:
        raise DataError(
            Problem(
                "there are no texts",
                "Parquet tables with a column of words, or .txt files with a text per line",
                "none of them",
                "name another folder with --data, or leave it out for the texts of the sample world",
                file=str(folder),
            )
        )
    chosen = np.random.default_rng(seed).permutation(len(texts))[:count]
    return [texts[place] for place in chosen]


def _sample_texts(seed: int) -> list[str]:
    world = SampleWorld.generate(seed=seed, users=20, items_per_scenario=1000, days=20)
    return [text for items in world.items.values() for text in _wordiest(items)]


def _folder_texts(folder: Path) -> list[str]:
    tables = sorted(folder.glob("**/items.parquet")) or sorted(folder.glob("**/*.parquet"))
    texts = [text for path in tables for text in _wordiest(pl.read_parquet(path))]
    for path in sorted(folder.glob("**/*.txt")):
        texts += [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line]
    return texts


def _wordiest(frame: pl.DataFrame) -> list[str]:
    """Return the column with most words per row; nothing where no column has more than one."""
    words = {
        name: frame[name].drop_nulls().str.count_matches(r"\s").mean()
        for name, kind in frame.schema.items()
        if kind == pl.String
    }
    known = {name: mean for name, mean in words.items() if isinstance(mean, float) and mean >= 1}
    return frame[max(known, key=lambda name: known[name])].drop_nulls().to_list() if known else []
