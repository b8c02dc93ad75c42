"""What all MovieLens editions share: how titles are written, and the settings that describe the tables."""

from __future__ import annotations

import polars as pl

from polyscene.data.public.base import Archive, toml_list

HOMEPAGE = "https://grouplens.org/datasets/movielens/"
LICENCE = "research; no redistribution or commercial use without permission (see the set's README)"
CITATION = (
    "F. M. Harper, J. A. Konstan (2015): The MovieLens Datasets: History and Context. ACM TiiS 5(4). "
    "doi:10.1145/2827872"
)
_ARTICLES = "The|A|An|Les|Le|La|L'|Un|Une|Il|I|Lo|Gli|Der|Die|Das|Ein|Eine|El|Los|Las|O|Os|As|De|Het|Den|Det"
_MEGABYTE = 2**20


def archive(folder: str, digest: str, megabytes: int, unpacked: int) -> Archive:
    """Return GroupLens's own zip with the MD5 it publishes; sizes in megabytes."""
    url = f"https://files.grouplens.org/datasets/movielens/{folder}.zip"
    return Archive(url, digest, megabytes * _MEGABYTE, unpacked * _MEGABYTE, folder)


def title_and_year(column: str) -> tuple[pl.Expr, pl.Expr]:
    """Return 'Matrix, The (1999)' as the title 'The Matrix' and the year 1999 (null where none is given)."""
    raw = pl.col(column).str.strip_chars()
    year = raw.str.extract(r"\((\d{4})[-–]?(?:\d{4})?\)$").cast(pl.Int32)
    bare = raw.str.replace(r"\s*\(\d{4}[-–]?(?:\d{4})?\)$", "")
    title = bare.str.replace(rf"^(.*?), ({_ARTICLES})( \(.*\))?$", "${2} ${1}${3}")
    return title.alias("title"), year.alias("year")


def genres(column: str) -> pl.Expr:
    """Return 'Action|Sci-Fi' as 'Action, Sci-Fi', and null for '(no genres listed)'."""
    listed = pl.col(column).str.replace_all("|", ", ", literal=True)
    return pl.when(~listed.str.starts_with("(no genres")).then(listed).alias("genres")


def settings(name: str, users: bool = False, tags: bool = False) -> str:
    """Return the settings that describe the converted tables."""
    texts = ["title", "tags"] if tags else ["title"]
    template = "{title} ({year}). Genres: {genres}." + (" Tags: {tags}." if tags else "")
    lines = [
        f'name = "{name}"',
        "",
        "[scenarios.movies]",
        f'template = "{template}"',
        "",
        "[scenarios.movies.items]",
        'path        = "items.parquet"',
        'id          = "item_id"',
        f"text        = {toml_list(texts)}",
        'categorical = ["genres"]',
        'numeric     = ["year"]',
        "",
        "[scenarios.movies.events]",
        'path  = "events.parquet"',
        'user  = "user_id"',
        'item  = "item_id"',
        'value = "rating"',
        'time  = "timestamp"',
    ]
    if users:
        lines += [
            "",
            "[scenarios.movies.users]",
            'path        = "users.parquet"',
            'id          = "user_id"',
            'categorical = ["gender", "occupation"]',
            'numeric     = ["age"]',
        ]
    lines += [
        "",
        "[evaluation]",
        'protocol = "temporal"  # many papers use leave_last_out',
        "cutoffs = [5, 10, 20]",
    ]
    return "\n".join(lines) + "\n"
