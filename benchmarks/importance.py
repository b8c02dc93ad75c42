"""What carries the result of a project: each signal, field and other scenario, beside what it costs.

    python benchmarks/importance.py --set movielens_100k --tuning none --json importance.json
    python benchmarks/importance.py --config polyscene.toml --max-choices 500

One run is trained and asked twice: on the choices that are held out while the fusion learns, by signals that
have not learned from them, and on the test choices, there with the fields of the items too. What an owner
drops should be picked by the first; the second says what it was worth. `--retrain` trains again with
nothing but the signals that carry on the held-out choices, and judges both runs on the same test choices.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import prepared  # noqa: F401 - numpy reads it when it loads
from measuring import measured
from polyscene.core.errors import PolysceneError
from polyscene.core.settings.project import Settings
from polyscene.evaluation.importance import Importance, interval_text
from polyscene.evaluation.results import SYSTEM
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.project import Project
from polyscene.runs.importance import ImportanceRequest
from polyscene.runs.run import Run
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

METRIC, CUTOFF = "ndcg@10", 10
HEAD = ("without", "NDCG lost", "people exchanged", "items exchanged", "fit s", "request µs", "verdict")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument("--tuning", help="another method than the configured one, such as none")
    arguments.add_argument(
        "--max-choices", type=int, default=2000, help="of each scenario's test part (2,000)"
    )
    arguments.add_argument("--no-fields", action="store_true", help="leave the fields of items out")
    arguments.add_argument(
        "--retrain", action="store_true", help="train again with nothing but the signals that carry"
    )
    return arguments


def settings_of(settings: Settings, tuning: str | None) -> Settings:
    """Return the settings with another way to tune the language model, where one is named."""
    if tuning is None:
        return settings
    values = settings.model_dump(mode="json", exclude_unset=True)
    return Settings.parse(values | {"language": values.get("language", {}) | {"tuning": tuning}})


def only_carrying(settings: Settings, importance: Importance) -> Settings:
    """Return the settings with the signals alone that carry; of a scenario where none does, with all."""
    values = settings.model_dump(mode="json", exclude_unset=True)
    for name, one in importance.scenarios.items():
        carrying = [part.name for part in one.of("signal") if part.carries]
        if carrying:
            values["scenarios"][name]["signals"] = carrying
    return Settings.parse(values)


def retrained(project: Project, run: Run, held_out: Importance) -> dict[str, Any]:
    """Train with nothing but what carries on held-out choices; judge both on the same test choices."""
    before = project.evaluate(run)
    project.settings = only_carrying(project.settings, held_out)
    with measured() as training:
        fewer = project.train()
    after = project.evaluate(fewer)
    scenarios = {}
    for one, two in zip(before.judgements, after.judgements, strict=True):
        whole, less = (judged.per_choice(SYSTEM, (CUTOFF,))[METRIC] for judged in (one, two))
        lost = paired_bootstrap(whole, less, one.users, seed=project.settings.seed)
        signals = project.settings.scenarios[one.scenario].signals
        scenarios[one.scenario] = {
            "signals": list(signals),
            "choices": one.n_choices,
            "before": float(whole.mean()),
            "after": float(less.mean()),
            "lost": [lost.mean, lost.low, lost.high] if lost.known else [lost.mean, None, None],
        }
        print(
            f"{one.scenario}: trained with {', '.join(signals)} alone: {METRIC} {whole.mean():.4f} to "
            f"{less.mean():.4f}, lost {interval_text(lost)}; {training.seconds:.0f} s"
        )
    return {"scenarios": scenarios, "cost": training.to_json()}


def shown(importance: Importance) -> str:
    """Return a table for each scenario."""
    blocks = []
    for name, one in importance.scenarios.items():
        rows = [
            (
                part.label,
                interval_text(part.loss),
                *(
                    "–" if loss is None else f"{loss.mean:+.4f}"
                    for loss in (part.between_people, part.between_items)
                ),
                _number(part.cost.fit_seconds, ".2f"),
                _number(part.cost.request_us, ".0f"),
                str(part.verdict(one.ndcg, importance.dear_share)),
            )
            for part in one.ordered()
        ]
        metric, choices = f"NDCG@{importance.cutoff}", f"{importance.choices_of} choices"
        head = f"{name}: {metric} {one.ndcg:.4f} on {one.choices:,} {choices}"
        blocks.append("\n".join([head, table(HEAD, rows), *one.remarks]))
    return "\n\n".join(blocks)


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, ask, print, write."""
    options = parser().parse_args(arguments)
    try:
        project = chosen_project(options, Telling())
        project.settings = settings_of(project.settings, options.tuning)
        with measured() as training:
            run = project.train(importance=True)
        request = ImportanceRequest(options.max_choices, not options.no_fields)
        held_out = run.importance("valid")
        with measured() as asking:
            tested = project.importance(run, "test", request)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    answers = [one for one in (held_out, tested) if one is not None]
    print("\n\n".join(shown(one) for one in answers))
    again = None
    if options.retrain and held_out is not None:
        again = retrained(project, run, held_out)
    print(f"training {training.seconds:.0f} s, asking {asking.seconds:.0f} s")
    if options.json is not None:
        costs = {"training": training.to_json(), "asking": asking.to_json()}
        write_json(
            options.json,
            {one.choices_of: one.to_json() for one in answers} | {"cost": costs, "retrained": again},
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
