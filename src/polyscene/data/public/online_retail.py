"""Online Retail (UCI): one table of invoice lines, as CSV (save the published .xlsx as CSV first).

Kept are lines that somebody bought: with a customer, a positive quantity, and no cancellation.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.progress import Progress
from polyscene.core.text import shown
from polyscene.data.public.base import PublicSet, demand, find, read_text_table, write

_RENAMED = {
    "Invoice": "InvoiceNo",
    "Price": "UnitPrice",
    "Customer ID": "CustomerID",
    "\ufeffInvoiceNo": "InvoiceNo",
}
_NEEDED = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
_DATES = (
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%d/%m/%y %H:%M", "%m/%d/%y %H:%M",
    "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M",
)  # fmt: skip


def convert(source: Path, out: Path, progress: Progress) -> str:
    """Write items, events and users; return their settings."""
    path = find(source, "[Oo]nline*[Rr]etail*.csv*", "data.csv*", "invoices.csv*", "*.csv", "*.csv.gz")
    lines = _lines(path)
    when = _time_format(lines, path)
    bought = lines.filter(
        pl.col("CustomerID").is_not_null()
        & pl.col("StockCode").is_not_null()
        & ~pl.col("InvoiceNo").str.to_uppercase().str.starts_with("C")
        & (pl.col("Quantity").cast(pl.Float64) > 0)
    )
    events = bought.select(
        pl.col("CustomerID").str.replace(r"\.0+$", "").alias("user_id"),
        pl.col("StockCode").str.to_uppercase().alias("item_id"),
        pl.col("InvoiceNo").alias("basket"),
        pl.col("Quantity").cast(pl.Float64).alias("quantity"),
        pl.col("InvoiceDate").str.to_datetime(when, time_unit="us").alias("time"),
        pl.col("Description").str.strip_chars().alias("description"),
        pl.col("UnitPrice").cast(pl.Float64).alias("price"),
        pl.col("Country").alias("country"),
    ).collect()
    words = pl.col("description").drop_nulls().mode().sort().first()
    items = events.group_by("item_id", maintain_order=True).agg(words, pl.col("price").median())
    people = events.group_by("user_id", maintain_order=True).agg(pl.col("country").last())
    write(events.drop("description", "price", "country"), out / "events.parquet")
    write(items, out / "items.parquet")
    write(people, out / "users.parquet")
    progress.say(f"kept {len(events):,} lines that somebody bought")
    return _SETTINGS


def _lines(path: Path) -> pl.LazyFrame:
    frame = read_text_table(_utf8(path), ",")
    there = frame.collect_schema().names()
    frame = frame.rename({old: new for old, new in _RENAMED.items() if old in there})
    return demand(frame, _NEEDED, path)


def _utf8(path: Path) -> bytes:
    """Return the file's text as UTF-8; the pound signs of most copies are Latin-1."""
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1").encode()
    return raw


def _time_format(lines: pl.LazyFrame, path: Path) -> str:
    """Return the format that reads every date: spreadsheets write them in several ways."""
    dates = lines.select(pl.col("InvoiceDate").drop_nulls().unique()).collect().to_series()
    for pattern in _DATES:
        if dates.str.to_datetime(pattern, strict=False, time_unit="us").null_count() == 0:
            return pattern
    found = ", ".join(shown(value, 30) for value in dates.head(3).to_list())
    remedy = "save InvoiceDate as 2010-12-01 08:26:00"
    raise DataError(
        Problem(
            "the dates cannot be read",
            "one of " + ", ".join(_DATES),
            found,
            remedy,
            path.name,
            None,
            "InvoiceDate",
        )
    )


_SETTINGS = """\
name = "online-retail"

[scenarios.shop]
template = "{description}"

[scenarios.shop.items]
path    = "items.parquet"
id      = "item_id"
text    = ["description"]
numeric = ["price"]

[scenarios.shop.events]
path  = "events.parquet"
user  = "user_id"
item  = "item_id"
value = "quantity"
time  = "time"

[scenarios.shop.users]
path        = "users.parquet"
id          = "user_id"
categorical = ["country"]

[evaluation]
protocol = "temporal"
cutoffs = [5, 10, 20]
"""

SET = PublicSet(
    "online-retail",
    "Online Retail (UCI Machine Learning Repository 352)",
    "https://archive.ics.uci.edu/dataset/352/online+retail",
    "CC BY 4.0",
    "D. Chen (2015): Online Retail. UCI Machine Learning Repository. doi:10.24432/C5BW33",
    ("Online Retail.csv (the published .xlsx, saved as CSV)",),
    convert,
)
