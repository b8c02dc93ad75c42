"""MovieLens 1M: ratings.dat, movies.dat, users.dat, parted by '::', Latin-1."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from polyscene.core.progress import Progress
from polyscene.data.public.base import PublicSet, epoch, find, read_text_table, write
from polyscene.data.public.movielens import (
    CITATION,
    HOMEPAGE,
    LICENCE,
    archive,
    genres,
    settings,
    title_and_year,
)

_OCCUPATIONS = (
    "other", "academic or educator", "artist", "clerical or admin", "college or grad student",
    "customer service", "doctor or health care", "executive or managerial", "farmer", "homemaker",
    "K-12 student", "lawyer", "programmer", "retired", "sales or marketing", "scientist", "self-employed",
    "technician or engineer",     "tradesman or craftsman", "unemployed", "writer",
)  # fmt: skip


def convert(source: Path, out: Path, progress: Progress) -> str:
    """Write items, events and users; return their settings."""
    ratings = _table(find(source, "ratings.dat"), ("user_id", "item_id", "rating", "timestamp"))
    movies = _table(find(source, "movies.dat"), ("item_id", "title", "genres"))
    users = _table(find(source, "users.dat"), ("user_id", "gender", "age", "occupation", "zip"))
    write(
        ratings.select("user_id", "item_id", pl.col("rating").cast(pl.Float64), epoch("timestamp")),
        out / "events.parquet",
    )
    write(movies.select("item_id", *title_and_year("title"), genres("genres")), out / "items.parquet")
    code = pl.col("occupation").cast(pl.Int32)
    job = code.replace_strict(list(range(len(_OCCUPATIONS))), list(_OCCUPATIONS), return_dtype=pl.String)
    write(users.select("user_id", "gender", pl.col("age").cast(pl.Int32), job), out / "users.parquet")
    progress.say("wrote items, events and users")
    return settings("movielens-1m", users=True)


def _table(path: Path, names: tuple[str, ...]) -> pl.LazyFrame:
    text = path.read_bytes().decode("latin-1").replace("::", "\x1f")
    return read_text_table(text.encode(), "\x1f", names, quoted=False)


SET = PublicSet(
    "movielens-1m",
    "MovieLens 1M",
    HOMEPAGE + "1m/",
    LICENCE,
    CITATION,
    ("ratings.dat", "movies.dat", "users.dat"),
    convert,
    archive("ml-1m", "c4d9eecfca2ab87c1945afe126590906", 16, 128),
)
