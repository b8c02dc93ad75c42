"""What contextualbandits and coba say that a target policy is worth, of the log that lies in a folder.

    python benchmarks/peers/off_policy_values.py --log FOLDER --json values.json

FOLDER holds log.npz with actions, propensities and rewards (n,), target and predictions (n, A). IPS is
coba's (the rewards it makes of logged interactions, averaged over the target), SNIPS contextualbandits'
normalised capped importance sampling without caps, and doubly robust contextualbandits' for the policy that
takes the action of the largest prediction: it knows none but deterministic ones.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from coba.environments.filters import OpeRewards  # type: ignore[import-not-found, import-untyped, unused-ignore]
from contextualbandits.evaluation import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
    evaluateDoublyRobust,
    evaluateNCIS,
)


def values(log: dict[str, Any]) -> dict[str, float]:
    """Return the three values."""
    rows, actions, rewards = np.arange(len(log["actions"])), log["actions"], log["rewards"]
    wanted, predictions = log["target"][rows, actions], log["predictions"]
    best = predictions.argmax(axis=1)
    both = np.column_stack([predictions[rows, best], predictions[rows, actions]])
    features, propensities = np.zeros((len(rows), 1)), log["propensities"]
    robust = evaluateDoublyRobust(
        best, features, actions, rewards, propensities, both, handle_invalid=False, pmin=None
    )
    return {
        "ips": _coba(log),
        "snips": float(evaluateNCIS(wanted, rewards, propensities, cmin=0.0, cmax=np.inf)),
        "doubly_robust": float(robust),
    }


def _coba(log: dict[str, Any]) -> float:
    columns = zip(log["actions"].tolist(), log["rewards"].tolist(), log["propensities"].tolist(), strict=True)
    interactions = [
        {"context": None, "action": action, "reward": reward, "probability": chance}
        for action, reward, chance in columns
    ]
    estimates = OpeRewards("IPS").filter(interactions)
    sums = [
        sum(chance * one["rewards"](action) for action, chance in enumerate(row))
        for one, row in zip(estimates, log["target"].tolist(), strict=True)
    ]
    return float(np.mean(sums))


def main() -> int:
    """Read, value, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--log", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()
    with np.load(options.log / "log.npz", allow_pickle=False) as held:
        log = {name: held[name] for name in held.files}
    options.json.write_text(json.dumps(values(log)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
