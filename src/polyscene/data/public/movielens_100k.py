"""MovieLens 100K: u.data (tab), u.item and u.user (bars, Latin-1)."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from polyscene.core.progress import Progress
from polyscene.data.public.base import PublicSet, epoch, find, read_text_table, write
from polyscene.data.public.movielens import CITATION, HOMEPAGE, LICENCE, archive, settings, title_and_year

_FLAGS = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
_ITEM = ("item_id", "title", "released", "video", "url", *_FLAGS)
_USER = ("user_id", "age", "gender", "occupation", "zip")


def convert(source: Path, out: Path, progress: Progress) -> str:
    """Write items, events and users; return their settings."""
    data, item, user = (find(source, name) for name in ("u.data", "u.item", "u.user"))
    ratings = read_text_table(data, "\t", ("user_id", "item_id", "rating", "timestamp"))
    write(
        ratings.select("user_id", "item_id", pl.col("rating").cast(pl.Float64), epoch("timestamp")),
        out / "events.parquet",
    )
    text = item.read_bytes().decode("latin-1").encode()
    named = [pl.when(pl.col(flag) == "1").then(pl.lit(flag)) for flag in _FLAGS if flag != "unknown"]
    labels = pl.concat_str(named, separator=", ", ignore_nulls=True)
    movies = read_text_table(text, "|", _ITEM, quoted=False)
    genres = pl.when(labels != "").then(labels).alias("genres")
    write(movies.select("item_id", *title_and_year("title"), genres), out / "items.parquet")
    people = read_text_table(user, "|", _USER, quoted=False)
    write(
        people.select("user_id", pl.col("age").cast(pl.Int32), "gender", "occupation"), out / "users.parquet"
    )
    progress.say("wrote items, events and users")
    return settings("movielens-100k", users=True)


SET = PublicSet(
    "movielens-100k",
    "MovieLens 100K",
    HOMEPAGE + "100k/",
    LICENCE,
    CITATION,
    ("u.data", "u.item", "u.user"),
    convert,
    archive("ml-100k", "0e33842e24a9c977be4e0107933c0723", 8, 64),
)
