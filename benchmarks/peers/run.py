"""Polyscene and its peers on the same folds: train, choose settings on validation, rank the same choices.

    python benchmarks/peers/run.py --set amazon_beauty --json peers.json
    python benchmarks/peers/run.py --data FOLDER --peers implicit_als cornac_bpr

Every peer runs in an environment of its own, made below the work folder from exact versions (the first time
needs a package index). Seconds and peak memory stand beside the metrics, and Polyscene's lead over each peer
with its bootstrap interval. OMP_NUM_THREADS counts for all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import prepared  # noqa: F401 - numpy reads it when it loads

# isort: split
import numpy as np
from environments import environment
from export import export
from numpy.typing import NDArray

from measuring import measured
from polyscene.core.errors import PolysceneError
from polyscene.evaluation.results import SYSTEM, Judgement, Results
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.metrics.ranking import ndcg
from projects import add_project_arguments, chosen_project
from showing import Telling, lead_text, result_tables, write_json

STDERR = 2
COST = "training.json"
HERE = Path(__file__).resolve().parent
PEERS = {
    "implicit_als": "implicit",
    "lenskit_knn": "lenskit",
    "rectools_ease": "rectools",
    "rectools_sasrec": "rectools",
    "rectools_hstu": "rectools",
    "cornac_bpr": "cornac",
}
"""Script to environment."""

KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
"""Lets glibc reuse large blocks; without it RecTools spends two fifths of its time in the kernel."""


@dataclass(frozen=True)
class Outcome:
    """What one peer wrote: its JSON file, and mid-ranks by the scenario's number."""

    report: Mapping[str, Any]
    ranks: Mapping[str, NDArray[np.float64]]

    @property
    def model(self) -> str:
        """Its name in tables."""
        first = next(iter(self.report["scenarios"].values()))
        return str(next(iter(first["models"])))


def run_peer(script: str, python: Path, folds: Path, seed: int) -> Outcome:
    """Run one peer to its end and read what it wrote beside the folds.

    Raises:
        CalledProcessError: it failed; its own words say why.
    """
    path = folds / f"{script}.json"
    command: list[str | Path] = [python, HERE / f"{script}.py", "--fold", folds, "--json", path]
    command += ["--seed", str(seed)]
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path.unlink(missing_ok=True)
    done = subprocess.run(command, check=True, env=inherited | KEEP_MEMORY, stdout=STDERR)
    if not path.is_file():  # Lightning ends with status 0 when it is told to stop
        raise subprocess.CalledProcessError(done.returncode, done.args)
    return read_peer(path)


def read_peer(path: Path) -> Outcome:
    """Read what a peer has written."""
    with np.load(path.with_suffix(".ranks.npz"), allow_pickle=False) as held:
        ranks = {name: held[name] for name in held.files}
    return Outcome(json.loads(path.read_text(encoding="utf-8")), ranks)


def merged(results: Results, outcomes: Sequence[Outcome]) -> Results:
    """Put the peers' ranks beside ours: one table, intervals over the same users."""
    judgements = []
    for number, judgement in enumerate(results.judgements):
        ranks = {outcome.model: outcome.ranks[str(number)].astype(np.float32) for outcome in outcomes}
        judgements.append(replace(judgement, ranks={**judgement.ranks, **ranks}))
    return replace(results, judgements=tuple(judgements))


def leads(judgement: Judgement, models: Sequence[str], results: Results) -> dict[str, dict[str, Any]]:
    """Return our lead in NDCG over each of the models, with its interval over users."""
    rows = {}
    ours = ndcg(judgement.ranks[SYSTEM], results.main_cutoff)
    for model in models:
        theirs = ndcg(judgement.ranks[model], results.main_cutoff)
        lead = paired_bootstrap(ours, theirs, judgement.users, resamples=results.resamples, seed=results.seed)
        bounds = {"low": lead.low, "high": lead.high} if lead.known else {}
        verdict = {
            "better": lead.excludes_zero and lead.mean > 0,
            "worse": lead.excludes_zero and lead.mean < 0,
        }
        rows[model] = {"mean": lead.mean, **bounds, **verdict}
    return rows


def report(
    results: Results, outcomes: Sequence[Outcome], cost: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return everything for the JSON file."""
    everything = merged(results, outcomes)
    models = [outcome.model for outcome in outcomes]
    return everything.to_json() | {
        "leads": {
            judgement.scenario: leads(judgement, models, results) for judgement in everything.judgements
        },
        "cost": dict(cost) | {outcome.model: outcome.report["cost"] for outcome in outcomes},
        "chosen": {outcome.model: outcome.report["chosen"] for outcome in outcomes},
        "peer_versions": {outcome.model: outcome.report["versions"] for outcome in outcomes},
    }


def shown(results: Mapping[str, Any]) -> str:
    """Return the side by side tables, then the leads."""
    columns: dict[str, dict[str, str]] = {"train s": {}, "judge s": {}, "peak MiB": {}}
    for model, steps in results["cost"].items():
        judging = steps["evaluate" if model == SYSTEM else "judge"]
        training = sum(step["seconds"] for step in steps.values()) - judging["seconds"]
        columns["train s"][model] = f"{training:,.0f}"
        columns["judge s"][model] = f"{judging['seconds']:,.0f}"
        columns["peak MiB"][model] = f"{max(step['peak_mb'] for step in steps.values()):,.0f}"
    lines = [result_tables(results, columns)]
    for scenario, rows in results["leads"].items():
        lines += [f"{scenario}: {SYSTEM} - {model}, ndcg: {lead_text(lead)}" for model, lead in rows.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and judge everybody, print, write; 1 where a peer failed."""
    options = _parser().parse_args(arguments)
    try:
        results, folds, cost = _ourselves(options)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    outcomes, failed = [], []
    for script in options.peers:
        done = folds / f"{script}.json"
        if options.resume and done.is_file():
            outcomes.append(read_peer(done))
            continue
        try:
            python = environment(PEERS[script], options.work, options.python)
            outcomes.append(run_peer(script, python, folds, results.seed))
        except subprocess.CalledProcessError as error:
            print(f"{script} failed: {error}", file=sys.stderr)
            failed.append(script)
    summary = report(results, outcomes, {SYSTEM: cost}) | {"failed": failed}
    print(shown(summary))
    if options.json is not None:
        write_json(options.json, summary)
    return 1 if failed else 0


def _ourselves(options: argparse.Namespace) -> tuple[Results, Path, dict[str, dict[str, float]]]:
    """Train and judge Polyscene, every text encoded anew, and export the folds it learned from.

    When resuming, the newest run is judged instead; what its training cost lies beside its folds.
    """
    options.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.work) as cache:
        opened = chosen_project(options, Telling(), Path(cache))
        with measured() as training:
            run = opened.run() if options.resume else opened.train()
        folds = options.work / "folds" / run.id
        if not options.resume:
            export(opened, folds)
            write_json(folds / COST, training.to_json())
        with measured() as judging:
            results = opened.evaluate(run)
    cost = json.loads((folds / COST).read_text(encoding="utf-8"))
    return results, folds, {"train": cost, "evaluate": judging.to_json()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(parser)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="default: all of them")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="take the newest run, and what peers have written beside its folds",
    )
    parser.add_argument("--python", default=sys.executable, metavar="FILE", help="makes their environments")
    return parser


if __name__ == "__main__":
    sys.exit(main())
