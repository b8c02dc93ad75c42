"""One model of all scenarios beside one model of each, trained by the same code: quality, seconds, memory.

    python benchmarks/joint.py --set amazon_three --json joint.json
    python benchmarks/joint.py --set amazon_three --arms joint beauty

The project is trained as it stands, then each of its scenarios alone, as if the others did not exist. All
rank the same choices of the test part over the whole catalogue. Differences are paired over users: of
everybody, of those who did something in another scenario too, and of the others. What an arm ranked is kept
in the work folder, so that arms can be run one by one, each in a process of its own; `--arms` names those
that are run now, and the table holds whatever is there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import prepared  # noqa: F401 - numpy reads it when it loads
from measuring import measured
from polyscene.core.errors import ConfigError, PolysceneError, Problem
from polyscene.core.types import BoolArray
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.results import SYSTEM, Judgement
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.metrics.ranking import Values, hit_rate, ndcg
from polyscene.project import Project
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

JOINT = "joint"
CUTOFF = 10
HEAD = ("choices", "number", "alone", "joint", "difference, 95 %", "HR@10 alone", "HR@10 joint")


@dataclass(frozen=True)
class Ranking:
    """Where one arm put what was chosen in one scenario.

    Attributes:
        users: (B,) ids.
        ranks: (B,) mid-ranks.
    """

    users: NDArray[np.str_]
    ranks: Values

    @classmethod
    def of(cls, judgement: Judgement, project: Project) -> Self:
        """Read it off a judgement of the whole system."""
        users = np.array([project.dataset.users[code] for code in judgement.users.tolist()], np.str_)
        order = np.argsort(users, kind="stable")  # choices of one user stay in their order
        return cls(users[order], np.asarray(judgement.ranks[SYSTEM], np.float64)[order])


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument(
        "--arms", nargs="+", metavar="ARM", help=f"{JOINT} or a scenario; default: all of them"
    )
    return arguments


def arms_of(project: Project, names: Sequence[str] | None) -> list[str]:
    """Return the arms to run.

    Raises:
        ConfigError: one of them is not an arm of this project, or the project has one scenario only.
    """
    scenarios = list(project.settings.scenarios)
    if len(scenarios) < 2:
        raise _problem("there is nothing to join", "two scenarios or more", f"only {scenarios[0]}")
    every = [JOINT, *scenarios]
    unknown = [name for name in names or () if name not in every]
    if unknown:
        raise _problem("there is no such arm", ", ".join(every), ", ".join(unknown))
    return list(names or every)


def arm_project(project: Project, arm: str) -> Project:
    """Return the project as it stands, or with one scenario alone."""
    if arm == JOINT:
        return project
    settings = project.settings
    alone = settings.model_copy(update={"scenarios": {arm: settings.scenarios[arm]}})
    config = f"{Path(project.config).stem}_{arm}.toml"  # names the folder of its runs
    return Project(alone, project.base, config, project.progress)


def run_arm(project: Project, folder: Path) -> None:
    """Train and judge one arm, and keep what it ranked and cost."""
    with measured() as training:
        run = project.train()
    with measured() as judging:
        results = project.evaluate(run)
    arrays: dict[str, Any] = {}
    for judgement in results.judgements:
        ranking = Ranking.of(judgement, project)
        arrays |= {f"{judgement.scenario}.users": ranking.users, f"{judgement.scenario}.ranks": ranking.ranks}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "ranks.npz", **arrays)
    write_json(folder / "cost.json", {"train": training.to_json(), "evaluate": judging.to_json()})


def kept(folder: Path) -> tuple[dict[str, Ranking], dict[str, Any]]:
    """Return what an arm ranked, by scenario, and what it cost."""
    with np.load(folder / "ranks.npz", allow_pickle=False) as arrays:
        names = [name.removesuffix(".users") for name in arrays.files if name.endswith(".users")]
        rankings = {name: Ranking(arrays[f"{name}.users"], arrays[f"{name}.ranks"]) for name in names}
    return rankings, json.loads((folder / "cost.json").read_text(encoding="utf-8"))


def compared(joint: Mapping[str, Ranking], alone: Mapping[str, Ranking], name: str) -> dict[str, Any]:
    """Return both arms in one scenario: everybody, shared users, the others.

    Raises:
        ConfigError: they did not judge the same choices, as where the tables changed between them.
    """
    one, other = joint[name], alone[name]
    if not np.array_equal(one.users, other.users):
        raise _problem("the arms cannot be compared", "choices of the same people", "others; run both anew")
    elsewhere = [ranking.users for scenario, ranking in joint.items() if scenario != name]
    shared = np.isin(one.users, np.concatenate(elsewhere))
    slices: dict[str, BoolArray] = {
        "everybody": np.ones(len(shared), np.bool_),
        "shared users": shared,
        "others": ~shared,
    }
    return {title: _slice(one, other, chosen) for title, chosen in slices.items() if chosen.any()}


def _slice(joint: Ranking, alone: Ranking, chosen: BoolArray) -> dict[str, Any]:
    _, users = np.unique(joint.users[chosen], return_inverse=True)
    ours, theirs = joint.ranks[chosen], alone.ranks[chosen]
    gain = paired_bootstrap(ndcg(ours, CUTOFF), ndcg(theirs, CUTOFF), users.astype(np.int32))
    return {
        "choices": int(chosen.sum()),
        "alone": float(ndcg(theirs, CUTOFF).mean()),
        "joint": float(ndcg(ours, CUTOFF).mean()),
        "difference": {"mean": gain.mean, "low": gain.low, "high": gain.high},
        "hit_rate": {
            "alone": float(hit_rate(theirs, CUTOFF).mean()),
            "joint": float(hit_rate(ours, CUTOFF).mean()),
        },
    }


def lines(report: Mapping[str, Any]) -> list[list[str]]:
    """Return the rows of the table."""
    rows = []
    for name, slices in report["scenarios"].items():
        for title, part in slices.items():
            gain = part["difference"]
            rows.append(
                [
                    f"{name}: {title}",
                    f"{part['choices']:,}",
                    f"{part['alone']:.4f}",
                    f"{part['joint']:.4f}",
                    f"{gain['mean']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]",
                    f"{part['hit_rate']['alone']:.4f}",
                    f"{part['hit_rate']['joint']:.4f}",
                ]
            )
    return rows


def _problem(what: str, expected: str, actual: str) -> ConfigError:
    return ConfigError(Problem(what, expected, actual, "see --help"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, judge, print, write."""
    options = parser().parse_args(arguments)
    try:
        project = chosen_project(options, Telling())
        folder = options.work / JOINT / Path(project.config).stem
        for arm in arms_of(project, options.arms):
            run_arm(arm_project(project, arm), folder / arm)
        arms = {
            name: kept(folder / name)
            for name in (JOINT, *project.settings.scenarios)
            if (folder / name / "cost.json").is_file()
        }
        pairs = {
            name: compared(arms[JOINT][0], arms[name][0], name)
            for name in arms
            if name != JOINT and JOINT in arms
        }
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    report: dict[str, Any] = {
        "project": project.settings.name,
        "seed": project.settings.seed,
        "scenarios": pairs,
        "cost": {name: cost for name, (_, cost) in arms.items()},
        "machine": machine(),
        "versions": versions(),
    }
    print(table(HEAD, lines(report)))
    for name, steps in report["cost"].items():
        step = steps["train"]
        print(f"{name}: trained in {step['seconds']:,.0f} s, peak memory {step['peak_mb']:,.0f} MiB")
    if options.json is not None:
        write_json(options.json, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
