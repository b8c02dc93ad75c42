"""A project: one configuration, its tables, and the runs that were trained on them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from polyscene.core.memory import keep_freed_memory
from polyscene.core.progress import Progress, Silent
from polyscene.core.settings.project import Settings
from polyscene.core.threads import set_threads
from polyscene.data.reading.dataset import read_dataset
from polyscene.data.schema import Dataset
from polyscene.data.splits.description import describe_split
from polyscene.data.splits.protocol import everything, split
from polyscene.engine.state import System
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.report.page import write_report
from polyscene.evaluation.results import Results
from polyscene.language.compression.compressing import Compressed
from polyscene.language.compression.judging import Bounds
from polyscene.language.compression.ways import CompressionRequest
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.text.cache import EncodingCache
from polyscene.learning.backbone import Backbone
from polyscene.learning.checking import ProjectReport, check_everything
from polyscene.learning.compressing import compress_into, judged_scenario, original
from polyscene.learning.content_judge import content_judge
from polyscene.learning.fit import Fitted, fit_system
from polyscene.learning.language import TunedLanguage, tune_language
from polyscene.learning.reranker import RerankerTrainer
from polyscene.learning.search import SearchResult, search, searchable
from polyscene.learning.training_data import TrainingData, training_data
from polyscene.runs.folder import MANIFEST, find_run, new_run, run_ids
from polyscene.runs.item_encoder import KEY, encoder_facts
from polyscene.runs.judging import evaluate, save_exposure
from polyscene.runs.reporting import report_of
from polyscene.runs.reranker_files import save_readers
from polyscene.runs.run import FORMAT, METRICS, REPORT, Run
from polyscene.runs.system_files import save_system

UNFINISHED = ".tuning"
"""Beside the runs: checkpoints and records of the language model's training."""


class Project:
    """Trains, judges and opens runs.

    Attributes:
        settings: the validated configuration.
        base: the folder that relative paths start from.
        config: the configuration file's name, which ties runs to it.
        progress: who hears of long work.
    """

    def __init__(
        self, settings: Settings, base: Path, config: str = "polyscene.toml", progress: Progress | None = None
    ) -> None:
        self.settings, self.base, self.config = settings, base, config
        self.progress = progress or Silent()

    @classmethod
    def open(cls, path: str | Path = "polyscene.toml", progress: Progress | None = None) -> Project:
        """Read a configuration file; relative paths in it start from its folder.

        Raises:
            ConfigError: it is missing or cannot be used; all problems are listed.
        """
        file = Path(path)
        project = cls(Settings.load(file), file.resolve().parent, file.name, progress)
        for note in project.settings.notes:
            project.progress.say(note)
        return project

    @property
    def runs_folder(self) -> Path:
        """Where this configuration's runs lie."""
        return self.base / self.settings.runtime.runs / Path(self.config).stem

    @cached_property
    def dataset(self) -> Dataset:
        """The tables, read when they are first needed.

        Raises:
            DataError: they cannot be used; all problems are listed.
        """
        return read_dataset(self.settings, self.base, self.progress)

    def check(self) -> ProjectReport:
        """Look for every problem of tables and language model without stopping at the first."""
        return check_everything(self.settings, self.base, self.progress)

    def runs(self) -> list[str]:
        """Return the ids of the finished runs, oldest first."""
        return run_ids(self.runs_folder)

    def run(self, run_id: str | None = None) -> Run:
        """Open a run; None means the newest.

        Raises:
            UnknownIdError: there is no such run.
            RunError: it cannot be read.
        """
        return Run(find_run(self.runs_folder, run_id))

    def train(self, everything_counts: bool = False) -> Run:
        """Fit the whole system and leave a run behind, whole or not at all.

        Args:
            everything_counts: learn from the test part too; such a run serves best and cannot be judged.

        Raises:
            DataError: the tables cannot be used.
            ConfigError: the protocol does not fit the tables, or a reader not the language model.
            ModelError: the language model cannot be used.
        """
        set_threads(self.settings.runtime.threads)
        keep_freed_memory()
        ground = self.ground(everything_counts)
        model = load_model(self.settings.language, self.base, self.progress)
        readers = self._readers(model)
        tuned = self._tuned(ground, model)
        fitted = fit_system(replace(ground, vectors=tuned.vectors), self.settings, self.progress, readers)
        fitted.curves = tuned.curves | fitted.curves
        system = System.of(self.dataset, fitted.spaces, fitted.fusions)
        with new_run(self.runs_folder) as (run_id, folder):
            facts = save_system(system, folder)
            tuned.save(folder, self.settings)
            fitted.notes += tuned.notes()
            manifest = self._manifest(fitted, facts, everything_counts) | {
                "tuning": tuned.facts(),
                "reach": tuned.bound_facts(),
                KEY: encoder_facts(model.fingerprint, tuned.views(self.settings), folder, self.base),
                "readers": {} if readers is None else save_readers(system, readers.backbone, folder),
            }
            (folder / MANIFEST).write_text(
                json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )
        for note in fitted.notes:
            self.progress.say(note)
        return self.run(run_id)

    def evaluate(self, run: Run | None = None) -> Results:
        """Judge a run (default: the newest) on the test part, and write metrics and report into its folder.

        Raises:
            RunError: the run has learned from the test part, or the tables have changed since.
        """
        set_threads(self.settings.runtime.threads)
        judged = run or self.run()
        results = evaluate(judged, self.dataset, self.settings, self.progress)
        results.save(judged.folder / METRICS)
        save_exposure(results, judged.folder)
        self.report(judged)
        return results

    def report(self, run: Run | None = None) -> Path:
        """Write the HTML report of a judged run into its folder and return its path."""
        shown = run or self.run()
        path = shown.folder / REPORT
        write_report(report_of(shown), path)
        return path

    def tune(
        self,
        minutes: float = 30.0,
        trials: int | None = None,
        weights: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> SearchResult:
        """Search better settings for the language model's training, the present ones first.

        Args:
            minutes: for the trials; the tables are read and the model is loaded before they begin.
            trials: at most so many in this search.
            weights: search how the language model's own weights learn even where the file says `steps = 0`.
            clock: seconds, never going back.

        Raises:
            MissingExtraError: Optuna is not installed.
            ConfigError: nothing learns, nothing is held out, or not one trial fits into the time.
            DataError: the tables cannot be used.
            ModelError: the language model cannot be used, or fails with the present settings.
            RunError: the file of earlier trials is damaged.
            KeyboardInterrupt: interrupted before anything was known.
        """
        space = searchable(self.settings, weights)
        set_threads(self.settings.runtime.threads)
        ground = self.ground()
        model = load_model(self.settings.language, self.base, self.progress)
        folder = self.runs_folder / UNFINISHED
        return search(space, ground, model, self.settings, folder, self.progress, minutes, trials, clock)

    def compress(
        self,
        request: CompressionRequest,
        out: str | Path,
        bounds: Bounds | None = None,
        accept_loss: bool = False,
        judged: Callable[[Compressed], None] | None = None,
    ) -> Compressed:
        """Make the language model smaller or faster, and write it into a new folder.

        It is calibrated on texts of all catalogues and judged on the smallest catalogue; a student on texts
        that it never read. What loses more than the bounds allow is refused, and nothing is written.

        Args:
            request: what is to be done.
            out: the folder that is written, whole or not at all.
            bounds: the most that may be lost; default: `Bounds()`.
            accept_loss: whether it is written whatever it loses.
            judged: hears what is lost and gained, before anything is refused.

        Raises:
            FileExistsError: the folder is there already.
            ModelError: more is lost than the bounds allow; or the model cannot be used, or was compressed
                before, by a way that leaves nothing to work on.
            DataError: the tables cannot be used.
        """
        folder = Path(out)
        if folder.exists():
            raise FileExistsError(
                f"expected a folder that is not there yet, found {folder}; name another one"
            )
        set_threads(self.settings.runtime.threads)
        model = original(self.settings.language, self.base, self.progress)
        return compress_into(
            folder,
            model,
            request,
            self.dataset,
            content_judge(self.ground(), judged_scenario(self.dataset)),
            bounds=bounds or Bounds(),
            accept_loss=accept_loss,
            seed=self.settings.seed,
            batch_tokens=self.settings.language.batch_tokens,
            progress=self.progress,
            judged=judged,
        )

    def ground(self, everything_counts: bool = False) -> TrainingData:
        """Return what fitting stands on, before the language model has read anything."""
        dataset, settings = self.dataset, self.settings
        parts = (everything if everything_counts else split)(dataset, settings.evaluation)
        return training_data(dataset, parts, settings)

    def _readers(self, model: LanguageModel) -> RerankerTrainer | None:
        """Return who teaches the text rankers' readers; None where no reader is wanted."""
        settings = self.settings.text_ranker
        wanted = any("text_ranker" in scenario.signals for scenario in self.settings.scenarios.values())
        if settings.reader == "none":
            return None
        if not wanted:
            self.progress.say(
                "[text_ranker] reader is not used: no scenario has 'text_ranker' in its signals"
            )
            return None
        backbone = Backbone(self.settings.language, self.base, model)
        return RerankerTrainer(backbone, settings, self.settings.seed)

    def _tuned(self, ground: TrainingData, model: LanguageModel) -> TunedLanguage:
        """Let the language model learn, and read every scenario's items."""
        runtime = self.settings.runtime
        cache = EncodingCache(None if runtime.cache is None else self.base / runtime.cache, self.progress)
        folder = self.runs_folder / UNFINISHED
        return tune_language(model, ground, self.settings, folder, cache, self.progress)

    def _manifest(self, fitted: Fitted, facts: dict[str, Any], everything_counts: bool) -> dict[str, Any]:
        settings = self.settings.model_dump(mode="json")
        return {
            "format": FORMAT,
            "project": self.settings.name,
            "config": self.config,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "seed": self.settings.seed,
            "learned_from": "everything" if everything_counts else "train and valid",
            "settings": settings,
            "split": describe_split(settings),
            "machine": machine(),
            "versions": versions(),
            "notes": [*self.dataset.notes, *fitted.notes],
            "validation": fitted.validation,
            "curves": {
                name: {"training": curve.training, "validation": curve.validation}
                for name, curve in fitted.curves.items()
            },
            "system": facts,
        }
