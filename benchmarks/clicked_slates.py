"""Slates with one click each, out of the tables of NeMig: who saw which articles where, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from polyscene.core.settings.language import LanguageSettings
from polyscene.core.types import BoolArray, FloatArray, IntArray
from polyscene.language.model.loading import load_model
from polyscene.language.text.cache import EncodingCache, encode_cached
from polyscene.metrics.ranking import Values
from showing import Telling

WIDTH = 32
"""Principal directions of the texts."""


@dataclass(frozen=True)
class Slates:
    """Slates with one click each.

    Attributes:
        user: (S,) who saw it.
        items: (S, k) articles as they stood, -1 where it was shorter.
        place: (S,) where the click was.
        close: (S, k) cosine to what the person had read.
    """

    user: IntArray
    items: IntArray
    place: IntArray
    close: FloatArray

    def take(self, rows: BoolArray) -> Slates:
        """Return some of them."""
        return Slates(self.user[rows], self.items[rows], self.place[rows], self.close[rows])


def read_tables(folder: Path, cache: Path | None) -> tuple[Slates, Values]:
    """Return the slates with a click, and (n, WIDTH) texts of the articles that they show.

    Args:
        cache: where read texts are kept; None: no text is read, and there are (n, 1) zeros.
    """
    log = pl.read_parquet(folder / "impressions.parquet").sort("impression_id", "position")
    items = pl.read_parquet(folder / "items.parquet")
    read = pl.read_parquet(folder / "history.parquet")
    names = pl.concat([log["item_id"], read["item_id"]]).unique().sort()
    texts = dict(
        items.select(
            "item_id", pl.concat_str("title", "abstract", separator=". ", ignore_nulls=True)
        ).iter_rows()
    )
    words = [texts.get(name) or "" for name in names.to_list()]
    centred = np.zeros((len(words), 1)) if cache is None else _read(words, cache)
    code = {name: number for number, name in enumerate(names.to_list())}
    profiles: dict[str, Values] = {}
    for user, item in read.iter_rows():
        profiles[user] = profiles.get(user, np.zeros(centred.shape[1])) + centred[code[item]]
    people = {user: number for number, user in enumerate(log["user_id"].unique().sort().to_list())}
    vectors = centred if cache is None else _principal(centred)
    return _slates(log, code, people, profiles, centred), vectors


def _read(texts: Sequence[str], cache: Path) -> Values:
    """Return (n, d) centred vectors of texts."""
    model = load_model(LanguageSettings(), progress=Telling())
    raw = encode_cached(model, texts, EncodingCache(cache, Telling()), progress=Telling())
    return np.asarray(raw - raw.mean(axis=0), np.float64)


def _slates(
    log: pl.DataFrame,
    code: Mapping[str, int],
    people: Mapping[str, int],
    profiles: Mapping[str, Values],
    vectors: Values,
) -> Slates:
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    grouped = log.group_by("impression_id", maintain_order=True).agg(
        pl.col("user_id").first(), "item_id", "clicked", "position"
    )
    grouped = grouped.filter(pl.col("clicked").list.sum() == 1)
    longest = int(log["position"].max() or 0) + 1  # type: ignore[arg-type]
    items = np.full((grouped.height, longest), -1, np.int32)
    close, place = np.zeros((grouped.height, longest)), np.zeros(grouped.height, np.int32)
    for row, (_, user, shown, clicked, places) in enumerate(grouped.iter_rows()):
        codes = [code[item] for item in shown]
        items[row, places], place[row] = codes, places[clicked.index(1)]
        profile = profiles.get(user)
        if profile is not None:
            close[row, places] = unit[codes] @ profile / max(float(np.linalg.norm(profile)), 1e-9)
    user = np.array([people[name] for name in grouped["user_id"].to_list()], np.int32)
    return Slates(user, items, place, close.astype(np.float32))


def _principal(vectors: Values) -> Values:
    """Return what the texts are in the directions in which they differ most, of spread 1 together."""
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    reduced = vectors @ directions[:, ::-1][:, :WIDTH]
    scaled: Values = reduced / reduced.std()
    return scaled
