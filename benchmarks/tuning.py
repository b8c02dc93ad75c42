"""What tuning the language model is worth: before and after, method by method, and what it costs.

    python benchmarks/tuning.py --set amazon_beauty --json beauty.json
    python benchmarks/tuning.py --data FOLDER --part new_items
    python benchmarks/tuning.py --set amazon_beauty --part methods --steps 60
    python benchmarks/tuning.py --set amazon_beauty --part speed

FOLDER may be any folder of tables (see evaluate.py). `quality` trains the same project with `tuning = "none"`
and as it is configured, with the same seed, and judges both on the same choices, which neither has learned
from. `new_items` does so with every event of a tenth of the items kept from training, and judges choices of
new items alone. `methods` learns from the past and judges on the choices held out from it, each method
in a process of its own, the projection first. `speed` takes the same batches through the tuned layers alone
and a plain loop over all weights in float32.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter, process_time
from typing import Any

import prepared  # noqa: F401 - numpy reads it when it loads
from measuring import measured, peak_mb
from polyscene.core.errors import PolysceneError
from polyscene.core.settings.language import TUNING_METHODS
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.results import SYSTEM, Judgement, Results
from polyscene.evaluation.significance import Interval, paired_bootstrap
from polyscene.project import Project
from projects import add_project_arguments, chosen_project
from showing import Telling, lead_text, table, write_json

PROJECTION = "projection"
ROWS = ("none", PROJECTION, *(method for method in tuple(TUNING_METHODS) if method != "none"))
"""What is compared: nothing tuned, the projection alone, and every method after the projection."""
HIDDEN = 0.1
CONTENT = "content"
SPEED_STEPS = 5
SLOW_STEPS = 2
WAYS: tuple[tuple[str, str, dict[str, Any], int], ...] = (
    ("projection", "top", {"layers": 0}, SPEED_STEPS),
    ("top 1", "top", {"layers": 1}, SPEED_STEPS),
    ("top 2", "top", {"layers": 2}, SPEED_STEPS),
    ("plain full loop", "full", {"projection": False}, SLOW_STEPS),
)
WHOLE_BATCH = 10**9
"""A plain loop pads all texts of a batch to the longest one."""


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument("--part", choices=PARTS, default="quality", help="default: quality")
    arguments.add_argument(
        "--steps", type=int, default=60, help="methods: steps of the language model's weights"
    )
    arguments.add_argument("--batch", type=int, default=128, help="methods, speed: choices per step")
    arguments.add_argument("--method", choices=ROWS, help=argparse.SUPPRESS)
    return arguments


def with_tuning(project: Project, method: str, **changes: Any) -> Project:  # noqa: ANN401 - settings
    """Return the project with another method and other details of tuning."""
    settings = project.settings
    language = settings.language.model_copy(update={"tuning": method})
    tuning = settings.tuning.model_copy(update=changes)
    changed = settings.model_copy(update={"language": language, "tuning": tuning})
    return Project(changed, project.base, project.config, project.progress)


def quality(options: argparse.Namespace, hidden: float = 0.0) -> dict[str, Any]:
    """Train and judge with the model as it comes and as it is tuned; compare choice by choice."""
    opened = chosen_project(options, Telling())
    evaluation = opened.settings.evaluation.model_copy(update={"hidden_items": hidden})
    opened.settings = opened.settings.model_copy(update={"evaluation": evaluation})
    method = opened.settings.language.tuning
    results, costs = {}, {}
    tries: tuple[str, ...] = ("none", method)
    for name in tries:
        project = with_tuning(opened, name)
        with measured() as cost:
            run = project.train()
        results[name], costs[name] = project.evaluate(run), cost.to_json()
    part = "new_items" if hidden else None
    comparisons = {
        before.scenario: _compared(before, after, part, opened.settings.seed)
        for before, after in zip(results["none"].judgements, results[method].judgements, strict=True)
    }
    for scenario, row in comparisons.items():
        print(_quality_table(scenario, method, row), "\n")
    full = {name: _plain(result) for name, result in results.items()}
    return {"method": method, "hidden": hidden, "scenarios": comparisons, "cost": costs, "models": full}


def _plain(results: Results) -> dict[str, Any]:
    return {judged.scenario: judged.table((10,)) for judged in results.judgements}


def _compared(before: Judgement, after: Judgement, part: str | None, seed: int) -> dict[str, Any]:
    """Return NDCG@10 and HR@10 of the content signal and the system, and the paired differences."""
    mask = before.slices[part] if part else slice(None)
    rows: dict[str, Any] = {"choices": len(before.users[mask])}
    for model in (CONTENT, SYSTEM):
        if model not in before.ranks or not rows["choices"]:
            continue
        one, two = before.per_choice(model, (10,)), after.per_choice(model, (10,))
        lead = paired_bootstrap(two["ndcg@10"][mask], one["ndcg@10"][mask], before.users[mask], seed=seed)
        rows[model] = {
            "before": {name: float(one[name][mask].mean()) for name in ("ndcg@10", "hr@10")},
            "after": {name: float(two[name][mask].mean()) for name in ("ndcg@10", "hr@10")},
            "difference": _lead(lead),
        }
    return rows


def _lead(lead: Interval) -> dict[str, Any]:
    return {
        "mean": lead.mean,
        "low": lead.low,
        "high": lead.high,
        "better": lead.excludes_zero and lead.mean > 0,
        "worse": lead.excludes_zero and lead.mean < 0,
    }


def _quality_table(scenario: str, method: str, row: Mapping[str, Any]) -> str:
    lines = [
        [
            model,
            *(
                f"{row[model][when][name]:.4f}"
                for name in ("ndcg@10", "hr@10")
                for when in ("before", "after")
            ),
            _ratio(row[model]["before"]["ndcg@10"], row[model]["after"]["ndcg@10"]),
            lead_text(row[model]["difference"]),
        ]
        for model in (CONTENT, SYSTEM)
        if model in row
    ]
    head = ["model", "ndcg@10 none", method, "hr@10 none", method, "ratio", "difference of ndcg@10"]
    return f"{scenario}: {row['choices']:,} choices\n" + table(head, lines)


def _ratio(before: float, after: float) -> str:
    return f"{after / before:.2f}" if before else "–"


def methods(options: argparse.Namespace) -> dict[str, Any]:
    """Run every method in a process of its own."""
    outcomes = {}
    for method in ROWS:
        command = [sys.executable, __file__, *_passed_on(options), "--part", "methods", "--method", method]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        outcomes[method] = json.loads(done.stdout.splitlines()[-1])
        print(f"{method}: {outcomes[method]}", file=sys.stderr)
    rows = [
        [
            method,
            f"{row['before']:.4f}",
            f"{row['after']:.4f}",
            f"{row['weights']:,}",
            f"{row['seconds']:,.0f}",
            f"{row['processor_seconds']:,.0f}",
            f"{row['peak_mb']:,.0f}",
            f"{row['file_mb']:.1f}",
        ]
        for method, row in outcomes.items()
    ]
    head = ["method", "before", "after", "weights", "seconds", "of processors", "peak MiB", "file MB"]
    print(table(head, rows))
    return {"methods": outcomes, "steps": options.steps, "batch": options.batch}


def one_method(options: argparse.Namespace) -> dict[str, Any]:
    """Tune once on the past; return what it did and cost."""
    from polyscene.core.threads import set_threads
    from polyscene.language.model.loading import load_model
    from polyscene.learning.language import try_tuning

    opened = chosen_project(options, Telling())
    idle = options.method in ("none", PROJECTION)
    method: str = "top" if idle else options.method
    wanted = {"steps": 0 if idle else options.steps, "batch": options.batch}
    project = with_tuning(opened, method, **wanted, projection=options.method != "none")
    set_threads(project.settings.runtime.threads)
    ground = project.ground()
    model = load_model(project.settings.language, project.base)
    start = process_time()
    with measured() as cost:
        outcomes = try_tuning(
            dict.fromkeys(project.settings.scenarios, model),
            ground,
            project.settings,
            options.work / "tuning",
            project.progress,
        )
    tuned = next(iter(outcomes.values()))
    return {
        "before": tuned.before,
        "after": tuned.after,
        "weights": tuned.weights,
        "file_mb": tuned.size / 1e6,
        "processor_seconds": round(process_time() - start, 1),
        **cost.to_json(),
    }


def speed(options: argparse.Namespace) -> dict[str, Any]:
    """Take the same choices through the tuned part and through a plain full loop in float32."""
    import numpy as np
    import torch

    from polyscene.core.threads import set_threads
    from polyscene.data.splits.phases import Phase
    from polyscene.language.model.loading import load_model
    from polyscene.language.tuning.cached_encoder import CachedEncoder
    from polyscene.language.tuning.methods import dressed, frozen_layers
    from polyscene.learning.objectives.co_engagement import CoEngagement
    from polyscene.learning.tuning_data import tuning_data
    from polyscene.representation.history_decay import DEFAULT_DECAY

    opened = chosen_project(options, Telling())
    set_threads(opened.settings.runtime.threads)
    name = next(iter(opened.dataset.scenarios))
    model, ground = load_model(opened.settings.language, opened.base), opened.ground()
    data = tuning_data(ground, name, opened.settings.tuning, DEFAULT_DECAY, Phase.PAST)
    speeds: dict[str, dict[str, float]] = {}
    for label, method, changes, steps in WAYS:
        project = with_tuning(opened, method, batch=options.batch, projection_batch=options.batch, **changes)
        details = project.settings.tuning
        worn = dressed(replace(model, autocast=None) if method == "full" else model, method, details)
        texts = opened.dataset.scenarios[name].catalogue.text
        reader = CachedEncoder(worn, texts, frozen_layers(worn, method, details))
        if method == "full":
            reader.batch_tokens = WHOLE_BATCH
        reader.resting = changes.get("layers") == 0
        learner = CoEngagement(reader, data, details)
        parameters = [p for _, p in learner.named_parameters()]
        optimiser = torch.optim.AdamW(parameters, lr=1e-5)
        batches = learner.batches(np.random.default_rng(opened.settings.seed))
        samples, seconds = 0, []
        for _ in range(steps + 1):
            batch = next(batches)
            start = perf_counter()
            optimiser.zero_grad()
            learner.loss(batch).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            seconds.append(perf_counter() - start)
            samples = len(batch)
        speeds[label] = {"samples_per_s": samples / float(np.median(seconds[1:])), "peak_mb": peak_mb()}
    slow = speeds["plain full loop"]["samples_per_s"]
    for row in speeds.values():
        row["ratio"] = row["samples_per_s"] / slow
    rows = [[label, f"{row['samples_per_s']:.1f}", f"{row['ratio']:.1f}"] for label, row in speeds.items()]
    print(table(["tuning", "samples/s", "ratio"], rows))
    return {"speed": speeds, "batch": options.batch}


def _passed_on(options: argparse.Namespace) -> list[str]:
    flags = {
        "--set": options.name,
        "--data": options.data,
        "--config": options.config,
        "--seed": options.seed,
    }
    flags |= {
        "--work": options.work,
        "--steps": options.steps,
        "--batch": options.batch,
        "--seen": options.seen,
    }
    return [text for key, value in flags.items() if value is not None for text in (key, str(value))]


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "quality": quality,
    "new_items": lambda options: quality(options, HIDDEN),
    "methods": methods,
    "speed": speed,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the part, print, write."""
    options = parser().parse_args(arguments)
    try:
        if options.method is not None:
            print(json.dumps(one_method(options)))
            return 0
        results = PARTS[options.part](options)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{error.cmd[-1]} ended with status {error.returncode}; why stands above", file=sys.stderr)
        return 1
    if options.json is not None:
        write_json(options.json, results | {"machine": machine(), "versions": versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
