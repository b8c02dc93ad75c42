"""Forms of sharing and ways to balance losses in one table, and what scenarios teach each other.

    python benchmarks/sharing.py --set sample --json sharing.json --figure transfer.svg
    python benchmarks/sharing.py --set movietweetings --people 1500 --json sharing.json
    python benchmarks/sharing.py --forms shared_bottom mmoe --weightings fixed pcgrad --no-transfer

Every network learns the scenarios together with the settings of `[multitask]` as they are by default, and is
judged on the test part, which decides nothing, or with --held-out on VALID: AUC and log loss of what is a
yes or no, RMSE of values as a share of their standard deviation, NDCG@10 of choices over the whole catalogue,
each as the mean over scenarios. `movietweetings` is two scenarios, films with drama and without, with three
tasks each: what is chosen, its rating, and whether that is 8 or more. The transfer matrix has one more
scenario, of random events, which should be refused.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import prepared  # noqa: F401 - numpy reads it when it loads
from polyscene.core.progress import Silent
from polyscene.core.seeds import generator
from polyscene.core.settings.multitask import SHARING_FORMS, MultitaskSettings
from polyscene.core.settings.project import Settings
from polyscene.core.threads import set_threads
from polyscene.data.reading.dataset import read_dataset
from polyscene.data.schema import Dataset, Scenario
from polyscene.data.splits.phases import Phase
from polyscene.data.splits.protocol import split
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.report.content import ReportData
from polyscene.evaluation.report.palette import LIGHT
from polyscene.evaluation.report.transfer_figure import draw_transfer
from polyscene.evaluation.transfer import TransferMatrix
from polyscene.language.model.loading import load_models
from polyscene.language.text.cache import EncodingCache
from polyscene.language.text.cache_folder import default_folder
from polyscene.learning.language import tune_language
from polyscene.learning.multitask import train_joint
from polyscene.learning.sharing_comparison import CUTOFF, MEASURES, compared_form
from polyscene.learning.task_weighting import WEIGHTINGS
from polyscene.learning.training_data import TrainingData, training_data
from polyscene.sample.world import SampleWorld
from projects import WORK, data_root
from showing import Telling, table, write_json

RANDOM = "random"
LIKED = 8
HEAD = ("form", "weighting", "AUC", "log loss", "RMSE / sd", f"NDCG@{CUTOFF}", "seconds", "weights")
OBJECTIVES: Mapping[str, list[dict[str, Any]]] = {
    "shop": [{"action": "purchase"}, {"action": "click", "weight": 0.3}, {"action": "rating", "loss": "mse"}],
    "news": [
        {"action": "like"},
        {"action": "click", "weight": 0.3},
        {"action": "dwell", "loss": "huber", "scale": "log", "weight": 0.7},
    ],
}
RATED = [{"action": "rating", "loss": "mse"}, {"action": "rating", "loss": "bce", "at_least": LIKED}]


def sample(folder: Path, people: int, seed: int) -> Settings:
    """Write the sample company, and return its settings."""
    config = SampleWorld.generate(seed=seed, users=people, items_per_scenario=120).write(folder)
    values = tomllib.loads(config.read_text(encoding="utf-8"))
    for name, scenario in values["scenarios"].items():
        scenario["objectives"] = OBJECTIVES.get(name, OBJECTIVES["news"])
    return Settings.parse(values)


def movietweetings(folder: Path, people: int, seed: int) -> Settings:
    """Write some people's ratings as two scenarios, and return their settings."""
    source = data_root() / "movietweetings"
    items, events = (pl.read_parquet(source / f"{name}.parquet") for name in ("items", "events"))
    everybody = events["user_id"].unique().sort()
    drawn = generator(seed, "people").permutation(len(everybody))[:people]
    events = events.filter(pl.col("user_id").is_in(everybody.gather(drawn).implode()))
    folder.mkdir(parents=True, exist_ok=True)
    scenarios = {}
    drama = pl.col("genres").fill_null("").str.contains("Drama")
    for name, films in (("drama", items.filter(drama)), ("other", items.filter(~drama))):
        met = events.join(films, on="item_id", how="semi")
        films.join(met, on="item_id", how="semi").write_parquet(folder / f"{name}-items.parquet")
        met.write_parquet(folder / f"{name}-events.parquet")
        scenarios[name] = {
            "items": {
                "path": str(folder / f"{name}-items.parquet"),
                "id": "item_id",
                "text": ["title", "genres"],
                "categorical": ["genres"],
            },
            "events": {
                "path": str(folder / f"{name}-events.parquet"),
                "user": "user_id",
                "item": "item_id",
                "value": "rating",
                "time": "timestamp",
            },
            "template": "{title}. Genres: {genres}.",
            "objectives": RATED,
        }
    return Settings.parse({"seed": seed, "language": {"tuning": "none"}, "scenarios": scenarios})


SETS = {"sample": sample, "movietweetings": movietweetings}


def with_random(dataset: Dataset, settings: Settings, seed: int) -> tuple[Dataset, Settings]:
    """Return the same with one more scenario: the first one's people meet items by chance."""
    first = next(iter(dataset.scenarios))
    like, draws = dataset.scenarios[first], generator(seed, RANDOM)
    items = draws.integers(0, len(like.catalogue), len(like.events)).astype(np.int32)
    noise = Scenario(RANDOM, like.catalogue, replace(like.events, item=items), like.clock)
    blocks = {**settings.scenarios, RANDOM: settings.scenarios[first]}
    return (
        replace(dataset, scenarios={**dataset.scenarios, RANDOM: noise}),
        settings.model_copy(update={"scenarios": blocks, "multitask": MultitaskSettings(transfer=True)}),
    )


def ground(dataset: Dataset, settings: Settings, base: Path) -> TrainingData:
    """Return the data with the vectors of the language model as it came."""
    data = training_data(dataset, split(dataset, settings.evaluation), settings)
    models = load_models(settings.languages, base, Silent())
    tuned = tune_language(
        models, data, settings, base / "unfinished", EncodingCache(default_folder(), Silent()), Silent()
    )
    return replace(data, vectors=tuned.vectors)


def compared(
    data: TrainingData, settings: Settings, forms: list[str], weightings: list[str], phase: Phase = Phase.ALL
) -> list[dict[str, Any]]:
    """Return a row for each form with fixed weights, and for each weighting of the first form."""
    pairs = [(form, weightings[0]) for form in forms] + [
        (forms[0], weighting) for weighting in weightings[1:]
    ]
    pairs += [("mmoe", weighting) for weighting in weightings[1:] if "mmoe" in forms[1:]]
    rows = []
    for form, weighting in pairs:
        one = compared_form(data, settings, MultitaskSettings(form=form, weighting=weighting), phase)
        row = {"form": form, "weighting": weighting, "seconds": round(one.seconds, 1), "weights": one.weights}
        rows.append(row | {"scenarios": one.judged} | {name: one.mean(name) for name in MEASURES})
        Telling().say(f"{form}, {weighting}: {one.seconds:.0f} s")
    return rows


def _told(values: Any) -> Any:  # noqa: ANN401 - whatever JSON may hold
    """Return values with nothing in the place of what has no meaning: JSON knows no NaN."""
    if isinstance(values, Mapping):
        return {name: _told(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_told(value) for value in values]
    return None if isinstance(values, float) and not np.isfinite(values) else values


def shown(rows: list[dict[str, Any]]) -> str:
    """Return the table."""
    lines = [
        [
            row["form"],
            row["weighting"],
            *(f"{row[name]:.4f}" for name in MEASURES),
            f"{row['seconds']:.1f}",
            f"{row['weights']:,}",
        ]
        for row in rows
    ]
    return table(HEAD, lines)


def transfer_table(matrix: TransferMatrix) -> str:
    """Return the transfer matrix as text."""
    lines = [
        [" + ".join(row.trained_on), *(f"{row.judged[name].mean:.4f}" for name in matrix.scenarios)]
        for row in matrix.rows
    ]
    lines.append(["by chance", *(f"{matrix.chance[name]:.4f}" for name in matrix.scenarios)])
    return table(("trained on", *matrix.scenarios), lines)


def standing_alone(svg: str) -> str:
    """Return a figure of the report as a file of its own: with namespace, ground, and the light colours."""
    for role, colour in LIGHT.items():
        svg = svg.replace(f"var(--{role})", colour)
    head, rest = svg.split(">", 1)
    width, height = head.split('viewBox="')[1].split('"')[0].split()[2:]
    ground = f'<rect width="{width}" height="{height}" fill="{LIGHT["panel"]}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {head.removeprefix("<svg ")}>\n {ground}{rest}'


def main() -> None:
    """Compare, draw, and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", choices=SETS, default="sample")
    parser.add_argument("--people", type=int, default=1000, help="so many, drawn by the seed")
    parser.add_argument("--forms", nargs="+", choices=list(SHARING_FORMS), default=list(SHARING_FORMS))
    parser.add_argument("--weightings", nargs="+", choices=list(WEIGHTINGS), default=list(WEIGHTINGS))
    parser.add_argument("--no-transfer", action="store_true")
    parser.add_argument(
        "--held-out", action="store_true", help="judge on VALID; the test part is not looked at"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path, help="the transfer matrix as SVG")
    asked = parser.parse_args()
    set_threads(1)
    folder = WORK / "sharing" / asked.set
    settings = SETS[asked.set](folder, asked.people, asked.seed)
    dataset = read_dataset(settings, folder)
    phase = Phase.PAST if asked.held_out else Phase.ALL
    rows = compared(ground(dataset, settings, folder), settings, asked.forms, asked.weightings, phase)
    print(shown(rows))
    values: dict[str, Any] = {"set": asked.set, "people": asked.people, "seed": asked.seed, "rows": rows}
    if not asked.no_transfer:
        more, wider = with_random(dataset, settings, asked.seed)
        models = train_joint(ground(more, wider, folder), wider, list(more.scenarios), Phase.ALL)
        print("", *models.notes, "", sep="\n")
        if models.transfer is not None:
            print(transfer_table(models.transfer))
            values |= {"transfer": models.transfer.to_json(), "notes": list(models.notes)}
            drawing = draw_transfer("transfer", ReportData(asked.set, (), transfer=models.transfer))
            if asked.figure and drawing is not None:
                asked.figure.write_text(standing_alone(drawing.svg()), encoding="utf-8")
    if asked.json:
        write_json(asked.json, _told(values) | {"machine": machine(), "versions": versions()})


if __name__ == "__main__":
    main()
