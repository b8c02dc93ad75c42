"""What a policy would have earned, from the log of another one: two logs of the Open Bandit layout, each way.

    python benchmarks/off_policy.py --json off_policy.json
    python benchmarks/off_policy.py --data FOLDER --interval normal --seed 7

FOLDER holds random.parquet and bts.parquet (one row per place shown: item_id, position, click,
propensity_score) and items.parquet (item_id). The value of the Thompson policy is told from the uniform
log, and under "back" that of the uniform policy from the Thompson log. "truth" is the click rate of the log
that the valued policy made itself. It is but a sample and has an interval of its own: an estimate agrees
with it where the interval of their difference holds zero (MOVER: Zou and Donner 2008, Construction of
confidence limits about effect measures).

Thompson's probabilities come from its log: those of the items at one position are the harmonic means of the
propensities logged for the item there, n_a / Σ 1/p, scaled to sum to 1. Where the policy stood still that
is its probability exactly; where it moved, an item's Σ 1/p is n in expectation, so it is the probability
averaged over time. Items never shown at a position get 0. `--peers` values the uniform log with
contextualbandits and coba.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))

import prepared  # noqa: F401 - numpy reads it when it loads

# isort: split
import numpy as np
import polars as pl
from environments import HERE, environment

from measuring import measured
from polyscene.core.errors import DataError, PolysceneError, Problem
from polyscene.core.text import shown
from polyscene.evaluation.offpolicy.diagnostics import diagnose
from polyscene.evaluation.offpolicy.estimator import ESTIMATORS
from polyscene.evaluation.offpolicy.interval import Interval
from polyscene.evaluation.offpolicy.log import LoggedDecisions, Values
from polyscene.evaluation.offpolicy.modelled import DoublyRobust
from polyscene.evaluation.offpolicy.reward_models import Tabular, cross_fitted
from polyscene.evaluation.offpolicy.weighting import Ips, Snips
from polyscene.evaluation.provenance import machine, versions
from projects import WORK, data_root
from showing import table, write_json

SET = "open_bandit_men"
COLUMNS = ("item_id", "position", "click", "propensity_score")
KINDS = ("normal", "percentile", "bca")
OBTAIN = "obtain obd/{random,bts}/men of st-tech/zr-obp on GitHub and save each log as a parquet table"
CLOSE = 1e-9


@dataclass(frozen=True)
class Logs:
    """Both logs over the same items and positions."""

    uniform: LoggedDecisions
    thompson: LoggedDecisions


def load(folder: Path) -> Logs:
    """Read the two logs.

    Raises:
        DataError: a table or a column is missing, or a row cannot be used.
    """
    items = _table(folder, "items", ("item_id",))["item_id"].unique().sort()
    rows = {name: _table(folder, name, COLUMNS) for name in ("random", "bts")}
    positions = pl.concat([part["position"] for part in rows.values()]).unique().sort()
    return Logs(*(_decisions(rows[name], items, positions) for name in ("random", "bts")))


def _table(folder: Path, name: str, columns: Sequence[str]) -> pl.DataFrame:
    path = folder / f"{name}.parquet"
    try:
        return pl.read_parquet(path, columns=list(columns))
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = shown(str(error).splitlines()[0], 200)
        raise DataError(
            Problem(
                "the log cannot be read",
                f"{name}.parquet with {', '.join(columns)}",
                reason,
                OBTAIN,
                str(path),
            )
        ) from error


def _decisions(rows: pl.DataFrame, items: pl.Series, positions: pl.Series) -> LoggedDecisions:
    codes = {item: code for code, item in enumerate(items.to_list())}
    places = {position: code for code, position in enumerate(positions.to_list())}
    return LoggedDecisions.single(
        [codes.get(item, len(codes)) for item in rows["item_id"].to_list()],
        rows["propensity_score"].to_numpy(),
        rows["click"].to_numpy(),
        len(items),
        positions=[places[position] for position in rows["position"].to_list()],
    )


def thompson_distribution(log: LoggedDecisions) -> Values:
    """Return (positions, A) the probability of every item, as this module says."""
    shape = (int(log.stands.max()) + 1, log.n_actions)
    cells = (log.stands * log.n_actions + log.actions)[:, 0]
    counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
    inverse = np.bincount(cells, 1 / log.propensities[:, 0], shape[0] * shape[1]).reshape(shape)
    means = np.divide(counts, inverse, out=np.zeros(shape), where=counts > 0)
    return np.asarray(means / means.sum(axis=1, keepdims=True))


def uniform_distribution(log: LoggedDecisions) -> Values:
    """Return (positions, A) the probability of every item where all are alike."""
    return np.full((int(log.stands.max()) + 1, log.n_actions), 1 / log.n_actions)


def values(log: LoggedDecisions, distribution: Values, kind: str, seed: int) -> dict[str, Interval]:
    """Return what every estimator of single actions says of a policy (positions, A)."""
    target = distribution[log.stands[:, 0]]
    known: dict[str, Any] = {"interval": kind, "seed": seed}
    singles = {name: ESTIMATORS[name] for name in ESTIMATORS if not ESTIMATORS[name].slates}
    return {name: make(make.Settings(**known))(log, target) for name, make in singles.items()}


def own_rate(log: LoggedDecisions, kind: str, seed: int) -> Interval:
    """Return the click rate of a log: what its own policy earned."""
    return Ips(Ips.Settings(interval=kind, seed=seed))(
        LoggedDecisions.single(np.zeros(len(log)), np.ones(len(log)), log.rewards[:, 0], 1),
        np.ones((len(log), 1)),
    )


def one_way(
    log: LoggedDecisions, distribution: Values, own: LoggedDecisions, kind: str, seed: int
) -> dict[str, Any]:
    """Return the values of a policy from another's log, beside the rate of its own log."""
    truth = own_rate(own, kind, seed)
    intervals = values(log, distribution, kind, seed)
    return {name: row(interval, truth) for name, interval in intervals.items()}


def row(interval: Interval, truth: Interval) -> dict[str, Any]:
    """Return an interval as JSON, with the truth beside it."""
    numbers = {
        key: value for key, value in asdict(interval).items() if key not in {"estimator", "level", "n"}
    }
    return numbers | {
        "truth": truth.value,
        "truth_low": truth.low,
        "truth_high": truth.high,
        "covers": interval.low <= truth.value <= interval.high,
        "agrees": _agree(interval, truth),
    }


def _agree(one: Interval, other: Interval) -> bool:
    """Return whether the interval of the difference of two independent values holds zero."""
    upper, lower = (one, other) if one.value >= other.value else (other, one)
    reach = np.hypot(upper.value - upper.low, lower.high - lower.value)
    return bool(upper.value - lower.value <= reach)


def run(folder: Path, kind: str, seed: int) -> dict[str, Any]:
    """Value each policy by the other's log.

    Raises:
        DataError: the folder cannot be used.
    """
    logs = load(folder)
    thompson, uniform = thompson_distribution(logs.thompson), uniform_distribution(logs.uniform)
    there = one_way(logs.uniform, thompson, logs.thompson, kind, seed)
    back = one_way(logs.thompson, uniform, logs.uniform, kind, seed)
    overlap = {
        "uniform_log": asdict(diagnose(logs.uniform, thompson[logs.uniform.stands[:, 0]])),
        "thompson_log": asdict(diagnose(logs.thompson, uniform[logs.thompson.stands[:, 0]])),
    }
    sizes = {
        "uniform_log": len(logs.uniform),
        "thompson_log": len(logs.thompson),
        "items": logs.uniform.n_actions,
    }
    return there | {"back": back, "diagnostics": overlap, "rows": sizes}


def against_peers(folder: Path, work: Path, python: str) -> dict[str, dict[str, float]]:
    """Return our value and a peer's for IPS, SNIPS and doubly robust on the uniform log, and the difference.

    Raises:
        CalledProcessError: the peers could not be installed or failed; their own words say why.
    """
    log = load(folder).uniform
    target = thompson_distribution(load(folder).thompson)[log.stands[:, 0]]
    predictions = cross_fitted(Tabular(), log)[:, 0]
    best = np.eye(log.n_actions)[predictions.argmax(axis=1)]
    place = work / "off_policy"
    place.mkdir(parents=True, exist_ok=True)
    np.savez(
        place / "log.npz",
        target=target,
        predictions=predictions,
        actions=log.actions[:, 0],
        propensities=log.propensities[:, 0],
        rewards=log.rewards[:, 0],
    )
    command: list[str | Path] = [environment("off_policy", work, python), HERE / "off_policy_values.py"]
    subprocess.run([*command, "--log", place, "--json", place / "values.json"], check=True)
    theirs = json.loads((place / "values.json").read_text(encoding="utf-8"))
    ours = {"ips": Ips()(log, target).value, "snips": Snips()(log, target).value}
    ours["doubly_robust"] = DoublyRobust(predictions=predictions)(log, best).value
    return {
        name: {"ours": value, "theirs": theirs[name], "difference": abs(value - theirs[name])}
        for name, value in ours.items()
    }


def tables(results: Mapping[str, Any]) -> str:
    """Return the results as text, clicks in percent."""
    there = {name: value for name, value in results.items() if name in set(ESTIMATORS)}
    parts = (
        ("The Thompson policy from the uniform log", there, "uniform_log"),
        ("The uniform policy from the Thompson log", results["back"], "thompson_log"),
    )
    return "\n\n".join(
        "\n".join([_head(title, rows), _rows(rows), *results["diagnostics"][log]["warnings"]])
        for title, rows, log in parts
    )


def _head(title: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    truth = next(iter(rows.values()))
    low, high = truth["truth_low"], truth["truth_high"]
    return f"{title}; its own log {truth['truth']:.3%} [{low:.3%}, {high:.3%}]"


def _rows(rows: Mapping[str, Mapping[str, Any]]) -> str:
    body = [
        [
            name,
            f"{numbers['value']:.3%}",
            f"[{numbers['low']:.3%}, {numbers['high']:.3%}]",
            f"{numbers['effective_sample_size']:,.0f}",
            "yes" if numbers["covers"] else "no",
            "yes" if numbers["agrees"] else "no",
        ]
        for name, numbers in rows.items()
    ]
    return table(["estimator", "value", "interval", "effective", "covers", "agrees"], body)


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--data", type=Path, metavar="FOLDER", help=f"default: {SET} of the data folder")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    arguments.add_argument(
        "--seed", type=int, default=7, metavar="N", help="of folds and resamples; default: 7"
    )
    arguments.add_argument(
        "--interval", choices=KINDS, default="bca", help="default: bca, as clicks are rare"
    )
    arguments.add_argument(
        "--peers", action="store_true", help="value the uniform log with other libraries too"
    )
    arguments.add_argument(
        "--work", type=Path, default=WORK, metavar="FOLDER", help="of the peers' environment"
    )
    arguments.add_argument(
        "--python", default=sys.executable, metavar="FILE", help="makes the peers' environment"
    )
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Load, value, print, write."""
    options = parser().parse_args(arguments)
    folder = data_root() / SET if options.data is None else options.data
    try:
        with measured() as cost:
            results = run(folder, options.interval, options.seed)
        if options.peers:
            results["peers"] = against_peers(folder, options.work, options.python)
    except (PolysceneError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    results |= {"interval": options.interval, "seed": options.seed, "cost": cost.to_json()}
    results |= {"machine": machine(), "versions": versions()}
    print(tables(results))
    for name, pair in results.get("peers", {}).items():
        print(f"{name}: {pair['ours']:.12f}, theirs {pair['theirs']:.12f}, apart {pair['difference']:.1e}")
    if options.json is not None:
        write_json(options.json, results)
    return 1 if any(pair["difference"] > CLOSE for pair in results.get("peers", {}).values()) else 0


if __name__ == "__main__":
    sys.exit(main())
