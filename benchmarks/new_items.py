"""New items in time order: is an item, once put into a run, recommended to those who then take part in it?

    python benchmarks/new_items.py --json new_items.json
    python benchmarks/new_items.py --data FOLDER --items 200 --seed 11

Travel Stack Exchange. A run is trained on all questions and events before a cut in time. Then the next
questions arrive one by one, with the events between them: each is put into the run, and its rank is looked up
for people who take part in it within the week, and for people drawn by chance. Before it was put it has none:
nobody can be shown it. FOLDER holds items.parquet (item_id, title, published) and events.parquet (user_id,
item_id, timestamp, action).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import prepared  # noqa: F401 - numpy reads it when it loads
from polyscene.core.errors import PolysceneError, UnknownIdError
from polyscene.core.seeds import generator
from polyscene.core.types import Event
from polyscene.evaluation.provenance import machine, versions
from polyscene.project import Project
from polyscene.runs.run import Run
from projects import WORK, data_root
from showing import Telling, table, write_json

SET, SCENARIO = "stackexchange_travel", "questions"
CUT_SHARE = 0.9
WEEK = timedelta(days=7)
SHARES = ("in_top_10", "in_top_100")
MAX_PEOPLE = 10
"""Per item, at most so many who take part in it."""
CONFIG = """name = "new-items"
seed = {seed}

[scenarios.{scenario}]
template = "{{title}}"

[scenarios.{scenario}.items]
path = "{folder}/items.parquet"
id = "item_id"
text = ["title"]
time = "published"

[scenarios.{scenario}.events]
path = "{folder}/events.parquet"
user = "user_id"
item = "item_id"
action = "action"
time = "timestamp"
"""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--data", type=Path, help="folder of the tables; default: the named set's")
    arguments.add_argument("--items", type=int, default=200, help="how many new items are put")
    arguments.add_argument("--work", type=Path, default=WORK, help="where tables of the past and runs lie")
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument("--json", type=Path, help="write the results here too")
    return arguments


def trained_on_the_past(items: pl.DataFrame, events: pl.DataFrame, cut: datetime, options: Any) -> Run:  # noqa: ANN401 - argparse's own
    """Return a run that knows nothing of what came at or after the cut."""
    folder = options.work / "new_items"
    folder.mkdir(parents=True, exist_ok=True)
    items.filter(pl.col("published") < cut).write_parquet(folder / "items.parquet")
    known = items.filter(pl.col("published") < cut)["item_id"]
    past = events.filter((pl.col("timestamp") < cut) & pl.col("item_id").is_in(known.implode()))
    past.write_parquet(folder / "events.parquet")
    config = folder / "polyscene.toml"
    text = CONFIG.format(seed=options.seed, scenario=SCENARIO, folder=folder.resolve().as_posix())
    config.write_text(text, encoding="utf-8")
    return Project.open(config, Telling()).train(everything_counts=True)


def stream(items: pl.DataFrame, events: pl.DataFrame, cut: datetime) -> Iterator[dict[str, Any]]:
    """Yield what comes at or after the cut in time order: items, told by their title, and events."""
    new = items.filter(pl.col("published") >= cut).rename({"published": "timestamp"})
    later = events.filter(pl.col("timestamp") >= cut)
    rows = pl.concat([new, later], how="diagonal").sort("timestamp", maintain_order=True)
    yield from rows.iter_rows(named=True)


def rank_of(run: Run, user: str, item: str) -> int | None:
    """Return where an item stands for a user; None where it may not be shown or is not known."""
    try:
        return run.explain(user, item, SCENARIO).rank
    except UnknownIdError:
        return None


def measure(
    run: Run,
    items: pl.DataFrame,
    events: pl.DataFrame,
    cut: datetime,
    options: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Return ranks of new items, for those who take part in them and for people drawn by chance."""
    draws = generator(options.seed, "new items")
    parts = events.filter(pl.col("timestamp") >= cut).sort("timestamp").partition_by("item_id", as_dict=True)
    ranks: dict[str, list[int]] = {"takes part": [], "drawn by chance": []}
    shown, put, before = 0, 0, 0
    for row in stream(items, events, cut):
        item, moment = str(row["item_id"]), row["timestamp"].replace(tzinfo=UTC)
        if row.get("user_id") is not None:
            if run.system.scenario(SCENARIO).catalogue.ids.get(item) is not None:
                run.observe(Event(str(row["user_id"]), item, SCENARIO, row["action"], time=moment))
            continue
        if put == options.items:
            break
        later = parts.get((row["item_id"],))
        people = [] if later is None else _people(run, later, row["timestamp"])
        before += sum(rank_of(run, user, item) is not None for user in people)
        run.put_items([{"item_id": item, "title": row["title"], "published": row["timestamp"]}], SCENARIO)
        put += 1
        for user in people:
            shown += item in run.recommend(user, SCENARIO, 10, reasons=False).ids
        active = len(run.system.users)
        chance = [run.system.users[int(code)] for code in draws.integers(0, active, len(people))]
        for name, some in (("takes part", people), ("drawn by chance", chance)):
            ranks[name] += [rank for user in some if (rank := rank_of(run, user, item)) is not None]
    catalogue = len(run.system.scenario(SCENARIO).catalogue)
    summary = {name: _summary(some) for name, some in ranks.items()}
    people_asked = len(ranks["takes part"])
    return {
        "items": put,
        "catalogue": catalogue,
        "ranked_before_put": before,
        "in_first_slate": shown / max(people_asked, 1),
        "ranks": summary,
    }


def _people(run: Run, later: pl.DataFrame, published: datetime) -> list[str]:
    """Return known people with a history who take part within a week."""
    state, system = run.system.scenario(SCENARIO), run.system
    soon = later.filter(pl.col("timestamp") < published + WEEK)["user_id"].unique(maintain_order=True)
    known = [str(user) for user in soon.to_list() if system.users.get(str(user)) is not None]
    return [user for user in known if state.timeline.history(system.user(user, SCENARIO), 1).items.size][
        :MAX_PEOPLE
    ]


def _summary(ranks: Sequence[int]) -> dict[str, float]:
    values = np.array(ranks or [0])
    return {
        "people": len(ranks),
        "median": float(np.median(values)),
        "in_top_10": float(np.mean(values <= 10)),
        "in_top_100": float(np.mean(values <= 100)),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, put, look up, print, write."""
    options = parser().parse_args(arguments)
    folder = data_root() / SET if options.data is None else options.data
    try:
        items, events = pl.read_parquet(folder / "items.parquet"), pl.read_parquet(folder / "events.parquet")
        cut = events["timestamp"].sort()[int(CUT_SHARE * events.height)]
        values = measure(trained_on_the_past(items, events, cut, options), items, events, cut, options)
    except (PolysceneError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    head = ("people", "asked", "median rank", "in the first 10", "in the first 100")
    rows = [
        (
            name,
            f"{one['people']:,}",
            f"{one['median']:,.0f}",
            f"{one['in_top_10']:.1%}",
            f"{one['in_top_100']:.1%}",
        )
        for name, one in values["ranks"].items()
    ]
    print(
        f"{values['items']} new items, {values['catalogue']:,} in all; ranked before they were put: ", end=""
    )
    print(f"{values['ranked_before_put']}")
    print(table(head, rows))
    if options.json is not None:
        write_json(options.json, values | {"machine": machine(), "versions": versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
