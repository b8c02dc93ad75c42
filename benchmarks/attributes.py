"""What attributes are worth beside the text of an item: content alone and the whole, with and without.

    python benchmarks/attributes.py --set movielens_100k --json attributes.json
    python benchmarks/attributes.py --set movietweetings --people 0.2 --tuning none --text title
    python benchmarks/attributes.py --set online_retail --people 0.3 --seeds 7 8 9

The same project is trained twice with each seed, without the signal `attributes` and with it, and both are
judged on the same choices. `--text` names the only column that the language model reads, as where a template
says nothing of attributes. α and what it was told by come from the run's manifest: none is printed where no
attribute surely counts, and then both ways are the same.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import prepared  # noqa: F401 - numpy reads it when it loads
from choices import SLICES, rows_of_slices, shown_rows, trimmed
from measuring import measured
from polyscene.core.errors import PolysceneError
from polyscene.core.settings.project import Settings
from polyscene.core.settings.signals import USUAL_SIGNALS
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.results import Judgement
from polyscene.evaluation.significance import paired_bootstrap
from projects import add_project_arguments, chosen_project
from showing import Telling, write_json

SIGNAL, BESIDE = "attributes", "content"
METRIC, CUTOFF = "ndcg@10", 10


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument("--people", type=float, default=1.0, help="share of the users (1.0)")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[7], help="a pair of trainings for each")
    arguments.add_argument("--text", help="the only column that the language model reads")
    arguments.add_argument("--tuning", help="another method than the configured one, such as none")
    return arguments


def settings_of(settings: Settings, way: str, seed: int, options: argparse.Namespace) -> Settings:
    """Return the settings of one training.

    Args:
        way: `with` the signal, or `without` it.
    """
    values = settings.model_dump(mode="json", exclude_unset=True) | {"seed": seed}
    for scenario in values["scenarios"].values():
        listed = [one for one in scenario.get("signals", USUAL_SIGNALS) if one != SIGNAL]
        scenario["signals"] = [*listed, SIGNAL] if way == "with" else listed
        if options.text is not None:
            scenario["items"]["text"], scenario["template"] = [options.text], f"{{{options.text}}}"
    if options.tuning is not None:
        values["language"] = values.get("language", {}) | {"tuning": options.tuning}
    return Settings.parse(values)


def compared(options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Train and judge without the signal and with it."""
    judgements, costs, parts = {}, {}, {}
    for way in ("without", "with"):
        project = chosen_project(options, Telling())
        project.settings = settings_of(project.settings, way, seed, options)
        vars(project)["dataset"] = trimmed(project.dataset, options.people, fold_valid=False)
        with measured() as cost:
            run = project.train()
        judgements[way], costs[way] = project.evaluate(run).judgements, cost.to_json()
        parts = run.manifest["parts"]
    pairs = zip(judgements["without"], judgements["with"], strict=True)
    return {
        "people": options.people,
        "seed": seed,
        "scenarios": {one.scenario: rows_of_slices(one, two, seed) for one, two in pairs},
        "alone": {one.scenario: alone(one, seed) for one in judgements["with"]},
        "parts": parts,
        "cost": costs,
    }


def alone(judged: Judgement, seed: int) -> dict[str, Any]:
    """Return NDCG@10 of both signals alone, over all choices and in slices; nothing where one is absent."""
    if SIGNAL not in judged.ranks or BESIDE not in judged.ranks:
        return {}
    before, after = (judged.per_choice(name, (CUTOFF,))[METRIC] for name in (BESIDE, SIGNAL))
    rows = {}
    for part in SLICES:
        mask = slice(None) if part is None else judged.slices.get(part)
        if mask is None or not len(judged.users[mask]):
            continue
        gain = paired_bootstrap(after[mask], before[mask], judged.users[mask], seed=seed)
        rows[part or "all"] = {
            BESIDE: float(before[mask].mean()),
            SIGNAL: float(after[mask].mean()),
            "difference": [gain.mean, gain.low, gain.high] if gain.known else [gain.mean, None, None],
        }
    return rows


def shown_parts(outcome: dict[str, Any]) -> str:
    """Return in lines what counts, and what both signals are worth alone."""
    lines = []
    for name, facts in outcome["parts"].items():
        weights = ", ".join(f"{part} {weight:.2f}" for part, weight in facts["weights"].items()) or "nothing"
        bounds = "" if facts["bounds"] is None else "[{:+.4f}, {:+.4f}]".format(*facts["bounds"])
        lines.append(
            f"{name}, seed {outcome['seed']}: beside the text count {weights}; log-probability of "
            f"{facts['choices']:,} choices {facts['gain']:+.4f} {bounds}"
        )
        for part, row in outcome["alone"].get(name, {}).items():
            mean, low, high = row["difference"]
            interval = "" if low is None else f" [{low:+.4f}, {high:+.4f}]"
            lines.append(
                f"  alone, {part}: {BESIDE} {row[BESIDE]:.4f}, {SIGNAL} {row[SIGNAL]:.4f}, "
                f"{mean:+.4f}{interval}"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare with each seed, print, write."""
    options = parser().parse_args(arguments)
    outcomes = []
    try:
        for seed in options.seeds:
            outcomes.append(compared(options, seed))
            print(shown_rows(outcomes[-1]), shown_parts(outcomes[-1]), sep="", flush=True)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json is not None:
        write_json(options.json, {"outcomes": outcomes, "machine": machine(), "versions": versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
