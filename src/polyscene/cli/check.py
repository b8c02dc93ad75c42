"""`polyscene check`: everything wrong with the tables at once, and whether the model can read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from polyscene.cli.failures import WRONG
from polyscene.cli.options import CONFIG, Config, JsonFile, opened

if TYPE_CHECKING:
    from polyscene.core.errors import Problem
    from polyscene.data.reading.check import CheckReport, Counts
    from polyscene.language.text.coverage import Coverage
    from polyscene.project import Project


def check(config: Config = CONFIG, json: JsonFile = None) -> None:
    """Read every row of every table and list all problems with their counts.

    Exit code 0 where the project can be trained as it is, warnings or not; 1 where it cannot.
    """
    from polyscene.cli.console import show
    from polyscene.cli.tables import problems_table
    from polyscene.core.errors import MissingExtraError, ModelError
    from polyscene.core.files import write_text

    project = opened(config)
    report = project.check()
    covered: dict[str, Coverage] = {}
    problems = list(report.problems)
    try:
        covered = _coverage(project)
    except (MissingExtraError, ModelError) as error:
        problems.append(_model_problem(error))
    problems += _unreadable(covered)
    ok = all(problem.severity != "error" for problem in problems)
    if json is not None:
        write_text(json, _json(ok, problems, report, covered))
    show(*_counts_tables(report.counts, covered))
    if problems:
        show(problems_table(problems))
    show(_verdict(problems))
    if not ok:
        raise typer.Exit(WRONG)


def _coverage(project: Project) -> dict[str, Coverage]:
    """Measure how well the language model reads each catalogue; those that cannot be read are left out."""
    from polyscene.core.errors import DataError
    from polyscene.data.reading.items import read_items
    from polyscene.language.model.loading import load_model
    from polyscene.language.text.coverage import measure_coverage
    from polyscene.language.tuning.methods import must_be_tunable

    model = load_model(project.settings.language, project.base, project.progress)
    if project.settings.language.tuning != "none":
        must_be_tunable(model, project.settings.language.tuning)
    found = {}
    for name, scenario in project.settings.scenarios.items():
        try:
            texts = read_items(scenario, project.base, []).text
        except DataError:
            continue  # the report says so already
        found[name] = measure_coverage(model.tokenizer, texts, seed=project.settings.seed)
    return found


def _model_problem(error: Exception) -> Problem:
    from polyscene.core.errors import Problem

    remedy = "see [language] in the configuration"
    return Problem(
        "the language model cannot be used", "a model", str(error), remedy, column="language.model"
    )


def _unreadable(covered: Mapping[str, Coverage]) -> Iterator[Problem]:
    from polyscene.core.errors import Problem

    for name, found in covered.items():
        if not found.readable:
            yield Problem(
                "the language model cannot read the items' text",
                "words it knows",
                f"{found.unreadable:.0%} of {found.words:,} words mean nothing to it",
                found.advice,
                column="language.model",
                severity="warning",
                scenario=name,
            )


def _counts_tables(counts: Mapping[str, Counts], covered: Mapping[str, Coverage]) -> list[Any]:
    from polyscene.cli.tables import plain_table

    headings = ("scenario", "items", "users", "events", "actions", "from", "to", "readable words")
    rows = []
    for name, found in counts.items():
        actions = ", ".join(f"{action} {n:,}" for action, n in (found.actions or {}).items())
        reads = f"{1 - covered[name].unreadable:.0%}" if name in covered else "–"
        numbers = (_count(found.items), _count(found.users), _count(found.events))
        rows.append((name, *numbers, actions, _moment(found.first), _moment(found.last), reads))
    return [plain_table("tables", headings, rows)]


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _moment(moment: object) -> str:
    return "–" if moment is None else str(moment).removesuffix("+00:00")


def _verdict(problems: list[Problem]) -> str:
    count = {level: sum(p.severity == level for p in problems) for level in ("error", "warning", "repaired")}
    if not count["error"]:
        rest = f" ({count['warning']} warnings, {count['repaired']} repaired)" if problems else ""
        return f"ok{rest}; next: polyscene train"
    return f"{count['error']} errors have to be mended first; the column 'remedy' says how"


def _json(ok: bool, problems: list[Problem], report: CheckReport, covered: Mapping[str, Coverage]) -> str:
    import json

    value = {
        "ok": ok,
        "problems": [asdict(problem) for problem in problems],
        "scenarios": {
            name: asdict(counts) | {"coverage": asdict(covered[name]) if name in covered else None}
            for name, counts in report.counts.items()
        },
    }
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
