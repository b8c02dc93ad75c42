"""Whether a project can be trained: everything wrong with its tables, and whether its model can read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from polyscene.core.errors import ConfigError, MissingExtraError, ModelError, Problem
from polyscene.core.progress import Progress
from polyscene.core.settings.decisions import open_decisions
from polyscene.core.settings.language import MINILM, LanguageSettings
from polyscene.core.settings.project import Settings
from polyscene.data.drafting.spoken import MANY, Spoken, spoken_in
from polyscene.data.reading.check import CheckReport, check_tables
from polyscene.data.reading.dataset import dataset_of, read_tables
from polyscene.data.schema import Catalogue, Dataset
from polyscene.data.splits.protocol import everything, split
from polyscene.data.splits.sufficiency import split_problems
from polyscene.language.model.inspection import inspected
from polyscene.language.text.coverage import LINES, Coverage, measure_coverage
from polyscene.learning.image_plans import image_faults, image_plans
from polyscene.learning.language_notes import differing_models, shown_model
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
        coverage = _coverage(reading.catalogues, settings, base, progress)
    except (MissingExtraError, ModelError) as error:
        problems.append(_model_problem(error))
    problems += _unreadable(coverage)
    languages = {name: spoken_in(catalogue.text) for name, catalogue in reading.catalogues.items()}
    problems += _foreign(languages, coverage, settings)
    problems += image_faults(reading.catalogues, settings, base)
    decisions += (*_languages(languages, settings), *image_plans(reading.catalogues, settings))
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


def _coverage(
    catalogues: Mapping[str, Catalogue], settings: Settings, base: Path, progress: Progress
) -> dict[str, Coverage]:
    languages = settings.languages
    distinct = {one.model: one for one in languages.values()}
    tokenizers = {model: _tokenizer(one, base, progress) for model, one in distinct.items()}
    return {
        name: measure_coverage(tokenizers[languages[name].model], catalogue.text, seed=settings.seed)
        for name, catalogue in catalogues.items()
    }


def _tokenizer(language: LanguageSettings, base: Path, progress: Progress) -> Any:  # noqa: ANN401 - of one of two kinds
    """Return what cuts texts for the model; one that is not known by its checksum is loaded to be known."""
    known = inspected(language)
    if known is not None:
        return known.tokenizer
    from polyscene.language.model.loading import load_model  # torch and transformers
    from polyscene.language.tuning.methods import must_be_tunable

    model = load_model(language, base, progress)
    if language.tuning != "none":
        must_be_tunable(model, language.tuning)
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


def _foreign(
    languages: Mapping[str, Spoken], coverage: Mapping[str, Coverage], settings: Settings
) -> Iterator[Problem]:
    """Warn of texts in other languages that an English model takes apart without knowing what they mean."""
    for name, texts in languages.items():
        readable = name not in coverage or coverage[name].readable
        english = settings.language_of(name).model == MINILM
        if english and readable and texts.enough and texts.foreign >= MANY:
            yield Problem(
                "the items' text is in other languages than the language model's",
                f"texts in English, which '{MINILM}' reads",
                str(texts),
                f"write:{LINES}",
                key="language.model",
                severity="warning",
                scenario=name,
            )


def _languages(languages: Mapping[str, Spoken], settings: Settings) -> tuple[str, ...]:
    """Return what each scenario's texts are written in and which model reads them, a sentence each."""
    models = {name: settings.language_of(name).model for name in languages}
    sentences = [
        f"{name}: of {texts.texts:,} texts looked at, {texts.decided:,} show a language: {texts}; read with "
        f"'{shown_model(models[name])}'"
        for name, texts in languages.items()
        if texts.texts
    ]
    return (*sentences, *differing_models(models))
