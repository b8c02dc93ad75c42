"""Which carried language model reads which language: what the content signal alone is worth, untuned.

    python benchmarks/languages.py --json languages.json
    python benchmarks/languages.py --sets sample --models multilingual "multilingual with prefix"

First the sample company's three scenarios, all choices and those of Chinese items alone; then its shop with
bare titles, in English, in three other languages, and each item in one of the four by chance, exchanged by
the words in sample_words.json; then sets in English. NDCG@10 is of held-out choices of the training part (no
choice of a test part is looked at), ranked over the whole catalogue. Then for each model texts per second,
the seconds to open it, and what it takes on the disk. The extra 'languages' is needed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import prepared  # noqa: F401 - numpy reads it when it loads
from measuring import measured
from polyscene.core.errors import PolysceneError
from polyscene.core.seeds import generator
from polyscene.core.settings.language import CARRIED, LanguageSettings
from polyscene.core.types import BoolArray, FloatArray
from polyscene.evaluation.provenance import machine, versions
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.model.packed_bert import packed
from polyscene.language.model.sources import locate
from polyscene.language.text.encoding import encode
from polyscene.learning.content_judge import content_judge, judged_choices
from polyscene.learning.training_data import TrainingData
from polyscene.project import Project
from polyscene.sample.items import make_items
from polyscene.sample.words import vocabulary
from polyscene.sample.world import SampleWorld
from projects import project
from showing import Telling, table, write_json

WORDS = Path(__file__).with_name("sample_words.json")
ENGLISH_SETS = ("amazon_books", "movielens_100k")
SAMPLE, EXCHANGED = "sample", "exchanged"
LANGUAGES = ("en", "zh", "de", "ru")
MIXED = "mixed"
SPEED_TEXTS = 1000
PREFIX = "query: "
"""What the e5 models were taught to expect before a text."""


@dataclass(frozen=True)
class Case:
    """One catalogue and the choices that are looked at.

    Attributes:
        chosen: (n_items,) items whose choices count; None: all.
    """

    name: str
    data: TrainingData
    scenario: str
    chosen: BoolArray | None = None

    @property
    def texts(self) -> Sequence[str]:
        """The catalogue's texts."""
        return self.data.dataset.scenarios[self.scenario].catalogue.text

    @property
    def choices(self) -> int:
        """How many choices are looked at; at most `MAX_JUDGED_CHOICES` are drawn, before the slice."""
        return len(judged_choices(self.data, self.scenario, self.chosen))

    def ndcg(self, vectors: FloatArray) -> float:
        """Return what the content signal is worth with (n_items, d) vectors."""
        judge = content_judge(self.data, self.scenario, chosen=self.chosen)
        if judge is None:
            raise PolysceneError(f"expected held-out choices in {self.name}, found none; use more users")
        return judge(vectors)


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sets = (SAMPLE, EXCHANGED, *ENGLISH_SETS)
    arguments.add_argument("--sets", nargs="+", choices=sets, default=list(sets), metavar="SET")
    arguments.add_argument("--models", nargs="+", default=list(CARRIED), metavar="MODEL")
    arguments.add_argument("--users", type=int, default=2000, help="of the sample company")
    arguments.add_argument("--items", type=int, default=300, help="of each of its scenarios")
    arguments.add_argument("--seed", type=int, default=7)
    arguments.add_argument("--json", type=Path, help="write the results here too")
    return arguments


def cases(options: argparse.Namespace, folder: Path) -> Iterator[Case]:
    """Yield every case of the sets that were asked for."""
    world = SampleWorld.generate(
        seed=options.seed, users=options.users, items_per_scenario=options.items, days=60
    )
    if SAMPLE in options.sets:
        yield from sample_cases(world, folder / SAMPLE)
    if EXCHANGED in options.sets:
        yield from exchanged_cases(world, folder / EXCHANGED)
    for name in ENGLISH_SETS:
        if name in options.sets:
            opened = Project.open(project(name), Telling())
            scenario = next(iter(opened.settings.scenarios))
            yield Case(name, opened.ground(), scenario)


def sample_cases(world: SampleWorld, folder: Path) -> Iterator[Case]:
    """Yield the sample company's scenarios as they are, then their Chinese items."""
    data = Project.open(world.write(folder), Telling()).ground()
    for name, frame in world.items.items():
        items = make_items(vocabulary(), name, len(frame), world.days, world.seed)
        chinese = set(frame["item_id"].filter(pl.Series(items.chinese)))
        yield Case(f"sample {name}", data, name)
        ids = data.dataset.scenarios[name].catalogue.ids
        yield Case(
            f"sample {name}, Chinese items",
            data,
            name,
            np.array([ids[row] in chinese for row in range(len(ids))]),
        )


def exchanged_cases(world: SampleWorld, folder: Path) -> Iterator[Case]:
    """Yield the shop with bare titles in every language, and in all of them at once."""
    for language in (*LANGUAGES, MIXED):
        config = world.write(folder / language)
        items = config.parent / "shop" / "items.parquet"
        titles = exchanged_titles(world, language)
        pl.read_parquet(items).with_columns(title=pl.Series(titles)).write_parquet(items)
        settings = Project.open(config).settings
        shop = settings.scenarios["shop"].model_copy(update={"template": "{title}"})
        alone = settings.model_copy(update={"scenarios": {"shop": shop}})
        data = Project(alone, config.parent, config.name, Telling()).ground()
        yield Case(f"shop titles, {language}", data, "shop")


def exchanged_titles(world: SampleWorld, language: str) -> list[str]:
    """Return the name and the brand of every product of the sample shop in a language.

    Args:
        language: one of `LANGUAGES`, or "mixed": each item's by chance.
    """
    words: dict[str, dict[str, str]] = json.loads(WORDS.read_text(encoding="utf-8"))
    brands, topics = world.items["shop"]["brand"].to_list(), vocabulary().topics
    items = make_items(vocabulary(), "shop", len(brands), world.days, world.seed)
    drawn = generator(world.seed, "languages").choice(LANGUAGES, size=len(items))
    titles = []
    for row, (topic, kind, brand) in enumerate(
        zip(items.topic.tolist(), items.kind.tolist(), brands, strict=True)
    ):
        name = topics[topic].kinds["shop", "en"][kind].titles[0].removeprefix("{brand} {variant} ")
        spoken = str(drawn[row]) if language == MIXED else language
        titles.append(f"{brand} {name if spoken == 'en' else words[name][spoken]}")
    return titles


def opened(name: str) -> tuple[LanguageModel, str]:
    """Return a model ready to read, and what is put before each text."""
    model, _, prefixed = name.partition(" with ")
    tuning = "none"
    return packed(load_model(LanguageSettings(model=model, tuning=tuning))), PREFIX if prefixed else ""


def costs(name: str, texts: Sequence[str]) -> dict[str, float]:
    """Return what opening and reading with a model costs."""
    with measured() as opening:
        model, prefix = opened(name)
    some = [prefix + text for text in texts[:SPEED_TEXTS]]
    with measured() as reading:
        encode(model, some)
    folder = locate(LanguageSettings(model=name.partition(" ")[0], tuning="none"))
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    return {
        "texts_per_second": len(some) / reading.seconds,
        "seconds_to_open": opening.seconds,
        "disk_mb": disk,
    }


def judged(cases_of_run: Sequence[Case], models: Sequence[str], tell: Telling) -> dict[str, dict[str, float]]:
    """Return NDCG@10 by case and model."""
    figures: dict[str, dict[str, float]] = {case.name: {} for case in cases_of_run}
    for name in models:
        model, prefix = opened(name)
        read: dict[int, FloatArray] = {}
        for case in cases_of_run:
            key = id(case.texts)
            if key not in read:
                read[key] = encode(
                    model, [prefix + text if text else "" for text in case.texts], progress=tell
                )
            figures[case.name][name] = case.ndcg(read[key])
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    options, tell = parser().parse_args(arguments), Telling()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            prepared_cases = list(cases(options, Path(scratch)))
            figures = judged(prepared_cases, options.models, tell)
            longest = max(prepared_cases, key=lambda case: len(case.texts))
            price = {name: costs(name, longest.texts) for name in options.models}
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 2
    counts = {case.name: case.choices for case in prepared_cases}
    rows = [
        [case, f"{counts[case]:,}", *(f"{row[name]:.4f}" for name in options.models)]
        for case, row in figures.items()
    ]
    rows += [
        [label, "", *(f"{price[name][key]:,.1f}" for name in options.models)]
        for key, label in (
            ("texts_per_second", "texts per second"),
            ("seconds_to_open", "seconds to open"),
            ("disk_mb", "MB on the disk"),
        )
    ]
    print("NDCG@10 of the content signal alone, untuned")
    print(table(["case", "choices", *options.models], rows))
    if options.json:
        values: dict[str, Any] = {
            "ndcg@10": figures,
            "cost": price,
            "machine": machine(),
            "versions": versions(),
        }
        write_json(options.json, values)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
