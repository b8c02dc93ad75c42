"""`polyscene demo`: from nothing, or from your tables, to slates and a report in one command."""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote
from shutil import which
from typing import TYPE_CHECKING, Annotated

import typer

from polyscene.cli.console import show, tell, width
from polyscene.cli.options import opened

if TYPE_CHECKING:
    from rich.console import RenderableType

    from polyscene.evaluation.report.content import SampleSlate
    from polyscene.runs.run import Run

FOLDER = Path("demo")
SLATES = 3

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", help="Your tables in place of the sample company's."),
]
Folder = Annotated[
    Path | None,
    typer.Option("--folder", metavar="OUT", help="Where to work. [demo; with --data demo/NAME]"),
]


def demo(data: Data = None, folder: Folder = None) -> None:
    """Train on the sample company (or on your tables), evaluate, and show what people would see."""
    from polyscene.runs.run_record import REPORT

    config = _sample(folder or FOLDER) if data is None else _own(data, folder)
    project = opened(config)
    run = project.train()
    results = project.evaluate(run)
    _show_results(run, results.main_cutoff)
    slates = _slates(run)
    for scenario, slate in slates:
        show(*_slate_parts(scenario, slate), "")
    show(_language(run, config), f"report: {run.folder / REPORT}", *_next(config, slates))


def _sample(folder: Path) -> Path:
    """Return the sample company's configuration, generated where it is not there yet."""
    from polyscene.sample.world import SampleWorld

    config = folder / "polyscene.toml"
    if config.exists():
        tell(f"using {config} from before")
        return config
    tell(f"generating the sample company in {folder}: invented items, invented people, invented clicks")
    return SampleWorld.generate().write(folder)


def _own(data: Path, folder: Path | None) -> Path:
    """Return the configuration of the user's tables: theirs, or one drafted outside their folder."""
    from polyscene.cli.init import describe
    from polyscene.core.files import write_text
    from polyscene.data.drafting.project import guess_project

    theirs = data / "polyscene.toml"
    if theirs.exists():
        tell(f"using {theirs}")
        return theirs
    config = (folder or FOLDER / data.resolve().name) / "polyscene.toml"
    if config.exists():
        _demand_same(config, data)
        tell(f"using {config} from before")
        return config
    draft = guess_project([data])
    write_text(config, draft.to_toml(config.resolve().parent))
    describe(draft)
    tell(f"wrote {config}; mend it where a guess is wrong, and run this again")
    return config


def _demand_same(config: Path, data: Path) -> None:
    """Refuse a configuration from before that describes tables elsewhere.

    Raises:
        ConfigError: none of its tables lies in `data`.
    """
    from polyscene.core.errors import ConfigError, Problem
    from polyscene.core.settings.project import Settings

    home = data.resolve()
    for scenario in Settings.load(config).scenarios.values():
        path = scenario.events.path if isinstance(scenario.events.path, str) else scenario.events.path[0]
        if (config.resolve().parent / path).resolve().is_relative_to(home):
            return
    expected, found = f"tables in {data}", "tables elsewhere"
    remedy = "name another folder with --folder"
    raise ConfigError(Problem("this folder is another project's", expected, found, remedy, file=str(config)))


def _show_results(run: Run, cutoff: int) -> None:
    from polyscene.cli.results_table import scenario_parts

    for name, block in (run.metrics or {})["scenarios"].items():
        show(*scenario_parts(name, block, cutoff, width()), "")


def _slates(run: Run) -> list[tuple[str, SampleSlate]]:
    """Return about three slates, at least one for every scenario where somebody has done something."""
    from polyscene.runs.reporting import sample_slates

    each = max(1, SLATES // len(run.scenarios))
    return [(name, slate) for name in run.scenarios for slate in sample_slates(run, name, each)]


def _slate_parts(scenario: str, slate: SampleSlate) -> list[RenderableType]:
    from polyscene.cli.console import cell
    from polyscene.cli.tables import plain_table

    rows = [(number, place.title, place.reason) for number, place in enumerate(slate.places, 1)]
    past = cell("lately: " + "; ".join(slate.history), 400)
    return [plain_table(f"{scenario} for {slate.user}", ("", "title", "why"), rows), past]


def _language(run: Run, config: Path) -> str:
    """Say what the language model learned here, or why it learned nothing and how to see it learn."""
    gains = [
        f"{name} {one['before']:.4f} to {one['after']:.4f}"
        for name, one in run.manifest["tuning"].items()
        if one.get("before") is not None and one.get("after") is not None
    ]
    if gains:
        return (
            f"the tuned language model, NDCG@10 of its content signal on held-out choices: {', '.join(gains)}"
        )
    if run.manifest["settings"]["language"]["tuning"] != "none":
        return "the language model is as it came: nothing it learned helped on held-out choices"
    command = f"{own_command()} train --config {quote(str(config))}"
    return (
        'the language model is as it came: [language] tuning is "none" here, so that this ends soon. '
        f"To see it learn (some minutes): POLYSCENE_LANGUAGE__TUNING=top {command}"
    )


def _next(config: Path, slates: list[tuple[str, SampleSlate]]) -> list[str]:
    """Return the commands to try now, as they can be pasted here."""
    verbs = [f"recommend {quote(slate.user)} --scenario {quote(name)}" for name, slate in slates[:1]]
    lines = [f"{verb} --config {quote(str(config))}" for verb in (*verbs, "check")]
    return ["next:", *(f"  {own_command()} {line}" for line in (*lines, "init YOUR_FOLDER"))]


def own_command() -> str:
    """Return how this program is called from here: its name where the shell finds it, else its path."""
    program = Path(sys.argv[0])
    known = which("polyscene")
    if known is not None and program.exists() and Path(known).resolve() == program.resolve():
        return "polyscene"
    if program.name == "polyscene" and program.exists():
        try:
            return quote(str(program.absolute().relative_to(Path.cwd())))
        except ValueError:
            return quote(str(program.absolute()))
    return f"{quote(sys.executable)} -m polyscene"
