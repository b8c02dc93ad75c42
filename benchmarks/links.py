"""Do friends help new people, and does a knowledge graph help new items? The same system with and without.

    python benchmarks/links.py --set lastfm --json friends.json
    python benchmarks/links.py --set movielens_100k --titles movies.csv --json knowledge.json

All but 0, 1 or 3 events of a fifth of the people (Last.fm) or of the items (MovieLens 100K) are held back and
are to be predicted, by a run that has the signal and by one that has not; another fifth is held back so while
the fusion learns. Full ranking over the catalogue; the differences have intervals over people, all seeds
together.

The link file of MovieLens 100K that goes with this knowledge graph names entities by the ids of the later
editions: the entity of item 313, Titanic, is that of The Swan Princess (thread 130 of
RUCAIBox/RecSysDatasets on GitHub). `movies.csv` of ml-latest-small says what those ids are called, so that
entities are joined by title and year. Without --titles the table is used as it is, to show what a graph is
worth whose entities are wrong.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import prepared  # noqa: F401 - numpy reads it when it loads
from held_back import KEPT, HeldBack
from polyscene.core.errors import PolysceneError
from polyscene.core.settings.project import Settings
from polyscene.core.settings.signals import USUAL_SIGNALS
from polyscene.core.types import IntArray, LongArray
from polyscene.data.splits.phases import Phase
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.results import SYSTEM
from polyscene.evaluation.significance import bootstrap_interval
from polyscene.metrics.ranking import Values
from polyscene.project import Project
from projects import KNOWN, WORK, data_root
from showing import Telling, table, write_json

METRICS = ("ndcg@10", "hr@50")
ARTICLE = re.compile(r"^(.*), (the|a|an|les|le|la|l'|il|das|der|die|el)\b(.*)$")


@dataclass(frozen=True)
class Trial:
    """One set: what is held back, and which signal is in question.

    Attributes:
        signal: that one run has and the other has not.
        beside: signals that are shown beside it alone.
        least: items of fewer events are left out.
    """

    scenario: str
    signal: str
    held_back: HeldBack
    beside: tuple[str, ...]
    least: int


TRIALS = {
    "lastfm": Trial("music", "social", HeldBack("user_id", 5, 0.01, in_order=False), ("popularity",), 5),
    "movielens_100k": Trial(
        "video", "knowledge", HeldBack("item_id", 20, 0.02, in_order=True), ("content", "popularity"), 1
    ),
}


@dataclass(frozen=True)
class Outcome:
    """The judged choices of one seed.

    Attributes:
        users: (B,) who made each.
        kept: (B,) how many events of the cold person or item were learned from.
        values: by model and metric, (B,); the run without the signal is `without`.
    """

    users: IntArray
    kept: LongArray
    values: Mapping[tuple[str, str], Values]


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--set", dest="name", choices=TRIALS, required=True)
    arguments.add_argument("--data", type=Path, help="folder of the tables; default: the named set's")
    arguments.add_argument("--titles", type=Path, help="movies.csv of ml-latest-small")
    arguments.add_argument("--seeds", type=int, default=3, help="how many, from 1 on")
    arguments.add_argument("--work", type=Path, default=WORK, help="where tables and runs lie")
    arguments.add_argument("--json", type=Path, help="write the results here too")
    return arguments


def prepared_tables(trial: Trial, folder: Path, seed: int, options: Any) -> Path:  # noqa: ANN401 - argparse's own
    """Write the tables of one seed and return the configuration."""
    source = data_root() / KNOWN[options.name].folder if options.data is None else options.data
    folder.mkdir(parents=True, exist_ok=True)
    events = pl.read_parquet(source / "events.parquet").unique(["user_id", "item_id"], maintain_order=True)
    events = events.filter(pl.len().over("item_id") >= trial.least)
    timed = "timestamp" in events.columns
    # Rows that no time orders are sorted by item, which would look like an order of everybody's choices.
    events = (
        events.sort("timestamp", maintain_order=True)
        if timed
        else events.sample(fraction=1.0, shuffle=True, seed=seed)
    )
    split = trial.held_back.split(events, seed)
    if not timed:
        last = {"train": 0, "valid": 1, "test": 2}
        split = split.with_columns(pl.col("split").replace_strict(last).alias("step"))
    split.write_parquet(folder / "events.parquet")
    for name in ("items", "links", "knowledge", "entities"):
        if (source / f"{name}.parquet").is_file():
            rows = pl.read_parquet(source / f"{name}.parquet")
            if name == "items":
                rows = rows.filter(pl.col("item_id").is_in(events["item_id"].implode()))
            rows.write_parquet(folder / f"{name}.parquet")
    if options.titles is not None:
        items, entities = (pl.read_parquet(folder / f"{name}.parquet") for name in ("items", "entities"))
        mended = entities_by_title(items, entities, pl.read_csv(options.titles))
        mended.write_parquet(folder / "entities.parquet")
    config = folder / "polyscene.toml"
    config.write_text(_config(trial, options.name, timed, seed, folder), encoding="utf-8")
    return config


def entities_by_title(items: pl.DataFrame, entities: pl.DataFrame, movies: pl.DataFrame) -> pl.DataFrame:
    """Return the entities of items whose title and year, give or take one, name the id of an entity."""
    ids: dict[tuple[str, int], int] = {}
    for movie, title in movies.select("movieId", "title").iter_rows():
        dated = re.match(r"^(.*?)\s*\((\d{4})\)\s*$", title.strip())
        if dated:
            ids.setdefault((plain_title(dated[1]), int(dated[2])), movie)
    entity_of = dict(entities.select("item_id", "entity").iter_rows())
    rows = []
    for item, title, year in items.select("item_id", "title", "year").iter_rows():
        if str(year).isdigit():
            near = (ids.get((plain_title(title), int(year) + step)) for step in (0, 1, -1))
            entity = entity_of.get(next((movie for movie in near if movie is not None), None))
            rows += [] if entity is None else [(item, entity)]
    return pl.DataFrame(rows, schema=["item_id", "entity"], orient="row")


def plain_title(title: str) -> str:
    """Return a title without what editions write differently: the article's place, brackets, marks, case."""
    turned = ARTICLE.sub(r"\2 \1 \3", title.lower().strip())
    return re.sub(r"[^a-z0-9]", "", re.sub(r"\(.*?\)", "", turned))


def _config(trial: Trial, name: str, timed: bool, seed: int, folder: Path) -> str:
    base = f"scenarios.{trial.scenario}"
    text = ["title", "genres"] if timed else ["name"]
    lines = [f'name = "links_{name}"', f"seed = {seed}", f"[{base}.items]", 'path = "items.parquet"']
    lines += ['id = "item_id"', f"text = {text}".replace("'", '"')]
    lines += [f"[{base}.events]", 'path = "events.parquet"', 'user = "user_id"', 'item = "item_id"']
    lines += ['split = "split"', 'time = "timestamp"' if timed else 'time = "step"']
    lines += [] if timed else ['time_format = "sequence"']
    if trial.signal == "social":
        lines += [f"[{base}.links]", 'path = "links.parquet"', 'user = "user_id"', 'friend = "friend_id"']
    else:
        lines += [f"[{base}.knowledge]", 'path = "knowledge.parquet"', 'head = "head"']
        lines += ['relation = "relation"', 'tail = "tail"']
        lines += ['entities = { path = "entities.parquet", item = "item_id", entity = "entity" }']
    lines += ["[evaluation]", 'protocol = "given"', "cutoffs = [10, 50]"]
    cache = (folder.parent / "cache").resolve().as_posix()
    return "\n".join([*lines, "[runtime]", f'cache = "{cache}"']) + "\n"


def judged(trial: Trial, config: Path) -> Outcome:
    """Train both runs on prepared tables and return what came of every choice."""
    values: dict[tuple[str, str], Values] = {}
    known: tuple[IntArray, LongArray] | None = None
    for name, signals in (
        (SYSTEM, USUAL_SIGNALS),
        ("without", tuple(one for one in USUAL_SIGNALS if one != trial.signal)),
    ):
        project = Project.open(config, Telling())
        project.settings = _with_signals(project.settings, signals)
        judgement = project.evaluate(project.train()).judgements[0]
        values |= {(name, metric): judgement.per_choice(SYSTEM, (10, 50))[metric] for metric in METRICS}
        if name == SYSTEM:
            shown = (trial.signal, *trial.beside)
            for model in (one for one in shown if one in judgement.ranks):
                alone = judgement.per_choice(model, (10, 50))
                values |= {(model, metric): alone[metric] for metric in METRICS}
            known = judgement.users, _kept(trial, project, judgement.users)
    assert known is not None
    return Outcome(*known, values)


def _with_signals(settings: Settings, signals: Sequence[str]) -> Settings:
    scenarios = {
        name: scenario.model_copy(update={"signals": list(signals)})
        for name, scenario in settings.scenarios.items()
    }
    return settings.model_copy(update={"scenarios": scenarios})


def _kept(trial: Trial, project: Project, users: IntArray) -> LongArray:
    """Return (B,) how many events of each choice's person or item were learned from."""
    folds = project.ground().folds
    choices = folds.test(trial.scenario, project.settings.seed).choices
    if not np.array_equal(choices.queries.user, users):
        raise AssertionError("expected the choices in the order in which they were judged, found another")
    learned = folds.learned(trial.scenario, Phase.ALL)
    of_user = trial.held_back.cold == "user_id"
    counts = np.bincount(learned.user if of_user else learned.item, minlength=int(users.max()) + 1)
    code = choices.queries.user if of_user else choices.target
    return np.where(code < len(counts), counts[np.minimum(code, len(counts) - 1)], 0)


def summary(trial: Trial, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return, by how many events were kept, both runs, their difference and the signals alone."""
    kept = np.concatenate([one.kept for one in outcomes])
    people = np.concatenate([one.users + place * 10**7 for place, one in enumerate(outcomes)])
    names = list(outcomes[0].values)
    values = {name: np.concatenate([one.values[name] for one in outcomes]) for name in names}
    parts = {f"{count}": kept == count for count in KEPT}
    parts["cold"], parts["others"] = kept <= max(KEPT), kept > max(KEPT)
    rows: dict[str, Any] = {}
    for part, mask in parts.items():
        rows[part] = {"choices": int(mask.sum()), "people": len(np.unique(people[mask]))}
        for metric in METRICS:
            gain = values[SYSTEM, metric][mask] - values["without", metric][mask]
            interval = bootstrap_interval(gain, people[mask], seed=1)
            models = {
                model: float(values[model, metric][mask].mean()) for model, one in names if one == metric
            }
            rows[part][metric] = {
                "models": models,
                "difference": [interval.mean, interval.low, interval.high],
            }
    return rows


def drawn(trial: Trial, rows: Mapping[str, Any]) -> str:
    """Return the table that is printed."""
    alone = [name for name in rows["cold"][METRICS[0]]["models"] if name not in (SYSTEM, "without")]
    head = ("events kept", "choices", "metric", f"with {trial.signal}", "without", "difference", "interval")
    lines = []
    for part, row in rows.items():
        for metric in METRICS:
            models, (mean, low, high) = row[metric]["models"], row[metric]["difference"]
            figures = [f"{models[name]:.4f}" for name in (SYSTEM, "without", *alone)]
            gain = f"{mean:+.4f}", f"{low:+.4f} to {high:+.4f}"
            lines.append((part, f"{row['choices']:,}", metric, *figures[:2], *gain, *figures[2:]))
    return table((*head, *(f"{name} alone" for name in alone)), lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prepare, train, judge, print, write."""
    options = parser().parse_args(arguments)
    trial = TRIALS[options.name]
    try:
        outcomes = []
        for seed in range(1, options.seeds + 1):
            folder = options.work / f"links_{options.name}" / str(seed)
            outcomes.append(judged(trial, prepared_tables(trial, folder, seed, options)))
            print(drawn(trial, summary(trial, outcomes[-1:])), file=sys.stderr, flush=True)
        rows = summary(trial, outcomes)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    print(drawn(trial, rows))
    if options.json is not None:
        facts = {"set": options.name, "seeds": options.seeds, "titles": options.titles is not None}
        write_json(options.json, {**facts, "parts": rows, "machine": machine(), "versions": versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
