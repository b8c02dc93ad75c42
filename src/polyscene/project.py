"""A project: one configuration, its tables, and the runs that were trained on them."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from polyscene.core.display import listed
from polyscene.core.progress import Progress, Silent
from polyscene.core.settings.project import Settings
from polyscene.core.threads import set_threads
from polyscene.data.splits.protocol import everything, split
from polyscene.runs.folder import UNFINISHED, find_run, run_ids
from polyscene.runs.run import METRICS, REPORT, Run

if TYPE_CHECKING:  # each method loads what it needs: asking a run needs neither torch nor transformers
    from polyscene.data.schema import Dataset
    from polyscene.evaluation.results import Results
    from polyscene.language.compression.compressing import Compressed
    from polyscene.language.compression.judging import Bounds
    from polyscene.language.compression.ways import CompressionRequest
    from polyscene.learning.checking import ProjectReport
    from polyscene.learning.search import SearchResult
    from polyscene.learning.training_data import TrainingData


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

    def __repr__(self) -> str:
        return (
            f"Project({self.settings.name!r}, scenarios: {listed(list(self.settings.scenarios))}; "
            f"{len(self.runs())} runs in {self.runs_folder})"
        )

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
        from polyscene.data.reading.dataset import read_dataset

        return read_dataset(self.settings, self.base, self.progress)

    def check(self) -> ProjectReport:
        """Look for every problem of tables and language model without stopping at the first."""
        from polyscene.learning.checking import check_everything

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
        from polyscene.runs.training import train_run

        set_threads(self.settings.runtime.threads)
        folder = train_run(self, everything_counts)
        return Run(folder)

    def evaluate(self, run: Run | None = None) -> Results:
        """Judge a run (default: the newest) on the test part, and write metrics and report into its folder.

        Raises:
            RunError: the run has learned from the test part, or the tables have changed since.
        """
        from polyscene.runs.judging import evaluate, save_exposure

        set_threads(self.settings.runtime.threads)
        judged = run or self.run()
        results = evaluate(judged, self.dataset, self.settings, self.progress)
        results.save(judged.folder / METRICS)
        save_exposure(results, judged.folder)
        self.report(judged)
        return results

    def report(self, run: Run | None = None) -> Path:
        """Write the HTML report of a judged run into its folder and return its path."""
        from polyscene.evaluation.report.page import write_report
        from polyscene.runs.reporting import report_of

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
        from polyscene.language.model.loading import load_model
        from polyscene.learning.search import search, searchable

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
        from polyscene.language.compression.judging import Bounds
        from polyscene.learning.compressing import compress_into, judged_scenario, original
        from polyscene.learning.content_judge import content_judge

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
        from polyscene.learning.training_data import training_data

        dataset, settings = self.dataset, self.settings
        parts = (everything if everything_counts else split)(dataset, settings.evaluation)
        return training_data(dataset, parts, settings)
