"""MovieLens 20M, 25M and latest-small: ratings.csv, movies.csv and, where they are there, tags.csv."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import polars as pl

from polyscene.core.progress import Progress
from polyscene.data.public.base import (
    Archive,
    PublicSet,
    demand,
    epoch,
    find,
    find_all,
    read_text_table,
    write,
)
from polyscene.data.public.movielens import (
    CITATION,
    HOMEPAGE,
    LICENCE,
    archive,
    genres,
    settings,
    title_and_year,
)

_TAGS_PER_MOVIE = 10


def convert(name: str, source: Path, out: Path, progress: Progress) -> str:
    """Write items (with their most frequent tags) and events; return their settings."""
    rated, listed = find(source, "ratings.csv"), find(source, "movies.csv")
    ratings = demand(read_text_table(rated, ","), ("userId", "movieId", "rating", "timestamp"), rated)
    movies = demand(read_text_table(listed, ","), ("movieId", "title", "genres"), listed)
    ids = pl.col("userId").alias("user_id"), pl.col("movieId").alias("item_id")
    write(ratings.select(*ids, pl.col("rating").cast(pl.Float64), epoch("timestamp")), out / "events.parquet")
    items = movies.select(pl.col("movieId").alias("item_id"), *title_and_year("title"), genres("genres"))
    tagged = find_all(source, "tags.csv")
    if tagged:
        items = items.join(_tags(tagged[0]), on="item_id", how="left", maintain_order="left")
    write(items, out / "items.parquet")
    progress.say("wrote items and events")
    return settings(name, tags=bool(tagged))


def _tags(path: Path) -> pl.LazyFrame:
    """Return each movie's most frequent tags as one text.

    Tags are taken from the whole set: for strict temporal studies leave `tags` out of the template.
    """
    words = pl.col("tag").str.strip_chars().str.to_lowercase()
    counted = demand(read_text_table(path, ","), ("movieId", "tag"), path).group_by("movieId", words).len()
    ordered = counted.drop_nulls().sort("movieId", "len", "tag", descending=[False, True, False])
    joined = pl.col("tag").head(_TAGS_PER_MOVIE).str.join(", ").alias("tags")
    return ordered.group_by("movieId", maintain_order=True).agg(joined).rename({"movieId": "item_id"})


def _edition(edition: str, title: str, zipped: Archive | None) -> PublicSet:
    name = f"movielens-{edition}"
    page = HOMEPAGE + ("latest/" if edition == "latest-small" else f"{edition}/")
    files = ("ratings.csv", "movies.csv")
    return PublicSet(name, title, page, LICENCE, CITATION, files, partial(convert, name), zipped)


SETS = (
    _edition("20m", "MovieLens 20M", archive("ml-20m", "cd245b17a1ae2cc31bb14903e1204af3", 256, 2048)),
    _edition("25m", "MovieLens 25M", archive("ml-25m", "6b51fb2759a8657d3bfcbfc42b592ada", 320, 2048)),
    _edition("latest-small", "MovieLens latest, small", None),
)
