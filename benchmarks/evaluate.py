"""Train a project and judge it: the whole system, every signal and baseline, every scenario.

    python benchmarks/evaluate.py --set amazon_beauty --json beauty.json
    python benchmarks/evaluate.py --data FOLDER --json results.json --seed 11

FOLDER may be any folder of tables; without a polyscene.toml one is drafted from what the tables look like.
The JSON file holds what `polyscene evaluate --json` writes, and what training and judging cost.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import prepared  # noqa: F401 - numpy reads it when it loads
from measuring import measured
from polyscene.core.errors import PolysceneError
from projects import add_project_arguments, chosen_project
from showing import Telling, result_tables, write_json


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_project_arguments(made)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, judge, print, write."""
    given = parser().parse_args(arguments)
    try:
        opened = chosen_project(given, Telling())
        with measured() as training:
            run = opened.train()
        with measured() as judging:
            results = opened.evaluate(run)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    found = {"project": opened.settings.name, "run": run.id} | results.to_json()
    found["cost"] = {"train": training.to_json(), "evaluate": judging.to_json()}
    print(result_tables(found))
    for step, cost in (("training", training), ("judging", judging)):
        print(f"{step}: {cost.seconds:.1f} s, peak memory {cost.peak_mb:,.0f} MiB")
    if given.json is not None:
        write_json(given.json, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
