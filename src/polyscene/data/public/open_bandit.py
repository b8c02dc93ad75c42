"""Open Bandit Dataset (ZOZO): {random, bts} / {all, men, women} / CAMPAIGN.csv and item_context.csv.

A scenario per campaign. The log names no people: users with the same four hashed features are taken for one.
Items have no words; they are described by hashed features.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from polyscene.core.progress import Progress
from polyscene.data.public.base import (
    MissingFileError,
    PublicSet,
    content_ids,
    demand,
    find_all,
    key_of,
    read_text_table,
    toml_list,
    write,
)

_FEATURES = tuple(f"user_feature_{number}" for number in range(4))
_LOGGED = ("timestamp", "item_id", "position", "click", "propensity_score", *_FEATURES)
_HASHED = ("item_feature_1", "item_feature_2", "item_feature_3")


def convert(source: Path, out: Path, progress: Progress) -> str:
    """Write items, events and users per campaign; return their settings."""
    contexts = find_all(source, "item_context.csv")
    if not contexts:
        raise MissingFileError("item_context.csv")
    campaigns: dict[str, list[Path]] = {}
    for context in contexts:
        campaigns.setdefault(key_of(context.parent.name), []).append(context)
    for name, members in sorted(campaigns.items()):
        _campaign(out / name, members)
        progress.say(f"wrote campaign {name}")
    return _settings(sorted(campaigns))


def _campaign(out: Path, contexts: list[Path]) -> None:
    logs = pl.concat([_log(context.parent) for context in contexts])
    people = logs.select(_FEATURES).unique(maintain_order=True).collect()
    people = people.with_columns(content_ids(people, _FEATURES).alias("user_id"))
    logs = logs.join(people.lazy(), on=_FEATURES, how="left", nulls_equal=True, maintain_order="left")
    clicked = pl.when(pl.col("click") == "1").then(pl.lit("click")).otherwise(pl.lit("view"))
    time = pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S%.f%#z", time_unit="us")
    write(
        logs.select(
            "user_id",
            "item_id",
            clicked.alias("action"),
            time.dt.replace_time_zone(None).alias("time"),
            pl.col("position").cast(pl.Int32),
            pl.col("propensity_score").cast(pl.Float64).alias("propensity"),
            "policy",
        ),
        out / "events.parquet",
    )
    write(people, out / "users.parquet")
    items = demand(read_text_table(contexts[0], ","), ("item_id", "item_feature_0", *_HASHED), contexts[0])
    write(items.select("item_id", pl.col("item_feature_0").cast(pl.Float64), *_HASHED), out / "items.parquet")


def _log(folder: Path) -> pl.LazyFrame:
    """Return one policy's log; the folder above the campaign's is called like the policy."""
    logs = [path for path in sorted(folder.glob("*.csv")) if path.name != "item_context.csv"]
    if not logs:
        raise MissingFileError(f"{folder.name}.csv")
    frame = demand(read_text_table(logs[0], ","), _LOGGED, logs[0])
    return frame.select(*_LOGGED, pl.lit(folder.parent.name).alias("policy"))


def _settings(campaigns: list[str]) -> str:
    lines = ['name = "open-bandit"', ""]
    for name in campaigns:
        lines += [
            f"[scenarios.{name}]",
            'objectives = [{ action = "click" }]',
            "actions    = { view = 0.0 }  # shown and not clicked: nothing to learn a liking from",
            "",
            f"[scenarios.{name}.items]",
            f'path        = "{name}/items.parquet"',
            'id          = "item_id"',
            "text        = []  # the publisher gives no words",
            f"categorical = {toml_list(_HASHED)}",
            'numeric     = ["item_feature_0"]',
            "",
            f"[scenarios.{name}.events]",
            f'path   = "{name}/events.parquet"  # where = "policy = \'random\'" keeps one policy',
            'user   = "user_id"',
            'item   = "item_id"',
            'action = "action"',
            'time   = "time"',
            "",
            f"[scenarios.{name}.users]",
            f'path        = "{name}/users.parquet"',
            'id          = "user_id"',
            f"categorical = {toml_list(_FEATURES)}",
            "",
        ]
    lines += ["[evaluation]", 'protocol = "temporal"', "cutoffs = [5, 10, 20]"]
    return "\n".join(lines) + "\n"


SET = PublicSet(
    "open-bandit",
    "Open Bandit Dataset",
    "https://research.zozo.com/data.html",
    "CC BY 4.0",
    "Y. Saito, S. Aihara, M. Matsutani, Y. Narita (2021): Open Bandit Dataset and Pipeline. NeurIPS Datasets "
    "and Benchmarks. arXiv:2008.07146",
    ("item_context.csv", "men.csv (in folders such as random/men)"),
    convert,
)
