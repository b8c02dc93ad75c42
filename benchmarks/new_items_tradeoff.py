"""What lifting new items gives and what it costs: NDCG@10 over all choices and on new items, by the lift.

    python benchmarks/new_items_tradeoff.py --set amazon_books --json tradeoff.json
    python benchmarks/new_items_tradeoff.py --set movietweetings --development --hidden 0.1

The project is trained once as it is configured. Then the choices that it has not learned from are ranked with
new items lifted by so many logits, 0 being `[fusion] new_items = "cautious"`, all fading as "fair" found it;
the lift that it found by itself stands in the last row. Beside it, that lift by how it fades: by how many
events half of it is left after, 0 being that the first event ends it. `--hidden` keeps every event of a share
of the items from training, so that there are new ones where the split brings none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from choices import development, trimmed
from polyscene.core.errors import PolysceneError
from polyscene.data.queries import Queries
from polyscene.data.splits.folds import Folds
from polyscene.data.splits.phases import Phase
from polyscene.data.splits.protocol import split
from polyscene.evaluation.judge import Case, judge
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.results import Judgement
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.learning.new_items import FADES
from polyscene.project import Project
from polyscene.recommenders.fusion.blocks import block_size
from polyscene.recommenders.fusion.fusion import Fusion
from polyscene.runs.run import Run
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

LIFTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
FAIR = "fair"


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument("--people", type=float, default=1.0, help="share of the users")
    arguments.add_argument("--hidden", type=float, default=0.0, help="share of the items kept from training")
    arguments.add_argument(
        "--choices", type=int, default=2000, help="at most so many are judged per scenario"
    )
    arguments.add_argument("--development", action="store_true", help="forget the test part; see choices.py")
    arguments.add_argument("--tuning", help="another method than the configured one, such as none")
    return arguments


def prepared_project(options: argparse.Namespace) -> Project:
    """Return the project that the arguments name, with new items "fair" and as many choices as wanted."""
    project = chosen_project(options, Telling())
    settings = project.settings
    judged = {"hidden_items": options.hidden, "max_cases": options.choices}
    changes: dict[str, Any] = {
        "evaluation": settings.evaluation.model_copy(update=judged),
        "fusion": settings.fusion.model_copy(update={"new_items": "fair"}),
    }
    if options.tuning is not None:
        changes["language"] = settings.language.model_copy(update={"tuning": options.tuning})
    project.settings = settings.model_copy(update=changes)
    dataset = trimmed(project.dataset, options.people, fold_valid=False)
    vars(project)["dataset"] = dataset
    if options.development:
        development(project, dataset)
    return project


def curve(project: Project, run: Run, name: str) -> dict[str, Any]:
    """Return what each lift does in a scenario, beside the best signal on new items."""
    fusion = run.system.scenarios[name].fusion
    fair, fade = fusion.weights.lift
    fitted = fusion.weights

    def by_lift(queries: Queries) -> Mapping[str, Any]:
        scores = {model: one for model, one in fusion.score_all(queries).items() if model != "polyscene"}
        for lift in dict.fromkeys((*LIFTS, fair)):
            fusion.weights = fitted.lifted(lift, fade)
            scores[f"{lift:.2f}"] = fusion.score(queries)
        for other in FADES:
            fusion.weights = fitted.lifted(fair, other)
            scores[_fading(other)] = fusion.score(queries)
        fusion.weights = fitted
        return scores

    judgement = _judged(project, fusion, name, by_lift)
    new = judgement.slices["new_items"]
    gains = {model: judgement.per_choice(model, (10,))["ndcg@10"] for model in judgement.ranks}
    best = max(fusion.fitted(), key=lambda model: float(gains[model][new].mean()) if new.any() else 0.0)
    few, seed = judgement.slices["cold_items"] & ~new, project.settings.seed
    rows = [_row(gains, lift, new, judgement.users, seed) for lift in LIFTS]
    rows.append(_row(gains, fair, new, judgement.users, seed) | {"chosen": True})
    first = gains[_fading(0.0)]
    fades = [
        {"fade": one, "chosen": one == fade}
        | _means(gains[_fading(one)], first, new, judgement.users, seed)
        | {"few": float(gains[_fading(one)][few].mean()) if few.any() else None}
        for one in FADES
    ]
    best_new = float(gains[best][new].mean()) if new.any() else None
    return {
        "choices": len(new),
        "new": int(new.sum()),
        "best": best,
        "its value": best_new,
        "rows": rows,
        "few": int(few.sum()),
        "fades": fades,
        "alone": fusion.fallback,
    }


def _judged(project: Project, fusion: Fusion, name: str, scores: Any) -> Judgement:  # noqa: ANN401 - a function
    dataset, settings = project.dataset, project.settings
    parts = split(dataset, settings.evaluation)
    folds = Folds(dataset, parts, settings.evaluation, [name] if fusion.hide_seen else [])
    fold = folds.test(name, settings.seed)
    counts = np.bincount(fold.learn.item, minlength=len(fusion.features))
    active = np.bincount(folds.learned(name, Phase.ALL).user, minlength=len(dataset.users))
    case = Case(name, fold.choices, fusion.open, counts, active, None, "", settings.evaluation.protocol)
    return judge(case, scores, block_size(fusion, settings.runtime.blocks_mb), 10, project.progress)


def _row(gains: Mapping[str, Any], lift: float, new: Any, users: Any, seed: int) -> dict[str, Any]:  # noqa: ANN401
    return {"lift": lift} | _means(gains[f"{lift:.2f}"], gains["0.00"], new, users, seed)


def _means(after: Any, before: Any, new: Any, users: Any, seed: int) -> dict[str, Any]:  # noqa: ANN401
    lead = paired_bootstrap(after, before, users, seed=seed)
    return {
        "all": float(after.mean()),
        "difference": [lead.mean, lead.low, lead.high],
        "new": float(after[new].mean()) if new.any() else None,
        "others": float(after[~new].mean()) if not new.all() else None,
    }


def _fading(fade: float) -> str:
    return f"fade {fade:g}"


def shown_curve(name: str, values: Mapping[str, Any]) -> str:
    """Return a table of one scenario's curve."""
    head = ["lift", "ndcg@10, all", "difference", "new items", "others"]
    lines = []
    for row in values["rows"]:
        mean, low, high = row["difference"]
        label = f"{row['lift']:.2f}" + (f" ({FAIR})" if row.get("chosen") else "")
        figures = ["–" if row[part] is None else f"{row[part]:.4f}" for part in ("new", "others")]
        lines.append([label, f"{row['all']:.4f}", f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]", *figures])
    alone = (
        "" if values["alone"] is None else f"; '{values['alone']}' is used alone, so that nothing is lifted"
    )
    best = (
        ""
        if values["its value"] is None
        else f"; best signal there: {values['best']} {values['its value']:.4f}"
    )
    title = f"{name}: {values['choices']:,} choices, {values['new']:,} of new items{best}{alone}"
    fading = ["half after", "ndcg@10, all", "difference", "new items", f"{values['few']:,} of 1 or 2 events"]
    more = []
    for row in values["fades"]:
        mean, low, high = row["difference"]
        label = f"{row['fade']:g} events" + (f" ({FAIR})" if row["chosen"] else "")
        figures = ["–" if row[part] is None else f"{row[part]:.4f}" for part in ("new", "few")]
        more.append([label, f"{row['all']:.4f}", f"{mean:+.4f} [{low:+.4f}, {high:+.4f}]", *figures])
    return f"{title}\n{table(head, lines)}\n\n{table(fading, more)}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Train once, judge by lift, print, write."""
    options = parser().parse_args(arguments)
    try:
        project = prepared_project(options)
        run = project.train()
        curves = {name: curve(project, run, name) for name in run.system.scenarios}
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    for name, values in curves.items():
        print(shown_curve(name, values))
    if options.json is not None:
        write_json(options.json, {"scenarios": curves, "machine": machine(), "versions": versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
