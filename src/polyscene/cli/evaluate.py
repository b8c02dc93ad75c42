"""`polyscene evaluate`: how good is a run, beside each of its signals?"""

from __future__ import annotations

from polyscene.cli.options import CONFIG, Config, JsonFile, RunId, Seed, opened


def evaluate(config: Config = CONFIG, run: RunId = None, json: JsonFile = None, seed: Seed = None) -> None:
    """Rank the whole catalogue for every choice of the test part, with every model.

    Metrics and the HTML report are written into the run's folder.
    """
    from polyscene.cli.console import show, width
    from polyscene.cli.results_table import scenario_parts
    from polyscene.core.files import write_text
    from polyscene.runs.run_record import METRICS, REPORT

    project = opened(config, seed)
    judged = project.run(run)
    results = project.evaluate(judged)
    metrics = judged.metrics or {}
    if json is not None:
        write_text(json, (judged.folder / METRICS).read_text(encoding="utf-8"))
    for name, block in metrics["scenarios"].items():
        show(*scenario_parts(name, block, results.main_cutoff, width()), "")
    show(f"report: {judged.folder / REPORT}")
