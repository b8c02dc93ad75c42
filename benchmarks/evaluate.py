"""Train a project and judge it: the whole system, every signal and baseline, every scenario.

    python benchmarks/evaluate.py --set amazon_beauty --json beauty.json
    python benchmarks/evaluate.py --data FOLDER --json results.json --seed 11
    python benchmarks/evaluate.py --set amazon_beauty --more sequence

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
from polyscene.core.settings.project import Settings
from polyscene.core.settings.signals import USUAL_SIGNALS
from projects import add_project_arguments, chosen_project
from showing import Telling, result_tables, write_json


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument(
        "--more", nargs="+", default=[], metavar="SIGNAL", help="signals beside those that are configured"
    )
    return arguments


def with_more(settings: Settings, signals: Sequence[str]) -> Settings:
    """Return the settings with further signals in every scenario.

    Raises:
        ConfigError: there is no such signal.
    """
    values = settings.model_dump(mode="json", exclude_unset=True)
    for scenario in values["scenarios"].values():
        usual = scenario.get("signals", USUAL_SIGNALS)
        scenario["signals"] = [*usual, *(signal for signal in signals if signal not in usual)]
    return Settings.parse(values)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, judge, print, write."""
    options = parser().parse_args(arguments)
    try:
        opened = chosen_project(options, Telling())
        if options.more:
            opened.settings = with_more(opened.settings, options.more)
        with measured() as training:
            run = opened.train()
        with measured() as judging:
            results = opened.evaluate(run)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    report = {"project": opened.settings.name, "run": run.id} | results.to_json()
    report["cost"] = {"train": training.to_json(), "evaluate": judging.to_json()}
    print(result_tables(report))
    for step, cost in (("training", training), ("judging", judging)):
        print(f"{step}: {cost.seconds:.1f} s, peak memory {cost.peak_mb:,.0f} MiB")
    if options.json is not None:
        write_json(options.json, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
