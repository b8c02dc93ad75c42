"""Whether a project can be trained: everything wrong with its tables, and whether its model can read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from polyscene.core.errors import ConfigError, DataError, MissingExtraError, ModelError, Problem
from polyscene.core.progress import Progress
from polyscene.core.settings.decisions import open_decisions
from polyscene.core.settings.project import Settings
from polyscene.data.reading.check import CheckReport, check_tables
from polyscene.data.reading.dataset import dataset_of, read_tables
from polyscene.data.reading.items import read_items
from polyscene.data.schema import Dataset
from polyscene.data.splits.protocol import everything, split
from polyscene.data.splits.sufficiency import split_problems
from polyscene.language.model.inspection import inspected
from polyscene.language.text.coverage import Coverage, measure_coverage
from polyscene.learning.training_data import training_data


@dataclass(frozen=True)
class ProjectReport(CheckReport):
    """The outcome of a check of tables and language model.

    Attributes:
        decisions: what training will decide from the tables, and from what figures, each a sentence.
        coverage: how well the language model reads each catalogue; without those that cannot be read, and
            empty where the model cannot be used.
    """

    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    decisions: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything as values for JSON; times are left as they are."""
        scenarios = {
            name: asdict(counts)
            | {"coverage": asdict(self.coverage[name]) if name in self.coverage else None}
            for name, counts in self.counts.items()
        }
        problems = [asdict(problem) for problem in self.problems]
        decisions = list(self.decisions)
        return {"ok": self.ok, "problems": problems, "scenarios": scenarios, "decisions": decisions}


def check_everything(
    settings: Settings, base: Path, progress: Progress, config: str | None = None
) -> ProjectReport:
    """Read every table and load the language model, and report all problems at once.

    Args:
        settings: the project's.
        base: the folder its paths start from.
        progress: is told about every table.
        config: the name of the configuration file in that folder, whose open questions are told; None: none.
    """
    reading = read_tables(settings, base, progress, counted=True)
    tables = check_tables(reading, settings)
    problems = [*_undecided(base, config), *_renamed(settings), *tables.problems]
    decisions: tuple[str, ...] = ()
    if tables.ok:
        faults, decisions = check_split(dataset_of(reading, settings), settings)
        problems += faults
    coverage: dict[str, Coverage] = {}
    try:
        coverage = _coverage(settings, base, progress)
    except (MissingExtraError, ModelError) as error:
        problems.append(_model_problem(error))
    problems += _unreadable(coverage)
    return ProjectReport(tuple(problems), tables.counts, coverage, decisions)


def check_split(
    dataset: Dataset, settings: Settings, everything_counts: bool = False
) -> tuple[list[Problem], tuple[str, ...]]:
    """Return what is wrong with the split of a data set, and what is decided from what it leaves.

    Args:
        everything_counts: whether the run learns from the test part too, and is not judged.
    """
    try:
        parts = (everything if everything_counts else split)(dataset, settings.evaluation)
    except ConfigError as error:
        return list(error.problems), ()
    problems = split_problems(dataset, parts, settings.evaluation, not everything_counts)
    return problems, training_data(dataset, parts, settings).notes


def _coverage(settings: Settings, base: Path, progress: Progress) -> dict[str, Coverage]:
    tokenizer = _tokenizer(settings, base, progress)
    coverage = {}
    for name, scenario in settings.scenarios.items():
        try:
            texts = read_items(scenario, base, []).text
        except DataError:
            continue  # the problems of the tables say so already
        coverage[name] = measure_coverage(tokenizer, texts, seed=settings.seed)
    return coverage


def _tokenizer(settings: Settings, base: Path, progress: Progress) -> Any:  # noqa: ANN401 - of one of two kinds
    """Return what cuts texts for the model; one that is not known by its checksum is loaded to be known."""
    known = inspected(settings.language)
    if known is not None:
        return known.tokenizer
    from polyscene.language.model.loading import load_model  # torch and transformers
    from polyscene.language.tuning.methods import must_be_tunable

    model = load_model(settings.language, base, progress)
    if settings.language.tuning != "none":
        must_be_tunable(model, settings.language.tuning)
    return model.tokenizer


def _undecided(base: Path, config: str | None) -> list[Problem]:
    file = None if config is None else base / config
    if file is None or not file.is_file():  # settings that were made in Python
        return []
    return open_decisions(file.read_text(encoding="utf-8"), file.name)


def _renamed(settings: Settings) -> Iterator[Problem]:
    for note in settings.notes:
        yield Problem(
            "the configuration uses a name of an earlier version",
            "the present name",
            note,
            "write the present name",
            severity="warning",
        )


def _model_problem(error: Exception) -> Problem:
    remedy = "see [language] in the configuration"
    return Problem("the language model cannot be used", "a model", str(error), remedy, key="language.model")


def _unreadable(coverage: Mapping[str, Coverage]) -> Iterator[Problem]:
    for name, reading in coverage.items():
        if not reading.readable:
            yield Problem(
                "the language model cannot read the items' text",
                "words it knows",
                f"{reading.unreadable:.0%} of {reading.words:,} words mean nothing to it",
                reading.advice,
                key="language.model",
                severity="warning",
                scenario=name,
            )
