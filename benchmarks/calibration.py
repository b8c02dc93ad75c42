"""What the fusion's probabilities are worth: promised and kept, on choices that nothing has learned from.

    python benchmarks/calibration.py --set movielens_100k --tuning none --json calibration.json
    python benchmarks/calibration.py --set amazon_beauty --choices 1000

The project is trained as it is configured. For choices of the test part the probability of every item is
asked that may be shown, with the temperature that the training measured and without any. Told are the mean
-log of the probability of what was chosen (beside each item's share of all events), and of the best item and
of the best ten how often they were promised to be chosen and how often they were; the calibration error is
over those ten, in ten bins of equal numbers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import prepared  # noqa: F401 - numpy reads it when it loads
from polyscene.core.errors import PolysceneError
from polyscene.core.seeds import generator
from polyscene.data.queries import Choices
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.metrics.probability import calibration, expected_calibration_error
from polyscene.project import Project
from polyscene.recommenders.fusion.blocks import block_size
from polyscene.recommenders.fusion.choice_probabilities import choice_probabilities
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.runs.judging import JudgedPart
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

BEST, BINS, FLOOR = 10, 10, 1e-12
HEAD = (
    "scenario",
    "choices",
    "temperature",
    "-log p",
    "without it",
    "difference, 95 %",
    "by events",
    "best: promised",
    "kept",
    "best ten: promised",
    "kept",
    "error",
    "without it",
)


@dataclass(frozen=True)
class Promises:
    """What was promised of B choices.

    Attributes:
        losses: (B,) -log of the probability of what was chosen.
        promised: (B, 10) the probabilities of the best items, best first; 0 where there are fewer.
        kept: (B, 10) whether each of them was chosen.
    """

    losses: NDArray[np.float64]
    promised: NDArray[np.float64]
    kept: NDArray[np.bool_]

    @property
    def error(self) -> float:
        """The expected calibration error over the best items."""
        return expected_calibration_error(self.kept.ravel(), self.promised.ravel(), BINS)


def promises(fusion: Fusion, choices: Choices, block: int) -> Promises:
    """Return what a fusion promises of choices."""
    n_items, parts = len(fusion.features), []
    for rows, queries in choices.queries.blocks(block):
        every = np.broadcast_to(np.arange(n_items), (len(queries), n_items))
        shares, target = choice_probabilities(fusion, queries, every), choices.target[rows].astype(np.int64)
        best = np.argsort(-shares, axis=1, kind="stable")[:, :BEST]
        losses = -np.log(np.maximum(shares[np.arange(len(target)), target], FLOOR))
        parts.append((losses, np.take_along_axis(shares, best, axis=1), best == target[:, None]))
    return Promises(*(np.concatenate(one) for one in zip(*parts, strict=True)))


def by_events(fusion: Fusion, choices: Choices, block: int) -> float:
    """Return the mean -log of what was chosen by the share of events, with one more for every item."""
    losses = []
    for rows, queries in choices.queries.blocks(block):
        counts = np.where(fusion.open(queries), fusion.features.counts + 1.0, 0.0)
        target = choices.target[rows].astype(np.int64)
        shares = counts[np.arange(len(target)), target] / counts.sum(axis=1)
        losses.append(-np.log(np.maximum(shares, FLOOR)))
    return float(np.concatenate(losses).mean())


def judged(project: Project, most: int) -> dict[str, Any]:
    """Train, and return by scenario what the probabilities are worth."""
    run = project.train()
    part, rows = JudgedPart.of(run, project.dataset, project.settings), {}
    for name, place in run.system.scenarios.items():
        fusion, case = place.fusion, part.case(place)
        sample = generator(project.settings.seed, "calibration", name).permutation(len(case.choices))[:most]
        choices, size = (
            case.choices.pick(np.sort(sample)),
            block_size(fusion, project.settings.runtime.blocks_mb),
        )
        # what may not be shown has no probability, and is no choice that could be promised
        target = choices.target.astype(np.int64)
        could = np.concatenate(
            [
                fusion.open(queries)[np.arange(len(queries)), target[rows]]
                for rows, queries in choices.queries.blocks(size)
            ]
        )
        choices, measured = choices.pick(np.flatnonzero(could)), fusion.weights
        with_it = promises(fusion, choices, size)
        fusion.weights = measured.tempered(None)
        without = promises(fusion, choices, size)
        gain = paired_bootstrap(without.losses, with_it.losses, choices.queries.user)
        bins = calibration(with_it.kept.ravel(), with_it.promised.ravel(), BINS)
        temperatures = measured.temperatures
        rows[name] = {
            "choices": len(choices),
            "not open": int((~could).sum()),
            "temperature": None if temperatures is None else [temperatures.known, temperatures.new],
            "loss": [float(with_it.losses.mean()), float(without.losses.mean())],
            "loss less": [gain.mean, gain.low, gain.high],
            "loss by events": by_events(fusion, choices, size),
            "best": [float(with_it.promised[:, 0].mean()), float(with_it.kept[:, 0].mean())],
            "best ten": [float(with_it.promised.sum(axis=1).mean()), float(with_it.kept.any(axis=1).mean())],
            "error": [with_it.error, without.error],
            "bins": {"promised": bins.predicted.tolist(), "kept": bins.observed.tolist()},
        }
    return rows


def lines(rows: dict[str, Any]) -> list[list[str]]:
    """Return the rows of the table."""
    return [
        [
            name,
            f"{row['choices']:,}",
            "-" if row["temperature"] is None else f"{row['temperature'][0]:.2f}",
            *(f"{loss:.3f}" for loss in row["loss"]),
            "{:+.3f} [{:+.3f}, {:+.3f}]".format(*row["loss less"]),
            f"{row['loss by events']:.3f}",
            *(f"{share:.2%}" for share in (*row["best"], *row["best ten"])),
            *(f"{error:.4f}" for error in row["error"]),
        ]
        for name, row in rows.items()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, ask, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(parser)
    parser.add_argument("--choices", type=int, default=2000, help="at most so many are judged per scenario")
    parser.add_argument("--tuning", help="another method than the configured one, such as none")
    options = parser.parse_args(arguments)
    try:
        project = chosen_project(options, Telling())
        if options.tuning is not None:
            language = project.settings.language.model_copy(update={"tuning": options.tuning})
            project.settings = project.settings.model_copy(update={"language": language})
        rows = judged(project, options.choices)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(HEAD, lines(rows)))
    if options.json is not None:
        write_json(options.json, {"scenarios": rows, "machine": machine(), "versions": versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
