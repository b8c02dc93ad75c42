"""What reading a catalogue costs before tuning begins: the first time, and in every later training.

    python benchmarks/reading.py --set movielens_100k --json reading.json

Each way of tuning starts with an empty cache folder of its own. "Nothing kept" is a reading without a cache,
as every training with learning layers had it in earlier versions. Processor seconds count the same on a busy
machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import prepared  # noqa: F401 - numpy and torch read it when they load
from measuring import measured
from polyscene.core.errors import PolysceneError
from polyscene.core.settings.tuning import TuningDetails
from polyscene.core.threads import set_threads
from polyscene.evaluation.provenance import machine, versions
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.text.cache import EncodingCache
from polyscene.language.tuning.cached_encoder import CachedEncoder
from polyscene.language.tuning.methods import dressed, frozen_layers
from projects import add_project_arguments, chosen_project
from showing import table, write_json

WAYS = {"projection alone": "none", "top layer": "top"}
"""Methods by what learns."""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument("--texts", type=int, metavar="N", help="at most so many")
    return arguments


def cost_of(model: LanguageModel, method: str, texts: Sequence[str], cache: EncodingCache | None) -> float:
    """Return the processor seconds of the first reading of a training."""
    details = TuningDetails(layers=1)
    tuned = dressed(model, method, details, 1)
    with measured() as cost:
        CachedEncoder(tuned, texts, frozen_layers(tuned, method, details), cache=cache)
    return cost.processor_seconds


def rows_of(model: LanguageModel, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return what every way of tuning costs, by when."""
    rows = []
    for way, method in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            cache = EncodingCache(Path(folder))
            first, again = (cost_of(model, method, texts, cache) for _ in range(2))
            size = sum(file.stat().st_size for file in Path(folder).iterdir())
        row = {
            "way": way,
            "nothing kept": cost_of(model, method, texts, None),
            "first": first,
            "again": again,
        }
        rows.append(row | {"megabytes": size / 1e6})
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, print, write."""
    options = parser().parse_args(arguments)
    try:
        project = chosen_project(options)
        set_threads(project.settings.runtime.threads)
        model = load_model(project.settings.language, project.base)
        texts = [text for one in project.dataset.scenarios.values() for text in one.catalogue.text][
            : options.texts
        ]
        rows = rows_of(model, texts)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    head = ["processor seconds of reading", "nothing kept", "first", "again", "MB kept"]
    lines = [[row["way"], *(f"{row[key]:.2f}" for key in ("nothing kept", "first", "again"))] for row in rows]
    sizes = [f"{row['megabytes']:.1f}" for row in rows]
    print(f"{len(texts):,} texts, {len(set(texts)):,} of them distinct")
    print(table(head, [[*line, size] for line, size in zip(lines, sizes, strict=True)]))
    if options.json is not None:
        facts = {"texts": len(texts), "rows": rows, "machine": machine(), "versions": versions()}
        write_json(options.json, facts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
