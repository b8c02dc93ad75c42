"""How much the defaults owe to each set: chosen without it, they are judged on it.

    python benchmarks/defaults.py --sets movielens_100k movietweetings amazon_books --people 0.3 --json FILE

Every setting of `CHOICES` is tried one by one at its other values, on every set without its test part,
judged on the latest of what is left, with the language model as it came. A setting's value is then chosen as
the one with the best mean of log NDCG@10 over the sets: once over all of them, and for each set once more
over the others. Both choices are trained on that set, beside the defaults as they are, and judged on its test
part; what they differ by is paired over users. So no test part has a say in what it judges. What was trained
is kept in the work folder, and a command that is given again goes on from there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from choices import development, trimmed
from measuring import measured
from polyscene.core.errors import PolysceneError
from polyscene.core.settings.project import Settings
from polyscene.core.types import LongArray
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.results import SYSTEM
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.metrics.ranking import Values, ndcg
from polyscene.project import Project
from projects import KNOWN, WORK, adjusted, project
from showing import Telling, table, write_json

CHOICES: dict[str, tuple[float, ...]] = {
    "fusion.hidden": (32, 16, 64),
    "fusion.epochs": (12, 6, 24),
    "fusion.earlier_cuts": (4, 0, 8),
    "signals.linear.ridge": (100.0, 30.0, 300.0),
    "signals.transitions.window": (10, 4),
    "signals.factors.size": (64, 32),
}
"""Each setting and its values, the default first."""
CUTOFF = 10

Changes = Mapping[str, float]
Scores = Mapping[tuple[str, float], float]
"""NDCG@10 by setting and value."""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--sets", nargs="+", choices=KNOWN, required=True, metavar="NAME")
    arguments.add_argument("--people", type=float, default=1.0, metavar="SHARE", help="of each set's users")
    arguments.add_argument("--seed", type=int, default=7, metavar="N")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    arguments.add_argument(
        "--work", type=Path, default=WORK, metavar="FOLDER", help="default: benchmarks/.work"
    )
    return arguments


def changed(settings: Settings, changes: Changes) -> Settings:
    """Return the settings with others in the place of some, named by their path, and an untuned model."""
    values = settings.model_dump(mode="json", exclude_unset=True)
    for path, value in {**changes, "language.tuning": "none"}.items():
        block, (*folders, name) = values, path.split(".")
        for folder in folders:
            block = block.setdefault(folder, {})
        block[name] = value
    return Settings.parse(values)


class Trials:
    """What each set gives under some settings, kept as files.

    Args:
        folder: where they are kept.
        people: share of the users of each set.
    """

    def __init__(self, folder: Path, people: float, seed: int) -> None:
        self.folder, self.people, self.seed = folder, people, seed

    def gains(self, name: str, changes: Changes, part: str) -> tuple[LongArray, Values]:
        """Return who made each choice, and NDCG@10 of each, (B,) and (B,).

        Args:
            part: "development" or "test".
        """
        values = "_".join(f"{path.split('.')[-1]}={value:g}" for path, value in sorted(changes.items()))
        path = self.folder / f"{name}_{part}_{self.people:g}_{self.seed}_{values or 'default'}.npz"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            begun = path.with_suffix(".begun.npz")
            np.savez(begun, **self._judged(name, changes, part))
            begun.replace(path)
        with np.load(path, allow_pickle=False) as kept:
            return kept["users"], ndcg(kept["ranks"], CUTOFF)

    def _judged(self, name: str, changes: Changes, part: str) -> dict[str, Any]:
        config = project(name, work=self.folder)
        settings = changed(adjusted(Settings.load(config), self.seed), changes)
        opened = Project(settings, config.parent, config.name, Telling())
        dataset = trimmed(opened.dataset, self.people, fold_valid=False)
        vars(opened)["dataset"] = dataset
        if part == "development":
            development(opened, dataset)
        judgements = opened.evaluate(opened.train()).judgements
        users, ranks = ([one.users for one in judgements], [one.ranks[SYSTEM] for one in judgements])
        return {"users": np.concatenate(users).astype(np.int64), "ranks": np.concatenate(ranks)}


def best_values(
    scores: Mapping[str, Mapping[tuple[str, float], float]], sets: Sequence[str]
) -> dict[str, float]:
    """Return the values other than defaults that are best on the mean of log NDCG over some sets.

    Args:
        scores: by set.
    """
    chosen = {}
    for setting, values in CHOICES.items():
        means = [np.mean([np.log(scores[name][setting, value]) for name in sets]) for value in values]
        best = values[int(np.argmax(means))]  # the default where it is as good
        if best != values[0]:
            chosen[setting] = best
    return chosen


def scores_of(trials: Trials, name: str) -> dict[tuple[str, float], float]:
    """Return NDCG@10 on a set without its test part, by setting and value."""
    scores = {}
    for setting, values in CHOICES.items():
        for value in values:
            changes = {} if value == values[0] else {setting: value}
            scores[setting, value] = float(trials.gains(name, changes, "development")[1].mean())
    return scores


def row_of(trials: Trials, name: str, without: Changes, with_all: Changes) -> dict[str, Any]:
    """Return how one set fares under the defaults, those chosen without it, and those chosen with all."""
    ways = {"default": {}, "without": without, "with": with_all}
    gains = {way: trials.gains(name, changes, "test") for way, changes in ways.items()}
    users = gains["default"][0]
    row: dict[str, Any] = {way: float(values.mean()) for way, (_, values) in gains.items()}
    for way in ("without", "default"):
        loss = paired_bootstrap(gains[way][1], gains["with"][1], users.astype(np.int32))
        row[f"{way} less with"] = [loss.mean, loss.low, loss.high]
    return {"choices": len(users), "chosen": dict(without), **row}


def lines(report: Mapping[str, Any]) -> list[list[str]]:
    """Return the rows of the table."""
    rows = []
    for name, row in report["sets"].items():
        mean, low, high = row["without less with"]
        values = ", ".join(f"{path.split('.')[-1]} {value:g}" for path, value in row["chosen"].items())
        rows.append(
            [
                name,
                f"{row['choices']:,}",
                *(f"{row[way]:.4f}" for way in ("default", "without", "with")),
                f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]",
                values or "the defaults",
            ]
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Try, choose, judge, print, write."""
    options = parser().parse_args(arguments)
    if len(options.sets) < 2:
        print("expected two sets or more, found one; name another", file=sys.stderr)
        return 1
    trials = Trials(options.work / "defaults", options.people, options.seed)
    try:
        with measured() as cost:
            scores = {name: scores_of(trials, name) for name in options.sets}
            everything = best_values(scores, options.sets)
            rows = {
                name: row_of(
                    trials,
                    name,
                    best_values(scores, [one for one in options.sets if one != name]),
                    everything,
                )
                for name in options.sets
            }
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    report = {
        "sets": rows,
        "chosen with all": everything,
        "development": {
            name: {f"{setting} = {value:g}": score for (setting, value), score in values.items()}
            for name, values in scores.items()
        },
        "people": options.people,
        "seed": options.seed,
        "cost": cost.to_json(),
        "machine": machine(),
        "versions": versions(),
    }
    head = (
        "set",
        "choices",
        "as it is",
        "without it",
        "with all",
        "without less with, 95 %",
        "chosen without it",
    )
    print(table(head, lines(report)))
    print(f"chosen with all: {everything or 'the defaults'}")
    if options.json is not None:
        write_json(options.json, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
